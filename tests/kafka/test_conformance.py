"""`hub conformance` on the real broker: stock clients (librdkafka, Confluent's serialisers) and our own receiver."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from consumers.hub_signatures import HubSignatures
from consumers.kafka_source import KafkaSource
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.catalogue import catalogue
from contracts.failures import MissingNumber
from contracts.parties import Party, PartyRegistry
from contracts.partitioning import partition_of
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey, signed_headers
from deploy.conformance.command import conformance
from deploy.conformance.receiving import Sequence
from deploy.hub_process import HubProcess, create_hub
from deploy.key_registration import change_keys
from deploy.world import HUB_KEY, World
from hub.shard.signing_keys import REGISTRATION
from tests.conftest import MakeWorld
from tests.kafka.schema_registry import schema_text

pytestmark = pytest.mark.kafka

PARTY: Final = "A.SOC"
PARTITIONS: Final = 4
TYPE: Final = "HousingSecured"
RECORDS: Final = 20
WAIT_SECONDS_MAX: Final = 20.0


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    world = make_world(PartyRegistry.of([Party(PARTY)]), partitions=PARTITIONS, played=False)
    create_hub(world)
    return world


def run(world: World, command: str, *words: str, given: str | None = None) -> Result:
    place = ("--world", str(world.directory)) if command != "receiver" else ()
    return CliRunner().invoke(conformance, [command, PARTY, *words, *place], input=given)


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_a_stock_publisher_is_judged_on_what_it_wrote(
    world: World, registry: SchemaRegistryClient, partitioner: str
) -> None:
    publish(world, registry, partitioner)
    done = run(world, "published", "--json")
    rows = json.loads(done.output)
    assert len(rows) == RECORDS
    parked = [row["reason"] for row in rows if row["outcome"] == "parked"]
    if partitioner == "murmur2_random":
        assert (done.exit_code, parked) == (0, [])
        assert all("no UUID of version 8" in row["remarks"][0] for row in rows)
    else:
        assert done.exit_code == 1
        assert set(parked) == {"wrong_partition"}


def test_what_was_published_after_a_key_was_registered_must_be_signed_with_it(
    world: World, registry: SchemaRegistryClient
) -> None:
    publish(world, registry, "murmur2_random")
    key = world.signing_key(PARTY)
    hub = HubProcess(world, tick_seconds=0.5)
    hub.start()
    try:
        change_keys(world, REGISTRATION, {"party": PARTY, "publicKey": key.public.hex()}, bool)
    finally:
        hub.stop()
    publish(world, registry, "murmur2_random")
    publish(world, registry, "murmur2_random", key)
    publish(world, registry, "murmur2_random", SigningKey(b"\x05" * 32))
    done = run(world, "published", "--json")
    reasons = Counter(row["reason"] for row in json.loads(done.output))
    assert reasons == {"": 2 * RECORDS, "unsigned": RECORDS, "unknown_signing_key": RECORDS}
    assert done.exit_code == 1


def publish(
    world: World, registry: SchemaRegistryClient, partitioner: str, signing_key: SigningKey | None = None
) -> None:
    """Let a stock client write `RECORDS` records, signed with a key or not at all."""
    options = {"auto.register.schemas": False, "subject.name.strategy": record_subject_name_strategy}
    serialize = AvroSerializer(registry, schema_text(schema_ids().published(TYPE)), conf=options)
    names, moment = world.names, datetime.now(UTC) - timedelta(minutes=5)
    connection = world.connection(names.user(PARTY))
    producer = Producer({**connection.native_producer_options(), "partitioner": partitioner})
    for _ in range(RECORDS):
        fact = {"occurredAt": moment, "housingId": uuid.uuid4(), "kind": "OWN_TENANCY", "at": moment, "address": "x"}
        value = serialize(fact, SerializationContext(names.input(PARTY), MessageField.VALUE))
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(uuid.uuid4()).encode()),
            ("ce_source", f"urn:party:{PARTY}:stock".encode()),
            ("ce_type", catalogue().event_types[TYPE].ce_type.encode()),
            ("ce_time", datetime.now(UTC).isoformat().encode()),
        ]
        key = str(uuid.uuid4()).encode()
        if signing_key is not None:
            headers = signed_headers(signing_key, names.input(PARTY), key, headers, cast(bytes, value))
        producer.produce(names.input(PARTY), cast(bytes, value), key, headers=[*headers])
    assert producer.flush(10) == 0


def test_a_stock_receiver_reports_what_must_come_out(world: World, registry: SchemaRegistryClient) -> None:
    assert run(world, "send").exit_code == 0
    report = stock_report(world, registry)
    done = run(world, "receiver", "--partitions", str(PARTITIONS), given=json.dumps(report))
    assert (done.exit_code, done.output.strip()) == (0, "0 differences")
    report["events"].pop()
    assert run(world, "receiver", "--partitions", str(PARTITIONS), given=json.dumps(report)).exit_code == 1
    again = run(world, "send")
    assert "holds records, or did" in str(again.exception)
    delete_records(world)
    emptied = run(world, "send")
    assert "holds records, or did" in str(emptied.exception)


def delete_records(world: World) -> None:
    """Delete all of the party's output, as `hub cleaner` does where it is confirmed."""
    client = AdminClient(world.connection(world.names.service("cleaner")).native_client_options())
    places = [TopicPartition(world.names.output(PARTY), number, OFFSET_END) for number in range(PARTITIONS)]
    for deleted in client.delete_records(places).values():
        deleted.result(WAIT_SECONDS_MAX)


