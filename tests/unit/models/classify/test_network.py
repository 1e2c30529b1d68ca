import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from streamdet.errors import CheckpointError
from streamdet.models.classify.network import ClipClassifier, load_classifier, save_classifier
from streamdet.models.classify.spec import ClassifierSpec, read_spec
from streamdet.models.recurrent.lstm import PeepholeLSTM

SPEC = ClassifierSpec(classes=("a", "b", "c"), backbone="shufflenet_v2_x0_5", size=(32, 48), hidden=16, dense=(24, 12))


@pytest.fixture(scope="module")
def model() -> ClipClassifier:
    torch.manual_seed(0)
    return ClipClassifier(SPEC).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 5, 3, 32, 48), np.uint8))


def test_a_clip_gives_what_its_frames_give_one_by_one(model, images) -> None:
    with torch.no_grad():
        state = model.lstm.zero_state(2)
        at_once, end = model(images, state)
        for t in range(images.shape[1]):
            logits, state = model(images[:, t : t + 1], state)
            torch.testing.assert_close(logits[:, 0], at_once[:, t], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state, end, atol=1e-5, rtol=1e-4)
    assert at_once.shape == (2, 5, 3)


def test_without_memory_a_frame_is_the_same_wherever_it_stands(images) -> None:
    torch.manual_seed(0)
    model = ClipClassifier(SPEC.model_copy(update={"forgetful": True})).eval()
    with torch.no_grad():
        forward, _ = model(images, model.lstm.zero_state(2))
        backward, _ = model(images.flip(1), model.lstm.zero_state(2))
    torch.testing.assert_close(forward, backward.flip(1), atol=1e-5, rtol=1e-4)


def test_a_model_file_holds_all_of_it(model, images, tmp_path) -> None:
    path = tmp_path / "clips.safetensors"
    sha256 = save_classifier(path, model, {"epoch": 1})
    loaded, read_sha256 = load_classifier(path)
    assert (loaded.spec, read_sha256) == (SPEC, sha256)
    assert read_spec(path) == SPEC
    with torch.no_grad():
        expected, _ = model(images, model.lstm.zero_state(2))
        got, _ = loaded(images, loaded.lstm.zero_state(2))
    assert torch.equal(got, expected)


def test_other_files_are_refused(model, tmp_path) -> None:
    path = tmp_path / "clips.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    assert read_spec(path) is None
    with pytest.raises(CheckpointError, match="is no classifier of clips"):
        load_classifier(path)
    save_classifier(path, model, {})
    tensors = load_file(path)
    tensors.pop("lstm.peepholes")
    header = {"streamdet_format": "streamdet clip classifier 1", "model": SPEC.model_dump_json()}
    save_file(tensors, path, header)
    with pytest.raises(CheckpointError, match=r"does not hold the tensors of its model: lstm\.peepholes"):
        load_classifier(path)
    save_file(tensors, path, header | {"model": '{"classes": ["a"]}'})
    with pytest.raises(CheckpointError, match="wrong description of its model: classes"):
        read_spec(path)
    path.write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        read_spec(path)


def test_the_peepholes_show_every_gate_the_cell() -> None:
    lstm = PeepholeLSTM(2, 3)
    x, (hidden, cell) = torch.zeros(1, 1, 2), (torch.zeros(1, 3), torch.ones(1, 3))
    before, _ = lstm(x, (hidden, cell))
    for gate in range(3):
        with torch.no_grad():
            lstm.peepholes.zero_()[gate] = 2.0
        after, _ = lstm(x, (hidden, cell))
        assert (after != before).any()
