"""What the shard's tests start from where they do not say otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shard.harness import OTHER_CASE, ShardUnderTest
from tests.unsynced import unsynced as unsynced


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """A shard at work that knows two citizens."""
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    hub.settle()
    return hub
