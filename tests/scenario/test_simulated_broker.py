"""The broker in memory keeps the promises of the ports that it implements."""

from __future__ import annotations

import pytest

from consumers.source import LogSpan
from contracts.failures import ForeignStore, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.partitioning import partition_of
from contracts.topics import Names
from deploy.scenario.simulated_broker import (
    SimulatedBroker,
    SimulatedInputs,
    SimulatedOutputs,
    SimulatedSource,
    SimulatedTransport,
)
from hub.broker.ports import InputRecord, OutputRecord

NAMES = Names("v1")
REGISTRY = PartyRegistry.of([Party("PRI"), Party("A.SOC")])


@pytest.fixture
def broker() -> SimulatedBroker:
    broker = SimulatedBroker(partitions=2, clock=1_000)
    broker.create_topics(NAMES, REGISTRY)
    return broker


def put(broker: SimulatedBroker, topic: str, timestamp: int, value: bytes = b"v", partition: int = 0) -> None:
    broker.append(topic, partition, b"k", value, [], timestamp)


def places(records: object) -> list[tuple[str, int]]:
    assert isinstance(records, list)
    return [(each.topic, each.offset) for each in records if isinstance(each, InputRecord)]


def output(party: str, number: int) -> OutputRecord:
    return OutputRecord(party, number, b"k", b"v%d" % number, [("ce_id", b"x")])


def test_inputs_come_merged_by_timestamp_the_hubs_own_first_then_topic_then_offset(broker: SimulatedBroker) -> None:
    prison, social, hub = NAMES.input("PRI"), NAMES.input("A.SOC"), NAMES.hub_input
    for topic, timestamp in [(prison, 5), (prison, 9), (social, 7), (hub, 7), (social, 6)]:
        put(broker, topic, timestamp)
    inputs = SimulatedInputs(broker, NAMES, REGISTRY, 0)
    inputs.start({})
    # The second record of A.SOC is older than its first, but no record overtakes another of its own topic.
    assert places(inputs.take(2, 0.0)) == [(prison, 0), (hub, 0)]
    assert places(inputs.take(9, 0.0)) == [(social, 0), (social, 1), (prison, 1)]
    assert inputs.take(9, 0.0) == []


def test_inputs_read_on_from_positions_and_count_what_lies_ahead(broker: SimulatedBroker) -> None:
    topic = NAMES.input("PRI")
    for timestamp in (1, 2, 3):
        put(broker, topic, timestamp)
    inputs = SimulatedInputs(broker, NAMES, REGISTRY, 0)
    inputs.start({topic: 1})
    assert inputs.lag_records() == 2
    assert places(inputs.take(9, 0.0)) == [(topic, 1), (topic, 2)]
    assert inputs.lag_records() == 0


def test_inputs_see_their_own_partition_only(broker: SimulatedBroker) -> None:
    put(broker, NAMES.input("PRI"), 1, partition=1)
    inputs = SimulatedInputs(broker, NAMES, REGISTRY, 0)
    inputs.start({})
    assert inputs.take(9, 0.0) == []


@pytest.mark.parametrize("positions", [{"v1.in.pri.v1": 1}, {"v1.in.pri.v1": -1}])
def test_position_outside_the_log_is_refused(broker: SimulatedBroker, positions: dict[str, int]) -> None:
    with pytest.raises(ForeignStore, match="belongs to another world"):
        SimulatedInputs(broker, NAMES, REGISTRY, 0).start(positions)


def test_the_position_of_a_topic_that_is_read_no_more_is_passed_over(broker: SimulatedBroker) -> None:
    inputs = SimulatedInputs(broker, NAMES, REGISTRY, 0)
    inputs.start({"v1.in.psy.v1": 7})
    put(broker, NAMES.input("PRI"), 1)
    assert places(inputs.take(9, 0.0)) == [(NAMES.input("PRI"), 0)]


def test_newest_tick_is_the_last_record_of_the_hubs_input(broker: SimulatedBroker) -> None:
    inputs = SimulatedInputs(broker, NAMES, REGISTRY, 0)
    assert inputs.newest_tick() == 0
    put(broker, NAMES.hub_input, 4)
    put(broker, NAMES.hub_input, 8)
    assert inputs.newest_tick() == 8


def test_a_key_lies_where_murmur2_puts_it(broker: SimulatedBroker) -> None:
    transport = SimulatedTransport(broker)
    for n in range(20):
        key = b"key-%d" % n
        position = transport.send(NAMES.input("PRI"), key, b"v", [])
        assert position.partition == partition_of(key, 2)
        assert broker.log(position.topic, position.partition)[position.offset].key == key


def test_record_without_a_timestamp_gets_the_brokers(broker: SimulatedBroker) -> None:
    broker.clock = 77
    position = SimulatedTransport(broker).send(NAMES.input("PRI"), b"k", b"v", [])
    assert broker.log(position.topic, position.partition)[position.offset].timestamp == 77


def test_topic_that_was_not_created_refuses(broker: SimulatedBroker) -> None:
    with pytest.raises(TransportFailure, match="not created"):
        SimulatedTransport(broker).send("elsewhere", b"k", b"v", [])


def test_sent_records_are_confirmed_per_party_once(broker: SimulatedBroker) -> None:
    outputs = SimulatedOutputs(broker, NAMES, 1)
    outputs.send([output("PRI", 1), output("A.SOC", 1), output("PRI", 2)])
    assert outputs.confirmed() == {"PRI": 2, "A.SOC": 1}
    assert outputs.confirmed() == {}
    source = SimulatedSource(broker, NAMES, "PRI")
    assert source.start({}) == {0: LogSpan(0, 0), 1: LogSpan(0, 2)}
    assert [(each.partition, each.value) for each in source.poll(9, 0.0)] == [(1, b"v1"), (1, b"v2")]


def test_party_that_cannot_be_reached_stalls_alone(broker: SimulatedBroker) -> None:
    broker.unreachable.add(NAMES.output("PRI"))
    outputs = SimulatedOutputs(broker, NAMES, 0)
    outputs.send([output("PRI", 1), output("A.SOC", 1), output("PRI", 2)])
    assert outputs.stalled() == ["PRI"]
    assert outputs.confirmed() == {"A.SOC": 1}
    broker.unreachable.clear()
    outputs.send([output("PRI", 1), output("PRI", 2)])
    assert outputs.stalled() == []
    assert outputs.confirmed() == {"PRI": 2}


def test_nothing_overtakes_a_refused_record(broker: SimulatedBroker) -> None:
    topic = NAMES.output("PRI")
    broker.unreachable.add(topic)
    outputs = SimulatedOutputs(broker, NAMES, 0)
    outputs.send([output("PRI", 1)])
    broker.unreachable.clear()
    outputs.send([output("PRI", 2)])
    assert broker.log(topic, 0) == []


def test_source_reads_on_from_its_positions(broker: SimulatedBroker) -> None:
    SimulatedOutputs(broker, NAMES, 0).send([output("PRI", 1), output("PRI", 2)])
    source = SimulatedSource(broker, NAMES, "PRI")
    source.start({0: 1})
    assert [each.offset for each in source.poll(9, 0.0)] == [1]
    with pytest.raises(ForeignStore):
        source.start({0: 3})
