"""The addiction centre's view: who is in treatment, where it stands, and whether release will break it.

Rules:
- Every citizen of whom one of these events is visible has a line.
- Who was referred to a centre is awaited there until the treatment is taken up, whatever else is said of treatment.
- Treatment is what was last said of it, an end only where no other goes on; a trial runs until it is converted or
  lapses.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"TREATMENT": "treatment", "PLAN": "plan", "COORDINATOR": "coordinator", "HOUSING": "housing"}


def _fold(events: reading.Events) -> Line | None:
    treatment = reading.treatment(events)
    handed = reading.latest(events, ("TreatmentReferred", "TreatmentTransferred"))
    trials = reading.open_ones(
        events,
        ("TreatmentTrialStarted", "TreatmentTrialExtended"),
        ("TreatmentTrialLapsed", "TreatmentTrialConverted"),
        "trialId",
    )
    trial = trials[-1] if trials else None
    awaited = reading.awaited(events)
    housing, plan = reading.housing(events), reading.plan(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "treatment": treatment.event_type if treatment else None,
        "treatment_kind": reading.field_of(treatment, "kind"),
        "treatment_at": treatment.occurred_at if treatment else None,
        "setting": reading.field_of(treatment, "setting"),
        "provider": reading.field_of(treatment, "provider"),
        "handed_to": reading.field_of(handed, "to"),
        "awaited_by": reading.field_of(awaited, "to"),
        "referred_at": awaited.occurred_at if awaited else None,
        "guarantee": reading.guarantee(events),
        "trial_until": reading.field_of(trial, "extendedTo") or reading.field_of(trial, "plannedEnd"),
        "plan": plan.event_type if plan else None,
        "coordinator": reading.coordinator(events),
        "housing": reading.field_of(housing, "kind"),
        "last_contact": reading.latest_instant(events, ("MunicipalContactHeld", "MotivationTalkHeld")),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "addiction",
    (
        *CUSTODY_COLUMNS,
        Column("treatment", Shape.CODE),
        Column("treatment_kind", Shape.CODE),
        Column("treatment_at", Shape.INSTANT),
        Column("setting", Shape.CODE),
        Column("provider", Shape.TEXT),
        Column("handed_to", Shape.TEXT),
        Column("awaited_by", Shape.TEXT),
        Column("referred_at", Shape.INSTANT),
        Column("guarantee", Shape.DAY),
        Column("trial_until", Shape.DAY),
        Column("plan", Shape.CODE),
        Column("coordinator", Shape.TEXT),
        Column("housing", Shape.CODE),
        Column("last_contact", Shape.INSTANT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.COORDINATOR
    | frozenset(reading.PLANS)
    | frozenset(reading.TREATMENT)
    | frozenset(reading.TRANSFERS)
    | {
        "TreatmentTrialStarted",
        "TreatmentTrialExtended",
        "TreatmentTrialLapsed",
        "TreatmentTrialConverted",
        "MotivationTalkHeld",
        "MunicipalContactHeld",
    },
    _fold,
)
