"""Records that are small on the wire and huge in memory, and records at the broker's limit, against the hub at work.

Rules:
- The inputs are stored uncompressed and bounded: what would be unpacked to more than a batch may hold, the broker
  itself refuses. So the hub never meets a bomb, whichever compression its sender chose.
- What is taken at the limit is parked whole. The hub's memory is measured from outside, at its peak.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import KafkaError, Message, Producer

from contracts.reasons import Reason
from contracts.signatures import signed_headers
from deploy.local_kafka import LocalKafka
from deploy.topics import INPUT_BYTES_MAX
from tests.kafka.live_world import LiveWorld

pytestmark = pytest.mark.kafka

MEBIBYTE: Final = 1024 * 1024
BOMB_BYTES: Final = 24 * MEBIBYTE
GROWTH_BYTES_MAX: Final = 64 * MEBIBYTE
AT_THE_LIMIT: Final = 8
BACKLOG_RECORDS: Final = 250
BACKLOG_GROWTH_BYTES_MAX: Final = 256 * MEBIBYTE
"""As much as the backlog, which was held twice over; a portion is held several times over until it is stored."""
EMPTY_HEADERS: Final = 200_000
HEADROOM: Final = 512
"""What a batch and a record carry beside the value."""


def _peak_bytes(live: LiveWorld) -> int:
    status = Path(f"/proc/{live.hub.process_id}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _send(
    live: LiveWorld, values: list[bytes], compression: str, batch_bytes: int = 2**31 - 1
) -> list[KafkaError | None]:
    """Send values of A.SOC, in one batch where that may be, packed; return what the broker said of each."""
    connection = live.world.connection(live.world.names.user("A.SOC"))
    options: dict[str, Any] = {"message.max.bytes": 1_000_000_000, "batch.size": batch_bytes, "linger.ms": 50}
    client = Producer(connection.native_producer_options() | options | {"compression.codec": compression})
    said: list[KafkaError | None] = []

    def report(error: KafkaError | None, _: Message) -> None:
        said.append(error)

    topic, signing_key = live.world.names.input("A.SOC"), live.world.signing_key("A.SOC")
    for value in values:
        headers = signed_headers(signing_key, topic, b"k", [("ce_source", b"urn:party:A.SOC:bomber")], value)
        client.produce(topic, value, b"k", partition=0, on_delivery=report, headers=list(headers))
    assert client.flush(30.0) == 0
    return said


def _is_still_at_work(live: LiveWorld) -> None:
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the good record is disclosed")


@pytest.mark.parametrize(
    ("compression", "records"), [("gzip", 1), ("gzip", 200), ("snappy", 200), ("lz4", 200), ("zstd", 1)]
)
def test_a_bomb_is_refused_by_the_broker_itself(live: LiveWorld, compression: str, records: int) -> None:
    known, before, process = len(live.parked()), _peak_bytes(live), live.hub.process_id
    said = _send(live, [bytes(BOMB_BYTES // records)] * records, compression)
    assert [error.code() if error else None for error in said] == [KafkaError.MSG_SIZE_TOO_LARGE] * records
    _is_still_at_work(live)
    assert len(live.parked()) == known
    assert _peak_bytes(live) - before < GROWTH_BYTES_MAX
    assert live.hub.process_id == process


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_comes_packed_within_the_limit_lies_unpacked(
    live: LiveWorld, local_kafka: LocalKafka, compression: str
) -> None:
    known = len(live.parked())
    value = f"packed by {compression} ".encode() * 2_000
    assert _send(live, [value], compression) == [None]
    live.wait_until(lambda: len(live.parked()) == known + 1, "the record is parked")
    folder = f"{live.world.names.input('A.SOC')}-0"
    (segment,) = local_kafka.log_file.parent.rglob(f"{folder}/*.log")
    assert value in segment.read_bytes()


def test_records_at_the_brokers_limit_are_parked_and_those_above_are_refused(live: LiveWorld) -> None:
    known, before = len(live.parked()), _peak_bytes(live)
    largest = INPUT_BYTES_MAX - HEADROOM
    assert _send(live, [bytes(largest)] * AT_THE_LIMIT, "none", batch_bytes=largest) == [None] * AT_THE_LIMIT
    (refused,) = _send(live, [bytes(INPUT_BYTES_MAX)], "none")
    assert refused is not None
    assert refused.code() == KafkaError.MSG_SIZE_TOO_LARGE
    live.wait_until(lambda: len(live.parked()) == known + AT_THE_LIMIT, "all are parked")
    largest_parked = [one.reason for one in live.parked() if one.value is not None and len(one.value) == largest]
    assert largest_parked == [Reason.TOO_LARGE] * AT_THE_LIMIT
    _is_still_at_work(live)
    assert _peak_bytes(live) - before < GROWTH_BYTES_MAX


def test_a_backlog_of_the_largest_records_is_taken_in_portions(live: LiveWorld) -> None:
    """Each costs its sender one megabyte of its quota; together they are more than a worker may hold."""
    live.hub.stop()
    largest = INPUT_BYTES_MAX - HEADROOM
    said = _send(live, [bytes(largest)] * BACKLOG_RECORDS, "none", batch_bytes=largest)
    assert said == [None] * BACKLOG_RECORDS
    live.hub.start()
    before = _peak_bytes(live)
    too_large = ("hub_parked_total", f'party="A.SOC",reason="{Reason.TOO_LARGE}"')
    live.wait_until(lambda: live.metrics().get(too_large) == BACKLOG_RECORDS, "all are parked")
    _is_still_at_work(live)
    assert _peak_bytes(live) - before < BACKLOG_GROWTH_BYTES_MAX


def test_a_record_of_empty_headers_takes_no_more_than_it_takes_to_refuse_it(live: LiveWorld) -> None:
    """Two bytes each in the log, seventy in memory."""
    known, before = len(live.parked()), _peak_bytes(live)
    connection = live.world.connection(live.world.names.user("A.SOC"))
    client = Producer(connection.native_producer_options())
    said: list[KafkaError | None] = []
    for _ in range(AT_THE_LIMIT):
        client.produce(
            live.world.names.input("A.SOC"), b"value", b"k", partition=0, headers=[("", None)] * EMPTY_HEADERS,
            on_delivery=lambda error, _: said.append(error),
        )  # fmt: skip
        assert client.flush(30.0) == 0
    assert said == [None] * AT_THE_LIMIT
    live.wait_until(lambda: len(live.parked()) == known + AT_THE_LIMIT, "all are parked")
    newest = live.parked()[-AT_THE_LIMIT:]
    assert {(one.reason, one.field) for one in newest} == {(Reason.BAD_HEADER, "headers")}
    _is_still_at_work(live)
    assert _peak_bytes(live) - before < GROWTH_BYTES_MAX
