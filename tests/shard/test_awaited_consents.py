"""A parked consent that an amendment waits for: neither comes in without the other, however it is stated again."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reasons import Reason
from tests.shard.harness import HOUR_MS, PARTIES, ShardUnderTest, consent, imprisonment
from tests.shard.test_parked_lines import amended, early_consent, retry, waiting
from tests.shard.test_signatures import FIRST, SECOND


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, parties=(*PARTIES, "C.SOC"))
    hub.enrol()
    hub.settle()
    return hub


@pytest.mark.parametrize("revision", [0, 1])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_consent_that_comes_again_does_not_pass_the_amendment_that_waits_for_it(
    hub: ShardUnderTest, revision: int, number: int
) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    early_consent(hub)
    again = hub.last_input("PRI")
    amended(hub, ["B.SOC"])
    hub.tick(2 * HOUR_MS)
    if revision:
        hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU", "HO"], ["C.SOC"]), "given", revision=1)
    else:
        hub.append("PRI", again)
    hub.settle()
    assert waiting(hub)[1:] == [(2, Reason.WAITS_FOR_PARKED), (3, Reason.WAITS_FOR_PARKED)]
    hub.restart()
    retry(hub, number)
    assert [reason for _, reason in waiting(hub)] == []
    assert start not in {event_id for _, _, event_id, _ in hub.told("C.SOC")}
    assert start in hub.view("B.SOC")


def test_once_both_have_come_in_the_consent_may_be_corrected_and_given_again(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    early_consent(hub)
    amended(hub, ["B.SOC"])
    hub.tick(2 * HOUR_MS)
    retry(hub, 1)
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU", "HO"], ["C.SOC"]), "given", revision=1)
    hub.settle()
    assert waiting(hub) == []
    assert start in hub.view("B.SOC")


def two_keys(hub: ShardUnderTest) -> None:
    for key in (FIRST, SECOND):
        hub.control.publish(0, "SigningKeyRegistered", {"party": "PRI", "publicKey": key.public.hex()})
    hub.tick(1)  # at equal times the hub's own input comes first
    hub.sign("PRI", FIRST)


@pytest.mark.parametrize("asked_first", ["the consent", "the amendment"])
def test_a_consent_stays_out_while_an_amendment_that_waits_for_it_is_refused(
    hub: ShardUnderTest, asked_first: str
) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    two_keys(hub)
    early_consent(hub)
    again = hub.last_input("PRI")
    hub.sign("PRI", SECOND)
    amended(hub, ["B.SOC"])
    hub.settle()
    hub.control.publish(0, "SigningKeyRevoked", {"party": "PRI", "keyId": SECOND.id})
    hub.tick(2 * HOUR_MS)
    hub.settle()
    if asked_first == "the amendment":
        retry(hub, 2)
        assert waiting(hub)[-1] == (4, Reason.UNKNOWN_SIGNING_KEY)
    retry(hub, waiting(hub)[0][0])
    hub.append("PRI", again)
    hub.settle()
    assert [reason for _, reason in waiting(hub)].count(Reason.WAITS_FOR_PARKED) >= 2
    assert not [line for line in hub.told("C.SOC") if "custodyId" in line[3]]
    hub.sign("PRI", FIRST)
    hub.now -= 2 * HOUR_MS  # the very statement that was made then
    amended(hub, ["B.SOC"])
    hub.now += 2 * HOUR_MS
    hub.settle()
    retry(hub, waiting(hub)[-1][0])
    assert [line for line in hub.told("B.SOC") if "custodyId" in line[3]]
    assert not [line for line in hub.told("C.SOC") if "custodyId" in line[3]]
