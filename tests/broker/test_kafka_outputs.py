"""How sending goes on when the client library reports trouble: a client of our own making reports it on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure
from contracts.topics import Names
from hub.broker import kafka_outputs
from hub.broker.kafka_outputs import FIRST_PAUSE_SECONDS, PROGRESS_SECONDS_MAX, KafkaOutputs
from hub.broker.ports import OutputRecord

Report = Callable[[KafkaError | None, Any], None]
NAMES = Names("test")
PARTIES = ("A.SOC", "PRI")


@dataclass
class Client:
    """Stands in for librdkafka's producer: nothing is reported before a test says so."""

    options: dict[str, Any]
    under_way: list[tuple[str, Report]] = field(default_factory=list)
    room: int = 1_000
    fatal: KafkaError | None = None
    purged: bool = False
    raises_once: bool = False
    late: list[KafkaError] = field(default_factory=list)
    """Reports that come with the poll after the one that raises, not with the purge."""
    last_reports: list[KafkaError | None] = field(default_factory=list)

    def list_topics(self, timeout: float) -> Any:
        topics = {NAMES.output(party): SimpleNamespace(error=None, partitions={0: None}) for party in PARTIES}
        return SimpleNamespace(topics=topics)

    def produce(self, topic: str, *, on_delivery: Report, **_: Any) -> None:
        if self.fatal is not None:
            raise KafkaException(KafkaError(KafkaError._FATAL, "stopped", fatal=True))
        if len(self.under_way) >= self.room:
            raise BufferError
        self.under_way.append((topic, on_delivery))

    def poll(self, _: float) -> int:
        if self.fatal is not None and not self.purged:
            raise KafkaException(self.fatal)
        if self.raises_once:
            self.raises_once = False
            raise KafkaException(KafkaError(KafkaError._FATAL, "stopped", fatal=True))
        while self.late and self.under_way:
            self.report(error=self.late.pop(0))
        return 0

    def purge(self) -> None:
        self.purged = True
        if self.late:
            return
        while self.under_way:
            error = self.last_reports.pop(0) if self.last_reports else KafkaError(KafkaError._PURGE_QUEUE)
            self.report(error=error)

    def flush(self, _: float) -> int:
        if self.fatal is not None:
            raise KafkaException(self.fatal)
        return 0

    def report(self, index: int = 0, error: KafkaError | None = None) -> None:
        """Report one record that is under way."""
        self.under_way.pop(index)[1](error, None)


@dataclass
class Bench:
    """Outputs with the clients that they made, and a clock that is moved by hand."""

    outputs: KafkaOutputs
    clients: list[Client]
    clock: list[float]

    @property
    def client(self) -> Client:
        return self.clients[-1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    clients: list[Client] = []
    clock = [1000.0]

    def make(options: dict[str, Any], logger: object) -> Client:
        clients.append(Client(options))
        return clients[-1]

    monkeypatch.setattr(kafka_outputs, "Producer", make)
    monkeypatch.setattr(kafka_outputs, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return Bench(KafkaOutputs(KafkaConnection("nowhere:1", "hub-sender", "x"), NAMES, 0), clients, clock)


def records(party: str, first: int, last: int) -> list[OutputRecord]:
    return [OutputRecord(party, number, b"k", b"v", []) for number in range(first, last + 1)]


def test_the_client_is_told_to_leave_no_hole(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 1))
    wanted = {"enable.idempotence": True, "acks": "all", "enable.gapless.guarantee": True, "message.timeout.ms": 0}
    assert wanted.items() <= bench.client.options.items()
    assert "transactional.id" not in bench.client.options


def test_a_number_counts_once_its_own_report_has_come(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 3))
    assert bench.outputs.confirmed() == {}
    bench.client.report()
    bench.client.report()
    assert bench.outputs.confirmed() == {"PRI": 2}
    assert bench.outputs.confirmed() == {}


