"""Feature maps of any network, seen and replaced where one of its modules gives them, for the length of one call.

The network itself stays as it is: no subclass, and the names of its weights are its own.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Change = Callable[[str, Tensor], Tensor]


@contextmanager
def tapped(taps: Mapping[str, nn.Module], change: Change) -> Iterator[None]:
    """Replace every map that some modules give, while the context lasts.

    Args:
        taps: modules, each with the first part of its maps' names.
        change: from the name of a map and its values, (N, C, H, W), to what replaces them, N as it likes.
    """
    handles = [module.register_forward_hook(_hook(name, change)) for name, module in taps.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(name: str, change: Change) -> Callable[[nn.Module, Any, Any], Any]:
    def replace(module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            return change(name, output)
        if isinstance(output, Mapping):
            return OrderedDict((key, change(f"{name}{key}", x)) for key, x in output.items())
        return type(output)(change(f"{name}{place}", x) for place, x in enumerate(output))

    return replace
