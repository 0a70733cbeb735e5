"""What each party gets, byte by byte: stories played through the real shard on the simulated broker.

Rules:
- At each instant of the diary everything due is published, then the shard is ticked and settled.
- A transcript is all that reaches a party: every record of its topic (key, value, headers, timestamp), its own store
  and view as its subscription folds them, and whether the hub tells it who the citizen is (rule S12).
- At one instant every party may be told everything anew (a resync): some cases at a time, while things go on.
- The hub's secret, the keys and the times are the same in every play.

From `stories`; compared by `test_non_interference`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.catalogue import catalogue
from contracts.civil_time import day_date
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.schema_ids import schema_ids
from deploy.scenario.simulated_broker import SimulatedSource
from hub.broker.ports import InputRecord
from hub.identity.basics import Basics, read_basics_rules
from hub.identity.pseudonyms import governance_case
from hub.identity.vault import Citizen
from hub.identity.visibility import sees_something
from tests.safety.stories import DIARY, EVALUATION, PARTIES, PROVIDERS, SLOT_MS, SLOTS, Event, Story
from tests.shard.harness import SECRET, ShardUnderTest
from tests.shard.resyncs import ask

DAY_MS: Final = 86_400_000
CLOSING_MS: Final = SLOTS * SLOT_MS
"""After its instant each settlement looks at the cases at this distance, whatever was recorded."""
SETTLED_AT: Final = tuple(instant + CLOSING_MS for instant in DIARY)


@dataclass(frozen=True, slots=True)
class Noise:
    """A record on a party's topic that the hub does not admit: parked, or a repeat."""

    party: str
    at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that one party got."""

    records: tuple[tuple[Any, ...], ...]
    visible: str
    view: str
    basics: tuple[Basics | None, ...]


class Play:
    """One shard with the stories played through; closed by `close`."""

    def __init__(
        self, directory: Path, stories: Sequence[Story], noise: Iterable[Noise] = (), resync_at: int | None = None
    ) -> None:
        directory.mkdir(parents=True)
        self.stories = stories
        self._directory = directory
        self.hub = ShardUnderTest(directory, PARTIES, DIARY[0] - DAY_MS, healthcare_providers=PROVIDERS)
        self._register_the_evaluation()
        for story in stories:
            self.hub.enrol(story.case_id, story.born, story.jurisdiction)
        self.hub.settle()
        due = [(event.stated.recorded_at, event, story) for story in stories for event in story.events]
        due.sort(key=lambda line: line[0])
        strange = sorted(noise, key=lambda each: each.at)
        for instant in DIARY:
            end = instant + CLOSING_MS
            if instant == resync_at:
                self._ask_for_resyncs()
            while due and due[0][0] < end:
                recorded_at, event, story = due.pop(0)
                self._publish(recorded_at, event, story)
            while strange and strange[0].at < end:
                self._append(strange[0].party, strange[0].at, strange[0])
                strange.pop(0)
            self.hub.tick(end - self.hub.now)
            self.hub.settle()

    def _register_the_evaluation(self) -> None:
        self.hub.settle()
        values = {
            **EVALUATION,
            "startsOn": day_date(EVALUATION["startsOn"]),
            "endsOn": day_date(EVALUATION["endsOn"]),
        }
        for jurisdiction in ("DK", "SE"):
            case_id = governance_case(SECRET, jurisdiction, 0)
            self.hub.state("HUB", "AgreementRegistered", values, "evaluation", case_id=case_id)

    def _ask_for_resyncs(self) -> None:
        """Let the first cases have their turn before what is stated at this instant, and all the others meanwhile."""
        for party in PARTIES:
            ask(self.hub, party)
        self.hub.shard.step(0.0)

    def _publish(self, at: int, event: Event, story: Story) -> None:
        self._append(event.stated.party, at, record_of(event, self.hub.key(event.stated.party, story.case_id)))

    def _append(self, party: str, at: int, noise: Noise) -> None:
        topic = self.hub.names.input(party)
        self.hub.broker.append(topic, 0, noise.key, noise.value, list(noise.headers), at)

    def transcript(self, party: str) -> Transcript:
        """All that `party` got."""
        log = self.hub.broker.log(self.hub.names.output(party), 0)
        store = PartyStore.create(self._directory / f"{party}.db", party)
        subscription = Subscription(party, SimulatedSource(self.hub.broker, self.hub.names, party), store)
        while subscription.advance(0.0):
            pass
        seen, view = repr(store.visible()), repr(store.view_lines())
        subscription.close()
        store.close()
        return Transcript(tuple(map(_bytes_of, log)), seen, view, tuple(self._basics(party)))

    def _basics(self, party: str) -> Iterable[Basics | None]:
        """What identity tells the party of each citizen now: the rule, asked of the case's own decisions."""
        rules, role = read_basics_rules(), self.hub.registry[party].role
        for story in self.stories:
            citizen = Citizen(story.case_id, 0, story.jurisdiction, story.born, "0101900005", "Somebody")
            known = sees_something(self.hub.store.case_records(story.case_id), party)
            yield rules.cut(citizen, self.hub.key(party, story.case_id), role) if known else None

    def close(self) -> None:
        """Close the stores."""
        self.hub.store.close()
        self.hub.keys.close()


def _bytes_of(record: InputRecord) -> tuple[Any, ...]:
    return (record.key, record.value, tuple(record.headers), record.timestamp)


def record_of(event: Event, key: str) -> Noise:
    """The record that the event's publisher would send."""
    stated = event.stated
    body = codec().encode(
        schema_ids().published(stated.event_type), {"occurredAt": stated.occurred_at, **stated.payload}
    )
    attributes = Attributes(
        id=stated.id,
        source=f"urn:party:{stated.party}:main",
        type=catalogue().event_types[stated.event_type].ce_type,
        time=event.published_at,
        corrects=stated.corrects,
        correlation=event.correlation,
        causation=event.causation,
    )
    return Noise(stated.party, stated.recorded_at, key.encode(), body, tuple(published_headers(attributes)))
