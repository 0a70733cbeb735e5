"""`hub conformance`: does an agency's own client keep to the wire page? For agencies in any language.

Rules:
- A publisher's records come as lines of JSON (`publisher`), or from its input topic in a world for tests (`published`).
- A receiver is given a sequence, as lines of JSON (`sequence`) or on its output topic (`send`), and reports what it
  made of it (`receiver`).
- Exit code 1 where something does not conform. Nothing is sent to a topic that ever held anything, nor in a world whose
  hub has told anybody anything: whoever reads there would find a second number 1, or take what is invented for true.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
from confluent_kafka import Producer
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, NotFound, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.phrases import number_of
from contracts.signatures import SigningKey, public_key_of
from contracts.topics import Names
from deploy.conformance.lines import GivenRecord, line_of, read_lines
from deploy.conformance.publishing import PublisherCheck
from deploy.conformance.receiving import TEST_KEY, Sequence, differences, read_report
from deploy.conformance.resyncing import ResyncSequence
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import HUB_KEY, World
from hub.broker.ports import InputRecord
from hub.broker.record_mending import mend_records

FAILED = 1
WAIT_SECONDS_MAX = 30.0


def _party_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    PartyRegistry.of([Party(value)])  # refuses what is no party's id
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
party_argument = click.argument("party", callback=_party_id)
partitions_option = click.option(
    "--partitions", type=click.IntRange(1, 1024), default=8, show_default=True, help="How many each topic has."
)
resync_option = click.option(
    "--resync",
    "of_resync",
    is_flag=True,
    help="The sequence for a receiver that lost something and asked for a resync.",
)


@click.group("conformance")
def conformance() -> None:
    """Hold an agency's own client against the wire page (contracts/WIRE.md)."""


@conformance.command("publisher")
@party_argument
@click.option("--records", required=True, type=click.File("r", encoding="utf-8"), help="Lines of JSON; `-` is stdin.")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="32 bytes, hex.")
@click.option("--public-key", "public_keys", multiple=True, help="One of the keys that sign: then all must be signed.")
@json_option
@partitions_option
def publisher(
    party: str,
    records: TextIO,
    secret_file: Path | None,
    public_keys: tuple[str, ...],
    as_json: bool,
    partitions: int,
) -> None:
    """Say what the hub would do with each record of PARTY."""
    keys = [public_key_of(text) for text in public_keys]
    given = read_lines(_lines(records), _now_ms())
    _judge(PublisherCheck(Party(party), Names(), partitions, _secret(secret_file), keys), given, as_json=as_json)


@conformance.command("published")
@party_argument
@json_option
@world_option
def published(party: str, as_json: bool, directory: Path) -> None:
    """Say what the hub would do with each record that lies on PARTY's input topic in a world, signatures included."""
    world = _world_of(party, directory)
    reader = world.connection(world.names.service("reader"))
    given = map(GivenRecord, _whole_topic(reader, world.names.input(party)))
    with opened_stores(world) as stores:
        changes = list(stores[0].signing_keys(party))  # every shard was told the same
    _judge(PublisherCheck(Party(party), world.names, world.partitions, changes=changes), given, as_json=as_json)


def _judge(check: PublisherCheck, given: Iterable[GivenRecord], *, as_json: bool) -> None:
    verdicts = check.judge(given)
    parked = sum(verdict.outcome == "parked" for verdict in verdicts)
    if as_json:
        click.echo(json.dumps([verdict.values() for verdict in verdicts], indent=2))
    else:
        click.echo(
            "\n".join(
                [*(one.text() for one in verdicts), f"{number_of(len(verdicts), 'record')}, {parked} would be parked"]
            )
        )
    if parked or not verdicts:
        sys.exit(FAILED)


@conformance.command(
    "sequence",
    help="Give the sequence for a receiver of PARTY as lines of JSON.\n\nIt is signed with the key of the example in "
    f'WIRE.md, "Signatures"; its public key is\n\n{TEST_KEY.public.hex()}',
)
@party_argument
@partitions_option
@resync_option
def sequence(party: str, partitions: int, of_resync: bool) -> None:
    for record in _sequence_of(of_resync, party, Names(), partitions, TEST_KEY).records():
        click.echo(line_of(record))


@conformance.command("send")
@party_argument
@resync_option
@world_option
def send(party: str, of_resync: bool, directory: Path) -> None:
    """Send the sequence to PARTY's output topic in a world for tests, signed with the hub's key there."""
    world = _world_of(party, directory)
    _require_unused(world, party)
    wanted = _sequence_of(of_resync, party, world.names, world.partitions, world.signing_key(HUB_KEY)).records()
    _send(world.connection(world.names.service("sender")), wanted)
    click.echo(f"{number_of(len(wanted), 'record')} sent to {world.names.output(party)}")


