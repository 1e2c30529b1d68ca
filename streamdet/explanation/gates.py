"""What the ConvLSTMs of a detector do at every place of a picture.

Shapes: D recurrent channels, h, w cells of a level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from streamdet.boxes import Letterbox
from streamdet.models.recurrent.convlstm import ConvLSTM
from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.layout import CELL_LIMIT

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class GateMaps:
    """Means over the channels of one level, (h, w) float32 each, 0 to 1.

    Attributes:
        input, forget, output: how far each gate is open.
        cell: how much is remembered, of the most that can be.
        share: how much of what the detector sees there is taken from memory.
    """

    input: Map
    forget: Map
    output: Map
    cell: Map
    share: Map

    def cut(self, letterbox: Letterbox) -> "GateMaps":
        """Without the cells that lie in the padding."""
        h, w = self.input.shape
        rows = max(1, round(h * letterbox.scaled_height / letterbox.model_height))
        columns = max(1, round(w * letterbox.scaled_width / letterbox.model_width))
        return GateMaps(*(getattr(self, each.name)[:rows, :columns] for each in fields(self)))


class GateProbe:
    """Listens to the memories of a detector in torch, one frame of one stream at a time.

    Args:
        model: the detector's network; one without memories gives no maps.
    """

    def __init__(self, model: nn.Module) -> None:
        self._fusions = [module for module in model.modules() if isinstance(module, RecurrentFusion)]
        self._gates: list[tuple[Map, Map, Map, Map]] = []
        self._shares: list[Map] = []
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for fusion in self._fusions:
            self._handles.append(fusion.cell.register_forward_hook(self._hear_cell))
            self._handles.append(fusion.gate.register_forward_hook(self._hear_share(fusion)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def take(self) -> list[GateMaps]:
        """What was heard since the last call, a level each."""
        heard = [GateMaps(*gates, share) for gates, share in zip(self._gates, self._shares, strict=True)]
        self._gates, self._shares = [], []
        return heard

    def _hear_cell(self, cell: ConvLSTM, arguments: tuple[Tensor, ...], output: Any) -> None:
        x, hidden, before, dt_ratio = arguments
        frame = x[:, 0] if x.ndim == 5 else x
        ratio = dt_ratio.reshape(len(frame), -1)[:, 0]
        i, f, o, _ = cell.preactivations(cell.from_input(frame), hidden, before, ratio)
        after = _mean(output[1][1].abs() / CELL_LIMIT)
        self._gates.append((_mean(i.sigmoid()), _mean(f.sigmoid()), _mean(o.sigmoid()), after))

    def _hear_share(self, fusion: RecurrentFusion) -> Any:
        def hear(gate: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            self._shares.append(_mean(output.sigmoid() * fusion.alpha))

        return hear


def _mean(x: Tensor) -> Map:
    """(1, D, h, w) to (h, w)."""
    return np.asarray(x[0].float().mean(0).cpu().numpy(), np.float32)


def network_of(detector: object) -> nn.Module | None:
    """The torch module that a detector runs; None of one that runs elsewhere."""
    model = getattr(detector, "model", None)
    return model if isinstance(model, nn.Module) else None


def finest(maps: Sequence[GateMaps]) -> GateMaps | None:
    """That of the level with the most cells."""
    return max(maps, key=lambda each: each.input.size, default=None)
