"""What the views of children's services, housing, placements, prison health, support and evaluation are made of."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.views import reading
from consumers.views.choice import VIEWS
from contracts.catalogue import catalogue
from tests.consumers.simulated_topic import name
from tests.consumers.test_views import A_DAY, HOUR_MS, START, event, line


def test_child_and_family_shows_the_parent_the_child_and_the_visits() -> None:
    events = (
        event("ImprisonmentStarted", 0, "PRI", caresForChild=True),
        event("ChildPerspectiveRecorded", 1, "A.CHI", minorChildren=2, careArrangement="KINSHIP"),
        event("ChildPlaced", 2, "A.CHI", childRef="c1", placement="FOSTER"),
        event("VisitArranged", 3, "A.CHI", visitId=name("v")),
        event("VisitArranged", 4, "A.CHI", visitId=name("w")),
        event("VisitHeld", 5, "A.CHI", visitId=name("v")),
        event("ChildConcernNotified", 6, "A.SOC", concern="NEGLECT"),
    )
    known = line("child_family", *events)
    assert (known["cares_for_child"], known["children"], known["care"]) == ("YES", 2, "KINSHIP")
    assert (known["child_placement"], known["concern"], known["concern_at"]) == (
        "FOSTER",
        "NEGLECT",
        START + 6 * HOUR_MS,
    )
    assert (known["visit_arranged"], known["last_visit"]) == (START + 4 * HOUR_MS, START + 5 * HOUR_MS)
    assert known["missing"] == ["COORDINATOR"]
    ended = line(
        "child_family",
        *events,
        event("ChildPlacementEnded", 7, "A.CHI", childRef="c1"),
        event("VisitCancelled", 7, "A.CHI", visitId=name("w")),
    )
    assert not {"child_placement", "visit_arranged"} & set(ended)
    assert "cares_for_child" not in line("child_family", event("ImprisonmentStarted"))


def test_housing_shows_the_roof_the_application_and_the_effort() -> None:
    events = (
        event("HousingApplied", 0, "A.HSG", housingId=name("h"), kind="SOCIAL_TENANCY"),
        event("HousingSocialEffortStarted", 1, "A.HSG", activityId=name("e"), effortType="DOORSTEP", masterPlan="M1"),
    )
    known = line("housing", *events)
    assert (known["housing_asked"], known["effort"], known["master_plan"]) == ("HousingApplied", "DOORSTEP", "M1")
    assert "HOUSING" in known["missing"]
    secured = line("housing", *events, event("HousingSecured", 2, "A.HSG", housingId=name("h"), kind="SOCIAL_TENANCY"))
    assert secured["housing"] == "SOCIAL_TENANCY"
    assert "housing_asked" not in secured


def test_support_shows_whom_it_follows_and_the_last_contact() -> None:
    events = (
        event("MentorAssigned", 0, "A.JOB", activityId=name("m"), mentor="s1", provider="MNT"),
        event("MentorContactHeld", 1, "MNT", activityId=name("m"), attendance="NO_SHOW"),
    )
    known = line("support", *events)
    assert (known["followed_since"], known["mentor"], known["attendance"]) == (START, "s1", "NO_SHOW")
    ended = line("support", *events, event("MentorEnded", 2, "MNT", activityId=name("m")))
    assert "followed_since" not in ended


def test_placement_shows_its_end_who_pays_and_a_breach() -> None:
    started = event(
        "CarePlacementStarted",
        0,
        "PRI",
        placementId=name("p"),
        kind="SFL_78",
        plannedEnd=A_DAY,
        costBearer="MUNICIPALITY",
        costShiftDate=A_DAY - 3,
    )
    known = line("placement", started, event("CarePlacementBreached", 1, "H.FAC", placementId=name("p")))
    assert (known["placement"], known["placed_until"], known["cost_shift"]) == ("SFL_78", A_DAY, A_DAY - 3)
    assert known["breach_at"] == START + HOUR_MS
    ended = line("placement", started, event("CarePlacementEnded", 2, "PRI", placementId=name("p")))
    assert "placed_since" not in ended


def test_prison_health_counts_a_hand_over_for_the_present_custody_only() -> None:
    medication = event("MedicationAgreementMade", 0, "PHE", episodeId=name("m"), atcGroup="N07B", nextDispense=A_DAY)
    handed = event("MedicationHandedOver", 1, "PHE", episodeId=name("m"), to="A.ADD")
    known = line("prison_health", medication, handed)
    assert (known["medication"], known["handed_to"]) == (["N07B"], "A.ADD")
    again = line("prison_health", medication, handed, event("RemandStarted", 2))
    assert not {"handed_over_at", "handed_to"} & set(again)


def test_addiction_shows_the_expected_arrival_and_to_whom_it_handed_over() -> None:
    known = line(
        "addiction",
        event("ImprisonmentStarted", 0),
        event("ReleaseDateSet", 1, "PRI", releaseDate=A_DAY),
        event("TreatmentTransferred", 2, "A.ADD", treatmentId=name("t"), to="B.ADD"),
    )
    assert (known["planned_release"], known["handed_to"]) == (A_DAY, "B.ADD")


def plan(event_type: str, hours: int, stated_by: str, *items: dict[str, Any]) -> Any:
    return event(event_type, hours, stated_by, planId=name(event_type), items=list(items))


def item(domain: str, goal: str = "g", status: str = "PLANNED") -> dict[str, Any]:
    return {"domain": domain, "goal": goal, "status": status}


def test_plans_differ_in_domains_of_one_alone_and_in_other_goals() -> None:
    inside = plan("SentencePlanAgreed", 0, "PRI", item("HOUSING"), item("EMPLOYMENT"), item("OFFENDING"))
    outside = plan("MunicipalPlanAgreed", 1, "A.SOC", item("HOUSING"), item("FINANCE"), item("FAMILY", "g", "DROPPED"))
    assert reading.plans_differ([inside, outside]) == ["EMPLOYMENT", "FINANCE"]
    other_goal = plan("MunicipalPlanRevised", 2, "A.SOC", item("HOUSING", "other"), item("EMPLOYMENT"))
    assert reading.plans_differ([inside, outside, other_goal]) == ["HOUSING"]
    joint = plan("JointPlanAgreed", 1, "A.SOC", item("HOUSING"), item("EMPLOYMENT"))
    assert reading.plans_differ([inside, outside, joint]) == [], "the joint plan goes before the municipality's own"


def test_one_plan_alone_or_a_plan_without_visible_items_differs_in_nothing() -> None:
    inside = plan("SentencePlanAgreed", 0, "PRI", item("HOUSING"))
    bare = event("MunicipalPlanAgreed", 1, "A.SOC", planId=name("m"))
    assert reading.plans_differ([inside]) == []
    assert reading.plans_differ([inside, bare]) == []


def test_the_person_who_coordinates_goes_with_the_assignment() -> None:
    events = [
        event("CoordinatorAssigned", 0, "A.SOC", party="A.SOC", coordinator="s1"),
        event("CoordinatorHandedOver", 1, "A.SOC", party="A.JOB", coordinator="s2"),
    ]
    assert (reading.coordinator(events), reading.consultant(events)) == ("A.JOB", "s2")
    events.append(event("CoordinatorVacated", 2, "A.SOC", party="A.SOC"))
    assert reading.consultant(events) == "s2", "a vacancy ends only the assignment of the party it names"
    events.append(event("CoordinatorVacated", 3, "A.JOB", party="A.JOB"))
    assert (reading.coordinator(events), reading.consultant(events)) == (None, None)


RELEASED = (
    event("ImprisonmentStarted", 0),
    event("TreatmentStarted", 1, "A.ADD", treatmentId=name("t")),
    event("CoordinatorAssigned", 2, "A.SOC", party="A.SOC"),
    event("ReleasedOnParole", 10),
)


@pytest.mark.parametrize(
    ("later", "went_on"),
    [
        ((), "NO"),
        ((event("TreatmentResumed", 11, "A.ADD", treatmentId=name("t")),), "YES"),
        ((event("ProgrammeStarted", 11, "KIF", activityId=name("o"), continuesId=name("t")),), "YES"),
        ((event("ProgrammeStarted", 11, "KIF", activityId=name("o")),), "NO"),
        ((event("GuidanceSessionHeld", 11, "A.YTH", continuesId=name("t"), attendance="NO_SHOW"),), "NO"),
    ],
)
def test_the_cohort_says_whether_an_effort_went_on(later: tuple[Any, ...], went_on: str) -> None:
    assert line("cohort", *RELEASED, *later)["went_on"] == went_on


def test_the_cohort_is_about_the_latest_release_and_what_came_after() -> None:
    known = line(
        "cohort",
        *RELEASED,
        event("MunicipalContactHeld", 11, "A.SOC", attendance="NO_SHOW"),
        event("MunicipalContactHeld", 12, "A.SOC", attendance="ATTENDED"),
        event("RemandStarted", 30),
    )
    assert known == {
        "custody_at": START,
        "released_at": START + 10 * HOUR_MS,
        "release_kind": "ReleasedOnParole",
        "coordinator": "A.SOC",
        "went_on": "NO",
        "first_contact": START + 12 * HOUR_MS,
        "returned_at": START + 30 * HOUR_MS,
    }
    assert VIEWS["cohort"].fold([RELEASED[0]]) is None
    alone = [event("ReleasedOnParole", 1)]
    assert (VIEWS["cohort"].fold(alone) or {})["went_on"] is None, "nothing had begun"


@pytest.mark.parametrize("view", ["cohort", "steering"])
def test_evaluation_and_steering_read_no_type_of_an_offence_risk_network_child_or_address(view: str) -> None:
    anchors = {catalogue().event_types[name].anchor for name in VIEWS[view].event_types}
    assert not {"OF", "RI", "NW", "CF", "AD"} & {str(anchor) for anchor in anchors}
    shown = {column.name for column in VIEWS[view].columns}
    assert not {"institution", "risks", "missing", "consultant"} & shown
