"""Signatures made and checked beside the batch: the same answers wherever they are worked out, in the right order."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import NoReturn, cast

import pytest

from consumers import hub_signatures
from consumers.hub_signatures import HubSignatures
from consumers.source import ReceivedRecord
from contracts.cloudevents import SIG, DisclosureAttributes, disclosed_headers
from contracts.failures import ForgedRecord
from contracts.signatures import SigningKey, holds, signature_headers, signed_headers, stated_message
from contracts.signed_together import TOGETHER_MAX, Proof, proof_headers
from contracts.topics import Names
from hub.broker import signature_pool
from hub.broker.hub_messages import hub_message
from hub.broker.ports import TAKEN_BYTES_MAX, InputRecord, OutputRecord
from hub.broker.signature_pool import ASKED_AHEAD_MAX, AT_ONCE_MAX, CHUNK_RECORDS, Answers, SignaturePool
from hub.broker.signature_process import Said, proofs_of
from hub.broker.signed_outputs import PORTION_RECORDS, SignedOutputs
from hub.broker.verified_inputs import VerifiedInputs

KEY, OTHER = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)
TOPIC = "in.a-soc.v1"
HUB_INPUT = "in.hub.v1"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(scope="module", params=[0, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[SignaturePool]:
    pool = SignaturePool(request.param)
    yield pool
    pool.close()


def to_send(count: int) -> list[Said]:
    return [("out.pri.v1", b"k", [("ce_id", b"%d" % number)], b"value") for number in range(count)]


def test_what_is_signed_beside_is_what_is_signed_here(pool: SignaturePool) -> None:
    records = to_send(2 * CHUNK_RECORDS + 3)
    assert pool.sign(KEY.private, records).all() == proofs_of(records, KEY)


def test_nothing_of_one_receivers_records_is_in_the_proofs_of_another_one() -> None:
    one, other = to_send(40), [("out.b-soc.v1", *record[1:]) for record in to_send(40)]
    mixed = [record for pair in zip(one, other, strict=True) for record in pair]
    assert proofs_of(mixed, KEY)[::2] == proofs_of(one, KEY)
    assert len({signature for signature, _ in proofs_of(one, KEY)}) == -(-len(one) // TOGETHER_MAX)


def test_a_receiver_checks_a_signature_once_for_all_the_records_of_a_partition_that_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = 0

    def counted(public: bytes, message: bytes, signature: bytes) -> bool:
        nonlocal checked
        checked += 1
        return holds(public, message, signature)

    monkeypatch.setattr(hub_signatures, "holds", counted)
    records = to_send(3 * TOGETHER_MAX)
    proved = zip(records, proofs_of(records, KEY), strict=True)
    signed = [(key, value, [*headers, *proof_headers(KEY.id, proof)]) for (_, key, headers, value), proof in proved]
    check = HubSignatures("out.pri.v1", [KEY.public]).check
    for key, value, headers in signed:
        for partition in (0, 1):
            check(ReceivedRecord(partition, 0, key, value, headers))
    assert checked == 2 * 3
    with pytest.raises(ForgedRecord):
        check(ReceivedRecord(0, 0, b"another", signed[-1][1], signed[-1][2]))


def test_what_is_checked_beside_is_what_is_checked_here(pool: SignaturePool) -> None:
    records: list[Said] = []
    for number in range(2 * CHUNK_RECORDS + 3):
        topic, message = (HUB_INPUT, hub_message) if number % 2 else (TOPIC, stated_message)
        headers = [("hub_case" if number % 3 else "ce_id", b"%d" % number)]
        signature = KEY.sign(message(topic, b"k", headers, b"value"))
        records.append((topic, b"k", [*headers, *signature_headers(KEY.id, signature)], b"value"))
    topic, key, all_headers, value = records[5]
    records[5] = (topic, key, all_headers, b"another")
    records[7] = (topic, key, all_headers[:-1], value)
    records[9] = (topic, key, all_headers[:1], value)
    verdicts = pool.check({KEY.id: KEY.public}, HUB_INPUT, records).all()
    assert [(index, verdict) for index, verdict in enumerate(verdicts) if verdict is not True] == [
        (5, False), (7, None), (9, None)
    ]  # fmt: skip
    assert set(pool.check({OTHER.id: OTHER.public}, HUB_INPUT, records).all()) == {None}
    assert pool.check({KEY.id: OTHER.public}, HUB_INPUT, records[:1]).all() == [False]


def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    original = signature_pool._started

    def start() -> subprocess.Popen[bytes]:
        started.append(original())
        return started[-1]

    monkeypatch.setattr(signature_pool, "_started", start)
    pool = SignaturePool(1)
    records = to_send(CHUNK_RECORDS * (ASKED_AHEAD_MAX + 2))
    expected = proofs_of(records, KEY)
    for _ in range(3):
        assert pool.sign(KEY.private, records).all() == expected
        started[-1].kill()
        under_way = pool.sign(KEY.private, records)
        started[-1].kill()
        assert under_way.all() == expected
    assert pool.sign(KEY.private, records).all() == expected
    pool.close()
    assert len(started) >= 2
    assert all(process.poll() is not None for process in started)


class Broken:
    """A signing process with which something is wrong that nobody foresaw."""

    stdin = stdout = None

    def wait(self) -> int:
        return 0


@pytest.mark.parametrize("fails", ["write_frame", "read_frame"])
@pytest.mark.parametrize("fault", [MemoryError, struct.error])
def test_whatever_goes_wrong_with_a_process_every_question_gets_its_answer(
    monkeypatch: pytest.MonkeyPatch, fails: str, fault: type[Exception]
) -> None:
    def raises(*_: object) -> NoReturn:
        raise fault

    monkeypatch.setattr(signature_pool, "_started", Broken)
    monkeypatch.setattr(signature_pool, "write_frame", lambda *_: None)
    monkeypatch.setattr(signature_pool, fails, raises)
    pool = SignaturePool(1)
    records = to_send(3 * CHUNK_RECORDS)
    answers = pool.sign(KEY.private, records)
    answered = [answer for part in answers._parts for answer in part.result(timeout=10.0)]
    assert answered == proofs_of(records, KEY)
    pool.close()


def test_where_even_the_worker_finds_no_answer_whoever_asked_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(signature_pool, "_started", raises)
    monkeypatch.setattr(signature_pool, "answer_to", raises)
    pool = SignaturePool(1)
    answers = pool.sign(KEY.private, to_send(2 * CHUNK_RECORDS))
    for part in answers._parts:
        with pytest.raises(MemoryError):
            part.result(timeout=10.0)
    monkeypatch.undo()
    assert len(pool.sign(KEY.private, to_send(CHUNK_RECORDS)).all()) == CHUNK_RECORDS, "the next one is answered"
    pool.close()


class Given:
    """Inputs that give out what they were made with, so many at a time."""

    def __init__(self, records: Sequence[InputRecord], at_once: int = 1_000) -> None:
        self.records = list(records)
        self.at_once = at_once
        self.started = 0

    def start(self, positions: Mapping[str, int]) -> int:
        self.started += 1
        return 5

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        limit = min(limit, self.at_once)
        taken, self.records = self.records[:limit], self.records[limit:]
        return taken

    def newest_tick(self) -> int:
        return 7

    def seconds_since_look(self) -> float:
        return 0.0

    def lag_records(self) -> int:
        return len(self.records)

    def close(self) -> None:
        self.records = []


def record(number: int, key: SigningKey | None) -> InputRecord:
    value = b"%d" % number
    headers = signed_headers(key, TOPIC, b"k", [("ce_id", value)], value) if key else [("ce_id", value)]
    return InputRecord(TOPIC, 0, number, number, b"k", value, headers)


@pytest.mark.parametrize("count", [1, AT_ONCE_MAX + 1, 95, 200])
def test_records_are_given_out_in_order_with_their_verdicts(pool: SignaturePool, count: int) -> None:
    keys = [KEY, OTHER, None, KEY]
    records = [record(number, keys[number % 4]) for number in range(count)]
    broken = {number for number in range(0, count, 4) if number % 8 == 0}
    records = [one._replace(value=b"x") if one.offset in broken else one for one in records]
    inputs = VerifiedInputs(Given(records), HUB_INPUT, pool, lambda: {KEY.id: KEY.public})
    given: list[InputRecord] = []
    while taken := inputs.take(50, 0.0):
        given += taken
        assert inputs.lag_records() == count - len(given)
    assert [one._replace(signature_holds=None) for one in given] == records
    for one in given:
        expected = one.offset not in broken if keys[one.offset % 4] is KEY else None
        assert one.signature_holds is expected


@pytest.mark.parametrize("at_once", [7, 60, 1_000])
def test_whatever_portions_they_come_in_the_next_batch_is_checked_while_one_is_handled(
    pool: SignaturePool, at_once: int
) -> None:
    behind = Given([record(number, KEY) for number in range(200)], at_once)
    inputs = VerifiedInputs(behind, HUB_INPUT, pool, lambda: {KEY.id: KEY.public})
    sizes = []
    while taken := inputs.take(50, 0.0):
        sizes.append(len(taken))
        left = 200 - sum(sizes)
        assert left - len(behind.records) >= min(left, 50)
        assert inputs.lag_records() == left
    assert sum(sizes) == 200
    assert all(50 - min(at_once, 50) < size <= 50 for size in sizes[:-1])


def test_of_large_records_no_more_is_taken_ahead_or_given_out_than_is_handled_at_a_time() -> None:
    large, at_once = b"x" * (TAKEN_BYTES_MAX // 20), 5
    behind = Given([record(number, None)._replace(value=large) for number in range(200)], at_once)
    inputs = VerifiedInputs(behind, HUB_INPUT, SignaturePool(0), dict)
    given: list[InputRecord] = []
    while taken := inputs.take(2_000, 0.0):
        given += taken
        ahead = 200 - len(behind.records) - len(given)
        assert len(taken) * len(large) <= TAKEN_BYTES_MAX
        assert ahead * len(large) <= TAKEN_BYTES_MAX + at_once * len(large)
    assert [one.offset for one in given] == list(range(200))
    inputs.start({})
    behind.records = [record(number, None) for number in range(100)]
    assert len(inputs.take(50, 0.0)) == 50


def test_what_was_taken_ahead_is_dropped_by_a_new_start(pool: SignaturePool) -> None:
    behind = Given([record(number, KEY) for number in range(100)])
    inputs = VerifiedInputs(behind, HUB_INPUT, pool, lambda: {KEY.id: KEY.public})
    inputs.take(50, 0.0)
    assert inputs.start({}) == 5
    assert (inputs.lag_records(), behind.started, inputs.newest_tick()) == (0, 1, 7)
    assert inputs.take(50, 0.0) == []


class Kept:
    """Outputs that keep what they are handed; `stuck` parties are stalled."""

    def __init__(self) -> None:
        self.records: list[OutputRecord] = []
        self.stuck: list[str] = []

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        return dict.fromkeys(parties, 7)

    def send(self, records: Sequence[OutputRecord]) -> None:
        self.records += records

    def taken(self) -> Mapping[str, int]:
        return {one.party: one.number for one in self.records}

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        return {one.party: one.number for one in self.records}

    def stalled(self) -> Sequence[str]:
        return self.stuck

    def pausing(self) -> Sequence[str]:
        return self.stuck

    def close(self) -> None:
        self.stuck = ["closed"]


def told(party: str, number: int) -> OutputRecord:
    headers = disclosed_headers(DisclosureAttributes(ID, "A.SOC", "a.b.C.v1", 0, number, "disclosed", ID))
    return OutputRecord(party, number, b"key", b"value", headers)


def test_what_the_hub_sends_is_signed_in_order_and_its_receiver_checks_it(pool: SignaturePool) -> None:
    kept = Kept()
    outputs = SignedOutputs(kept, Names(), pool, KEY)
    assert outputs.last_numbers(["PRI"]) == {"PRI": 7}
    sent = [told(party, number) for number in range(1, PORTION_RECORDS) for party in ("A.JOB", "PRI")]
    outputs.send(sent)
    kept.stuck = ["PRI"]
    outputs.confirmed(1.0)
    assert [(one.party, one.number) for one in kept.records] == [(one.party, one.number) for one in sent]
    assert outputs.stalled() == ["PRI"]
    check = HubSignatures(Names().output("A.JOB"), [OTHER.public, KEY.public]).check
    one = kept.records[0]
    good = ReceivedRecord(0, 0, one.key, one.value, one.headers)
    check(good)
    unsigned = [each for each in one.headers if each[0] != SIG]
    renumbered = [("hub_seq", b"2") if each[0] == "hub_seq" else each for each in one.headers]
    for forged in (
        ReceivedRecord(0, 0, b"another", one.value, one.headers),
        ReceivedRecord(0, 0, one.key, None, one.headers),
        ReceivedRecord(0, 0, one.key, one.value, unsigned),
        ReceivedRecord(0, 0, one.key, one.value, renumbered),
        ReceivedRecord(0, 0, one.key, one.value, kept.records[1].headers),
    ):
        with pytest.raises(ForgedRecord, match="does not hold"):
            check(forged)
    with pytest.raises(ForgedRecord):
        HubSignatures(Names().output("A.JOB"), [OTHER.public]).check(good)
    outputs.close()
    assert kept.stuck == ["closed"]


def test_a_party_counts_as_stalled_only_when_nothing_of_it_waits_for_a_signature() -> None:
    """What was handed over again may end the stall; else it would be handed over again and again."""
    kept, signature = Kept(), Future[list[Proof]]()
    slow = SimpleNamespace(sign=lambda private, said: Answers([signature]))
    outputs = SignedOutputs(kept, Names(), cast(SignaturePool, slow), KEY)
    outputs.send([told("PRI", 1)])
    kept.stuck = ["A.JOB", "PRI"]
    assert outputs.stalled() == ["A.JOB"]
    assert (kept.taken(), outputs.taken()) == ({}, {"PRI": 1}), "it will leave once it is signed"
    signature.set_result([(b"x" * 64, b"")])
    assert outputs.confirmed() == {"PRI": 1}
    assert outputs.taken() == {"PRI": 1}
    assert outputs.stalled() == ["A.JOB", "PRI"]


def test_what_cannot_be_signed_lets_nothing_behind_it_leave_and_the_connection_is_released() -> None:
    """Else the later numbers would be confirmed, and the earlier ones never sent."""
    kept, failed, good = Kept(), Future[list[Proof]](), Future[list[Proof]]()
    parts = iter([failed, good])
    slow = SimpleNamespace(sign=lambda private, said: Answers([next(parts)]))
    outputs = SignedOutputs(kept, Names(), cast(SignaturePool, slow), KEY)
    outputs.send([told("PRI", 1)])
    outputs.send([told("PRI", 2)])
    failed.set_exception(MemoryError())
    good.set_result([(b"x" * 64, b"")])
    for _ in range(2):
        with pytest.raises(MemoryError):
            outputs.confirmed(1.0)
    with pytest.raises(MemoryError):
        outputs.close()
    assert (kept.records, kept.stuck) == ([], ["closed"])
