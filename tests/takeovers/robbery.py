"""Taking shards by force: the robber as a process beside the workers of a town."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deploy.hub_places import hub_directory
from deploy.hub_process import environment_of
from tests.takeovers.town import Town

STOP_SECONDS_MAX: Final = 30.0


@contextmanager
def robbing(town: Town) -> Iterator[Callable[..., None]]:
    """A worker that asks no group and stores every tick; call it with the shards that it shall hold from now on."""
    settings = town.worker("robber").settings.model_copy(update={"idle_write_seconds": 0.0})
    with (hub_directory(town.world) / "robber.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.with_parent", "tests.takeovers.robber"],
            env=os.environ | environment_of(settings),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert process.stdin is not None
    command = process.stdin

    def hold(*shards: int) -> None:
        command.write(" ".join(map(str, shards)) + "\n")
        command.flush()

    try:
        yield hold
    finally:
        command.close()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
