"""Several processes that train one model: torch's launcher starts them, each trains some of the lanes of every batch.

Gradients are summed as one flat tensor after the backward pass, not by DistributedDataParallel: a model of one or two
million parameters has nothing to gain from overlapping the two, and frozen or unused weights need no special care.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from streamdet.errors import ConfigError

_PATIENCE = timedelta(hours=3)
"""Others wait while the first caches frames or judges."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of the processes this is.

    Attributes:
        rank: 0 to world - 1; 0 writes files and talks.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, the same in each; changes value."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def sum_gradients(self, parameters: Sequence[nn.Parameter], values: Tensor) -> Tensor:
        """Replace gradients by their sum over all processes, and return the sum of values, (N,) float32."""
        if self.world == 1:
            return values
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.sum(torch.cat([values, *(gradient.flatten() for gradient in gradients)]))
        _unflatten(flat[len(values) :], gradients)
        return flat[: len(values)]

    @torch.no_grad()
    def mean(self, values: Sequence[Tensor]) -> None:
        """Replace floating-point tensors by their mean over all processes."""
        if self.world > 1 and values:
            _unflatten(self.sum(torch.cat([value.flatten() for value in values])) / self.world, values)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process does what is in the block, then the others do, finding its files."""
        if self.world > 1 and self.rank > 0:
            dist.barrier()
        yield
        if self.world > 1 and self.rank == 0:
            dist.barrier()


def _unflatten(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Write the parts of a flat tensor into tensors."""
    first = 0
    for tensor in tensors:
        tensor.copy_(flat[first : first + tensor.numel()].view_as(tensor))
        first += tensor.numel()


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """Meet the other processes that torchrun started, if it did; part from them at the end.

    Args:
        device: where to train; of several GPUs each process takes its own.

    Raises:
        ConfigError: if there are more processes than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(), device
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"process {local} of this machine has no GPU: torch sees {torch.cuda.device_count()}; "
                "start as many with --nproc-per-node, or train with --device cpu"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), world), device
    finally:
        dist.destroy_process_group()
