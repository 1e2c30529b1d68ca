"""The ConvLSTM of models.recurrent.convlstm as nodes of a graph; names and numbers of equations are those there.

Shapes: B streams, D hidden channels, H, W cells.
"""

import numpy as np

from streamdet.models.recurrent.layout import CELL_LIMIT, MAX_LOG_KEEP
from streamdet.runtimes.graph.layers import GraphBuilder


def convlstm_step(g: GraphBuilder, name: str, x: str, hidden: str, cell: str, e: str, elapsed: str) -> tuple[str, str]:
    """One frame of B streams.

    Args:
        g: the graph.
        name: of the layer's weights.
        x: (B, C, H, W); W_x * x is left to every step: its four times as many channels are best made where needed.
        hidden, cell: (B, D, H, W), of the frame before.
        e: (B, D, 1, 1), r^a.
        elapsed: (B, 4D, 1, 1), u log r.

    Returns:
        the next hidden and cell.
    """
    i, f, o, candidate = preactivations(g, name, x, hidden, cell, elapsed)  # (1) to (4), before sigmoid and tanh
    keep, gain = decay(g, f, e)
    write = g.add("Mul", g.add("Sigmoid", i), gain)
    cell = g.add("Add", g.add("Mul", keep, cell), g.add("Mul", write, g.add("Tanh", candidate)))  # (5')
    cell = g.add("Clip", cell, g.constant(-CELL_LIMIT), g.constant(CELL_LIMIT))
    return g.add("Mul", g.add("Sigmoid", o), g.add("Tanh", cell)), cell  # (6)


def preactivations(
    g: GraphBuilder, name: str, x: str, hidden: str, cell: str, elapsed: str
) -> tuple[str, str, str, str]:
    """What stands inside sigmoid and tanh of (1) to (4)."""
    D = len(g.arrays[f"{name}.decay_exponent"])
    from_hidden = g.conv(g.conv(hidden, f"{name}.hidden_depthwise"), f"{name}.hidden_pointwise")
    gates = g.add("Add", g.conv(x, f"{name}.from_input"), from_hidden)
    i, f, o, candidate = (
        g.add("Add", gate, later)
        for gate, later in zip(g.split(gates, [D] * 4, 1), g.split(elapsed, [D] * 4, 1), strict=True)
    )
    i, f, o = (
        g.add("Add", gate, g.add("Mul", cell, g.constant(weight)))
        for gate, weight in zip((i, f, o), g.arrays[f"{name}.peephole"][:, :, None, None], strict=True)
    )
    return i, f, o, candidate


def decay(g: GraphBuilder, f: str, e: str) -> tuple[str, str]:
    """models.recurrent.numerics.decay: f^e and (1 - f^e) / (1 - f).

    ONNX has no expm1: with u = tanh(s / 2), exp(s) = (1 + u) / (1 - u) and expm1(s) = 2 u / (1 - u), which is as exact
    near 0.
    """
    log_f = g.add("Min", g.add("Neg", g.add("Softplus", g.add("Neg", f))), g.constant(MAX_LOG_KEEP))
    u = g.add("Tanh", g.add("Mul", g.add("Mul", e, g.constant(0.5)), log_f))
    rest = g.add("Sub", g.constant(1), u)
    keep = g.add("Div", g.add("Add", g.constant(1), u), rest)
    lost = g.add("Div", g.add("Mul", u, g.constant(-2)), rest)
    lost_in_training = g.add("Max", g.add("Sigmoid", g.add("Neg", f)), g.constant(-np.expm1(MAX_LOG_KEEP)))  # 1 - f
    return keep, g.add("Div", lost, lost_in_training)
