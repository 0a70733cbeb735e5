"""Boards: who is on which list, what reads as agreed, small counts, and how fast it is."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.board import Board, _data, board_of, lists_of
from consumers.board_rendering import Changes, board_text, board_values
from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views.base import Shape
from consumers.views.choice import VIEWS, view_of
from consumers.wording import LANGUAGES, wording
from contracts.civil_time import ZONE_OF_JURISDICTION, start_of_day, zone_of
from tests.consumers.drawn_figures import fill_figures
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import SimulatedTopic, name

GOLDEN = Path(__file__).with_name("golden")
ZONE = zone_of("DK")
DAY = 20_395
AT = start_of_day(DAY, ZONE) + 9 * 3_600_000
DAY_MS = 86_400_000
CITIZENS = tuple(name("board", number) for number in range(5))


def fill(topic: SimulatedTopic) -> None:
    """Five citizens: leaving well prepared, leaving unprepared, past the date, just out, and seen by plans only."""

    def say(citizen: int, event_type: str, days: int, stated_by: str = "PRI", /, **payload: Any) -> None:
        event = name(citizen, event_type, days)
        at = AT + days * DAY_MS
        topic.disclose(CITIZENS[citizen], event, event_type, {"occurredAt": at} | payload, party=stated_by)

    for citizen, planned in ((0, DAY + 60), (1, DAY + 20), (2, DAY - 1), (3, DAY - 2)):
        say(citizen, "ImprisonmentStarted", -200, institution="PRI")
        say(citizen, "ReleaseDateSet", -100, releaseDate=planned, kind="PAROLE")
    say(0, "CoordinatorAssigned", -90, "A.SOC", party="A.SOC", coordinator="staff-7")
    say(0, "HousingSecured", -80, "A.SOC", housingId=name("h"), kind="OWN_TENANCY", startsOn=DAY + 58)
    say(0, "BenefitGranted", -70, "A.BEN", benefitId=name("b"), kind="CASH_ASSISTANCE")
    say(0, "SentencePlanAgreed", -60, planId=name("p"), items=[item("HOUSING", "a"), item("EMPLOYMENT", "b")])
    say(0, "MunicipalPlanAgreed", -50, "A.SOC", planId=name("m"), items=[item("HOUSING", "a"), item("FINANCE", "c")])
    say(3, "ReleasedOnParole", -2)
    say(3, "CaseOpened", -190, "A.SOC")
    say(4, "CaseOpened", -10, "A.SOC")
    say(4, "CoordinatorAssigned", -9, "A.JOB", party="A.JOB")
    for kind, days, silent in (("COORDINATOR_MISSING", -3, False), ("RELEASED_WITHOUT_HOUSING", -2, True)):
        say(2, "ReminderRaised", days, "HUB", kind=kind, dueAt=AT + days * DAY_MS, publishersSilent=silent)


def fill_cohort(topic: SimulatedTopic) -> None:
    """Fourteen released citizens more: eight went on with a course, six had a contact within a day, nine had a roof."""
    for number in range(14):
        key, days = name("cohort", number), number % 2 * 31
        release = AT - (60 + days) * DAY_MS

        def say(event_type: str, at: int, key: str = key, **payload: Any) -> None:
            topic.disclose(key, name(key, event_type, at), event_type, {"occurredAt": at} | payload, party="A.SOC")

        say("ImprisonmentStarted", release - 100 * DAY_MS)
        say("ProgrammeStarted", release - 50 * DAY_MS, activityId=name("a", number))
        if number < 9:
            say("HousingSecured", release - DAY_MS, housingId=name("h", number), kind="OWN_TENANCY")
        say("ReleasedOnParole" if number < 11 else "ReleasedAtEndOfSentence", release)
        if number < 8:
            say("EmploymentStarted", release + DAY_MS, activityId=name("b", number), continuesId=name("a", number))
        if number < 6:
            say("MunicipalContactHeld", release + DAY_MS, attendance="ATTENDED")


def fill_rest(topic: SimulatedTopic) -> None:
    """Three citizens, so that every list of the agencies' boards has somebody: inside, just out, and never inside."""

    def say(citizen: int, event_type: str, days: int, **payload: Any) -> None:
        key, at = name("rest", citizen), AT + days * DAY_MS
        topic.disclose(key, name(key, event_type, days), event_type, {"occurredAt": at} | payload)

    say(0, "ImprisonmentStarted", -200, institution="PRI", caresForChild=True)
    say(0, "ReleaseDateSet", -100, releaseDate=DAY + 10, kind="PAROLE")
    say(0, "BenefitGranted", -90, benefitId=name("b"), kind="CASH_ASSISTANCE")
    say(0, "BenefitApplied", -20, benefitId=name("c"), kind="RELEASE_GRANT")
    say(0, "EmploymentStarted", -80, activityId=name("w"), kind="PRISON_WORK")
    say(0, "CaseKeptOpen", -70, keepOpenUntil=DAY + 12)
    say(0, "TreatmentReferred", -60, treatmentId=name("t"), kind="SOCIAL", to="A.ADD", guaranteeDate=DAY + 5)
    say(0, "MedicationAgreementMade", -50, episodeId=name("m"), atcGroup="N07B", nextDispense=DAY + 2)
    say(0, "RiskNoteRecorded", -40, noteId=name("r"), riskKind="SELF_HARM", validUntil=DAY + 40)
    say(0, "HousingApplied", -30, housingId=name("h"), kind="SOCIAL_TENANCY")
    say(0, "EducationInterrupted", -200, activityId=name("e"), level="ISCED3")
    say(0, "ChildConcernNotified", -5, concern="SOLE_CARER_IN_CUSTODY")
    say(0, "MentorAssigned", -45, activityId=name("n"), mentor="s9", provider="MNT")
    say(0, "KspActivated", -3, endsOn=DAY + 100)
    say(0, "JointPlanAgreed", -15, planId=name("j"), followUpDate=DAY + 7)
    say(0, "ReminderRaised", -1, kind="COORDINATOR_MISSING", dueAt=AT - DAY_MS, publishersSilent=False)
    say(1, "ImprisonmentStarted", -300, institution="PRI")
    say(1, "ReleasedOnParole", -4, conditions=["RESIDENCE"])
    say(1, "SupervisionStarted", -4, supervisionId=name("s"), until=DAY + 20)
    say(1, "TreatmentTrialStarted", -9, trialId=name("i"), plannedEnd=DAY + 5)
    say(1, "TreatmentResumed", -2, treatmentId=name("u"), kind="SUBSTITUTION", setting="OUTPATIENT", provider="A.ADD")
    say(1, "AdmissionStarted", -3, admissionId=name("a"), legalForm="VOLUNTARY")
    say(1, "DischargeAgreementMade", -2, admissionId=name("a"), endsOn=DAY + 15)
    say(1, "HousingLost", -20, housingId=name("l"), kind="OWN_TENANCY")
    say(1, "CoordinatorAssigned", -30, party="A.JOB", coordinator="staff-2")
    say(2, "TreatmentTrialStarted", -20, trialId=name("k"), plannedEnd=DAY - 6)
    say(2, "GuidanceStarted", -60, activityId=name("g"))
    say(2, "ChildPlaced", -50, childRef="c1", placement="FOSTER")
    say(2, "HousingSecured", -6, housingId=name("o"), kind="OWN_TENANCY", startsOn=DAY + 3)
    say(2, "HousingSocialEffortStarted", -6, activityId=name("f"), effortType="DOORSTEP", masterPlan="M1")
    say(2, "CarePlacementStarted", -30, placementId=name("p"), kind="SFL_78", plannedEnd=DAY + 9,
        costBearer="MUNICIPALITY", costShiftDate=DAY + 1)  # fmt: skip
    say(2, "TreatmentReferred", -2, treatmentId=name("v"), kind="SOCIAL", to="H.FAC")
    say(2, "CarePlacementBreached", -1, placementId=name("p"), breach="LEFT_FACILITY")


