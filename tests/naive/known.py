"""Where the decision is known to differ from the text: each one with its sentence, until it is mended.

Rules:
- A difference counts as known only if the text, read with exactly these deviations, gives the decision's answer.
- A deviation that no longer occurs is taken out of here; the test says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from tests.naive.case import Case, Fact
from tests.naive.never import NEVER, Closes
from tests.naive.reader import Reading, Shown

DEVIATIONS: Final[Mapping[str, Mapping[str, Closes]]] = {}
"""Name -> the never-rules as the decision reads them. None is known today."""


def known(case: Case, fact: Fact, receiver: str) -> tuple[Shown | None, list[str]]:
    """Return what the text gives with every deviation, and which single ones change it."""
    plain = Reading(case, Counter()).shown(fact, receiver)
    deviating, names = dict(NEVER), []
    for name, never in DEVIATIONS.items():
        deviating |= never
        if Reading(case, Counter(), {**NEVER, **never}).shown(fact, receiver) != plain:
            names.append(name)
    return Reading(case, Counter(), deviating).shown(fact, receiver), names
