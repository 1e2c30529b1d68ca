"""Every test of the engine: no thread is left behind, and a wake-up that is missed shows as a hang, not as a delay."""

import threading
from collections.abc import Iterator

import pytest

from streamdet.flow import channel

TIMEOUT_S = 30.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "flow":
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(autouse=True)
def no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(channel, "RECHECK_S", 1.5 * TIMEOUT_S)
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("streamdet:")] == []
