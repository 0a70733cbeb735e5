"""What a retry is judged by, and how much of a line it holds meanwhile."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from contracts.limits import VALUE_BYTES_MAX
from contracts.signatures import SigningKey
from hub.broker.ports import InputRecord
from hub.shard import worker
from hub.shard.retrying import RETRY
from hub.shard.signing_keys import REGISTRATION
from tests.shard.harness import ShardUnderTest

KEY = SigningKey(b"\x01" * 32)
UNKNOWN = b"5f0c7d1e-0000-4000-8000-00000000000f"


def outcomes(directory: Path, batch_records: int, monkeypatch: pytest.MonkeyPatch, *, key_first: bool) -> list[str]:
    """What became of a record that was signed before its key was registered, and retried before or after that."""
    directory.mkdir()
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", batch_records)
    hub = ShardUnderTest(directory, signing_keys={"A.JOB": KEY})
    hub.enrol()
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.settle()
    told = [(RETRY, {"party": "A.JOB", "parkedNumber": 1})]
    told.insert(0 if key_first else 1, (REGISTRATION, {"party": "A.JOB", "publicKey": KEY.public.hex()}))
    for event_type, payload in told:
        hub.control.publish(0, event_type, payload)
    hub.settle()
    return [resolved.outcome if resolved else "open" for _, resolved in hub.store.parked("A.JOB")]


@pytest.mark.parametrize(("key_first", "expected"), [(False, ["parked_again", "open"]), (True, ["admitted"])])
def test_a_retry_is_judged_by_the_keys_of_its_moment_however_the_input_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_first: bool, expected: list[str]
) -> None:
    for batch_records in (1, 2_000):
        directory = tmp_path / str(batch_records)
        assert outcomes(directory, batch_records, monkeypatch, key_first=key_first) == expected


def test_a_retry_holds_one_record_of_its_line_at_a_time(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    for _ in range(count := 40):
        topic = hub.names.input("A.SOC")
        hub.append("A.SOC", InputRecord(topic, 0, 0, hub.now, UNKNOWN, b"\x01" * VALUE_BYTES_MAX, []))
        hub.settle()
    hub.restart()
    hub.settle()
    hub.control.publish(0, RETRY, {"party": "A.SOC", "parkedNumber": 1})
    tracemalloc.start()
    try:
        hub.settle()
        assert tracemalloc.get_traced_memory()[1] < count * VALUE_BYTES_MAX / 2
    finally:
        tracemalloc.stop()
    assert [resolved.outcome for _, resolved in hub.store.parked("A.SOC") if resolved] == ["parked_again"]
