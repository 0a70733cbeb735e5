"""The prison health staff's view: who is inside, on what medication, and whether somebody outside takes over.

Rules:
- Every citizen of whom one of these events is visible has a line.
- A hand-over counts for the present time in custody only: one before the latest start says nothing of the next. It
  counts when all that prison health staff prescribe is handed over.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing
from contracts.parties import Party

_MEDICATION: Final = ("MedicationAgreementMade", "MedicationAgreementChanged")
_NEEDS: Final = {"MEDICATION": "medication", "TREATMENT": "treatment"}


def _fold(events: reading.Events) -> Line | None:
    medication = reading.open_ones(events, _MEDICATION, ("MedicationAgreementEnded",), "episodeId")
    notes = reading.open_ones(events, ("RiskNoteRecorded",), ("RiskNoteLifted",), "noteId")
    start = reading.latest(events, reading.CUSTODY_STARTS)
    handed = [
        event
        for event in events
        if event.event_type == "MedicationHandedOver" and (start is None or event.occurred_at >= start.occurred_at)
    ]
    episodes = {reading.field_of(event, "episodeId") for event in handed}
    ours = [event for event in medication if Party(event.party).role == "PHE"]
    complete = all(reading.field_of(event, "episodeId") in episodes for event in ours)
    handed_over = handed[-1] if handed and complete else None
    treatment = reading.treatment(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "medication": [event.payload["atcGroup"] for event in medication if "atcGroup" in event.payload],
        "next_dispense": reading.earliest(medication, "nextDispense"),
        "handed_over_at": handed_over.occurred_at if handed_over else None,
        "handed_to": reading.field_of(handed_over, "to"),
        "treatment": treatment.event_type if treatment else None,
        "risks": sorted({event.payload["riskKind"] for event in notes if "riskKind" in event.payload}),
        "risk_until": max(
            (event.payload["validUntil"] for event in notes if "validUntil" in event.payload), default=None
        ),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "prison_health",
    (
        *CUSTODY_COLUMNS,
        Column("medication", Shape.CODES),
        Column("next_dispense", Shape.DAY),
        Column("handed_over_at", Shape.INSTANT),
        Column("handed_to", Shape.TEXT),
        Column("treatment", Shape.CODE),
        Column("risks", Shape.CODES),
        Column("risk_until", Shape.DAY),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | frozenset(_MEDICATION)
    | frozenset(reading.TREATMENT)
    | frozenset(reading.TRANSFERS)
    | {"MedicationAgreementEnded", "MedicationHandedOver", "RiskNoteRecorded", "RiskNoteLifted"},
    _fold,
)
