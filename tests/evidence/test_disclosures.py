"""The disclosure log: who could see what of a case in a period, on which basis, consent version and rule set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import day_date
from hub.case_timeline.timeline import CORRECTED
from hub.consent.policies import Policies
from hub.evidence.disclosures import Seen, seen_between, withheld_from_citizen
from hub.evidence.replay import ReplayedFact, replay
from hub.store.records import DecisionsRecorded
from tests.evidence.story import CONSENTED, CORRECTED_AT, WITHDRAWN_AT, Story
from tests.shard.harness import CASE, DAY_MS, START, ShardUnderTest, consent, imprisonment

CONSENT = "d0000000-0000-4000-8000-000000000001"
OTHER_NOTE = "a1000000-0000-4000-8000-000000000002"


def seen(story: Story, since: int | None = None, until: int | None = None) -> list[Seen]:
    return seen_between(story.replay(), story.reader, lambda _: story.policies, since, until)


def of(entries: list[Seen], story: Story, party: str, name: str) -> list[Seen]:
    return [each for each in entries if (each.party, each.event_id) == (party, story.events[name])]


def test_a_span_goes_from_the_telling_to_the_taking_back(story: Story) -> None:
    (told,) = of(seen(story), story, "B.SOC", "start")
    assert (told.since, told.until) == (CONSENTED, WITHDRAWN_AT)
    assert {"legalStatus", "offenceGroup"} <= set(told.fields)
    assert "planDuty" not in told.fields
    assert [basis for basis, _ in told.shown] == [f"C:{CONSENT}"]
    assert told.consents == ((CONSENT, 1, story.events["consent"]),)
    assert told.number > 0


def test_what_lies_in_a_period_only_in_part_is_seen_in_it(story: Story) -> None:
    inside = [
        bool(of(seen(story, since, until), story, "B.SOC", "start"))
        for since, until in (
            (START, CONSENTED),
            (START, CONSENTED + 1),
            (CORRECTED_AT, CORRECTED_AT + 1),
            (WITHDRAWN_AT - 1, WITHDRAWN_AT + 1),
            (WITHDRAWN_AT, None),
            (None, CONSENTED),
        )
    ]
    assert inside == [False, True, True, True, False, False]


def test_a_withheld_field_was_not_seen_though_its_category_was_open(story: Story) -> None:
    (told,) = of(seen(story), story, "A.YTH", "child")
    assert "placement" in told.fields
    assert "childRef" not in told.fields


def test_the_fields_seen_now_are_those_that_the_receivers_hold(story: Story) -> None:
    still = [each for each in seen(story) if each.until is None]
    for party in story.hub.parties:
        held = {each.event_id: set(each.fields) for each in still if each.party == party}
        view = story.hub.held(party)
        others = {event_id: set(values) for event_id, values in view.items() if event_id.split("/")[0] != party}
        assert held == others, party


def test_every_entry_cites_what_its_decision_cites(story: Story) -> None:
    cited = {
        (decision.party, decision.number): (record.rule_set, record.registry, record.agreements)
        for record in story.hub.store.case_records(CASE)
        if isinstance(record, DecisionsRecorded)
        for decision in record.decisions
        if decision.number
    }
    for each in seen(story):
        assert (each.rule_set, each.registry, each.agreements) == cited[each.party, each.number]
        assert each.rule_set_id == "DK-1"


def test_nobody_is_said_to_have_seen_what_it_stated_itself(story: Story) -> None:
    assert all(each.party != each.stated_by for each in seen(story))


def test_a_text_of_the_rules_that_is_there_no_more_gives_no_id(story: Story, tmp_path: Path) -> None:
    for policy in story.policies:
        (tmp_path / f"{policy.rule_set}.toml").write_bytes(policy.rules.text + b"\n# another text\n")
    others = Policies.load(story.hub.registry, tmp_path)
    entries = seen_between(story.replay(), story.reader, lambda _: others)
    assert entries
    assert {each.rule_set_id for each in entries} == {""}


# --- a consent that is amended, corrected, and a resync


@pytest.fixture
def amended(tmp_path: Path) -> Iterator[ShardUnderTest]:
    """The consent is amended after a day, and again after another one, backdated to the first."""
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given = consent(hub.now, ["CU"], ["B.SOC"])
    hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    for version, categories in ((2, ["CU", "RE"]), (3, ["CU", "OF"])):
        hub.tick(DAY_MS)
        values = {**given, "version": version, "at": hub.now, "categories": categories}
        hub.state("PRI", "ConsentAmended", values, f"amended {version}")
        hub.settle()
    yield hub
    hub.store.close()


def test_each_span_names_the_version_of_the_consent_that_was_in_force(amended: ShardUnderTest) -> None:
    reader, policies = amended.shard.cases.reader, amended.shard.cases.policies
    replayed = replay(amended.store.case_records(CASE), CASE, reader)
    entries = [
        each
        for each in seen_between(replayed, reader, lambda _: policies)
        if (each.party, each.event_type) == ("B.SOC", "ImprisonmentStarted")
    ]
    assert [(each.since, [one.version for one in each.consents]) for each in entries] == [
        (START, [1]),
        (START + 2 * DAY_MS, [3]),
    ]
    assert "offenceGroup" in entries[1].fields


# --- what the citizen is told


def risk_note(at: int, *, withheld: bool) -> dict[str, Any]:
    return {
        "noteId": "a1000000-0000-4000-8000-000000000001",
        "at": at,
        "riskKind": "VIOLENCE_TO_OTHERS",
        "level": "HIGH",
        "validUntil": day_date(20_400),
        "withholdFromSubject": withheld,
    }


@pytest.fixture
def noted(tmp_path: Path) -> Iterator[ShardUnderTest]:
    """The prison notes a risk that the citizen is not told of, and lifts it without saying so again."""
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.state("KIF", "PlanOfficerAssigned", {"staff": "s1", "at": hub.now}, "officer")
    hub.state("PRI", "RiskNoteRecorded", risk_note(hub.now, withheld=True), "note")
    hub.tick(DAY_MS)
    hub.state("PRI", "RiskNoteLifted", risk_note(hub.now, withheld=False), "lifted")
    hub.settle()
    yield hub
    hub.store.close()


def told_citizen(hub: ShardUnderTest) -> tuple[list[str], list[str]]:
    """The event types that others saw, and those of them that the citizen is told of."""
    replayed = replay(hub.store.case_records(CASE), CASE, hub.shard.cases.reader)
    left_out = withheld_from_citizen(replayed)
    entries = seen_between(replayed, hub.shard.cases.reader, lambda _: hub.shard.cases.policies)
    named = [each.event_type for each in entries]
    return named, [each.event_type for each in entries if each.event_id not in left_out]


def test_the_citizen_is_not_told_of_a_withheld_note_nor_of_its_end(noted: ShardUnderTest) -> None:
    seen_by_others, told = told_citizen(noted)
    assert {"RiskNoteRecorded", "RiskNoteLifted"} <= set(seen_by_others)
    assert told
    assert not {"RiskNoteRecorded", "RiskNoteLifted"} & set(told)


def test_a_note_that_is_corrected_to_be_told_is_told_and_the_withheld_one_is_not(noted: ShardUnderTest) -> None:
    noted.tick(DAY_MS)
    noted.state("PRI", "RiskNoteRecorded", risk_note(noted.now, withheld=False), "note", revision=1)
    noted.settle()
    assert noted.parked() == []
    _, told = told_citizen(noted)
    assert told.count("RiskNoteRecorded") == 1
    assert "RiskNoteLifted" in told


def test_the_end_of_a_withheld_note_stays_unsaid_when_its_number_was_corrected(noted: ShardUnderTest) -> None:
    noted.tick(DAY_MS)
    other = {**risk_note(noted.now, withheld=True), "noteId": OTHER_NOTE}
    noted.state("PRI", "RiskNoteRecorded", other, "note", revision=1)
    noted.settle()
    assert noted.parked() == []
    assert not {"RiskNoteRecorded", "RiskNoteLifted"} & set(told_citizen(noted)[1])


def test_a_note_whose_number_and_mark_are_corrected_is_told_and_the_end_under_the_old_number_is_not(
    noted: ShardUnderTest,
) -> None:
    """Nothing says any more whether the end under the old number is that of this note or of another one."""
    noted.tick(DAY_MS)
    other = {**risk_note(noted.now, withheld=False), "noteId": OTHER_NOTE}
    noted.state("PRI", "RiskNoteRecorded", other, "note", revision=1)
    noted.settle()
    _, told = told_citizen(noted)
    assert told.count("RiskNoteRecorded") == 1
    assert "RiskNoteLifted" not in told


@pytest.mark.parametrize("marks", [(False, True), (True, False), (False, False)])
def test_of_several_corrections_the_last_says_whether_a_note_is_told(
    noted: ShardUnderTest, marks: tuple[bool, bool]
) -> None:
    for revision, withheld in enumerate(marks, start=1):
        noted.tick(DAY_MS)
        noted.state("PRI", "RiskNoteRecorded", risk_note(noted.now, withheld=withheld), "note", revision=revision)
        noted.settle()
    assert noted.parked() == []
    assert ("RiskNoteLifted" in told_citizen(noted)[1]) == (not marks[-1])


def test_a_note_whose_correction_was_retracted_stays_withheld(noted: ShardUnderTest) -> None:
    noted.tick(DAY_MS)
    told = noted.state("PRI", "RiskNoteRecorded", risk_note(noted.now, withheld=False), "note", revision=1)
    noted.settle()
    taken_back = {"targetEventId": told.partition("/")[2], "at": noted.now, "reason": "NOT_OCCURRED"}
    noted.state("PRI", "EventRetracted", taken_back, "back")
    noted.settle()
    assert noted.parked() == []
    assert not {"RiskNoteRecorded", "RiskNoteLifted"} & set(told_citizen(noted)[1])


@pytest.mark.parametrize("length", [1, 2])
def test_a_note_in_a_ring_of_corrections_stays_withheld(noted: ShardUnderTest, length: int) -> None:
    """The gate lets no ring in; of a store that holds one all the same, the reading ends and nothing is told."""
    noted.tick(DAY_MS)
    noted.state("PRI", "RiskNoteRecorded", risk_note(noted.now, withheld=False), "note", revision=1)
    noted.settle()
    replayed = replay(noted.store.case_records(CASE), CASE, noted.shard.cases.reader)
    notes = [fact for fact in replayed.facts if fact.event_type == "RiskNoteRecorded"][:length]
    others = [fact for fact in replayed.facts if fact.event_type != "RiskNoteRecorded"]
    ring = [
        replace(note, state=CORRECTED, corrects=before.event_id)
        for note, before in zip(notes, [*notes[1:], notes[0]], strict=True)
    ]
    withheld = withheld_from_citizen(replace(replayed, facts=(*others, *ring)))
    assert "RiskNoteLifted" in {fact.event_type for fact in others if fact.event_id in withheld}
    assert notes[0].event_id in withheld


def test_many_withheld_notes_are_looked_through_as_often_as_one(noted: ShardUnderTest) -> None:
    class Facts(tuple[ReplayedFact, ...]):
        passes = 0

        def __iter__(self) -> Iterator[ReplayedFact]:
            Facts.passes += 1
            return super().__iter__()

    replayed = replay(noted.store.case_records(CASE), CASE, noted.shard.cases.reader)
    (note,) = (fact for fact in replayed.facts if fact.event_type == "RiskNoteRecorded")
    counts = []
    for many in (1, 20):
        Facts.passes = 0
        more = [replace(note, event_id=f"{note.event_id}{number}") for number in range(many)]
        withheld_from_citizen(replace(replayed, facts=Facts((*replayed.facts, *more))))
        counts.append(Facts.passes)
    assert counts[0] == counts[1]


def test_a_retracted_note_and_the_word_of_its_retraction_stay_unsaid(noted: ShardUnderTest) -> None:
    replayed = replay(noted.store.case_records(CASE), CASE, noted.shard.cases.reader)
    (note,) = (fact for fact in replayed.facts if fact.event_type == "RiskNoteRecorded")
    taken_back = {"targetEventId": note.event_id.partition("/")[2], "at": noted.now, "reason": "NOT_OCCURRED"}
    retraction = noted.state("PRI", "EventRetracted", taken_back, "back")
    noted.settle()
    replayed = replay(noted.store.case_records(CASE), CASE, noted.shard.cases.reader)
    assert {note.event_id, retraction} <= withheld_from_citizen(replayed)
    assert "RiskNoteLifted" not in told_citizen(noted)[1]
