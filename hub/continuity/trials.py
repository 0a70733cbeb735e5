"""I9: treatment trials: hours until a place was found, and what became of them.

Rules (domain specification, 6, I9; 4.9.1):
- Hours = from `requestedAt` to the start.
- The outcome is the last of extended, converted and lapsed; with none recorded once `plannedEnd` 24:00 has come, it is
  presumed lapsed.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from contracts.civil_time import start_of_day
from contracts.fact import Fact
from hub.continuity.case import HOUR_MS, KnownCase, Share

EXTENDED: Final = "EXTENDED"
CONVERTED: Final = "CONVERTED"
LAPSED: Final = "LAPSED"
PRESUMED_LAPSED: Final = "PRESUMED_LAPSED"
OUTCOMES: Final = {
    "TreatmentTrialExtended": EXTENDED,
    "TreatmentTrialConverted": CONVERTED,
    "TreatmentTrialLapsed": LAPSED,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial; `outcome` is `None` while it runs."""

    trial_id: str
    hours: Fraction
    funding: str
    outcome: str | None


def trials(case: KnownCase) -> list[Trial]:
    """I9: the trials of one citizen, by start."""
    started: dict[str, Fact] = {}
    for fact in case.of_types("TreatmentTrialStarted"):
        started.setdefault(str(fact.payload["trialId"]), fact)
    return [_trial(case, trial_id, fact) for trial_id, fact in started.items()]


def lapse_share(found: Sequence[Trial]) -> Share:
    """Lapsed, presumed ones included, of all that were started."""
    return Share(sum(trial.outcome in (LAPSED, PRESUMED_LAPSED) for trial in found), len(found))


def _trial(case: KnownCase, trial_id: str, started: Fact) -> Trial:
    payload = started.payload
    outcome = None
    for fact in case.of_types(*OUTCOMES):
        if fact.payload["trialId"] == trial_id:
            outcome = OUTCOMES[fact.event_type]
    if outcome is None and start_of_day(payload["plannedEnd"] + 1, case.zone) <= case.at:
        outcome = PRESUMED_LAPSED
    hours = Fraction(case.happened(started) - payload["requestedAt"], HOUR_MS)
    return Trial(trial_id, hours, str(payload["funding"]), outcome)
