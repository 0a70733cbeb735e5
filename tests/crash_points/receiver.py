"""A party's real subscription as a process that can be killed, in the module that sets the crash points of the view."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from consumers.store import PartyStore, store_path
from contracts.private_files import write_private
from deploy.world import HUB_KEY, World

STOP_SECONDS_MAX = 10.0


class ReceiverProcess:
    """The subscription of `party`; its store is made here, by command as it were."""

    def __init__(self, world: World, party: str) -> None:
        self.party = party
        self.store_file = store_path(world.directory, party)
        PartyStore.create(self.store_file, party).close()
        keys = self.store_file.parent / "hub-keys"
        write_private(keys, world.signing_key(HUB_KEY).public.hex())
        user = world.names.user(party)
        self._log_file = self.store_file.parent / "receiver.log"
        self._environment = {
            "HUB_CONSUMER_PARTY": party,
            "HUB_CONSUMER_STORE": str(self.store_file),
            "HUB_CONSUMER_BOOTSTRAP": world.bootstrap,
            "HUB_CONSUMER_PASSWORD": world.passwords[user],
            "HUB_CONSUMER_HUB_KEYS_FILE": str(keys),
            "HUB_CONSUMER_WORLD": world.name,
            "HUB_CONSUMER_SECURITY_PROTOCOL": world.security_protocol,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Where its store lies."""
        return self.store_file.parent

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it."""
        self.kill()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.with_parent", "tests.crash_points.consumer"],
                env=os.environ | self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS_MAX)
            self._process = None

    def last_words(self) -> list[str]:
        """What it said last."""
        return self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-4:]
