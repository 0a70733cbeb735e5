"""The story, played once: reading it changes nothing."""

from __future__ import annotations

import pytest

from tests.evidence.story import Story, told_story


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return told_story(tmp_path_factory.mktemp("story"))
