import pytest
import torch
import torchvision

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.classify.backbone import Backbone, _shares
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.config import ModelConfig

# One of each way in which torchvision's models end.
FAMILIES = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "maxvit_t", "mnasnet0_5"),
    *("mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11", "vit_b_16"),
)


@pytest.mark.parametrize("name", FAMILIES)
def test_features_of_any_backbone(name) -> None:
    with torch.device("meta"):
        backbone = Backbone(name, None).train()
        features = backbone(torch.zeros(2, 3, 224, 224))
    assert features.shape == (2, backbone.size)
    assert backbone.size != 1000


def test_weights_of_torchvision_load_from_a_file(tmp_path) -> None:
    torch.manual_seed(3)
    model = torchvision.models.resnet18()
    torch.save(model.state_dict(), tmp_path / "resnet18.pth")
    backbone = Backbone("resnet18", str(tmp_path / "resnet18.pth")).eval()
    model.fc = torch.nn.Identity()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    expected = torchvision.models.ResNet18_Weights.DEFAULT.transforms(crop_size=64, resize_size=64)(images)
    with torch.no_grad():
        assert torch.allclose(backbone(images), model.eval()(expected), atol=1e-4)


def test_the_backbone_of_the_detector_needs_no_network() -> None:
    """Its features say where something is: a picture that moves to the right changes them from left to right."""
    backbone = Backbone("street", "DEFAULT").eval()
    images = torch.zeros(2, 3, 96, 160, dtype=torch.uint8)
    images[0, :, 32:64, :32] = 255
    images[1, :, 32:64, 128:] = 255
    with torch.no_grad():
        left, right = backbone(images)[:, : -backbone.model.maps(images.float())[2].shape[1]].view(2, -1, 3, 5)
    difference = (left - right).abs().sum(0)
    assert difference[:, 0].min() > 3 * difference[:, 2].max()
    assert difference[:, 4].min() > 3 * difference[:, 2].max()


def test_the_backbone_of_another_detector_of_the_same_kind(tmp_path) -> None:
    torch.manual_seed(1)
    detector = build_detector(ModelConfig(name="own", classes=("car",)))
    save_checkpoint(tmp_path / "own.safetensors", detector, {})
    backbone = Backbone("street", str(tmp_path / "own.safetensors"))
    assert torch.equal(backbone.model.maps.stem.weight, detector.backbone.stem.weight)
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        Backbone("street", str(tmp_path / "none.safetensors"))


def test_a_grid_of_any_picture_is_its_mean_in_equal_parts() -> None:
    cells = torch.arange(10, dtype=torch.float32)
    assert torch.equal(_shares(10, 5) @ cells, torch.tensor([0.5, 2.5, 4.5, 6.5, 8.5]))
    assert torch.allclose(_shares(10, 3) @ cells, torch.tensor([1.2, 4.5, 7.8]))


def test_what_is_no_backbone_is_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no such classification model; did you mean resnet18"):
        Backbone("resnet_18", None)
    with pytest.raises(CheckpointError, match="no such file"):
        Backbone("resnet18", str(tmp_path / "none.pth"))
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="does not hold the weights of mobilenet_v3_small"):
        Backbone("mobilenet_v3_small", str(tmp_path / "other.pth"))
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="does not hold the weights of resnet18"):
        Backbone("resnet18", str(tmp_path / "broken.pth"))


def test_a_size_that_a_backbone_cannot_take_is_refused() -> None:
    backbone = Backbone("vit_b_16", None)
    with pytest.raises(ConfigError, match="backbone vit_b_16 takes no pictures of 64x64"):
        backbone.check_size(64, 64)
    Backbone("mobilenet_v3_small", None).check_size(64, 96)
