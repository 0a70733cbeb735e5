"""A consent, or a withdrawal, whose id is corrected: whoever had something by it is waited for all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.fact import ce_id_of
from deploy.withdrawals_command import open_in
from hub.case_timeline.consent_ids import ids_of_consents
from tests.shard.harness import CASE, HOUR_MS, ShardUnderTest, consent, imprisonment
from tests.shard.reminding import released
from tests.shard.test_consent_endings import told_of_endings
from tests.shard.test_disclosing import CONSENT_ID, withdrawn
from tests.shard.test_hidden_endings import hub as hidden_hub
from tests.shard.test_hidden_endings import outreach
from tests.shard.test_unknown_consents import UNKNOWN_ID
from tests.shard.test_withdrawals import OTHER_ID, PARTIES, acknowledged, hub
from tests.work import lines_run

__all__ = ["hidden_hub", "hub"]


def given_in_custody(directory: Path) -> tuple[ShardUnderTest, dict[str, Any]]:
    """A hub on which B.SOC is shown a custody by a consent, and the values of its form."""
    hub = ShardUnderTest(directory, PARTIES)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    values = consent(hub.now, ["CU", "OF"], ["A.ADD", "B.SOC"])
    hub.state("PRI", "ConsentGiven", values, "form")
    hub.settle()
    assert "custodyId" in str(hub.view("B.SOC"))
    return hub, values


def test_a_loss_under_the_id_that_the_consent_had_before_is_waited_for(tmp_path: Path) -> None:
    hub, values = given_in_custody(tmp_path)
    out = hub.names.output("B.SOC")
    hub.broker.unreachable.add(out)
    hub.tick(HOUR_MS)
    # The form is corrected: another id, and B.SOC was never on it.
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_ID, "recipients": ["A.ADD"]}, "form", revision=1)
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawal = withdrawn(hub, OTHER_ID)
    for _ in range(20):
        hub.shard.step(0.0)
    assert "custodyId" in str(hub.view("B.SOC"))
    assert hub.parked() == []
    assert ce_id_of(withdrawal) not in acknowledged(hub), (
        "acknowledged though B.SOC has not heard that it must remove it"
    )


def test_who_loses_by_the_correction_of_the_consents_id_is_waited_for(tmp_path: Path) -> None:
    """The withdrawal had the right id, the form a wrong one: its correction ends the consent, out of reach of B.SOC."""
    hub, values = given_in_custody(tmp_path)
    hub.tick(HOUR_MS)
    withdrawal = withdrawn(hub, OTHER_ID)
    hub.settle()
    assert acknowledged(hub) == []
    assert "custodyId" in str(hub.view("B.SOC"))
    hub.tick(HOUR_MS)
    hub.broker.unreachable.add(hub.names.output("B.SOC"))
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_ID}, "form", revision=1)
    for _ in range(30):
        hub.shard.step(0.0)
    assert "custodyId" not in str(hub.view("A.ADD"))
    assert "custodyId" in str(hub.view("B.SOC"))
    assert hub.parked() == []
    assert ce_id_of(withdrawal) not in acknowledged(hub), "B.SOC has not been told, and shows it"


def test_a_withdrawal_corrected_to_another_consent_while_its_receiver_is_out_of_reach(hub: ShardUnderTest) -> None:
    """Mistyped, waits; corrected to the right one: waits for its receivers."""
    values = {"consentId": OTHER_ID, "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", values, "letter")
    hub.settle()
    hub.broker.unreachable.add(hub.names.output("B.SOC"))
    hub.state("PRI", "ConsentWithdrawn", values | {"consentId": CONSENT_ID}, "letter", revision=1)
    for _ in range(30):
        hub.shard.step(0.0)
    assert "custodyId" in str(hub.view("B.SOC"))
    assert acknowledged(hub) == []


def test_a_withdrawal_under_the_old_id_that_ends_the_consent_is_acknowledged(tmp_path: Path) -> None:
    hub, values = given_in_custody(tmp_path)
    hub.tick(HOUR_MS)
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_ID}, "form", revision=1)
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawal = withdrawn(hub, CONSENT_ID)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert [each.state for each in open_in(0, hub.store) if each.event == withdrawal] == []
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_all_ids_that_a_consent_ever_had_are_one_consents_and_no_others(hub: ShardUnderTest) -> None:
    values = consent(hub.now, ["CU"], ["A.ADD"])
    for revision, consent_id in enumerate((OTHER_ID, UNKNOWN_ID)):
        hub.state("PRI", "ConsentGiven", values | {"consentId": consent_id}, "another", revision=revision)
    hub.settle()
    found = ids_of_consents(hub.shard.cases.get(CASE).timeline)
    both = frozenset({OTHER_ID, UNKNOWN_ID})
    assert found == {CONSENT_ID: {CONSENT_ID}, OTHER_ID: both, UNKNOWN_ID: both}


def test_the_ids_of_consents_cost_as_many_steps_as_there_are_corrections(hub: ShardUnderTest) -> None:
    values, corrected = consent(hub.now, ["CU"], ["A.ADD"]), 0

    def work(count: int) -> int:
        nonlocal corrected
        while corrected < count:
            values["consentId"] = f"c0000000-0000-4000-8000-{corrected:012}"
            hub.state("PRI", "ConsentGiven", values, "another", revision=corrected)
            corrected += 1
        hub.settle()
        case = hub.shard.cases.get(CASE).timeline
        assert len(ids_of_consents(case)) == count + 1
        return lines_run(lambda: ids_of_consents(case))

    few = work(40)
    assert work(80) < 2.5 * few


@pytest.mark.parametrize("ended", [CONSENT_ID, OTHER_ID])
def test_a_consent_that_bore_two_ids_ends_once(tmp_path: Path, ended: str) -> None:
    hub, values = given_in_custody(tmp_path)
    hub.tick(HOUR_MS)
    corrected = hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_ID}, "form", revision=1)
    hub.settle()
    assert "custodyId" in str(hub.view("B.SOC"))
    hub.tick(HOUR_MS)
    withdrawn(hub, ended)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(corrected), hub.now)]
    assert len(hub.store.obligations()) == 2


@pytest.mark.parametrize("corrected_while_hidden", [False, True])
def test_a_consent_whose_id_was_corrected_has_not_ended_when_a_gate_hides_what_it_showed(
    hidden_hub: ShardUnderTest, *, corrected_while_hidden: bool
) -> None:
    hub = hidden_hub
    values = consent(hub.now, ["SU"], ["PRI", "FAC"]) | {"sources": ["A.ADD"]}
    hub.state("PRI", "ConsentGiven", values, "form")
    contact = outreach(hub)
    hub.settle()
    assert contact in hub.view("PRI")
    hub.tick(HOUR_MS)
    if corrected_while_hidden:
        released(hub)
        hub.settle()
        hub.tick(HOUR_MS)
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_ID}, "form", revision=1)
    hub.settle()
    if not corrected_while_hidden:
        hub.tick(HOUR_MS)
        released(hub)
        hub.settle()
    assert contact not in hub.view("PRI")
    assert contact in hub.view("FAC")
    assert [told_of_endings(hub, party) for party in ("PRI", "FAC")] == [[], []]
    hub.tick(HOUR_MS)
    withdrawn(hub, OTHER_ID)
    hub.settle()
    assert [[at for _, at in told_of_endings(hub, party)] for party in ("PRI", "FAC")] == [[hub.now], [hub.now]]
