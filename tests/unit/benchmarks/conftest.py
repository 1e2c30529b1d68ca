"""Small labelled videos built from plain lists."""

import pytest
from labelled_videos import Build


@pytest.fixture
def build() -> Build:
    return Build()
