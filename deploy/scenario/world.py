"""What a scenario is played in: one hub with its own topics, stores and clock.

Rules:
- Time is the player's: a world does nothing that depends on the machine's clock but wait.
- `settle` returns when all that was published is stored, decided, sent and applied by every subscription.
- All publishing is done by real publishers through `publisher(party)`.

Two implementations: `core_world` (one process, simulated broker), `kafka_world` (real Kafka, a worker process).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from consumers.visible import VisibleEvent
from deploy.scenario.scenario import Scenario
from hub.store.records import CaseRecord, DecisionsRecorded, FactRecorded, RecordParked, Shown
from producers.publisher import Publisher


class World(Protocol):
    """One hub of its own. Times are milliseconds."""

    def enrol(self, scenario: Scenario, at: int) -> None:
        """Enrol the scenario's citizen: the first record of the case, and a key for every party."""

    def publisher(self, party: str) -> Publisher:
        """The publisher of a party (of the hub itself for its reviews)."""

    def key(self, party: str) -> str:
        """The party's own pseudonym of the citizen."""

    def governance_key(self, party: str, jurisdiction: str) -> str:
        """The party's own key of what is about no citizen of `jurisdiction`."""

    def tick(self, at: int) -> None:
        """Move the hub's clock to `at`."""

    def settle(self) -> None:
        """Wait until nothing is left to do; raise a `Failure` where that does not happen."""

    def view(self, party: str) -> Sequence[VisibleEvent]:
        """What the party's own store holds of the citizen."""

    def decisions(self, party: str) -> Mapping[str, Shown]:
        """The hub's newest decision for `party` on each event, by the hub's event id."""

    def case_records(self) -> Sequence[CaseRecord]:
        """All records that the hub has stored of the citizen's case, in order."""

    def parked(self) -> Sequence[RecordParked]:
        """What arrival refused."""

    def close(self) -> None:
        """Stop and remove everything that was made for this world."""


def newest_decisions(records: Iterable[CaseRecord], party: str) -> dict[str, Shown]:
    """Return the newest decision for `party` on each event of a case, by event id, from the case's records."""
    event_at: dict[int, str] = {}
    newest: dict[str, Shown] = {}
    for record in records:
        if isinstance(record, FactRecorded):
            event_at[record.originator_version] = record.event_id
        elif isinstance(record, DecisionsRecorded):
            for decision in record.decisions:
                if decision.party == party:
                    newest[event_at[decision.fact_version]] = decision.shown
    return newest
