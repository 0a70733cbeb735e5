"""Ends a server that we started when we are gone, however we end."""

from __future__ import annotations

import subprocess
from typing import Final

_LEASH: Final = 'read -r _ || kill -9 "$1"'
"""Waits for the end of its input, which comes when the starting process is gone, and then ends the server."""


class Leash:
    """Holds one process; let go of it with `release`."""

    def __init__(self, process_id: int) -> None:
        self._holder = subprocess.Popen(
            ["sh", "-c", _LEASH, "leash", str(process_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """Let go of a process that has ended."""
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdin is not None:
            self._holder.stdin.close()
