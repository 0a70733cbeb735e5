"""Small questions that several views ask of one citizen's visible events.

Rules:
- Events come in their order; the last answer holds.
- A release ends custody only when it did not happen before the latest start; a start that names an earlier one of
  the same time in custody goes on with it (domain specification, 4.9.3).
- A question whose answer lies in a field that is not there is answered with `None`, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from consumers.visible import VisibleEvent
from contracts.parties import Party

Events = Sequence[VisibleEvent]

CUSTODY_STARTS: Final = ("ImprisonmentStarted", "RemandStarted", "RecalledToPrison")
RELEASES: Final = ("ReleasedOnParole", "ReleasedAtEndOfSentence", "ReleasedOnOtherGround", "ReleasedFromRemand")
RETRACTION: Final = "EventRetracted"
TRANSFERS: Final = ("TransferredBetweenPrisons",)
CUSTODY: Final = frozenset(CUSTODY_STARTS + RELEASES)
RELEASE_DATES: Final = frozenset({"ReleaseDateSet", "ReleaseDateChanged"})
HOUSING: Final = frozenset({"HousingSecured", "HousingLost"})
INCOME: Final = frozenset({"BenefitGranted", "BenefitStopped", "EmploymentStarted", "EmploymentEnded"})
COORDINATOR: Final = frozenset({"CoordinatorAssigned", "CoordinatorHandedOver", "CoordinatorVacated"})
JOINT_PLANS: Final = ("JointPlanAgreed", "JointPlanAmended", "JointPlanEnded")
SENTENCE_PLANS: Final = ("SentencePlanAgreed", "SentencePlanRevised")
MUNICIPAL_PLANS: Final = ("MunicipalPlanAgreed", "MunicipalPlanRevised")
PLANS: Final = (*SENTENCE_PLANS, *MUNICIPAL_PLANS, *JOINT_PLANS)
CASES: Final = ("CaseOpened", "CaseReopened", "CaseClosed")
TREATMENT: Final = (
    "TreatmentRequested", "TreatmentAssessed", "TreatmentReferred", "TreatmentStarted", "TreatmentInterrupted",
    "TreatmentResumed", "TreatmentCompleted", "TreatmentTransferred",
)  # fmt: skip

HANDED_OVER: Final = ("TreatmentReferred", "TreatmentTransferred")
TAKEN_UP: Final = ("TreatmentStarted", "TreatmentResumed", "TreatmentCompleted", "TreatmentInterrupted")


def taken_back(events: Events) -> frozenset[tuple[str, str]]:
    """Which events (party and id) their own publisher has taken back: only that publisher still has them."""
    return frozenset(
        (event.party, event.payload["targetEventId"])
        for event in events
        if event.event_type == RETRACTION and "targetEventId" in event.payload
    )


def latest(events: Events, names: Iterable[str]) -> VisibleEvent | None:
    """The last event of one of the types `names`."""
    wanted = frozenset(names)
    return next((event for event in reversed(events) if event.event_type in wanted), None)


def latest_instant(events: Events, names: Iterable[str]) -> int | None:
    """When the last event of one of the types `names` happened."""
    event = latest(events, names)
    return event.occurred_at if event else None


def field_of(event: VisibleEvent | None, name: str) -> Any:
    """A field of `event`, `None` where there is no such event or field."""
    return event.payload.get(name) if event else None


def custody_line(events: Events) -> dict[str, object]:
    """Columns `custody`, `since`, `institution`, `released_at`, `release_kind` as far as they can be known."""
    start, release = latest(events, CUSTODY_STARTS), latest(events, RELEASES)
    if release is not None and (start is None or start.occurred_at <= release.occurred_at):
        return {
            "custody": "RELEASED",
            "since": release.occurred_at,
            "released_at": release.occurred_at,
            "release_kind": release.event_type,
        }
    if start is None:
        return {}
    transfer = latest([event for event in events if event.occurred_at >= start.occurred_at], TRANSFERS)
    return {
        "custody": "REMAND" if start.event_type == "RemandStarted" else "IMPRISONED",
        "since": start.occurred_at,
        "institution": field_of(transfer, "toParty") or field_of(start, "institution"),
    }


def custody_began(events: Events) -> int | None:
    """When the latest time in custody began: remand and the sentence that it goes over into are one."""
    began: int | None = None
    ids: set[object] = set()
    for event in events:
        if event.event_type in CUSTODY_STARTS:
            if event.payload.get("priorCustodyId", "") not in ids:
                began, ids = event.occurred_at, set()
            ids |= {event.payload[name] for name in ("custodyId", "newCustodyId") if name in event.payload}
    return began


def stated_at_start(events: Events, field: str) -> Any:
    """What the starts of the latest time in custody say of `field`; the last one that states it holds."""
    began = custody_began(events)
    starts = [event for event in events if event.event_type in CUSTODY_STARTS and event.occurred_at >= (began or 0)]
    return _last_stated(starts, field)


def planned_release(events: Events) -> int | None:
    """The release date that was set last in the present time in custody, as a day number."""
    began, dated = custody_began(events), latest(events, RELEASE_DATES)
    if dated is None or (began is not None and dated.occurred_at < began):
        return None
    day = dated.payload.get("releaseDate")
    return day if isinstance(day, int) else None


def housing(events: Events) -> VisibleEvent | None:
    """The housing that was secured last and is not lost."""
    return _last(open_ones(events, ("HousingSecured",), ("HousingLost",), "housingId"))


def income(events: Events) -> list[str]:
    """What the citizen lives on: `BenefitGranted`, `EmploymentStarted`, without what has ended."""
    benefits = open_ones(events, ("BenefitGranted",), ("BenefitStopped",), "benefitId")
    work = open_ones(events, ("EmploymentStarted",), ("EmploymentEnded",), "activityId")
    return sorted({event.event_type for event in (*benefits, *work)})


def plan(events: Events, names: Iterable[str] = PLANS) -> VisibleEvent | None:
    """The plan that was agreed or revised last and has not ended."""
    return _last(open_ones(events, frozenset(names) - {"JointPlanEnded"}, ("JointPlanEnded",), "planId"))


def coordinator(events: Events) -> str | None:
    """The party that coordinates now."""
    holder: str | None = field_of(_coordination(events), "party")
    return holder


def consultant(events: Events) -> str | None:
    """The person who coordinates now, as far as named."""
    person: str | None = field_of(_coordination(events), "coordinator")
    return person


def plans_differ(events: Events) -> list[str]:
    """The domains in which the prison's plan and the municipal or joint plan say different things.

    That is: a domain that is in one of them alone, or in both with other goals. Dropped items and the domain
    OFFENDING do not count. Without items of both plans there is nothing to compare (domain specification, I3).
    """
    inside = _goals(plan(events, SENTENCE_PLANS))
    outside = _goals(plan(events, JOINT_PLANS) or plan(events, MUNICIPAL_PLANS))
    if not inside or not outside:
        return []
    return sorted(domain for domain in inside.keys() | outside.keys() if inside.get(domain) != outside.get(domain))


def awaited(events: Events) -> VisibleEvent | None:
    """The last referral or transfer to somebody (`to`) that nobody has taken up yet.

    It is taken up, or has come to nothing, once the treatment that it names, or one that continues it, has begun,
    been resumed, completed or interrupted.
    """
    open_ones: dict[object, VisibleEvent] = {}
    for event in events:
        if event.event_type in HANDED_OVER and "to" in event.payload:
            open_ones[event.payload.get("treatmentId", event.event_id)] = event
        elif event.event_type in TAKEN_UP:
            for name in ("treatmentId", "continuesId"):
                open_ones.pop(event.payload.get(name), None)
    return _last(list(open_ones.values()))


def own_case(events: Events) -> VisibleEvent | None:
    """The last opening of a case that is open, else the last closing, in the municipality that last said something."""
    last = latest(events, CASES)
    running: dict[object, VisibleEvent] = {}
    for event in events:
        if event.event_type in CASES and last and _municipality(event) == _municipality(last):
            case = event.party, event.payload.get("caseNo")
            running.pop(case, None)
            if event.event_type != "CaseClosed":
                running[case] = event
    return _last(list(running.values())) or last


def earliest(events: Events, day: str) -> int | None:
    """The first of the days that the events state as their field `day`."""
    return min((event.payload[day] for event in events if day in event.payload), default=None)


def open_ones(events: Events, starts: Iterable[str], ends: Iterable[str], id_field: str) -> list[VisibleEvent]:
    """What has started and not ended, told apart by `id_field`, in the order in which it started."""
    starting, ending = frozenset(starts), frozenset(ends)
    running: dict[object, VisibleEvent] = {}
    for event in events:
        identity = event.payload.get(id_field, event.event_id)
        if event.event_type in starting:
            running.pop(identity, None)
            running[identity] = event
        elif event.event_type in ending:
            running.pop(identity, None)
    return list(running.values())


def _coordination(events: Events) -> VisibleEvent | None:
    """The assignment that holds now; a vacancy ends only the assignment of the party it names."""
    held: VisibleEvent | None = None
    for event in events:
        if event.event_type == "CoordinatorVacated":
            held = None if event.payload.get("party") == field_of(held, "party") else held
        elif event.event_type in COORDINATOR:
            held = event
    return held


def _goals(agreed: VisibleEvent | None) -> dict[str, set[str]]:
    goals: dict[str, set[str]] = {}
    for item in field_of(agreed, "items") or ():
        if "domain" in item and item["domain"] != "OFFENDING" and item.get("status") != "DROPPED":
            goals.setdefault(item["domain"], set()).add(item.get("goal", ""))
    return goals


def treatment(events: Events) -> VisibleEvent | None:
    """What was last said of treatment."""
    begins, ends = ("TreatmentStarted", "TreatmentResumed"), ("TreatmentInterrupted", "TreatmentCompleted")
    return last_word(events, TREATMENT, begins, (*ends, "TreatmentTransferred"), "treatmentId")


def last_word(
    events: Events, names: Iterable[str], starts: Sequence[str], ends: Sequence[str], id_field: str
) -> VisibleEvent | None:
    """The last event of one of the types `names`; the end of one thing is not that while another goes on."""
    last = latest(events, names)
    ended = last is not None and last.event_type in ends and last.event_type not in HANDED_OVER
    return (_last(open_ones(events, starts, ends, id_field)) if ended else None) or last


def guarantee(events: Events) -> Any:
    """Until when the treatment of which something was said last must have begun, as it was last stated."""
    named = field_of(treatment(events), "treatmentId")
    of_treatment = [each for each in events if each.event_type in TREATMENT and field_of(each, "treatmentId") == named]
    return _last_stated(of_treatment, "guaranteeDate")


def _last_stated(events: Events, field: str) -> Any:
    return next((event.payload[field] for event in reversed(events) if field in event.payload), None)


def _municipality(event: VisibleEvent) -> str | None:
    return Party(event.party).municipality


def _last(events: Events) -> VisibleEvent | None:
    return events[-1] if events else None
