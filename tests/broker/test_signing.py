"""Signatures made and checked beside the batch: the same answers wherever they are worked out, in the right order."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence

import pytest

from consumers.hub_signatures import HubSignatures
from consumers.source import ReceivedRecord
from contracts.cloudevents import SIG, DisclosureAttributes, disclosed_headers
from contracts.failures import ForgedRecord
from contracts.signatures import SigningKey, signed_headers
from contracts.topics import Names
from hub.broker import signature_pool
from hub.broker.ports import InputRecord, OutputRecord
from hub.broker.signature_pool import AT_ONCE_MAX, CHUNK_ITEMS, SignaturePool
from hub.broker.signed_outputs import PORTION_RECORDS, SignedOutputs
from hub.broker.verified_inputs import VerifiedInputs

KEY, OTHER = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)
TOPIC = "in.a-soc.v1"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(scope="module", params=[0, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[SignaturePool]:
    pool = SignaturePool(request.param)
    yield pool
    pool.close()


def test_what_is_signed_beside_is_what_is_signed_here(pool: SignaturePool) -> None:
    messages = [b"%d" % number for number in range(2 * CHUNK_ITEMS + 3)]
    signatures = pool.ask(KEY.private, [(message,) for message in messages]).all()
    assert signatures == [KEY.sign(message) for message in messages]
    checks = [(KEY.public, message, signature) for message, signature in zip(messages, signatures, strict=True)]
    checks[5] = (OTHER.public, *checks[5][1:])
    verdicts = pool.ask(b"", checks).all()
    assert [index for index, verdict in enumerate(verdicts) if not verdict] == [5]


def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    original = signature_pool._started

    def start() -> subprocess.Popen[bytes]:
        started.append(original())
        return started[-1]

    monkeypatch.setattr(signature_pool, "_started", start)
    pool = SignaturePool(1)
    messages = [(b"%d" % number,) for number in range(CHUNK_ITEMS)]
    expected = [KEY.sign(message) for (message,) in messages]
    for _ in range(3):
        assert pool.ask(KEY.private, messages).all() == expected
        started[-1].kill()
    assert pool.ask(KEY.private, messages).all() == expected
    pool.close()
    assert len(started) >= 2
    assert all(process.poll() is not None for process in started)


class Given:
    """Inputs that give out what they were made with."""

    def __init__(self, records: Sequence[InputRecord]) -> None:
        self.records = list(records)
        self.started = 0

    def start(self, positions: Mapping[str, int]) -> None:
        self.started += 1

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        taken, self.records = self.records[:limit], self.records[limit:]
        return taken

    def newest_tick(self) -> int:
        return 7

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
    inputs = VerifiedInputs(Given(records), "in.hub.v1", pool, {KEY.id: KEY.public}.get)
    given: list[InputRecord] = []
    while taken := inputs.take(50, 0.0):
        given += taken
        assert inputs.lag_records() == count - len(given)
    assert [one._replace(signature_holds=None) for one in given] == records
    for one in given:
        expected = one.offset not in broken if keys[one.offset % 4] is KEY else None
        assert one.signature_holds is expected


def test_what_was_taken_ahead_is_dropped_by_a_new_start(pool: SignaturePool) -> None:
    behind = Given([record(number, KEY) for number in range(100)])
    inputs = VerifiedInputs(behind, "in.hub.v1", pool, {KEY.id: KEY.public}.get)
    inputs.take(50, 0.0)
    inputs.start({})
    assert (inputs.lag_records(), behind.started, inputs.newest_tick()) == (0, 1, 7)
    assert inputs.take(50, 0.0) == []


class Kept:
    """Outputs that keep what they are handed; `stuck` parties are stalled."""

    def __init__(self) -> None:
        self.records: list[OutputRecord] = []
        self.stuck: list[str] = []

    def send(self, records: Sequence[OutputRecord]) -> None:
        self.records += records

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        return {one.party: one.number for one in self.records}

    def stalled(self) -> Sequence[str]:
        return self.stuck

    def close(self) -> None:
        self.stuck = ["closed"]


def told(party: str, number: int) -> OutputRecord:
    headers = disclosed_headers(DisclosureAttributes(ID, "A.SOC", "a.b.C.v1", 0, number, "disclosed", ID))
    return OutputRecord(party, number, b"key", b"value", headers)


def test_what_the_hub_sends_is_signed_in_order_and_its_receiver_checks_it(pool: SignaturePool) -> None:
    kept = Kept()
    outputs = SignedOutputs(kept, Names(), pool, KEY)
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
