"""Youth guidance's view: who should be in education, who guides them, and what custody does to it.

Rules:
- Every citizen of whom one of these events is visible has a line.
- Education is what was last said of it, an end only where no other goes on; guidance runs until it has ended.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_EDUCATION: Final = (
    "EducationApplied",
    "EducationAdmitted",
    "EducationStarted",
    "EducationInterrupted",
    "EducationCompleted",
)
_PLANS: Final = ("EducationPlanAgreed", "EducationPlanRevised")
_NEEDS: Final = {"CONTACT_PERSON": "contact_person", "EDUCATION_PLAN": "education_goal", "EDUCATION": "education"}


def _fold(events: reading.Events) -> Line | None:
    guides = reading.open_ones(events, ("YouthContactPersonAssigned",), ("YouthContactPersonEnded",), "staff")
    guidance = reading.open_ones(events, ("GuidanceStarted",), ("GuidanceEnded",), "activityId")
    education = reading.last_word(
        events, _EDUCATION, ("EducationStarted",), ("EducationInterrupted", "EducationCompleted"), "activityId"
    )
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "contact_person": reading.field_of(guides[-1], "staff") if guides else None,
        "guided_since": guidance[-1].occurred_at if guidance else None,
        "target_group": reading.field_of(reading.latest(events, ("YouthTargetGroupAssessed",)), "result"),
        "education_goal": reading.field_of(reading.latest(events, _PLANS), "goal"),
        "education": education.event_type if education else None,
        "level": reading.field_of(education, "level"),
        "last_session": reading.latest_instant(events, ("GuidanceSessionHeld",)),
        "coordinator": reading.coordinator(events),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "youth_guidance",
    (
        *CUSTODY_COLUMNS,
        Column("contact_person", Shape.TEXT),
        Column("guided_since", Shape.INSTANT),
        Column("target_group", Shape.CODE),
        Column("education_goal", Shape.CODE),
        Column("education", Shape.CODE),
        Column("level", Shape.CODE),
        Column("last_session", Shape.INSTANT),
        Column("coordinator", Shape.TEXT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.COORDINATOR
    | frozenset(_EDUCATION)
    | frozenset(_PLANS)
    | frozenset(reading.TRANSFERS)
    | {
        "YouthContactPersonAssigned",
        "YouthContactPersonEnded",
        "GuidanceStarted",
        "GuidanceSessionHeld",
        "GuidanceEnded",
        "YouthTargetGroupAssessed",
    },
    _fold,
)
