"""Who may sign, when, and what becomes of the rest: the shard beside a model of keys, and each case of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.cloudevents import SIG, SIG_KEY
from contracts.reasons import Reason
from contracts.signatures import SigningKey, rotation_message, signed_headers
from deploy.scenario.simulated_broker import SimulatedControl
from hub.broker.control_records import control_record, signed_control
from hub.shard.retrying import RETRY
from hub.shard.signing_keys import REGISTRATION, REVOCATION, ROTATION
from hub.store.records import FactRecorded
from tests.shard.harness import CASE, OTHER_CASE, START, ShardUnderTest

KEYS: Final = [SigningKey(bytes([number]) * 32) for number in range(1, 5)]
FIRST, SECOND, THIRD, STRANGE = KEYS
OPERATOR: Final = SigningKey(b"\x0a" * 32)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ShardUnderTest]:
    hub = ShardUnderTest(tmp_path, signing_keys={"A.SOC": FIRST})
    hub.enrol()
    hub.settle()
    yield hub
    hub.shard.close()


def register(hub: ShardUnderTest, key: SigningKey, party: str = "A.SOC") -> None:
    hub.tick(1)  # at equal times the hub's own input comes first
    hub.control.publish(0, REGISTRATION, {"party": party, "publicKey": key.public.hex()})


def rotate(hub: ShardUnderTest, old: SigningKey, new: SigningKey, signer: SigningKey | None = None) -> None:
    proof = (signer or old).sign(rotation_message("A.SOC", old.id, new.public))
    payload = {"party": "A.SOC", "oldKeyId": old.id, "publicKey": new.public.hex(), "proof": proof.hex()}
    hub.tick(1)
    hub.control.publish(0, ROTATION, payload)


def revoke(hub: ShardUnderTest, key: SigningKey) -> None:
    hub.tick(1)
    hub.control.publish(0, REVOCATION, {"party": "A.SOC", "keyId": key.id})


def case_opened(hub: ShardUnderTest, reference: str, key: SigningKey | None) -> str:
    hub.tick(1)
    hub.sign("A.SOC", key)
    return hub.state("A.SOC", "CaseOpened", {"caseNo": reference, "at": START}, reference, occurred_at=START)


def reasons(hub: ShardUnderTest) -> list[str]:
    """Why records were parked: A.SOC's first, then the hub's own."""
    return [record.reason for record in hub.parked()]


def facts(hub: ShardUnderTest, case_id: str = CASE) -> dict[str, str]:
    """What is on the timeline: event id -> the key that signed it."""
    records = hub.store.case_records(case_id)
    return {record.event_id: record.signing_key for record in records if isinstance(record, FactRecorded)}


def test_without_a_key_a_party_need_not_sign_and_from_its_first_one_on_it_must(hub: ShardUnderTest) -> None:
    before = case_opened(hub, "before", None)
    register(hub, FIRST)
    after = case_opened(hub, "after", None)
    signed = case_opened(hub, "signed", FIRST)
    hub.settle()
    assert facts(hub) == {before: "", signed: FIRST.id}
    assert reasons(hub) == [Reason.UNSIGNED]
    assert after not in facts(hub)
    hub.restart()
    again = case_opened(hub, "again", FIRST)
    case_opened(hub, "unsigned again", None)
    hub.settle()
    assert facts(hub)[again] == FIRST.id
    assert reasons(hub) == [Reason.UNSIGNED, Reason.UNSIGNED]


def test_a_signature_under_an_unknown_key_is_refused_even_where_none_is_needed(hub: ShardUnderTest) -> None:
    case_opened(hub, "one", STRANGE)
    hub.settle()
    assert reasons(hub) == [Reason.UNKNOWN_SIGNING_KEY]


def test_a_key_of_another_party_does_not_count(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    register(hub, SECOND, "PRI")
    case_opened(hub, "one", SECOND)
    hub.settle()
    assert reasons(hub) == [Reason.UNKNOWN_SIGNING_KEY]


@pytest.mark.parametrize("part", ["key", "value", "ce_time", "ce_id"])
def test_a_record_changed_after_signing_is_refused_before_it_is_decoded(hub: ShardUnderTest, part: str) -> None:
    register(hub, FIRST)
    case_opened(hub, "one", FIRST)
    record = hub.last_input("A.SOC")
    changes: dict[str, Any] = {}
    if part.startswith("ce_"):
        changes["headers"] = [(name, value[::-1] if name == part else value) for name, value in record.headers]
    else:
        changes[part] = b"\xff" + (getattr(record, part) or b"")
    hub.append("A.SOC", record._replace(**changes))
    hub.settle()
    assert reasons(hub) == [Reason.BAD_SIGNATURE]


def test_a_rotation_puts_the_new_key_in_the_place_of_the_old_one(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    one = case_opened(hub, "one", FIRST)
    rotate(hub, FIRST, SECOND)
    two = case_opened(hub, "two", SECOND)
    case_opened(hub, "three", FIRST)
    rotate(hub, FIRST, SECOND)
    hub.settle()
    assert facts(hub) == {one: FIRST.id, two: SECOND.id}
    assert reasons(hub) == [Reason.UNKNOWN_SIGNING_KEY]
    assert [change.change for change in hub.store.signing_keys("A.SOC")] == ["registered", "rotated"]


@pytest.mark.parametrize("signer", [SECOND, STRANGE])
def test_a_rotation_that_the_old_key_did_not_sign_is_refused(hub: ShardUnderTest, signer: SigningKey) -> None:
    register(hub, FIRST)
    rotate(hub, FIRST, SECOND, signer)
    case_opened(hub, "one", SECOND)
    hub.settle()
    assert reasons(hub) == [Reason.UNKNOWN_SIGNING_KEY, Reason.VALUE_OUTSIDE_MODEL]


def test_a_superseded_key_puts_no_other_in_its_place(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    rotate(hub, FIRST, SECOND)
    rotate(hub, FIRST, THIRD)
    case_opened(hub, "one", THIRD)
    two = case_opened(hub, "two", SECOND)
    hub.settle()
    assert facts(hub) == {two: SECOND.id}
    assert reasons(hub) == [Reason.UNKNOWN_SIGNING_KEY, Reason.VALUE_OUTSIDE_MODEL]


def test_what_was_stated_under_one_key_is_a_repeat_under_the_next(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    one = case_opened(hub, "one", FIRST)
    rotate(hub, FIRST, SECOND)
    case_opened(hub, "one", SECOND)
    hub.settle()
    assert facts(hub) == {one: FIRST.id}
    assert not reasons(hub)


def test_a_revoked_key_refuses_and_nothing_brings_it_back(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    one = case_opened(hub, "one", FIRST)
    revoke(hub, FIRST)
    case_opened(hub, "two", FIRST)
    register(hub, FIRST)
    rotate(hub, FIRST, SECOND)
    case_opened(hub, "three", FIRST)
    case_opened(hub, "four", SECOND)
    case_opened(hub, "five", None)
    hub.settle()
    assert facts(hub) == {one: FIRST.id}
    assert sorted(reasons(hub)) == sorted(
        [
            Reason.UNKNOWN_SIGNING_KEY,
            Reason.VALUE_OUTSIDE_MODEL,
            Reason.VALUE_OUTSIDE_MODEL,
            Reason.UNKNOWN_SIGNING_KEY,
            Reason.UNKNOWN_SIGNING_KEY,
            Reason.UNSIGNED,
        ]
    )


def test_a_weak_key_and_a_key_of_another_are_not_registered(hub: ShardUnderTest) -> None:
    hub.control.publish(0, REGISTRATION, {"party": "A.SOC", "publicKey": "00" * 32})
    register(hub, FIRST)
    register(hub, FIRST, "PRI")
    hub.control.publish(0, REGISTRATION, {"party": "HUB", "publicKey": SECOND.public.hex()})
    hub.control.publish(0, REVOCATION, {"party": "HUB", "keyId": SECOND.id})
    hub.control.publish(0, REVOCATION, {"party": "PRI", "keyId": FIRST.id})
    hub.control.publish(0, REVOCATION, {"party": "PRI", "keyId": "no-key"})
    hub.settle()
    assert reasons(hub) == [Reason.VALUE_OUTSIDE_MODEL] * 6
    assert [change.originator_id for change in hub.store.signing_keys()] == ["keys:A.SOC"]


def test_who_joins_must_sign_from_its_first_record_on_though_its_key_came_before_it_was_taken_up(
    hub: ShardUnderTest,
) -> None:
    register(hub, SECOND, "C.SOC")
    hub.settle()
    assert [change.originator_id for change in hub.store.signing_keys()] == ["keys:C.SOC"]
    hub.join("C.SOC")
    hub.restart()
    hub.tick(1)
    hub.state("C.SOC", "CaseOpened", {"caseNo": "1", "at": START}, "unsigned", occurred_at=START)
    hub.settle()
    assert [record.reason for record, _ in hub.store.parked("C.SOC")] == [Reason.UNSIGNED]


def test_a_verdict_that_was_worked_out_ahead_is_taken_as_it_is(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    hub.settle()
    case_opened(hub, "one", FIRST)
    good = hub.last_input("A.SOC")
    log = hub.broker.log(hub.names.input("A.SOC"), 0)
    log[-1] = good._replace(signature_holds=False)
    hub.settle()
    assert reasons(hub) == [Reason.BAD_SIGNATURE]
    unsigned = [each for each in good.headers if each[0] not in (SIG, SIG_KEY)]
    log.append(good._replace(offset=len(log), headers=unsigned, signature_holds=True))
    hub.settle()
    assert reasons(hub) == [Reason.BAD_SIGNATURE, Reason.UNSIGNED]


@pytest.mark.parametrize("ending", ["none", "superseded", "revoked"])
def test_a_retry_asks_only_whether_the_key_was_revoked(hub: ShardUnderTest, ending: str) -> None:
    register(hub, FIRST)
    values = {"caseNo": "1", "at": hub.now}
    one = hub.state("A.SOC", "CaseOpened", values, "one", case_id=OTHER_CASE)
    hub.settle()
    assert reasons(hub) == [Reason.UNKNOWN_KEY]
    if ending == "superseded":
        rotate(hub, FIRST, SECOND)
    elif ending == "revoked":
        revoke(hub, FIRST)
    hub.enrol(OTHER_CASE)
    hub.control.publish(0, RETRY, {"party": "A.SOC", "parkedNumber": 1})
    hub.settle()
    is_refused = ending == "revoked"
    assert reasons(hub)[1:] == [Reason.UNKNOWN_SIGNING_KEY] * is_refused
    assert facts(hub, OTHER_CASE) == ({} if is_refused else {one: FIRST.id})


def test_a_retry_judges_the_signature_again_where_that_was_the_reason(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    early = case_opened(hub, "early", SECOND)
    case_opened(hub, "unsigned", None)
    hub.settle()
    assert reasons(hub) == [Reason.UNKNOWN_SIGNING_KEY, Reason.UNSIGNED]
    register(hub, SECOND)
    for number in (1, 2):
        hub.control.publish(0, RETRY, {"party": "A.SOC", "parkedNumber": number})
    hub.settle()
    assert facts(hub) == {early: SECOND.id}
    assert reasons(hub)[2:] == [Reason.UNSIGNED]


def test_a_parked_change_of_keys_is_not_retried(hub: ShardUnderTest) -> None:
    rotate(hub, FIRST, SECOND)
    hub.settle()
    register(hub, FIRST)
    hub.control.publish(0, RETRY, {"party": "HUB", "parkedNumber": 1})
    hub.settle()
    assert reasons(hub) == [Reason.VALUE_OUTSIDE_MODEL, Reason.VALUE_OUTSIDE_MODEL]
    assert [change.key_id for change in hub.store.signing_keys()] == [FIRST.id]


def test_no_receiver_gets_a_publishers_signature(hub: ShardUnderTest) -> None:
    register(hub, FIRST)
    case_opened(hub, "one", FIRST)
    hub.settle()
    records = hub.broker.log(hub.names.output("A.SOC"), 0)
    assert records
    for record in records:
        assert {name for name, _ in record.headers}.isdisjoint({SIG, SIG_KEY})
        assert FIRST.id.encode() not in b"".join([record.value or b"", *(value for _, value in record.headers)])


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[ShardUnderTest]:
    """A shard whose own input is signed too."""
    hub = ShardUnderTest(tmp_path, signing_keys={"A.SOC": FIRST}, control_key=OPERATOR)
    hub.enrol()
    register(hub, FIRST)
    hub.settle()
    yield hub
    hub.shard.close()


@pytest.mark.parametrize(
    ("principal", "key", "reason"),
    [
        ("operator", None, Reason.UNSIGNED),
        ("operator", FIRST, Reason.UNKNOWN_SIGNING_KEY),
        ("operator", STRANGE, Reason.UNKNOWN_SIGNING_KEY),
        ("nobody", OPERATOR, Reason.UNKNOWN_SIGNING_KEY),
    ],
)
def test_the_hubs_own_input_takes_from_each_principal_its_own(
    strict: ShardUnderTest, principal: str, key: SigningKey | None, reason: Reason
) -> None:
    assert not reasons(strict)
    channel = SimulatedControl(strict.broker, strict.names, principal, key)
    channel.publish(0, REGISTRATION, {"party": "A.SOC", "publicKey": STRANGE.public.hex()})
    strict.settle()
    assert reasons(strict) == [reason]
    assert [change.key_id for change in strict.store.signing_keys()] == [FIRST.id]


def test_an_agencys_record_is_not_made_a_forwarded_fact(strict: ShardUnderTest) -> None:
    """Whoever could write to the hub's own input could else put what it likes on any case."""
    case_opened(strict, "one", FIRST)
    record = strict.last_input("A.SOC")
    own = [("hub_case", CASE.encode()), ("hub_from", CASE.encode()), ("hub_recorded_at", b"1"), ("hub_judged", b"1")]
    stated = [each for each in record.headers if each[0] not in (SIG, SIG_KEY)]
    forged = [*stated, *own, ("hub_signing_key", b"")]
    value = record.value or b""
    topic = strict.names.hub_input
    for headers in (
        forged,
        signed_control(FIRST, topic, value, forged),
        signed_headers(OPERATOR, topic, None, forged, value),
    ):
        strict.broker.append(topic, 0, None, value, headers, strict.now)
    before = len(reasons(strict))
    strict.settle()
    assert reasons(strict)[before:] == [Reason.UNSIGNED, Reason.UNKNOWN_SIGNING_KEY, Reason.BAD_SIGNATURE]
    assert len(facts(strict)) == 1