REST = ("KIF", "PHE", "H.FAC", "A.JOB", "A.BEN", "A.ADD", "A.CHI", "A.HSG", "A.YTH", "PSY", "MNT", "AUD")


@pytest.mark.parametrize("party_id", REST)
def test_every_list_of_the_other_agencies_has_somebody_and_reads_as_agreed(tmp_path: Path, party_id: str) -> None:
    topic = SimulatedTopic()
    fill_rest(topic)
    with PartyStore.create(tmp_path / "s.db", party_id) as store:
        drain(Subscription(party_id, topic, store))
        made = board(store)
    empty = {one.list.name for one in made.lists if not one.lines}
    assert empty <= {"plans_disagree"}, "that list has somebody in the boards of prison and social service"
    text = board_text(made, party_id, Changes(0, {}, 0), wording("en"), ZONE)
    assert text + "\n" == (GOLDEN / f"board.{made.view.name}.en.txt").read_text(encoding="utf-8")


def item(domain: str, goal: str) -> dict[str, Any]:
    said = {"itemId": name(domain), "domain": domain, "goal": goal, "activityType": "x", "responsible": "A.SOC"}
    return said | {"activityId": None, "plannedStart": None, "plannedEnd": None, "status": "PLANNED"}


def filled(path: Path, party_id: str) -> PartyStore:
    topic = SimulatedTopic()
    fill(topic)
    if party_id == "EVA":
        fill_cohort(topic)
    if party_id == "GOV":
        fill_figures(topic)
    store = PartyStore.create(path, party_id)
    drain(Subscription(party_id, topic, store))
    return store


