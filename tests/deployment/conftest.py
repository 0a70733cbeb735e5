"""One demo for all tests that look at what it says and leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HUB = Path(".venv/bin/hub")


@dataclass(frozen=True)
class DemoRun:
    """`hub demo` as it was run: in a directory that looks like the project's own, with a `.state` of its own."""

    directory: Path
    exit_code: int
    said: str
    warned: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a newcomer's shell: nothing of the hub is set."""
        return newcomers_environment()


def newcomers_environment() -> dict[str, str]:
    """The environment without any setting of the hub, and with this Python's programs first."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return inherited | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The demo, run once as a newcomer runs it."""
    directory = tmp_path_factory.mktemp("clone")
    for entry in ROOT.iterdir():
        if entry.name not in (".state", ".git", ".venv"):
            (directory / entry.name).symlink_to(entry)
    (directory / ".venv").symlink_to(sys.prefix)
    done = subprocess.run(
        [HUB, "demo"], cwd=directory, env=newcomers_environment(), capture_output=True, text=True, timeout=120
    )
    return DemoRun(directory, done.returncode, done.stdout, done.stderr)
