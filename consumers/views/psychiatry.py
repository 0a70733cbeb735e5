"""Psychiatry's view: who is admitted or in a course of treatment, on what medication, with which risk noted.

Rules:
- Every citizen of whom one of these events is visible has a line.
- A risk note stands until it is lifted; its own end date is shown, for this view has no clock.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_MEDICATION: Final = ("MedicationAgreementMade", "MedicationAgreementChanged")
_AGREEMENTS: Final = ("DischargeAgreementMade", "CoordinationPlanMade")
_NEEDS: Final = {"COORDINATOR": "coordinator", "HOUSING": "housing"}


def _fold(events: reading.Events) -> Line | None:
    admissions = reading.open_ones(events, ("AdmissionStarted",), ("AdmissionEnded",), "admissionId")
    outpatient = reading.open_ones(events, ("OutpatientEpisodeStarted",), ("OutpatientEpisodeEnded",), "episodeId")
    medication = reading.open_ones(events, _MEDICATION, ("MedicationAgreementEnded",), "episodeId")
    notes = reading.open_ones(events, ("RiskNoteRecorded",), ("RiskNoteLifted",), "noteId")
    agreement = reading.latest(events, _AGREEMENTS)
    handed_over = reading.latest(events, ("MedicationHandedOver",))
    treatment = reading.treatment(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "admitted_since": admissions[-1].occurred_at if admissions else None,
        "legal_form": reading.field_of(admissions[-1], "legalForm") if admissions else None,
        "outpatient_since": outpatient[-1].occurred_at if outpatient else None,
        "medication": [event.payload["atcGroup"] for event in medication if "atcGroup" in event.payload],
        "next_dispense": reading.earliest(medication, "nextDispense"),
        "handed_over_at": handed_over.occurred_at if handed_over else None,
        "agreement_until": reading.field_of(agreement, "endsOn"),
        "risks": sorted({event.payload["riskKind"] for event in notes if "riskKind" in event.payload}),
        "risk_until": max(
            (event.payload["validUntil"] for event in notes if "validUntil" in event.payload), default=None
        ),
        "treatment": treatment.event_type if treatment else None,
        "coordinator": reading.coordinator(events),
        "housing": reading.field_of(reading.housing(events), "kind"),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "psychiatry",
    (
        *CUSTODY_COLUMNS,
        Column("admitted_since", Shape.INSTANT),
        Column("legal_form", Shape.CODE),
        Column("outpatient_since", Shape.INSTANT),
        Column("medication", Shape.CODES),
        Column("next_dispense", Shape.DAY),
        Column("handed_over_at", Shape.INSTANT),
        Column("agreement_until", Shape.DAY),
        Column("risks", Shape.CODES),
        Column("risk_until", Shape.DAY),
        Column("treatment", Shape.CODE),
        Column("coordinator", Shape.TEXT),
        Column("housing", Shape.CODE),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.COORDINATOR
    | frozenset(_MEDICATION)
    | frozenset(_AGREEMENTS)
    | frozenset(reading.TREATMENT)
    | frozenset(reading.TRANSFERS)
    | {
        "AdmissionStarted",
        "AdmissionEnded",
        "OutpatientEpisodeStarted",
        "OutpatientEpisodeEnded",
        "MedicationAgreementEnded",
        "MedicationHandedOver",
        "RiskNoteRecorded",
        "RiskNoteLifted",
    },
    _fold,
)