@conformance.command("receiver")
@party_argument
@click.argument("report", type=click.File("r", encoding="utf-8"), default="-")
@json_option
@partitions_option
@resync_option
def receiver(party: str, report: TextIO, as_json: bool, partitions: int, of_resync: bool) -> None:
    """Compare what a receiver of PARTY reports (file, or standard input) with what the sequence must leave."""
    wanted = _sequence_of(of_resync, party, Names(), partitions, TEST_KEY)
    found = differences(wanted.expected(), read_report("".join(_lines(report))), wanted.why())
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join([*found, number_of(len(found), "difference")]))
    if found:
        sys.exit(FAILED)


def _sequence_of(of_resync: bool, party: str, names: Names, partitions: int, signing_key: SigningKey) -> Sequence:
    return (ResyncSequence if of_resync else Sequence)(party, names, partitions, signing_key)


def _world_of(party: str, directory: Path) -> World:
    world = World.open(directory)
    if party not in world.registry:
        raise NotFound(f"party `{party}` is not in the registry of this world")
    return world


def _require_unused(world: World, party: str) -> None:
    """Raise `BadSetting` where the hub of `world` has told anybody anything, or PARTY's output ever held anything.

    That none can be read there says nothing: they may be deleted, or the party may have joined a moment ago.
    """
    with opened_stores(world) as stores:
        told = sorted({name for store in stores for name in store.head().numbers})
    if told:
        raise BadSetting(f"the hub of this world has numbers for `{told[0]}`: expected a world made for this test")
    topic = world.names.output(party)
    with _reading(world.connection(world.names.user(party)), topic) as (consumer, places):
        if any(consumer.end_offsets(places).values()):
            raise BadSetting(f"topic `{topic}` holds records, or did: expected a world made for this test")


def _lines(file: TextIO) -> Iterator[str]:
    try:
        yield from file
    except (OSError, UnicodeDecodeError) as unreadable:
        raise BadSetting(f"file `{file.name}` cannot be read ({type(unreadable).__name__}): expected text") from None


def _secret(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return bytes.fromhex(file.read_text(encoding="ascii").strip())
    except ValueError:
        raise BadSetting(f"file `{file}`: expected the secret in hex") from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _whole_topic(connection: KafkaConnection, topic: str) -> Iterator[InputRecord]:
    """Every record that a topic holds now, partition by partition."""
    mend_records()
    with _reading(connection, topic) as (consumer, places):
        ends = consumer.end_offsets(places)
        for place, first in consumer.beginning_offsets(places).items():
            consumer.assign([place])
            consumer.seek(place, first)
            yield from _up_to(consumer, place, ends[place])


@contextmanager
def _reading(connection: KafkaConnection, topic: str) -> Iterator[tuple[KafkaConsumer, list[TopicPartition]]]:
    """A consumer, and every partition of `topic`."""
    try:
        consumer = KafkaConsumer(**connection.consumer_options())
        try:
            numbers = sorted(consumer.partitions_for_topic(topic) or ())
            yield consumer, [TopicPartition(topic, number) for number in numbers]
        finally:
            consumer.close(autocommit=False)
    except KafkaError as error:
        raise TransportFailure(f"topic `{topic}` cannot be read ({type(error).__name__}): see `hub doctor`") from error


def _up_to(consumer: KafkaConsumer, place: TopicPartition, end: int) -> Iterator[InputRecord]:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while consumer.position(place) < end:
        if time.monotonic() > deadline:
            raise TransportFailure(f"partition {place.partition} of `{place.topic}` does not come: see `hub doctor`")
        for record in consumer.poll(timeout_ms=500).get(place, ()):
            yield InputRecord(
                record.topic,
                record.partition,
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                record.headers,
            )


def _send(connection: KafkaConnection, records: Iterable[InputRecord]) -> None:
    failures: list[object] = []
    producer = Producer(connection.native_producer_options())
    for record in records:
        headers: list[tuple[str, str | bytes | None]] = [*record.headers]
        producer.produce(
            record.topic,
            record.value,
            record.key,
            record.partition,
            headers=headers,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    if producer.flush(WAIT_SECONDS_MAX) or failures:
        raise TransportFailure("the sequence was not stored as a whole: make a new world, then see `hub doctor`")
