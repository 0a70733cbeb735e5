"""Is a shard's store older than what was told from it? A restored copy is, and so is a standby that was behind.

Rules:
- A number is stored before it is sent. A higher one on a party's topic than the store has given out was told by this
  store as it was later: what it gives out again would be dropped as a repeat, a withdrawal too.
- The store is read after the topics: what another owner stores and sends meanwhile is no sign of age.
- Where the later store is lost, one batch skips what was told and one number more, which nobody is told: so every
  receiver meets a gap, however far it has read, and drops what it holds at the resync that the same batch asks for.
  What was told and is known no longer, nobody could take back otherwise.
- So it does with the numbers under which a record was parked and resolved since: their keys are destroyed, so nothing
  is ever stored under them again, and the shard would stand still. What is parked anew gets numbers behind them.
- What was parked before and resolved since is lost with its key, also where a retry had admitted it: it is told, for
  its publisher has to send it again.

From `hub.broker`, at the opening of a shard, before it sends anything; the skip is the operator's (`hub store skip`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import uuid4

from contracts.failures import ForeignStore
from contracts.parties import PartyRegistry
from hub.broker.ports import Outputs
from hub.shard.resyncing import requested
from hub.store.ports import BatchWrites, ShardStore
from hub.store.records import BATCHES, BatchCommitted, NumbersSkipped, parked_stream, sent_stream


class Ahead(NamedTuple):
    """How far a party was told more than the store has given out: the last number of either."""

    told: int
    given: int


def told_ahead(outputs: Outputs, store: ShardStore, parties: Iterable[str]) -> Mapping[str, Ahead]:
    """Return every party that was told a higher number than `store` has given out to it, in order."""
    told = outputs.last_numbers(parties)
    given = store.head().numbers
    return {
        party: Ahead(number, given.get(party, 0))
        for party, number in sorted(told.items())
        if number > given.get(party, 0)
    }


def refuse_an_older_store(outputs: Outputs, store: ShardStore, parties: Iterable[str]) -> None:
    """Raise `ForeignStore` where any of `parties` was told more than `store` knows of."""
    if ahead := told_ahead(outputs, store, parties):
        told = ", ".join(f"`{party}` up to `{one.told}` and not `{one.given}`" for party, one in ahead.items())
        raise ForeignStore(
            f"the store is older than what was told from it: expected the last number that it has given out, told was "
            f"{told}; what it gives out now would be dropped as a repeat. Open the newest store; if that is lost, stop "
            "the hub, run `hub store skip`, and start it again"
        )


class Skipped(NamedTuple):
    """What was skipped, by party: how far it was told more, and the last number of its parked records.

    `lost`: the numbers under which its records stand as parked, and of which nothing is left.
    """

    told: Mapping[str, Ahead]
    parked: Mapping[str, int]
    lost: Mapping[str, Sequence[int]]

    def __bool__(self) -> bool:
        """Whether anything was skipped."""
        return bool(self.told or self.parked)


def skip_what_was_told(outputs: Outputs, store: ShardStore, registry: PartyRegistry) -> Skipped:
    """Skip what each party was told ahead of `store`, and have it told anew; return what was skipped.

    Nobody else may have the shard open. Done again it changes nothing.
    """
    destroyed = sorted(store.destroyed_parked())
    head = store.head()
    still_open = {(one.party, one.number) for one in store.open_parked()}
    lost: dict[str, list[int]] = {}
    for party, number in destroyed:
        if (party, number) in still_open:
            lost.setdefault(party, []).append(number)
    later = {party: number for party, number in destroyed if number > head.parked.get(party, 0)}
    skipped = Skipped(told_ahead(outputs, store, {*registry.parties, *head.numbers}), later, lost)
    if not skipped:
        return skipped
    committed = BatchCommitted(BATCHES, head.batch + 1, secrets.token_hex(8), head.clock, dict(head.positions))
    writes = BatchWrites(committed)
    resyncs = store.resyncs()
    for party, one in skipped.told.items():
        last = one.told + 1
        writes.records.append(NumbersSkipped(sent_stream(party), last, head.clock, one.given + 1))
        writes.sent[party] = last
        if party in registry:
            writes.records.append(requested(party, resyncs.get(party), str(uuid4()), head.clock, head.clock))
    for party, last in skipped.parked.items():
        writes.records.append(NumbersSkipped(parked_stream(party), last, head.clock, head.parked.get(party, 0) + 1))
    store.commit(writes)
    return skipped
