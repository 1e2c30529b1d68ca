import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from streamdet.runtimes.graph.layers import GraphBuilder


def named(layers):
    """Arrays of torch's layers by name."""
    return {name: tensor.numpy() for name, tensor in layers.state_dict().items()}


def run(build, x, arrays=None):
    """What a graph makes of x."""
    g = GraphBuilder(arrays)
    g.output("y", build(g, g.input("x", onnx.TensorProto.FLOAT, list(x.shape))), [])
    return torch.from_numpy(ReferenceEvaluator(g.model()).run(None, {"x": x.numpy()})[0])


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False), nn.Conv2d(4, 6, 1), nn.Conv2d(6, 5, 3, padding=1)
    )


@torch.inference_mode()
def test_layers_are_torchs(layers):
    x = torch.randn(2, 4, 9, 8)
    got = run(lambda g, name: g.conv(g.conv(g.conv(name, "0", stride=2), "1"), "2"), x, named(layers))
    torch.testing.assert_close(got, layers(x), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_int8_is_torchs_to_a_step(layers):
    """A step is a 255th of the input's range, and a 127th of a channel's largest weight."""
    conv, x = layers[1], torch.randn(2, 4, 9, 8)
    g = GraphBuilder(named(layers), {"1": (-2.0, 3.0)})
    g.output("y", g.conv(g.input("x", onnx.TensorProto.FLOAT, list(x.shape)), "1"), [])
    graph = g.model()
    graph.opset_import[0].version = 19  # the evaluator's lowest
    got = torch.from_numpy(ReferenceEvaluator(graph).run(None, {"x": x.numpy()})[0])
    clipped = x.clamp(-2, 3)
    assert (got - conv(x)).abs().max() > 0.01, "values beyond the range are cut off"
    weight = conv.weight.abs()
    most = (weight * 2.5 / 255 + 3 * weight.amax(dim=(1, 2, 3), keepdim=True) / 127).sum(dim=(1, 2, 3))
    assert ((got - conv(clipped)).abs() <= most[:, None, None]).all()
    types = {x.name: x.data_type for x in g.model().graph.initializer}
    assert onnx.TensorProto.INT8 in types.values()


def test_a_layer_that_was_never_told_of_stays_as_it_is(layers):
    g = GraphBuilder(named(layers), {"0": (-1.0, 1.0)})
    g.conv(g.input("x", onnx.TensorProto.FLOAT, [1, 4, 8, 8]), "1")
    assert [node.op_type for node in g.model().graph.node] == ["Conv"]


def test_same_constant_is_there_once():
    g = GraphBuilder()
    assert g.constant(np.ones((2, 3))) == g.constant([[1.0, 1.0, 1.0]] * 2)
    assert len({g.constant(1.0), g.constant([1.0]), g.integers(1), g.constant(2.0)}) == 4


@torch.inference_mode()
def test_parts_join_to_the_whole():
    x = torch.randn(6, 3, 2, 2)
    for build in (
        lambda g, name: g.concat(g.split_evenly(name, 3, 0), 0),
        lambda g, name: g.concat(g.split(name, (1, 2), 1), 1),
        lambda g, name: g.concat(g.split(name, (3,), 1), 1),
    ):
        torch.testing.assert_close(run(build, x), x)
