"""A withdrawal of a consent that is not on its case counts, but is not acknowledged: its id may be mistyped."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from contracts.fact import ce_id_of
from deploy import withdrawals_command
from deploy.withdrawals_command import UNKNOWN_CONSENT, open_in
from tests.shard.harness import CASE, HOUR_MS, ShardUnderTest, consent
from tests.shard.merging import ACROSS, LOSER, SAME_SHARD, WINNER, MergingShards, hour, imprisoned
from tests.shard.merging import withdrawn as withdrawn_of
from tests.shard.test_disclosing import CONSENT_ID, given, withdrawn
from tests.shard.test_merging_withdrawals import told_by
from tests.shard.test_withdrawals import OTHER_ID, acknowledged, hub

__all__ = ["hub"]

UNKNOWN_ID = "d0000000-0000-4000-8000-00000000000f"


def listed(hub: ShardUnderTest) -> list[tuple[str, str | None]]:
    """Whoever stated a withdrawal that is listed as withdrawing no known consent, and its event id."""
    return [(each.party, each.event) for each in open_in(0, hub.store) if each.state == UNKNOWN_CONSENT]


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_names_it_in_words_and_for_programs(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    withdrawal = withdrawn(hub, UNKNOWN_ID)
    hub.settle()
    monkeypatch.setattr(withdrawals_command, "World", Mock())
    monkeypatch.setattr(withdrawals_command, "opened_stores", lambda _: nullcontext([hub.store]))
    said = CliRunner().invoke(withdrawals_command.withdrawals, ["list", *["--json"] * as_json]).output
    if as_json:
        row = {"shard": 0, "case": CASE, "party": "PRI", "event": withdrawal, "state": UNKNOWN_CONSENT, "due": None}
        assert json.loads(said) == [row]
    else:
        assert said == f"PRI: withdraws no known consent; event {withdrawal} of case {CASE}, shard 0\n"


def retracted(hub: ShardUnderTest, event_id: str) -> None:
    values = {"targetEventId": ce_id_of(event_id), "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state("PRI", "EventRetracted", values, f"taken back {event_id}")
    hub.settle()


def lapse(hub: ShardUnderTest, _: str) -> None:
    hub.tick(4 * HOUR_MS)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_withdrawal_of_no_known_consent_is_acknowledged_when_that_comes_and_not_before(
    hub: ShardUnderTest, restarts: bool
) -> None:
    withdrawal = withdrawn(hub, UNKNOWN_ID)
    hub.settle()
    for hours in (0, 1, 48):
        if restarts:
            hub.restart()
        hub.tick(hours * HOUR_MS)
        hub.settle()
        assert acknowledged(hub) == []
        assert listed(hub) == [("PRI", withdrawal)]
    assert hub.parked() == []
    given(hub, ["CU"], ["A.SOC", "B.SOC"], consentId=UNKNOWN_ID)
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]
    assert (listed(hub), hub.store.promises()) == ([], {})


def test_a_consent_that_was_taken_back_or_has_lapsed_is_known_all_the_same(hub: ShardUnderTest) -> None:
    for number, ends in enumerate((retracted, lapse)):
        consent_id = f"d0000000-0000-4000-8000-0000000001{number:02}"
        consent_given = given(hub, ["CU"], ["B.SOC"], consentId=consent_id, validUntil=hub.now + 3 * HOUR_MS)
        hub.settle()
        ends(hub, consent_given)
        hub.settle()
        withdrawal = withdrawn(hub, consent_id)
        hub.settle()
        assert ce_id_of(withdrawal) in acknowledged(hub)
    assert hub.store.promises() == {}


def test_a_mistyped_withdrawal_is_mended_by_its_correction(hub: ShardUnderTest) -> None:
    assert "custodyId" in str(hub.view("B.SOC"))
    values = {"consentId": UNKNOWN_ID, "at": hub.now, "by": "SUBJECT"}
    mistyped = hub.state("PRI", "ConsentWithdrawn", values, "letter")
    hub.settle()
    assert listed(hub) == [("PRI", mistyped)]
    mended = hub.state("PRI", "ConsentWithdrawn", values | {"consentId": CONSENT_ID}, "letter", revision=1)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert acknowledged(hub) == [ce_id_of(mended)]
    assert (listed(hub), hub.store.promises()) == ([], {})


def test_a_mistyped_withdrawal_that_is_taken_back_is_listed_no_more(hub: ShardUnderTest) -> None:
    mistyped = withdrawn(hub, UNKNOWN_ID)
    hub.settle()
    hub.tick(HOUR_MS)
    retracted(hub, mistyped)
    assert (listed(hub), hub.store.promises(), hub.shard.promises.waiting) == ([], {}, {})
    given(hub, ["CU"], ["B.SOC"], consentId=UNKNOWN_ID)
    hub.settle()
    assert acknowledged(hub) == []


def test_an_id_that_was_corrected_to_another_is_known_since_it_ends_the_consent(hub: ShardUnderTest) -> None:
    values = consent(hub.now, ["CU"], ["B.SOC"]) | {"consentId": UNKNOWN_ID}
    hub.state("PRI", "ConsentGiven", values, "form")
    hub.settle()
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_ID}, "form", revision=1)
    hub.settle()
    withdrawal = withdrawn(hub, UNKNOWN_ID)
    hub.settle()
    assert listed(hub) == []
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def shards(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


def unknown(shards: MergingShards) -> list[tuple[str, str | None]]:
    """(Case, withdrawal) of what is listed as withdrawing no known consent."""
    found = [each for shard, store in enumerate(shards.stores) for each in open_in(shard, store)]
    return [(each.case, each.event) for each in found if each.state == UNKNOWN_CONSENT]


@pytest.mark.parametrize(("under", "given_to"), [(WINNER, LOSER), (LOSER, WINNER)])
def test_a_consent_of_the_other_case_is_known_once_they_are_merged(
    shards: MergingShards, under: str, given_to: str
) -> None:
    imprisoned(shards, under)
    date = told_by(shards, given_to)
    withdrawal = withdrawn_of(shards, under)
    shards.settle()
    assert (shards.acknowledged(), unknown(shards)) == ([], [(under, withdrawal)])
    assert date in shards.held("A.JOB", given_to)
    for number in (0, 1):
        shards.restart(number)
    hour(shards)
    shards.merge()
    shards.settle()
    assert (shards.acknowledged(), unknown(shards)) == ([withdrawal], [])
    assert date not in shards.held("A.JOB", WINNER)
    assert [shard.promises.waiting for shard in shards.shards] == [{}, {}]


def test_a_withdrawal_of_no_known_consent_goes_with_its_key_when_a_merge_is_taken_back(shards: MergingShards) -> None:
    told_by(shards, WINNER)
    imprisoned(shards, LOSER)
    shards.merge()
    shards.settle()
    values = {"consentId": UNKNOWN_ID, "at": shards.now, "by": "SUBJECT"}
    mistyped = shards.state("PRI", "ConsentWithdrawn", values, "mistyped", LOSER)
    shards.settle()
    assert unknown(shards) == [(WINNER, mistyped)]
    hour(shards)
    shards.unlink()
    shards.settle()
    assert (shards.acknowledged(), unknown(shards)) == ([], [(LOSER, mistyped)])


@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_what_each_of_two_cases_promises_is_its_own_again_when_they_are_two(
    shards: MergingShards, is_acknowledged: bool
) -> None:
    """The withdrawal was stated of one citizen, the consent of the other: it counts where the consent is."""
    imprisoned(shards, LOSER)
    date = told_by(shards, WINNER)
    withdrawal = withdrawn_of(shards, LOSER)
    shards.settle()
    hour(shards)
    if not is_acknowledged:
        shards.unreachable("A.JOB", shards.shards_of[WINNER])
    shards.merge()
    shards.go_on()
    assert shards.acknowledged() == [withdrawal] * is_acknowledged
    shards.unlink()
    shards.go_on()
    values = {"consentId": UNKNOWN_ID, "at": shards.now, "by": "SUBJECT"}
    mistyped = shards.state("PRI", "ConsentWithdrawn", values, "mistyped", LOSER)
    shards.go_on()
    if not is_acknowledged:
        promised = shards.shards[shards.shards_of[WINNER]].promises.waiting[withdrawal]
        assert {each.case_id for each in promised} == {WINNER}
    shards.settle()
    assert shards.acknowledged() == [withdrawal]
    assert date not in shards.held("A.JOB", WINNER)
    assert (LOSER, mistyped) in unknown(shards)
    assert all(case_id == LOSER for case_id, _ in unknown(shards))
