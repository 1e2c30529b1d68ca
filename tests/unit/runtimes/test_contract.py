"""What every detector promises, for all of them: a new one is one more row of DETECTORS."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from small_fcos import small_fcos
from tiny_transformers import write_model

from streamdet.detections import Detections
from streamdet.flow import Run, Stage
from streamdet.frames import Clip, Frame, RgbPicture, StreamGap
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.memory import MemoryBank, NoMemory
from streamdet.models.options import DetectOptions
from streamdet.models.outputs import CandidateOutputs
from streamdet.models.per_frame import PerFrameDetector
from streamdet.models.recurrent.checkpoint import load_checkpoint
from streamdet.result import Result
from streamdet.runtimes.foreign import ForeignDetector, TorchStep
from streamdet.runtimes.foreign_file import new_foreign
from streamdet.runtimes.loading import load
from streamdet.runtimes.openvino import openvino_core
from streamdet.stages.detect import DetectSettings, detect

BF16 = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
RUNTIMES = ["torch fp32", "torch bf16", "openvino fp32", "openvino bf16", "openvino int8", "onnxruntime fp32"]
DETECTORS = [f"{model} {runtime}" for model in ("recurrent", "per-frame") for runtime in RUNTIMES] + [
    "function",
    "torchvision",
    "hf",
]
# Pixels, scores and memory (-6 to 6): what rounding may change. This model is of noise, far more sensitive than a
# trained one.
TOLERANCES = {"fp32": (0.02, 1e-4, 0.03), "bf16": (12.0, 0.12, 4.0), "int8": (24.0, 0.2, 4.0), "exact": (0, 0, 0)}
CLASSES = ("person", "car", "bus")


def _brightest(images: np.ndarray) -> Sequence[Detections]:
    """A detector of two boxes an image, whose places and scores are of its pixels."""
    found = []
    for image in images.astype(np.float32):
        x, y, score = image[:, :4].mean() / 8, image[:, 4:8].mean() / 8, image.mean() / 255
        boxes = [[x, y, x + 20, y + 30], [x + 5, y, x + 25, y + 30]]
        found.append(Detections.of(boxes, [score, score / 2], [0, 2], CLASSES))
    return found


def _foreign(kind, folder):
    """A detector of another library with a memory, most of it blended in, and scores that are spread."""
    if kind == "torchvision":
        model = small_fcos(128, 16, CLASSES).eval()
        for values in model.network.model.head.classification_head.cls_logits.parameters():
            values.data.normal_(0, 0.3)
    else:
        pytest.importorskip("transformers", reason="needs transformers: pip install 'streamdet[hf]'")
        write_model("rt_detr_v2", folder, side=128)
        config = ForeignConfig(name="tiny", detector=f"hf:{folder}", classes=CLASSES, recurrent_channels=8)
        model = new_foreign(config, "DEFAULT", folder, 0, print)
        padded = replace(model.spec.input, fit="pad")  # the frames here are not square
        model.network.spec = replace(model.spec, input=padded)
    for fusion in model.memory.levels.values():
        fusion.start_as_moving_average(0.5)
    model.set_alpha(0.8)
    return ForeignDetector(model, TorchStep(model, "cpu"))


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request, model_paths, tmp_path_factory):
    if request.param == "function":
        spec = DetectorSpec("function", CLASSES, "", InputSpec(128))
        return PerFrameDetector(spec, "python exact", _brightest)
    if request.param in ("torchvision", "hf"):
        return _foreign(request.param, tmp_path_factory.mktemp("foreign"))
    if "openvino bf16" in request.param and not BF16:
        pytest.skip("the processor does not compute in bf16")
    model, runtime, precision = request.param.split()
    detector = load(model_paths[model], device="cpu", runtime=runtime, precision=precision)
    assert detector.runtime == f"{runtime} cpu {precision}"
    return detector


@pytest.fixture(scope="module")
def model(detector, model_paths):
    """The same in torch, in fp32; for our own detectors."""
    if detector.spec.name != "small":
        pytest.skip("is no model of ours")
    return load_checkpoint(model_paths["recurrent" if detector.zero_state(1, 64, 96).layout else "per-frame"])[0]


def _tolerances(detector):
    return TOLERANCES[detector.runtime.split()[-1]]


def _found(outputs) -> list[list[np.ndarray]]:
    """Boxes and scores, each frame by frame; all cells of those that have them."""
    if hasattr(outputs, "scores"):
        assert np.asarray(outputs.boxes).dtype == np.asarray(outputs.scores).dtype == np.float32
        return [list(np.asarray(x).reshape(-1, *x.shape[2:])) for x in (outputs.boxes, outputs.scores)]
    rows = [row for stream in outputs.detections(DetectOptions(conf=0.0)) for row in stream]
    return [[getattr(row, name) for row in rows] for name in ("boxes", "scores")]


def _assert_same(detector, got, expected, frames=slice(None)):
    """Outputs are those frames of others, as closely as the precision allows."""
    for x, y, limit in zip(_found(got), _found(expected), _tolerances(detector)[:2], strict=True):
        for one, other in zip(x, y[frames], strict=True):
            np.testing.assert_allclose(one, other, atol=limit, rtol=0)


def _assert_same_state(detector, got, expected):
    assert got.ages.tolist() == expected.ages.tolist()
    arrays = got.to_arrays()
    for name, x in expected.to_arrays().items():
        np.testing.assert_allclose(arrays[name], x, atol=_tolerances(detector)[2], rtol=0)


def _times(streams, frames):
    return (0.02 + 0.4 * np.random.default_rng(1).random((streams, frames))).astype(np.float32)


def test_describes_itself(detector, request):
    spec = detector.spec
    assert (spec.classes, spec.input.size, spec.training_dt_s) == (CLASSES, 128, pytest.approx(0.1))
    if spec.name == "small":
        assert (spec.name, spec.sha256) == ("small", request.getfixturevalue("model").sha256)
        assert spec.sha256


@pytest.mark.parametrize(("streams", "frames"), [(1, 1), (1, 8), (1, 11), (2, 9), (9, 2), (3, 1)])
def test_step_is_the_models(detector, model, clip, streams, frames):
    images, dt_s = clip(streams, frames), _times(streams, frames)
    expected, expected_state = model.step(images, None, torch.from_numpy(dt_s))
    assert expected.scores.std() > 0.03
    outputs, state = detector.step(images, None, dt_s)
    _assert_same(detector, outputs, expected)
    _assert_same_state(detector, state, expected_state)
    again, state_again = model.step(images, expected_state, torch.from_numpy(dt_s))
    if state.layout:
        assert (again.scores - expected.scores).abs().max() > 0.001, "memory must matter here"
    outputs, state = detector.step(images, state, dt_s)
    _assert_same(detector, outputs, again)
    _assert_same_state(detector, state, state_again)


@pytest.mark.parametrize(("height", "width"), [(50, 70), (32, 32), (96, 65)])
def test_images_of_any_size(detector, model, clip, height, width):
    images = clip(1, 2, height, width)
    outputs, state = detector.step(images)
    _assert_same(detector, outputs, model.step(images)[0])
    assert outputs.boxes[..., 2].max() <= width
    assert outputs.boxes[..., 3].max() <= height
    assert state.layout == detector.zero_state(1, height, width).layout


def test_images_of_decoders_of_torch_and_of_numpy_are_the_same(detector, clip):
    images = clip(1, 8)
    rows = images.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    read_only = images.numpy().copy()
    read_only.flags.writeable = False
    expected, _ = detector.step(images)
    for same in (rows, images.numpy(), rows.numpy(), read_only):
        _assert_same(detector, detector.step(same)[0], expected)


def test_a_clip_is_frame_by_frame(detector, clip):
    images, dt_s = clip(1, 11), _times(1, 11)
    whole, whole_state = detector.step(images, None, dt_s)
    state = None
    for t in range(11):
        frame, state = detector.step(images[:, t : t + 1], state, dt_s[:, t : t + 1])
        _assert_same(detector, frame, whole, slice(t, t + 1))
    _assert_same_state(detector, state, whole_state)


def test_streams_know_nothing_of_each_other(detector, clip):
    one, other = clip(1, 3, seed=1), clip(1, 3, seed=2)
    together, state = detector.step(torch.cat((one, other)))
    for row, images in enumerate((one, other)):
        outputs, own = detector.step(images)
        _assert_same(detector, outputs, together, slice(3 * row, 3 * row + 3))
        _assert_same_state(detector, state.rows([row]), own)


def test_state_is_a_value(detector, clip):
    """A step changes no state that it was given, nor one that it gave before."""
    images = clip(1, 2)
    _, first = detector.step(images)
    kept = {name: x.copy() for name, x in first.to_arrays().items()}
    detector.step(images, first)
    detector.step(clip(1, 2, seed=9), first)
    for name, x in first.to_arrays().items():
        np.testing.assert_array_equal(x, kept[name])


def test_a_saved_state_resumes_to_the_bit(detector, clip):
    images = clip(1, 2)
    _, state = detector.step(clip(1, 3, seed=4))
    expected, after = detector.step(images, state)
    arrays = {name: x.copy() for name, x in state.to_arrays().items()}
    outputs, resumed = detector.step(images, detector.state_from_arrays(arrays))
    for x, y in zip(_found(outputs), _found(expected), strict=True):
        for one, other in zip(x, y, strict=True):
            np.testing.assert_array_equal(one, other)
    for name, x in after.to_arrays().items():
        np.testing.assert_array_equal(resumed.to_arrays()[name], x)
    with pytest.raises(ValueError, match="state"):
        detector.state_from_arrays(arrays | {"hidden.7": np.zeros((1, 1, 1, 1), np.float32)})


def test_streams_come_and_go(detector, clip):
    """Rows of states are merged in any order, those that begin among them."""
    _, states = detector.step(clip(2, 1))
    images, zeros = clip(3, 1, seed=5), detector.zero_state(1, 64, 96)
    mixed = zeros.merge([states.rows([1]), zeros, states.rows([0])])
    assert (mixed.streams, mixed.layout, mixed.ages.tolist()) == (3, zeros.layout, [1, 0, 1])
    outputs, after = detector.step(images, mixed)
    assert after.ages.tolist() == [2, 1, 2]
    for row, state in ((0, states.rows([1])), (1, None), (2, states.rows([0]))):
        alone, _ = detector.step(images[row : row + 1], state)
        _assert_same(detector, alone, outputs, slice(row, row + 1))
    for place, row in enumerate([2, 0]):
        _assert_same_state(detector, after.rows([2, 0]).rows([place]), after.rows([row]))


def test_a_bank_keeps_streams_apart(detector, clip):
    """Also those of a detector that remembers nothing."""
    bank, zeros = MemoryBank(), detector.zero_state(1, 64, 96)
    for names in (["a", "b"], ["b", "c"], ["b"]):
        _, state = detector.step(clip(len(names), 1), bank.gather(names, zeros))
        bank.scatter(names, state)
    assert {name: bank.snapshot(name).ages.tolist() for name in "abc"} == {"a": [1], "b": [3], "c": [1]}
    assert bank.reset_counts == {}


def test_a_state_that_is_not_finite_says_so(detector, clip):
    _, state = detector.step(clip(3, 1))
    assert state.finite().tolist() == [True, True, True]
    arrays = {name: x.copy() for name, x in state.to_arrays().items()}
    if "cell.1" in arrays:
        arrays["cell.1"][1, 0, 0, 0] = np.inf
        assert detector.state_from_arrays(arrays).finite().tolist() == [True, False, True]


def test_usual_time_is_the_trainings(detector, clip):
    images = clip(1, 2)
    timed, _ = detector.step(images, None, np.full((1, 2), 0.1, np.float32))
    for x, y in zip(_found(timed), _found(detector.step(images)[0]), strict=True):
        for one, other in zip(x, y, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4, rtol=0)


def test_frames_are_regrouped_in_their_order(detector, clip):
    """As for memory reset: T frames of a stream are looked at as T streams."""
    outputs, _ = detector.step(clip(6, 1))
    regrouped = outputs.regroup(2, 3)
    _assert_same(detector, regrouped, outputs)
    options = DetectOptions(conf=0.0, max_detections=5)
    [stream, other] = regrouped.detections(options)
    assert len(stream) == len(other) == 3
    for got, [expected] in zip([*stream, *other], outputs.detections(options), strict=True):
        np.testing.assert_array_equal(got.boxes, expected.boxes)


def test_options_say_what_is_kept(detector, clip):
    outputs, _ = detector.step(clip(2, 1))
    [[found], [_]] = outputs.detections(DetectOptions(conf=0.0, iou=1.0, max_detections=2000))
    assert len(found) >= 2
    assert (np.diff(found.scores) <= 0).all()
    assert found.classes == CLASSES
    middle = float(found.scores[len(found) // 2])
    [[sure], _] = outputs.detections(DetectOptions(conf=middle, iou=1.0, max_detections=2000))
    assert sure.scores.tolist() == [score for score in found.scores.tolist() if score >= middle]
    [[few], _] = outputs.detections(DetectOptions(conf=0.0, iou=1.0, max_detections=1))
    assert few.boxes.tolist() == found.boxes[:1].tolist()
    name = found.class_names[-1]
    [[of_class], _] = outputs.detections(DetectOptions(conf=0.0, iou=1.0, max_detections=2000, classes=(name,)))
    assert set(of_class.class_names) == {name}
    if isinstance(outputs, CandidateOutputs):
        return  # a candidate that is of no class wanted is of its next one
    others = [score for score, each in zip(found.scores.tolist(), found.class_names, strict=True) if each != name]
    [[without], _] = outputs.detections(DetectOptions(conf=0.0, iou=1.0, max_detections=2000, class_conf={name: 1.0}))
    assert without.scores.tolist() == others


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        np.zeros((1, 1, 64, 64, 3), np.uint8),
        np.zeros((1, 1, 3, 64, 64), np.float32),
    ],
)
def test_other_images_fail(detector, images):
    with pytest.raises(ValueError, match=r"images must be \(B, T, 3, H, W\) uint8, got \(1, "):
        detector.step(images)


def test_no_frames_fail(detector, clip):
    for nothing in (clip(1, 1)[:, :0], clip(1, 1)[:0]):
        with pytest.raises(ValueError, match="at least one stream and one frame"):
            detector.step(nothing)


def test_the_state_of_others_fails(detector, clip):
    class Foreign(NoMemory):
        pass

    _, state = detector.step(clip(1, 1, 64))
    with pytest.raises(ValueError, match="state belongs to other streams or images: expected 2 streams"):
        detector.step(clip(2, 1, 64), state)
    if state.layout not in ((), "no memory"):
        with pytest.raises(ValueError, match="state belongs to other streams or images"):
            detector.step(clip(1, 1, 96), state)
    if detector.spec.name != "function":
        with pytest.raises(TypeError, match="state is a Foreign"):
            detector.step(clip(1, 1, 64), Foreign.zeros(1))


def test_a_run_finds_with_it_what_steps_find(detector, clip):
    """Streams side by side, one of which is interrupted; and without the memory of anything."""
    images = clip(2, 4).numpy().transpose(0, 1, 3, 4, 2)
    frames = [
        [
            Frame(name, 0, t, t, Fraction(1, 10), RgbPicture(np.ascontiguousarray(image)))
            for t, image in enumerate(stream)
        ]
        for name, stream in zip("ab", images, strict=True)
    ]
    items = [Clip(((a,), (b,))) for a, b in zip(*frames, strict=True)]
    items.insert(2, StreamGap("a", 1, "reconnected"))

    def run(memory):
        stage = detect(detector, DetectSettings(image_size=96, conf=0.0, max_detections=3, memory=memory))
        with Run([Stage("given", lambda inbox: iter(items))], [stage], mode="inline") as running:
            results = [item for item in running if isinstance(item, Result)]
        return [[result.detections for result in results if result.source == name] for name in "ab"]

    alone = [
        detector.step(clip(2, 4)[:, t : t + 1])[0].detections(DetectOptions(conf=0.0, max_detections=3))
        for t in range(4)
    ]
    for b, stream in enumerate(run("reset")):
        for t, found in enumerate(stream):
            np.testing.assert_allclose(found.scores, alone[t][b][0].scores, atol=_tolerances(detector)[1])
    interrupted, steady = run("carry")
    np.testing.assert_allclose(interrupted[2].scores, alone[2][0][0].scores, atol=_tolerances(detector)[1])
    if detector.zero_state(1, 64, 96).to_arrays().keys() != {"age"}:
        assert np.abs(steady[3].scores - alone[3][1][0].scores).max() > 1e-3
