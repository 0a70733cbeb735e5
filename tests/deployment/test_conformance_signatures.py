"""The sequences of `hub conformance` are signed as a hub signs: a receiver that checks signatures takes them whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from consumers.hub_signatures import HubSignatures
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.catalogue import catalogue
from contracts.failures import ForgedRecord, MissingNumber
from contracts.partitioning import partition_of
from contracts.topics import Names
from deploy.conformance.command import conformance
from deploy.conformance.lines import read_lines
from deploy.conformance.receiving import Report, ReportedEvent, ReportedGap, Sequence, differences
from deploy.conformance.resyncing import ResyncSequence
from tests.consumers.simulated_topic import SimulatedTopic

PARTY: Final = "A.SOC"
PARTITIONS: Final = 8


def documented_key() -> bytes:
    """The public key that the wire page's example names."""
    page = Path("contracts/WIRE.md").read_text(encoding="utf-8")
    example = page.split("```json")[1].split("```")[0]
    return bytes.fromhex(json.loads(example)["public_key"])


def subscribed(directory: Path, *words: str, public_key: bytes) -> tuple[Subscription, PartyStore]:
    """The repository's own subscription on what `sequence` printed, checking signatures by one public key."""
    done = CliRunner().invoke(conformance, ["sequence", PARTY, "--partitions", str(PARTITIONS), *words])
    topic = SimulatedTopic(PARTITIONS)
    for one in read_lines(done.output.splitlines(), 0):
        topic.put(one.record.partition, one.record.key, one.record.value, one.record.headers)
    store = PartyStore.create(directory / "store.db", PARTY)
    return Subscription(PARTY, topic, store, HubSignatures(Names().output(PARTY), [public_key])), store


@pytest.mark.parametrize(("sequence_of", "words"), [(Sequence, ()), (ResyncSequence, ("--resync",))])
def test_our_subscription_takes_the_whole_sequence_and_checks_its_signatures(
    tmp_path: Path, sequence_of: type[Sequence], words: tuple[str, ...]
) -> None:
    subscription, store = subscribed(tmp_path, *words, public_key=documented_key())
    wanted = sequence_of(PARTY, Names(), PARTITIONS)
    with store:
        with pytest.raises(MissingNumber):
            for _ in range(3):
                subscription.advance(0)
        types = catalogue().event_types
        events = [
            ReportedEvent(
                party=event.party,
                id=event.event_id,
                type=types[event.event_type].ce_type,
                key=event.key,
                fields=dict(event.payload),
            )
            for event in store.visible()
        ]
        partition = partition_of(wanted.second_key.encode(), PARTITIONS)
        last = subscription.numbers()[partition]
    report = Report(events=events, gaps=[ReportedGap(partition=partition, last_number=last, came=last + 2)])
    assert differences(wanted.expected(), report, wanted.why()) == []


def test_another_key_than_the_documented_one_takes_nothing(tmp_path: Path) -> None:
    subscription, store = subscribed(tmp_path, public_key=bytes(31) + b"\x09")
    with store, pytest.raises(ForgedRecord):
        subscription.advance(0)


def test_the_help_names_the_public_key() -> None:
    assert documented_key().hex() in CliRunner().invoke(conformance, ["sequence", "--help"]).output