def board(store: PartyStore, day: int = DAY) -> Board:
    return board_of(store.view, store.party_id, store.view_lines(), day, ZONE)


def on(made: Board) -> dict[str, list[int]]:
    """The citizens of each list that has some."""
    return {one.list.name: [CITIZENS.index(line["key"]) for line in one.lines] for one in made.lists if one.lines}


def test_the_release_board_lists_who_is_leaving_and_what_is_missing(tmp_path: Path) -> None:
    with filled(tmp_path / "s.db", "PRI") as store:
        assert on(board(store)) == {
            "run_out": [2],
            "leaving": [1, 0],
            "leaving_unprepared": [1],
            "release_date_passed": [2],
            "without_coordinator": sorted([1, 2], key=lambda citizen: CITIZENS[citizen]),
            "plans_disagree": [0],
            "left": [3],
        }
        (differ,) = [one.lines[0]["plans_differ"] for one in board(store).lists if one.list.name == "plans_disagree"]
        assert differ == ["EMPLOYMENT", "FINANCE"]


def test_the_day_moves_what_periods_are_counted_from(tmp_path: Path) -> None:
    with filled(tmp_path / "s.db", "PRI") as store:
        assert on(board(store, DAY + 20))["leaving_unprepared"] == [1]
        later = on(board(store, DAY + 21))
        assert "leaving_unprepared" not in later
        assert later["release_date_passed"] == [2, 1]
        assert on(board(store, DAY - 10))["leaving"] == [3, 2, 1, 0][1:], "who is out is not leaving"
        assert "left" not in on(board(store, DAY - 3))
        assert on(board(store, DAY + 28))["left"] == [3]
        assert "left" not in on(board(store, DAY + 29))


def test_the_social_board_lists_homecomers_caseload_and_who_has_no_coordinator(tmp_path: Path) -> None:
    with filled(tmp_path / "s.db", "A.SOC") as store:
        lists = on(board(store))
    assert lists["coming_home"] == [1, 0]
    assert lists["coming_home_without_housing"] == [1]
    assert lists["came_home"] == [3]
    assert sorted(lists["caseload"]) == [3, 4]
    assert lists["coordinated_here"] == [0]
    assert sorted(lists["without_coordinator"]) == [1, 2, 3]
    assert lists["plans_disagree"] == [0]


@pytest.mark.parametrize("party_id", ["PRI", "A.SOC", "EVA", "GOV"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_board_reads_as_agreed(tmp_path: Path, party_id: str, language: str) -> None:
    with filled(tmp_path / "s.db", party_id) as store:
        lines, count, last = store.numbered_lines()
    made = board_of(view_of(party_id), party_id, lines, DAY, ZONE)
    changes = Changes(count, last, count - 1 if party_id == "PRI" else count)
    text = board_text(made, party_id, changes, wording(language), ZONE)
    golden = GOLDEN / f"board.{made.view.name}.{language}.txt"
    assert text + "\n" == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name_of_view", sorted(VIEWS))
def test_every_list_names_columns_of_its_view_and_has_words(name_of_view: str) -> None:
    made = VIEWS[name_of_view]
    shapes = {column.name: column.shape for column in made.columns}
    right = {
        "among": {Shape.CODE},
        "contains": {Shape.CODES},
        "own": {Shape.TEXT},
        "within_days": {Shape.DAY, Shape.INSTANT},
        "last_days": {Shape.DAY, Shape.INSTANT},
        "past_days": {Shape.DAY, Shape.INSTANT},
        "ahead_days": {Shape.DAY, Shape.INSTANT},
        "quiet_days": {Shape.DAY, Shape.INSTANT},
        "present": set(Shape),
    }
    assert made.counts_only != bool(lists_of(made))
    for one in lists_of(made):
        assert one.when
        for condition in one.when:
            (kind,) = condition.keys() - {"column"}
            assert shapes[condition["column"]] in right[kind], one.name
        assert {one.order, *one.show} <= set(shapes)
        assert shapes[one.order] is not Shape.CODES
        for language in LANGUAGES:
            title = wording(language).board_list(one.name, one.days)
            assert "{" not in title
            assert (str(one.days) in title) == ("{days}" in wording(language).sections["lists"][one.name])
    for language in LANGUAGES:
        assert all(wording(language).count(question) for question in _data()["counts"])


def test_no_list_and_no_count_is_worded_that_nothing_uses() -> None:
    used = {one.name for made in VIEWS.values() for one in lists_of(made)}
    assert set(wording("en").sections["lists"]) == used
    assert set(wording("en").sections["counts"]) == set(_data()["counts"])
    assert set(_data()["boards"]) <= set(VIEWS)


def released(kinds: list[str | None]) -> list[dict[str, Any]]:
    columns = VIEWS["cohort"].columns
    return [
        {"key": name("gov", number)} | dict.fromkeys(column.name for column in columns) | {"release_kind": kind}
        for number, kind in enumerate(kinds)
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["A", "B", "C", "D", None]), max_size=40))
def test_no_count_under_five_is_shown_or_can_be_computed(kinds: list[str | None]) -> None:
    made = board_of(VIEWS["cohort"], "EVA", released(kinds), DAY, ZONE)
    whole = Counter(kinds)
    for question, cells in made.counts.items():
        rest = len(kinds) - sum(count for _, count in cells)
        assert rest == 0 or rest >= 5 or not cells, question
        assert all(count >= 5 for _, count in cells)
    shown = dict(made.counts["release_kind"])
    assert all(whole[kind] == count for kind, count in shown.items())
    if all(count >= 5 for count in whole.values()):
        assert set(shown) == set(whole) - {None}, "nothing is hidden that need not be"