def test_what_the_client_took_may_have_left_and_what_was_dropped_has_not(bench: Bench) -> None:
    """Also what it has thrown away since: its reports do not say of which record nothing was ever sent."""
    bench.outputs.send([*records("NOBODY", 1, 1), *records("PRI", 1, 2)])
    bench.client.room = 3
    bench.outputs.send(records("PRI", 3, 5))
    assert bench.outputs.taken() == {"PRI": 3}
    bench.clock[0] += PROGRESS_SECONDS_MAX + 1
    bench.outputs.confirmed()
    bench.outputs.send(records("PRI", 4, 5))
    bench.clock[0] += 60
    bench.outputs.send(records("PRI", 1, 1))
    assert bench.outputs.taken() == {"PRI": 3}


def test_a_report_out_of_order_is_not_believed(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 2))
    with pytest.raises(TransportFailure, match="number `2`"):
        bench.client.report(1)


def test_what_makes_no_progress_is_given_up_with_all_that_follows(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 3))
    bench.client.report()
    assert bench.outputs.confirmed() == {"PRI": 1}
    bench.clock[0] += PROGRESS_SECONDS_MAX - 1
    assert bench.outputs.stalled() == []
    bench.clock[0] += 2
    assert bench.outputs.confirmed() == {}
    assert bench.outputs.stalled() == ["PRI"]
    assert bench.client.purged
    bench.clock[0] += 60
    bench.outputs.send(records("PRI", 2, 3))
    assert len(bench.clients) == 2
    assert len(bench.client.under_way) == 2


def test_who_is_at_fault_waits_and_the_others_are_tried_again_at_once(bench: Bench) -> None:
    bench.outputs.send([*records("A.SOC", 1, 2), *records("PRI", 1, 2)])
    bench.client.report(error=KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert bench.outputs.confirmed() == {}
    assert bench.outputs.stalled() == ["A.SOC", "PRI"]
    bench.outputs.send([*records("A.SOC", 1, 2), *records("PRI", 1, 2)])
    assert bench.outputs.stalled() == ["A.SOC"], "its pause is not over"
    assert {topic for topic, _ in bench.client.under_way} == {NAMES.output("PRI")}


def test_a_client_that_stopped_over_nobody_known_makes_everybody_wait(bench: Bench) -> None:
    """Else a failure that names no record would be tried again without a pause, for ever."""
    bench.outputs.send([*records("A.SOC", 1, 1), *records("PRI", 1, 1)])
    bench.client.fatal = KafkaError(KafkaError._GAPLESS_GUARANTEE, "stopped", fatal=True)
    assert bench.outputs.confirmed() == {}
    bench.outputs.send([*records("A.SOC", 1, 1), *records("PRI", 1, 1)])
    assert bench.outputs.stalled() == ["A.SOC", "PRI"]
    assert len(bench.clients) == 1


def test_a_late_report_of_a_client_thrown_away_counts_for_nothing(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 2))
    late = bench.client.under_way[0][1]
    bench.clock[0] += PROGRESS_SECONDS_MAX + 1
    bench.outputs.confirmed()
    late(None, None)
    assert bench.outputs.confirmed() == {}
    assert bench.outputs.stalled() == ["PRI"]


def test_a_full_queue_holds_back_the_rest_of_its_party_in_order(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 1))
    bench.client.room = 2
    bench.outputs.send(records("PRI", 2, 4))
    assert bench.outputs.stalled() == ["PRI"]
    assert len(bench.client.under_way) == 2, "nothing was put behind the hole"


def test_nothing_begins_again_behind_the_number_that_failed(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 2))
    bench.client.report(error=KafkaError(KafkaError._MSG_TIMED_OUT))
    bench.outputs.confirmed()
    bench.clock[0] += 60
    bench.outputs.send(records("PRI", 2, 3))
    assert bench.outputs.stalled() == ["PRI"]
    bench.outputs.send(records("PRI", 1, 3))
    assert bench.outputs.stalled() == []
    assert len(bench.client.under_way) == 3


def test_a_topic_that_is_not_there_stops_its_party_alone(bench: Bench) -> None:
    bench.outputs.send([*records("NOBODY", 1, 1), *records("PRI", 1, 1)])
    assert bench.outputs.stalled() == ["NOBODY"]
    assert len(bench.client.under_way) == 1