def stock_report(world: World, registry: SchemaRegistryClient) -> dict[str, Any]:
    """Read the topic to its ends with stock clients and fold it by the wire page."""
    deserialize, names = AvroDeserializer(registry), world.names
    options = world.connection(names.user(PARTY)).native_client_options()
    consumer = Consumer({**options, "group.id": f"{names.user(PARTY)}.stock", "enable.auto.commit": False})
    topic, count = names.output(PARTY), len(Sequence(PARTY, names, PARTITIONS).records())
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    messages: list[Message] = []
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while len(messages) < count:
        assert time.monotonic() < deadline
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            messages.append(message)
    consumer.close()
    events: dict[tuple[str, str], dict[str, Any]] = {}
    numbers: dict[int, int] = {}
    gaps: dict[int, dict[str, int]] = {}
    for message in messages:
        headers = {name: (value or b"").decode() for name, value in cast(list[tuple[str, bytes]], message.headers())}
        partition, number = cast(int, message.partition()), int(headers["hub_seq"])
        last = numbers.get(partition, 0)
        if number <= last or partition in gaps:
            continue
        if number > last + 1:
            gaps[partition] = {"partition": partition, "last_number": last, "came": number}
            continue
        numbers[partition] = number
        identity = (headers["ce_source"].removeprefix("urn:party:"), headers["ce_id"])
        events.pop(identity, None)
        if headers["hub_effect"] == "disclosed":
            fields = deserialize(cast(bytes, message.value()), SerializationContext(topic, MessageField.VALUE))
            key = cast(bytes, message.key()).decode()
            row = {"party": identity[0], "id": identity[1], "type": headers["ce_type"], "key": key, "fields": fields}
            events[identity] = json.loads(json.dumps(row, default=lambda moment: moment.isoformat()))
    return {"events": list(events.values()), "gaps": list(gaps.values())}


@pytest.mark.parametrize("which", [(), ("--resync",)])
def test_our_own_subscription_reports_what_must_come_out(world: World, tmp_path: Path, which: tuple[str, ...]) -> None:
    # It checks every signature: the sequence is signed with the key of the world's hub.
    assert run(world, "send", *which).exit_code == 0
    names = world.names
    store = PartyStore.create(tmp_path / "store.db", PARTY)
    signatures = HubSignatures(names.output(PARTY), [world.signing_key(HUB_KEY).public])
    source = KafkaSource(world.connection(names.user(PARTY)), names, PARTY)
    subscription = Subscription(PARTY, source, store, signatures)
    try:
        with pytest.raises(MissingNumber):
            deadline = time.monotonic() + WAIT_SECONDS_MAX
            while time.monotonic() < deadline:
                subscription.advance(0.2)
        events = [
            {
                "party": event.party,
                "id": event.event_id,
                "type": catalogue().event_types[event.event_type].ce_type,
                "key": event.key,
                "fields": dict(event.payload),
            }
            for event in store.visible()
        ]
        partition = partition_of(Sequence(PARTY, names, PARTITIONS).second_key.encode(), PARTITIONS)
        last = subscription.numbers()[partition]
    finally:
        subscription.close()
        store.close()
    gap = {"partition": partition, "last_number": last, "came": last + 2}
    report = json.dumps({"events": events, "gaps": [gap]})
    done = run(world, "receiver", "--partitions", str(PARTITIONS), *which, given=report)
    assert done.output.strip() == "0 differences"