def test_counts_are_those_of_the_lines() -> None:
    lines = released(["ReleasedOnParole"] * 12)
    for number, line in enumerate(lines):
        line["released_at"] = AT
        line["first_contact"] = AT + (0 if number < 6 else 5) * DAY_MS
        line["housing"] = "OWN_TENANCY" if number < 7 else None
        line["coordinator"] = "A.SOC" if number < 11 else None
    counts = board_of(VIEWS["cohort"], "EVA", lines, DAY, ZONE).counts
    assert counts["release_month"] == [("2025-11", 12)]
    assert counts["days_to_contact"] == [("<=1", 6), ("<=7", 6)]
    assert counts["with_housing"] == [("NO", 5), ("YES", 7)]
    assert counts["with_coordinator"] == [], "11 of 12 tells of the one"
    assert counts["went_on"] == []


def test_plain_values_say_what_is_new_and_nothing_of_others(tmp_path: Path) -> None:
    with filled(tmp_path / "s.db", "PRI") as store:
        lines, count, last = store.numbered_lines()
        known = last[CITIZENS[1]] - 1
        made = board_of(store.view, "PRI", lines, DAY, ZONE)
        values = board_values(made, "PRI", Changes(count, last, known), ZONE)
    assert json.loads(json.dumps(values)) == values
    assert (values["as_of"], values["citizens"], values["changes"]) == ("2025-11-03", 4, count)
    (line,) = values["lists"]["leaving_unprepared"]
    assert (line["key"], line["planned_release"], line["new"]) == (CITIZENS[1], "2025-11-23", True)
    assert "counts" not in values
    assert not any(one["new"] for one in values["lists"]["left"]) or last[CITIZENS[3]] > known


def test_a_board_never_depends_on_what_was_not_sent(tmp_path: Path) -> None:
    """The same citizens, once with a closed coordinator field and once where none was ever stated."""
    boards = []
    for label, closed in (("closed", {"party": None, "coordinator": None}), ("absent", {})):
        topic = SimulatedTopic()
        topic.disclose(CITIZENS[0], name("i"), "ImprisonmentStarted", {"occurredAt": AT, "institution": "PRI"})
        topic.disclose(CITIZENS[0], name("c"), "CoordinatorAssigned", {"occurredAt": AT} | closed, party="A.SOC")
        with PartyStore.create(tmp_path / f"{label}.db", "PRI") as store:
            drain(Subscription("PRI", topic, store))
            boards.append(board_text(board(store), "PRI", Changes(0, {}, 0), wording("en"), ZONE))
    assert boards[0] == boards[1]


def test_a_board_of_two_thousand_citizens_takes_under_a_second(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    for number in range(2_000):
        key = name("many", number)
        topic.disclose(key, name("i", number), "ImprisonmentStarted", {"occurredAt": AT, "institution": "PRI"})
        planned = {"occurredAt": AT, "releaseDate": DAY + number % 90, "kind": "PAROLE"}
        topic.disclose(key, name("d", number), "ReleaseDateSet", planned)
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        drain(Subscription("PRI", topic, store))
        begun = time.process_time()
        lines, count, last = store.numbered_lines()
        made = board_of(store.view, "PRI", lines, DAY, ZONE)
        text = board_text(made, "PRI", Changes(count, last, 0), wording("en"), ZONE)
        took = time.process_time() - begun
    assert text.count("\n") > 4_000
    assert took < 1.0


def test_both_jurisdictions_count_days_in_their_own_zone(tmp_path: Path) -> None:
    assert set(ZONE_OF_JURISDICTION) == {"DK", "SE"}
    topic = SimulatedTopic()
    late = start_of_day(DAY + 1, ZONE) - 60_000
    topic.disclose(CITIZENS[0], name("r"), "ReleasedOnParole", {"occurredAt": late})
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        drain(Subscription("PRI", topic, store))
        assert on(board(store, DAY))["left"] == [0], "a minute to midnight is still that local day"
        assert "left" not in on(board(store, DAY - 1))