def test_what_is_in_a_full_queue_leaves_once_and_what_follows_goes_on_behind_it(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 2))
    bench.client.room = 2
    bench.outputs.send(records("PRI", 3, 4))
    assert bench.outputs.stalled() == ["PRI"]
    bench.client.report()
    assert bench.outputs.confirmed() == {"PRI": 1}, "what is under way counts"
    bench.client.room = 9
    bench.clock[0] += FIRST_PAUSE_SECONDS
    bench.outputs.send(records("PRI", 2, 4))
    assert len(bench.client.under_way) == 3, "`2` was under way already"
    for _ in range(3):
        bench.client.report()
    assert bench.outputs.confirmed() == {"PRI": 4}
    assert bench.outputs.stalled() == []


def test_a_client_thrown_away_with_a_full_queue_begins_anew_from_its_oldest_number(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 2))
    bench.client.room = 2
    bench.outputs.send(records("PRI", 3, 3))
    bench.clock[0] += PROGRESS_SECONDS_MAX + 1
    assert bench.outputs.confirmed() == {}
    bench.clock[0] += 60
    bench.outputs.send(records("PRI", 2, 3))
    assert bench.outputs.stalled() == ["PRI"]
    bench.outputs.send(records("PRI", 1, 3))
    assert len(bench.client.under_way) == 3


def test_whoever_waits_for_the_end_of_a_pause_is_named(bench: Bench) -> None:
    bench.outputs.send([*records("A.SOC", 1, 2), *records("PRI", 1, 2)])
    bench.client.report(error=KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    bench.outputs.confirmed()
    assert (bench.outputs.stalled(), bench.outputs.pausing()) == (["A.SOC", "PRI"], ["A.SOC"])
    bench.clock[0] += FIRST_PAUSE_SECONDS
    assert bench.outputs.pausing() == []
    bench.outputs.send(records("A.SOC", 1, 2))
    assert bench.outputs.stalled() == ["PRI"]


@pytest.mark.parametrize("fault", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._PURGE_QUEUE])
def test_a_client_that_stopped_between_two_records_takes_its_reports_along(bench: Bench, fault: int) -> None:
    """The client stops in a thread of its own, so the next record handed over may be the first to hear of it."""
    bench.outputs.send([*records("A.SOC", 1, 2), *records("PRI", 1, 2)])
    client = bench.client
    client.fatal = KafkaError(KafkaError._GAPLESS_GUARANTEE, "stopped", fatal=True)
    client.last_reports = [None, KafkaError(fault), None, KafkaError(KafkaError._PURGE_QUEUE)]
    bench.outputs.send(records("PRI", 3, 4))
    assert bench.outputs.confirmed() == {"A.SOC": 1, "PRI": 1}
    assert bench.outputs.stalled() == ["A.SOC", "PRI"]
    bench.outputs.send([*records("A.SOC", 2, 2), *records("PRI", 2, 4)])
    at_fault = fault == KafkaError.MSG_SIZE_TOO_LARGE
    assert bench.outputs.stalled() == (["A.SOC"] if at_fault else ["A.SOC", "PRI"]), "who is at fault waits"


def test_the_report_behind_the_one_that_stops_the_client_says_who_is_at_fault(bench: Bench) -> None:
    bench.outputs.send([*records("A.SOC", 1, 1), *records("PRI", 1, 1)])
    client = bench.client
    client.late = [KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), KafkaError(KafkaError._PURGE_QUEUE)]
    client.fatal, client.raises_once = KafkaError(KafkaError._GAPLESS_GUARANTEE, "stopped", fatal=True), True
    assert bench.outputs.confirmed() == {}
    bench.outputs.send([*records("A.SOC", 1, 1), *records("PRI", 1, 1)])
    assert bench.outputs.stalled() == ["A.SOC"], "the other is tried again at once"


def test_a_client_that_has_stopped_can_be_closed(bench: Bench) -> None:
    bench.outputs.send(records("PRI", 1, 1))
    bench.client.fatal = KafkaError(KafkaError._GAPLESS_GUARANTEE, "stopped", fatal=True)
    bench.outputs.close()
    assert bench.client.purged
