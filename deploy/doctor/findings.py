"""What a step of the doctor found: the words that all steps share.

Rules:
- A refusal names the side that refused: this machine, what lies between, or the broker. It names one fix.
- A step that rests on one that was refused is not tried, and says so; it is never counted as well.
- No password, key or record content is in a finding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal

Outcome = Literal["ok", "refused", "not tried"]
Side = Literal["this machine", "the network", "the broker"]

HERE: Final[Side] = "this machine"
NETWORK: Final[Side] = "the network"
BROKER: Final[Side] = "the broker"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: what was looked at, how it came out, and what to do where it was refused."""

    step: str
    outcome: Outcome
    detail: str
    side: Side | None = None
    fix: str = ""

    def values(self) -> dict[str, object]:
        """The finding as plain values."""
        return asdict(self)

    def text(self) -> str:
        """The finding for people, on two or three lines where something is wrong."""
        lines = [f"{self.outcome:<9}  {self.step}: {self.detail}"]
        if self.side:
            lines.append(f"           refused by {self.side}")
        if self.fix:
            lines.append(f"           to do: {self.fix}")
        return "\n".join(lines)


def ok(step: str, detail: str) -> Finding:
    """A step that came out well."""
    return Finding(step, "ok", detail)


def refused(step: str, side: Side, detail: str, fix: str) -> Finding:
    """A step that did not."""
    return Finding(step, "refused", detail, side, fix)


def not_tried(step: str, why: str) -> Finding:
    """A step that could not be looked at."""
    return Finding(step, "not tried", why)
