"""The rounds: all layers on, each of them off in turn, and none on at all, which shows that the stage can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests.spoofing.stage import LAYERS, Outcome, Stage

NOTHING_OFF: Final = frozenset[str]()
ALL_OFF: Final = frozenset(LAYERS)
GUARDED: Final = (NOTHING_OFF, *(frozenset({layer}) for layer in LAYERS))
"""What is off in the rounds in which nothing may be accepted."""


def rounds(stage: Stage, attempts: int, seed: int) -> Iterator[tuple[frozenset[str], Outcome]]:
    """Play every round with `attempts` each; the last one has nothing on."""
    for number, off in enumerate((*GUARDED, ALL_OFF)):
        yield off, stage.play(attempts, off, seed + number)


def report(stage: Stage, attempts: int, seed: int, say: Callable[[str], None]) -> bool:
    """Play every round and say what came of it; whether all is as it must be."""
    holds = True
    for off, outcome in rounds(stage, attempts, seed):
        is_right = outcome.accepted > 0 if off == ALL_OFF else outcome.accepted == 0
        holds = holds and is_right
        say(
            f"off: {', '.join(sorted(off)) or 'nothing'}: {outcome.accepted} of {outcome.attempts} accepted "
            f"({outcome.written} written to a topic, {outcome.denied} denied by the broker, "
            f"{outcome.denied_tried} of those tried){'' if is_right else '  WRONG'}"
        )
    return holds
