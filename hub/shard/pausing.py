"""The pause after a try at something that did not answer: it doubles until a try succeeds.

A shard's own word goes through the hub's input; each try at a broker that does not answer holds up every shard of the
worker for some seconds (`hub.wiring.CHANNEL_SECONDS`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

PAUSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 30.0


@dataclass(slots=True)
class Pause:
    """No try is made before `until`, on the clock of `time.monotonic`."""

    until: float = 0.0
    _seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether a try may be made."""
        return time.monotonic() >= self.until

    def failed(self) -> None:
        """Begin a pause, twice as long as the last one."""
        self._seconds = min(max(PAUSE_SECONDS, self._seconds * 2), PAUSE_SECONDS_MAX)
        self.until = time.monotonic() + self._seconds

    def succeeded(self) -> None:
        """Let the next pause be a short one."""
        self._seconds = 0.0
