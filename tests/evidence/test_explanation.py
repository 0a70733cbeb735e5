"""An explanation is the decision made again: it agrees with what was stored and with what was sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.catalogue import catalogue
from contracts.failures import NotFound
from hub.case_timeline.timeline import JOINING
from hub.consent.policies import Policies
from hub.consent.rule_reader import RULES_FOLDER
from hub.disclosure.settlement import mask_of_shown
from hub.evidence.explanation import Explanation, explain
from hub.evidence.replay import replay
from hub.store.records import DecisionsRecorded, MergeStepped, case_stream
from tests.evidence.story import CONSENTED, CORRECTED_AT, WITHDRAWN_AT, Story
from tests.shard.harness import CASE, HOUR_MS, OTHER_CASE, START, ShardUnderTest

TIMES = (CONSENTED - 1, CONSENTED, CORRECTED_AT, WITHDRAWN_AT)


def explained(story: Story, name: str, party: str, at: int = WITHDRAWN_AT) -> Explanation:
    return explain(story.replay(known=at), story.events[name], party, at, story.policies, story.reader)


def shown_fields(explanation: Explanation) -> set[str]:
    return {field.field for field in explanation.fields if field.shown}


@pytest.mark.parametrize("at", TIMES)
def test_it_agrees_with_the_stored_decision_for_every_fact_party_and_time(story: Story, at: int) -> None:
    replayed = story.replay(known=at)
    parties = story.hub.parties
    compared = 0
    for fact in replayed.facts:
        for party in parties:
            told = explain(replayed, fact.event_id, party, at, story.policies, story.reader)
            assert (told.agrees, told.settled_at) == (True, None), (fact.event_type, party)
            assert told.state == fact.state
            compared += mask_of_shown(told.decided) > 0
    assert compared > 5


def test_the_fields_it_calls_shown_are_the_fields_that_were_sent(story: Story) -> None:
    for party in story.hub.parties:
        view = story.hub.view(party)
        for name, event_id in story.events.items():
            assert shown_fields(explained(story, name, party)) == set(view.get(event_id, {})), (name, party)


def test_it_names_the_rule_its_law_and_the_events_that_it_rests_on(story: Story) -> None:
    fields = {field.field: field for field in explained(story, "start", "A.SOC").fields}
    assert fields["legalStatus"].basis == "S1"
    assert "GDPR" in str(fields["legalStatus"].law)
    assert story.events["start"] in fields["legalStatus"].events
    assert (fields["offenceGroup"].shown, fields["offenceGroup"].basis) == (False, None)
    assert len(fields["offenceGroup"].why) > 20


def test_a_consent_opens_from_the_moment_it_is_given_until_it_is_withdrawn(story: Story) -> None:
    seen = [shown_fields(explained(story, "start", "B.SOC", at)) for at in TIMES]
    assert [bool(fields) for fields in seen] == [False, True, True, False]
    assert "offenceGroup" in seen[1]
    assert "planDuty" not in seen[1]
    bases = {field.basis for field in explained(story, "start", "B.SOC", CONSENTED).fields if field.shown}
    assert {str(basis)[:2] for basis in bases} == {"C:"}


def test_a_withheld_field_says_by_which_rule_though_its_category_is_open(story: Story) -> None:
    fields = {field.field: field for field in explained(story, "child", "A.YTH", CONSENTED).fields}
    assert fields["placement"].shown
    assert not fields["childRef"].shown
    assert "N4" in fields["childRef"].why
    to_social_services = {field.field: field for field in explained(story, "child", "B.SOC", CONSENTED).fields}
    assert to_social_services["childRef"].shown
    own = {field.field: field for field in explained(story, "child", "A.CHI", CONSENTED).fields}
    assert own["childRef"].shown


@pytest.mark.parametrize("party", ["PRI", "A.SOC", "B.SOC"])
def test_a_corrected_fact_is_shown_to_nobody_and_says_so(story: Story, party: str) -> None:
    told = explained(story, "date", party)
    assert told.state == "corrected"
    assert shown_fields(told) == set()
    assert all("corrected" in field.why for field in told.fields)


def test_only_what_the_fact_states_is_explained(story: Story) -> None:
    stated = {field.field for field in explained(story, "start", "A.SOC").fields}
    assert "earliestParole" not in stated
    assert stated <= set(catalogue().event_types["ImprisonmentStarted"].field)


def test_a_stored_decision_that_differs_is_not_hidden(story: Story) -> None:
    replayed = story.replay(known=CONSENTED)
    told = explain(
        replayed, story.events["start"], "B.SOC", WITHDRAWN_AT + 400 * 86_400_000, story.policies, story.reader
    )
    assert not told.agrees
    assert told.recorded
    assert told.decided == ()


def test_a_fact_of_another_case_or_from_later_is_not_found(story: Story) -> None:
    with pytest.raises(NotFound):
        explained(story, "withdrawal", "PRI", CONSENTED)


def test_an_explanation_says_under_which_rules_and_whether_the_stored_decision_names_them(
    story: Story, tmp_path: Path
) -> None:
    start = story.events["start"]
    told = explain(story.replay(), start, "A.SOC", WITHDRAWN_AT, story.policies, story.reader)
    assert (told.rule_set, told.told_under_it) == ("DK-1", True)
    never_told = explain(story.replay(), start, "A.CHI", WITHDRAWN_AT, story.policies, story.reader)
    assert never_told.told_under_it is None
    for file in RULES_FOLDER.glob("*.toml"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8") + "\n# another text\n", encoding="utf-8")
    others = Policies.load(story.hub.registry, tmp_path)
    assert explain(story.replay(), start, "A.SOC", WITHDRAWN_AT, others, story.reader).told_under_it is False


def test_while_facts_of_another_case_come_in_nothing_new_is_said_to_be_shown(story: Story) -> None:
    """The consent has come, and the settlement that follows it tells nobody: its withdrawal may be on its way."""
    known = []
    for record in story.hub.store.case_records(CASE):
        if isinstance(record, DecisionsRecorded) and record.clock >= CONSENTED:
            break
        known.append(record)
    version = known[-1].originator_version + 1
    known.append(MergeStepped(case_stream(CASE), version, CONSENTED, JOINING, OTHER_CASE, 0, change=1))
    replayed = replay(known, CASE, story.reader)
    start = story.events["start"]
    told = explain(replayed, start, "B.SOC", CONSENTED, story.policies, story.reader)
    assert (told.decided, told.agrees, shown_fields(told)) == ((), True, set())
    waiting = {field.field for field in told.fields if "still coming in" in field.why}
    assert {"legalStatus", "offenceGroup"} <= waiting
    assert "planDuty" not in waiting, "the consent does not open it anyhow"
    before = explain(replayed, start, "A.SOC", CONSENTED, story.policies, story.reader)
    assert shown_fields(before) == shown_fields(explained(story, "start", "A.SOC", CONSENTED - 1))
    assert before.agrees


def test_break_glass_is_explained_by_the_request_that_opens_the_category_and_by_no_other(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path, ("PSY", "A.ADD", "PHE"))
    hub.enrol()
    events = {}
    for number, category in enumerate(("SU", "RI")):
        asked = {
            "requestId": f"e0000000-0000-4000-8000-00000000000{number}",
            "at": hub.now,
            "party": "PSY",
            "user": "u1",
            "categories": [category],
            "reason": "OVERDOSE",
            "justification": "found unconscious, nobody knows what was taken",
            "expiresAt": hub.now + HOUR_MS,
        }
        events[category] = hub.state("PSY", "BreakGlassRequested", asked, f"glass {category}")
    talk = {"talkId": "f0000000-0000-4000-8000-000000000001", "at": hub.now, "setting": "STREET"}
    talk |= {"topics": ["SUBSTANCE"], "nextStep": "NONE"}
    event = hub.state("A.ADD", "MotivationTalkHeld", talk, "talk")
    hub.settle()
    reader = hub.shard.cases.reader
    replayed = replay(hub.store.case_records(CASE), CASE, reader)
    told = explain(replayed, event, "PSY", START, hub.shard.cases.policies, reader)
    (substance,) = [one for one in told.reasoning if one.category == "SU"]
    assert substance.basis == "BG"
    assert substance.events == (events["SU"],)
