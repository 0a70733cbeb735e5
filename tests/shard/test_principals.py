"""Which principal of the hub may state what: the table beside the contracts, and what a shard makes of a wrong one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.catalogue import catalogue
from contracts.codec import codec
from contracts.event_types import HUB
from contracts.reasons import Reason
from contracts.signatures import SigningKey
from deploy.operator_channel import PRINCIPALS
from deploy.scenario.simulated_broker import SimulatedControl, SimulatedTransport
from hub.arrival.principals import CONTROL_RECORDS, IDENTITY, MERGES, OPERATOR, TICKER
from hub.broker.control_records import control_record, signed_control
from hub.shard.merging import CONTROLS, MERGE, UNLINK
from hub.shard.retrying import RETRY
from hub.shard.signing_keys import KEY_CHANGES, REGISTRATION
from hub.shard.withdrawals import DELIVERED
from hub.wiring import WORKER_PRINCIPALS
from producers.publisher import Publisher
from tests.shard.harness import CASE, OTHER_CASE, START, ShardUnderTest
from tests.shard.test_governance import GOVERNANCE

WORKERS: Final = SigningKey(b"\x0b" * 32)
OPERATORS: Final = SigningKey(b"\x0a" * 32)
ATTACKERS: Final = SigningKey(b"\x0c" * 32)
FORMERS: Final = SigningKey(b"\x0d" * 32)
REGISTERED: Final = {"party": "A.SOC", "publicKey": ATTACKERS.public.hex()}
BORN: Final = {"caseId": OTHER_CASE, "birthDate": 7_000, "jurisdiction": "DK"}
MERGED: Final = {"caseId": CASE, "other": OTHER_CASE, "otherShard": 0, "change": 1}
SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "ShardTicked": {},
    "CitizenEnrolled": BORN,
    "KeyIssued": {"caseId": CASE, "party": "A.SOC", "key": OTHER_CASE},
    "CaseMerged": MERGED,
    "CaseUnlinked": {"caseId": CASE, "change": 1},
    REGISTRATION: REGISTERED,
    "SigningKeyRotated": REGISTERED | {"oldKeyId": WORKERS.id, "proof": "00" * 64},
    "SigningKeyRevoked": {"party": "A.SOC", "keyId": ATTACKERS.id},
    RETRY: {"party": "A.SOC", "parkedNumber": 1},
    "ResyncRequested": {"party": "A.SOC", "requestId": OTHER_CASE},
    DELIVERED: {"caseId": CASE, "party": "A.SOC", "targetEventId": OTHER_CASE},
    **dict.fromkeys(CONTROLS - {MERGE, UNLINK}, MERGED),
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ShardUnderTest]:
    """A shard that knows its principals: the worker's key and the operator's."""
    others = {WORKERS.public: WORKER_PRINCIPALS, FORMERS.public: PRINCIPALS}
    hub = ShardUnderTest(tmp_path, control_key=OPERATORS, other_principals=others)
    hub.enrol()
    hub.settle()
    assert not hub.parked()
    yield hub
    hub.shard.close()


def say(hub: ShardUnderTest, principal: str, key: SigningKey, event_type: str, payload: Mapping[str, Any]) -> None:
    hub.now += 1
    hub.broker.clock = hub.now
    SimulatedControl(hub.broker, hub.names, principal, key).publish(0, event_type, payload)


def _forwarding(hub: ShardUnderTest) -> list[tuple[str, bytes]]:
    """The headers that make a record a fact on its way from one case to another."""
    cases = [("hub_case", CASE.encode()), ("hub_from", CASE.encode())]
    return [*cases, ("hub_recorded_at", str(hub.now).encode()), ("hub_judged", b"1"), ("hub_signing_key", b"")]


def reasons(hub: ShardUnderTest) -> list[tuple[str, str]]:
    return [(record.reason, record.field) for record in hub.parked()]


def test_every_control_record_of_the_hub_has_its_principal() -> None:
    """A new one is nobody's, and so refused, until the table names who states it."""
    of_the_hub = {each.name for each in catalogue().event_types.values() if each.control and each.stated_by == (HUB,)}
    assert set().union(*CONTROL_RECORDS.values()) == of_the_hub == SAMPLES.keys()
    assert (CONTROLS - {MERGE, UNLINK}) | {DELIVERED} == CONTROL_RECORDS[MERGES]
    assert CONTROL_RECORDS[OPERATOR] >= KEY_CHANGES
    assert set(CONTROL_RECORDS) == PRINCIPALS | WORKER_PRINCIPALS


