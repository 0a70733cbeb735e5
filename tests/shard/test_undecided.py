"""An error while deciding one case: nothing of that case leaves, it is counted, the others go on."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from contracts.civil_time import day_date
from contracts.codec import Codec
from contracts.fact import ce_id_of
from hub.consent.decision import Decider
from hub.consent.rule_reader import RULES_FOLDER
from hub.disclosure.envelope import Envelopes
from hub.shard import settling
from hub.shard.settling import UNDECIDED_RETRY_MS
from tests.shard.harness import DAY_MS, HOUR_MS, OTHER_CASE, ShardUnderTest, consent, imprisonment
from tests.shard.test_disclosing import given, release_date, withdrawn
from tests.shard.test_restarting import cut_off, reachable_again
from tests.shard.test_withdrawals import acknowledged


def test_a_case_that_cannot_be_decided_lets_nothing_out_and_heals_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    hub.settle()
    decided = Decider.decided

    def failing(decider: Decider, outline: Any) -> Any:
        if outline.references.get("collectedBy") == "A.SOC":
            raise ZeroDivisionError("Kirsten Hansen")
        return decided(decider, outline)

    monkeypatch.setattr(Decider, "decided", failing)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    refused = {
        "consentId": OTHER_CASE, "at": hub.now, "collectedBy": "A.SOC", "collector": "s1", "categories": ["HO"],
        "sources": ["PRI"], "recipients": ["A.SOC"], "purposes": ["SOCIAL_SUPPORT"],
    }  # fmt: skip
    asked = hub.state("A.SOC", "ConsentRequested", refused, "asked")
    elsewhere = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "other", case_id=OTHER_CASE)
    with caplog.at_level(logging.ERROR):
        hub.settle()
    assert [line[2] for line in hub.told("A.SOC")] == [elsewhere]
    assert hub.shard.metrics.undecided._value.get() == 1
    assert "ZeroDivisionError" in caplog.text
    assert "Kirsten" not in caplog.text

    monkeypatch.undo()
    hub.tick(UNDECIDED_RETRY_MS)
    hub.settle()
    assert set(hub.view("A.SOC")) == {start, asked, elsewhere}


def test_a_case_whose_promises_cannot_be_made_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    hub.settle()
    monkeypatch.setattr(settling, "promise", undecidable)
    given(hub, ["CU"], ["A.SOC"])
    withdrawal = withdrawn(hub)
    elsewhere = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "other", case_id=OTHER_CASE)
    hub.settle()
    assert set(hub.view("A.SOC")) == {elsewhere}
    assert hub.shard.metrics.undecided._value.get() == 1
    monkeypatch.undo()
    hub.tick(UNDECIDED_RETRY_MS)
    hub.settle()
    assert withdrawal in hub.view("PRI")
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_a_case_that_cannot_be_decided_takes_no_others_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many cannot: a consent that lapses in another case is not shown a day longer for it."""
    monkeypatch.setattr(settling, "DUE_CASES_MAX", 1)
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "other", case_id=OTHER_CASE)
    scope = consent(hub.now, ["CU"], ["B.SOC"]) | {"validUntil": hub.now + HOUR_MS}
    hub.state("PRI", "ConsentGiven", scope, "given", case_id=OTHER_CASE)
    hub.settle()
    assert start in hub.view("B.SOC")
    decided = Decider.decided

    def failing(decider: Decider, outline: Any) -> Any:
        return undecidable(decider, outline) if outline.event_type == "CaseOpened" else decided(decider, outline)

    monkeypatch.setattr(Decider, "decided", failing)
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.settle()
    hub.tick(HOUR_MS)
    hub.settle()
    assert start not in hub.view("B.SOC")


def test_what_is_left_over_of_a_case_that_cannot_be_decided_waits_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    hub.settle()
    cut_off(hub, "A.SOC")
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    monkeypatch.setattr(Decider, "decided", undecidable)
    hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    for _ in range(2):
        reachable_again(hub)
        hub.restart()
        hub.tick(HOUR_MS)
        hub.settle()
        assert hub.told("A.SOC") == []
    monkeypatch.undo()
    hub.tick(UNDECIDED_RETRY_MS)
    hub.settle()
    assert start in hub.view("A.SOC")
    assert hub.store.due(hub.now, 10) == []


def undecidable(decider: Decider, outline: Any) -> Any:
    raise ZeroDivisionError


def test_a_fact_that_cannot_be_encoded_stops_its_case_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    hub.settle()
    encode = Codec.encode_trusted

    def failing(codec: Codec, schema_id: int, payload: Any) -> bytes:
        if payload.get("sentenceDays") == 99:
            raise ValueError
        return encode(codec, schema_id, payload)

    monkeypatch.setattr(Codec, "encode_trusted", failing)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 99}, "start")
    elsewhere = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "other", case_id=OTHER_CASE)
    hub.settle()
    assert {event_id for *_, event_id, _ in hub.told("A.SOC")} == {elsewhere}
    assert hub.shard.metrics.undecided._value.get() == 1
    monkeypatch.undo()
    hub.tick(UNDECIDED_RETRY_MS)
    hub.settle()
    assert set(hub.view("A.SOC")) == {start, elsewhere}


def test_a_settlement_that_comes_to_nothing_again_and_again_states_an_ending_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(RULES_FOLDER, folder)
    hub = ShardUnderTest(tmp_path, rules_folder=folder)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    opened = consent(hub.now, ["CU", "RE"], ["A.JOB"]) | {"purposes": ["EMPLOYMENT", "SOCIAL_SUPPORT"]}
    hub.state("PRI", "ConsentGiven", opened, "consent")
    custody = imprisonment(0)["custodyId"]
    release = {"custodyId": custody, "releaseDate": day_date(20_300), "kind": "PAROLE"}
    date_set = hub.state("PRI", "ReleaseDateSet", release, "date")
    hub.settle()
    assert date_set in hub.view("A.JOB")
    for _ in range(3):
        hub.tick(DAY_MS)
        hub.settle()
    hub.state("PRI", "ReleaseDateSet", release | {"releaseDate": day_date(20_310)}, "another date")
    hub.settle()
    hub.tick(60_000)
    hub.settle()
    rules = folder / "DK-1.toml"
    shorter = re.sub(r'(max_age\s*=\s*)"[^"]+"', r'\1"P1D"', rules.read_text(encoding="utf-8"))
    rules.write_text(shorter, encoding="utf-8")
    hub.restart()
    with monkeypatch.context() as patch:
        patch.setattr(Envelopes, "form", Mock(side_effect=ZeroDivisionError))
        for _ in range(4):
            hub.settle()
            hub.tick(2 * UNDECIDED_RETRY_MS)
    for _ in range(2):
        hub.tick(2 * UNDECIDED_RETRY_MS)
        hub.settle()
    assert date_set not in hub.view("A.JOB")
    assert len(hub.notices("A.JOB")) == 1
    assert len(hub.store.obligations()) == 1
