import pytest
import torch
import torchvision

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.classify.backbone import Backbone

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
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(backbone(images), model.eval()(images))


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