@pytest.mark.parametrize("principal", [TICKER, MERGES, IDENTITY, OPERATOR])
def test_a_principal_states_what_the_table_gives_it_and_nothing_else(hub: ShardUnderTest, principal: str) -> None:
    key = WORKERS if principal in WORKER_PRINCIPALS else OPERATORS
    for name, payload in SAMPLES.items():
        say(hub, principal, key, name, payload)
    hub.settle()
    refused = [codec().decode(each.value or b"").event_type.name for each in hub.parked() if each.field == "ce_source"]
    assert sorted(refused) == sorted(SAMPLES.keys() - CONTROL_RECORDS[principal])


@pytest.mark.parametrize("principal", sorted(WORKER_PRINCIPALS))
def test_a_workers_key_in_other_hands_registers_no_key(hub: ShardUnderTest, principal: str) -> None:
    """It would stay registered when the worker's key has long been replaced."""
    say(hub, principal, WORKERS, REGISTRATION, REGISTERED)
    hub.settle()
    assert reasons(hub) == [(Reason.MAY_NOT_STATE, "ce_source")]
    assert "`operator`" in hub.parked()[0].fix
    assert not list(hub.store.signing_keys())


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_no_control_record_comes_in_as_a_forwarded_fact(hub: ShardUnderTest, name: str) -> None:
    value, unsigned = control_record(OPERATOR, name, SAMPLES[name], hub.now)
    headers = signed_control(WORKERS, hub.names.hub_input, value, [*unsigned, *_forwarding(hub)])
    hub.broker.append(hub.names.hub_input, 0, None, value, headers, hub.now)
    hub.settle()
    assert reasons(hub) == [(Reason.MAY_NOT_STATE, "ce_type")]
    assert not list(hub.store.signing_keys())


def test_where_no_principal_is_known_a_forwarded_change_of_keys_is_refused_too(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    value, headers = control_record(OPERATOR, REGISTRATION, REGISTERED, hub.now)
    hub.broker.append(hub.names.hub_input, 0, None, value, [*headers, *_forwarding(hub)], hub.now)
    hub.settle()
    assert reasons(hub) == [(Reason.MAY_NOT_STATE, "ce_type")]
    assert not list(hub.store.signing_keys())
    hub.shard.close()


@pytest.mark.parametrize(("principal", "is_taken"), [(OPERATOR, True), (MERGES, False), (TICKER, False)])
def test_what_the_hub_states_is_its_operators(hub: ShardUnderTest, principal: str, is_taken: bool) -> None:
    """A fact as HUB, under the hub's own key of a case, is what agencies are told and decisions rest on."""
    key = OPERATORS if principal == OPERATOR else WORKERS
    transport, secret = SimulatedTransport(hub.broker), bytes(32)
    hub.publishers["HUB"] = Publisher("HUB", transport, secret, principal, hub.names, signing_key=key)
    snapshot = {"at": START, "cohort": "ALL", "policyVersion": "one"}
    hub.state("HUB", "EvaluationSnapshotTaken", snapshot, "one", case_id=GOVERNANCE)
    hub.settle()
    assert reasons(hub) == ([] if is_taken else [(Reason.MAY_NOT_STATE, "ce_source")])


@pytest.mark.parametrize("left", [frozenset(), frozenset({TICKER})])
def test_a_key_that_the_hubs_principals_have_no_more_brings_in_no_parked_record(
    hub: ShardUnderTest, left: frozenset[str]
) -> None:
    """Parked while its key counted, retried when that key is gone, or signs as another principal alone."""
    say(hub, IDENTITY, FORMERS, "KeyIssued", {"caseId": OTHER_CASE, "party": "PRI", "key": hub.key("PRI", OTHER_CASE)})
    hub.settle()
    assert [reason for reason, _ in reasons(hub)] == [Reason.VALUE_OUTSIDE_MODEL]
    hub.enrol(OTHER_CASE)
    hub.settle()
    hub.other_principals = {FORMERS.public: left} if left else {}
    hub.restart()
    hub.control.publish(0, RETRY, {"party": "HUB", "parkedNumber": 1})
    hub.settle()
    assert reasons(hub)[1:] == [(Reason.UNKNOWN_SIGNING_KEY, "sig_key")]


def test_a_retry_asks_again_what_the_principal_may_state(hub: ShardUnderTest) -> None:
    say(hub, TICKER, WORKERS, "CitizenEnrolled", BORN)
    hub.settle()
    hub.control.publish(0, RETRY, {"party": "HUB", "parkedNumber": 1})
    hub.settle()
    assert reasons(hub) == [(Reason.MAY_NOT_STATE, "ce_source")] * 2
    assert not list(hub.store.case_records(OTHER_CASE))