def test_a_control_record_is_bound_to_what_it_says(strict: ShardUnderTest) -> None:
    payload = {"party": "A.SOC", "publicKey": SECOND.public.hex()}
    _, unsigned = control_record("operator", REGISTRATION, payload, strict.now)
    signed = signed_control(OPERATOR, strict.names.hub_input, b"", unsigned)
    other, _ = control_record("operator", REGISTRATION, payload | {"publicKey": STRANGE.public.hex()}, strict.now)
    strict.broker.append(strict.names.hub_input, 0, None, other, signed, strict.now)
    before = len(reasons(strict))
    strict.settle()
    assert reasons(strict)[before:] == [Reason.BAD_SIGNATURE]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("register"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("rotate"), st.sampled_from(KEYS), st.sampled_from(KEYS)),
        st.tuples(st.just("revoke"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("state"), st.sampled_from([*KEYS, None]), st.none()),
        st.tuples(st.just("settle"), st.none(), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_what_is_admitted_is_what_a_model_of_keys_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any, Any]]
) -> None:
    """However the changes and the statements fall into batches, with restarts in between."""
    hub = ShardUnderTest(tmp_path_factory.mktemp("model"))
    hub.enrol()
    live: set[str] = set()
    ended: dict[str, str] = {}
    expected: dict[str, str] = {}
    for number, (what, key, other) in enumerate(steps):
        known = live | ended.keys()
        match what:
            case "register":
                register(hub, key)
                live |= {key.id} - ended.keys()
            case "rotate":
                rotate(hub, key, other)
                if key.id in live and other.id not in known:
                    live = live - {key.id} | {other.id}
                    ended[key.id] = "superseded"
            case "revoke":
                revoke(hub, key)
                live -= {key.id}
                ended[key.id] = "revoked"
            case "state":
                event_id = case_opened(hub, str(number), key)
                if (key is None and not known) or (key is not None and key.id in live):
                    expected[event_id] = key.id if key else ""
            case "settle":
                hub.settle()
            case "restart":
                hub.settle()
                hub.restart()
    hub.settle()
    assert facts(hub) == expected
    hub.shard.close()
