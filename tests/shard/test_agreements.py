"""Agreements in the decision: a line that asks for one opens under it alone, from its first instant to its last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import day_number, moment_of
from contracts.fact import ce_id_of
from hub.consent.agreements import digest_of
from hub.consent.rule_reader import RULES_FOLDER
from hub.evidence.explanation import explain
from hub.evidence.replay import replay
from hub.store.records import DecisionsRecorded
from tests.shard.harness import CASE, HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.test_governance import AGREEMENT, GOVERNANCE, agreement
from tests.shard.test_restarting import cut_off, reachable_again

CASES = tuple(f"5f0c7d1e-0000-4000-8000-00000000030{number}" for number in range(5))
FIRST, END = date(2025, 1, 8), date(2025, 1, 15)
RULE = """
[[rule]]
id = "X1"
title = "Under an agreement"
law = "a rule of this test"
confidence = "M"

    [[rule.grant]]
    limited_by = ["stated_by", "to", "under"]
    stated_by = ["PRI"]
    to = ["ADD"]
    categories = ["CU", "PL"]
    under = "between_its_parties"

"""
BETWEEN_THEM = {"parties": ["PRI", "A.ADD"], "categories": ["CU"], "startsOn": FIRST, "endsOn": END}


def midnight(day: date) -> int:
    """00:00 in Copenhagen, in winter."""
    return (day_number(day) * 24 - 1) * HOUR_MS


def rules_that_ask(folder: Path) -> Path:
    folder.mkdir()
    for file in RULES_FOLDER.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "DK-1.toml").read_text().replace('order = ["S13"', 'order = ["X1", "S13"')
    before, mark, after = text.partition("# --- Consent (4.4")
    assert mark
    (folder / "DK-1.toml").write_text(before + RULE + mark + after)
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """A hub whose rules ask for an agreement, with five citizens in custody."""
    hub = ShardUnderTest(tmp_path, rules_folder=rules_that_ask(tmp_path / "rules"))
    for case_id in CASES:
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
    hub.settle()
    return hub


def register(hub: ShardUnderTest, reference: str = "1", **more: Any) -> str:
    event_id = hub.state(
        "HUB", "AgreementRegistered", agreement(**{**BETWEEN_THEM, **more}), reference, case_id=GOVERNANCE
    )
    hub.settle()
    return event_id


def end(hub: ShardUnderTest) -> None:
    hub.state("HUB", "AgreementEnded", agreement(**BETWEEN_THEM), "end", case_id=GOVERNANCE)
    hub.settle()


def move_to(hub: ShardUnderTest, instant: int) -> None:
    hub.tick(instant - hub.now)
    hub.settle()


def citizens_seen(hub: ShardUnderTest, party: str = "A.ADD") -> int:
    return sum("custodyId" in payload for payload in hub.view(party).values())


def test_without_an_agreement_the_line_opens_nothing(hub: ShardUnderTest) -> None:
    assert hub.told("A.ADD") == []


def test_an_agreement_opens_its_categories_from_its_first_instant_to_its_last(hub: ShardUnderTest) -> None:
    register(hub)
    assert citizens_seen(hub) == 0
    move_to(hub, midnight(FIRST) - 1)
    assert citizens_seen(hub) == 0
    move_to(hub, midnight(FIRST))
    assert citizens_seen(hub) == len(CASES)
    assert not any("planDuty" in payload for payload in hub.view("A.ADD").values()), "PL is not in the agreement"
    assert hub.store.due(hub.now, 10) == []
    move_to(hub, midnight(END) - 1)
    assert citizens_seen(hub) == len(CASES)
    move_to(hub, midnight(END))
    assert citizens_seen(hub) == 0


@pytest.mark.parametrize(
    "other",
    [
        {"parties": ["PRI", "A.SOC"]},
        {"parties": ["A.ADD", "KIF"]},
        {"parties": ["A.ADD"]},
        {"categories": ["SU", "RE", "OTHER"]},
        {"startsOn": date(2025, 2, 1), "endsOn": date(2025, 3, 1)},
        {"startsOn": FIRST, "endsOn": FIRST},
    ],
)
def test_an_agreement_of_others_or_about_something_else_opens_nothing(
    hub: ShardUnderTest, other: dict[str, Any]
) -> None:
    register(hub, **other)
    move_to(hub, midnight(FIRST))
    assert citizens_seen(hub) == 0


def test_registering_and_ending_it_while_it_is_in_force_reaches_every_case(hub: ShardUnderTest) -> None:
    move_to(hub, midnight(FIRST))
    register(hub)
    assert citizens_seen(hub) == len(CASES)
    hub.tick(HOUR_MS)
    end(hub)
    assert citizens_seen(hub) == 0
    assert hub.store.due(hub.now, 10) == []
    hub.tick(HOUR_MS)
    register(hub, "anew")
    assert citizens_seen(hub) == len(CASES)


def test_an_extension_is_another_registration(hub: ShardUnderTest) -> None:
    move_to(hub, midnight(FIRST))
    register(hub)
    hub.tick(HOUR_MS)
    register(hub, "extended", endsOn=date(2025, 2, 1))
    move_to(hub, midnight(END))
    assert citizens_seen(hub) == len(CASES)
    move_to(hub, midnight(date(2025, 2, 1)) - 1)
    assert citizens_seen(hub) == len(CASES)
    move_to(hub, midnight(date(2025, 2, 1)))
    assert citizens_seen(hub) == 0


def test_a_registration_that_is_taken_back_or_corrected_counts_no_more(hub: ShardUnderTest) -> None:
    move_to(hub, midnight(FIRST))
    register(hub)
    hub.tick(HOUR_MS)
    hub.state(
        "HUB",
        "AgreementRegistered",
        agreement(**{**BETWEEN_THEM, "categories": ["PL"]}),
        "1",
        case_id=GOVERNANCE,
        revision=1,
    )
    hub.settle()
    assert hub.parked() == []
    assert citizens_seen(hub) == 0, "the anchor, custody, is covered no more"


@pytest.mark.parametrize("facts_max", [1, 200_000])
@pytest.mark.parametrize("restarted", [False, True])
def test_cases_from_the_cache_and_after_a_restart_know_that_agreements_changed(
    hub: ShardUnderTest, facts_max: int, restarted: bool
) -> None:
    hub.facts_max = hub.shard.cases.facts_max = facts_max
    move_to(hub, midnight(FIRST))
    for is_ended, seen in ((False, len(CASES)), (True, 0)):
        if is_ended:
            end(hub)
        else:
            register(hub)
        if restarted:
            hub.restart()
        hub.tick(HOUR_MS)
        hub.settle()
        assert citizens_seen(hub) == seen


@pytest.mark.parametrize("late_by", [0, HOUR_MS])
def test_a_case_that_was_settled_before_an_agreement_was_stated_does_not_pass_for_settled_under_it(
    hub: ShardUnderTest, late_by: int
) -> None:
    """Late, or within the very millisecond: by its own word the agreement is in force at that settlement."""
    hub.facts_max = hub.shard.cases.facts_max = 1
    move_to(hub, midnight(FIRST) + HOUR_MS)
    for number, case_id in enumerate(CASES):
        moved = {
            "custodyId": imprisonment(0)["custodyId"],
            "fromParty": "PRI",
            "toParty": "X",
            "transferredAt": hub.now,
        }
        hub.state("PRI", "TransferredBetweenPrisons", moved, f"moved {number}", case_id=case_id)
        hub.settle()
    settled = hub.now
    if late_by:
        hub.tick(late_by)
    hub.state("HUB", "AgreementRegistered", agreement(**BETWEEN_THEM), "1", case_id=GOVERNANCE, occurred_at=settled - 1)
    hub.settle()
    assert citizens_seen(hub) == 2 * len(CASES)


def test_a_mass_change_goes_on_with_ingest_and_each_case_is_whole(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.shard.settling.DUE_CASES_MAX", 1)
    move_to(hub, midnight(FIRST))
    hub.state("HUB", "AgreementRegistered", agreement(**BETWEEN_THEM), "1", case_id=GOVERNANCE)
    hub.shard.step(0.0)
    moved = {"custodyId": imprisonment(0)["custodyId"], "fromParty": "PRI", "toParty": "X", "transferredAt": hub.now}
    event_id = hub.state("PRI", "TransferredBetweenPrisons", moved, "moved", case_id=CASES[-1])
    hub.shard.step(0.0)
    assert event_id in hub.view("A.ADD"), "new facts are not kept waiting"
    assert citizens_seen(hub) < len(CASES) + 1, "and other cases still wait for their turn"
    for _ in range(50):
        hub.tick(1)
        hub.shard.step(0.0)
    hub.settle()
    assert citizens_seen(hub) == len(CASES) + 1
    assert hub.store.due(hub.now, 10) == []


def test_nothing_left_over_leaves_a_case_that_is_not_settled_under_the_end_of_it(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.shard.settling.DUE_CASES_MAX", 1)
    move_to(hub, midnight(FIRST))
    cut_off(hub, "A.ADD")
    register(hub)
    assert citizens_seen(hub) == 0
    hub.tick(HOUR_MS)
    hub.state("HUB", "AgreementEnded", agreement(**BETWEEN_THEM), "end", case_id=GOVERNANCE)
    hub.restart()
    reachable_again(hub)
    hub.settle()
    assert not any("custodyId" in payload for *_, payload in hub.told("A.ADD"))
    assert citizens_seen(hub) == 0


def decisions(hub: ShardUnderTest, case_id: str) -> Iterator[DecisionsRecorded]:
    return (record for record in hub.store.case_records(case_id) if isinstance(record, DecisionsRecorded))


def test_decisions_cite_what_was_in_force_and_explanations_name_it(hub: ShardUnderTest) -> None:
    assert {record.agreements for record in decisions(hub, CASES[0])} == {""}
    move_to(hub, midnight(FIRST))
    registered = register(hub)
    cases = hub.shard.cases
    agreements = cases.agreements_in(cases.get(CASES[0]).timeline)
    *_, newest = decisions(hub, CASES[0])
    assert newest.agreements == digest_of(agreements.in_force(hub.now)) != ""
    reader, policies = cases.reader, cases.policies
    replayed = replay(hub.store.case_records(CASES[0]), CASES[0], reader)
    (fact,) = replayed.facts
    shown = explain(replayed, ce_id_of(fact.event_id), "A.ADD", hub.now, policies, reader, agreements)
    assert shown.agrees
    (custody,) = (one for one in shown.reasoning if one.category == "CU")
    assert custody.basis == "X1"
    assert AGREEMENT in custody.sentences[0]
    assert registered in custody.events
    (plan,) = (one for one in shown.reasoning if one.category == "PL")
    assert not plan.shown
    assert any("X1" in sentence and "agreement" in sentence for sentence in plan.sentences)
    before = explain(replayed, ce_id_of(fact.event_id), "A.ADD", hub.now, policies, reader)
    assert not before.agrees, "without what was in force the decision cannot be made again"


def test_rules_that_ask_for_no_agreement_settle_nothing_anew(tmp_path: Path) -> None:
    folder = rules_that_ask(tmp_path / "rules")
    for file in folder.glob("*-1.toml"):
        text = file.read_text().replace('limited_by = ["stated_by", "to", "under"]', 'limited_by = ["stated_by", "to"]')
        text = text.replace('under = "between_its_parties"', "").replace('"to", "under"]', '"to", "while"]')
        file.write_text(text.replace('under = "evaluating_a_case_that_cites_it"', 'while = ["custody_open"]'))
    hub = ShardUnderTest(tmp_path, rules_folder=folder)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    before = list(hub.store.case_records(CASE))
    register(hub, startsOn=date(2025, 1, 1))
    assert list(hub.store.case_records(CASE)) == before


def test_what_a_party_takes_back_of_its_own_makes_no_case_due(hub: ShardUnderTest) -> None:
    counted = {"date": date(2025, 1, 5), "setting": "STREET", "contacts": 9}
    hub.state("A.ADD", "AnonymousOutreachCounted", counted, "week 1", case_id=GOVERNANCE)
    hub.settle()
    hub.tick(HOUR_MS)
    hub.publisher("A.ADD").retract(
        "AnonymousOutreachCounted",
        "week 1",
        key=hub.key("A.ADD", GOVERNANCE),
        reason="NOT_OCCURRED",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )
    hub.shard.step(0.0)
    assert hub.parked() == []
    assert not set(hub.store.due_of(CASES).values()) & {hub.now}
