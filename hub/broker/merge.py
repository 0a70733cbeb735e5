"""The order in which a shard takes its input: the pure half of `kafka_inputs`.

Rules:
- Records of all inputs are merged by (timestamp, topic, offset); within one input the offset alone decides. At equal
  timestamps the hub's own input comes first: a key that it issued is known to the record that uses it.
- A *cut* is one look at the ends of all inputs. Only records below the cut are given out, and while an input has
  records below the cut and none in hand, nothing is: what could come first is waited for.
- What lies above the cut was appended after the look, so it waits for the next one. An idle input holds nobody up.
- So the order depends on the logs and the cuts alone, never on how the records happened to arrive.

Records come from a broker's poll (`add`) and go to the shard (`take`). No I/O, no clock.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hub.broker.ports import InputRecord


@dataclass(slots=True)
class _Input:
    fetched_to: int
    cut: int
    hand: deque[InputRecord] = field(default_factory=deque)
    hand_bytes: int = 0

    @property
    def waited_for(self) -> bool:
        return not self.hand and self.fetched_to < self.cut

    @property
    def next_offset(self) -> int:
        return self.hand[0].offset if self.hand else self.fetched_to


class Merge:
    """The inputs of one shard with what is in hand of each. Offsets are next offsets: fetched, cut."""

    def __init__(self, positions: Mapping[str, int], first_topic: str = "") -> None:
        self._first_topic = first_topic
        self._inputs = {topic: _Input(offset, offset) for topic, offset in positions.items()}

    def add(self, topic: str, records: Sequence[InputRecord]) -> None:
        """Take `records` of one input in hand, in offset order."""
        if records:
            known = self._inputs[topic]
            known.hand.extend(records)
            known.hand_bytes += sum([record.size_bytes for record in records])
            known.fetched_to = records[-1].offset + 1

    def fetched_to(self, topic: str, offset: int) -> None:
        """Note that the log of an input has been read up to `offset`, even where it held no record."""
        known = self._inputs[topic]
        known.fetched_to = max(known.fetched_to, offset)

    def cut(self, ends: Mapping[str, int]) -> None:
        """Make the next cut: the end of each input, all seen in one look."""
        for topic, end in ends.items():
            known = self._inputs[topic]
            known.cut = max(known.cut, end)

    def in_hand(self, topic: str) -> tuple[int, int]:
        """How many records and bytes of an input are in hand."""
        known = self._inputs[topic]
        return len(known.hand), known.hand_bytes

    @property
    def beyond_cut(self) -> bool:
        """Whether a record is in hand that the cut does not cover, while nothing below the cut is left."""
        return not self.open and any(known.hand for known in self._inputs.values())

    @property
    def open(self) -> bool:
        """Whether anything below the cut has not been given out yet."""
        return any(
            known.waited_for or (known.hand and known.hand[0].offset < known.cut) for known in self._inputs.values()
        )

    @property
    def waited_for(self) -> list[str]:
        """The inputs that have records below the cut and none in hand."""
        return [topic for topic, known in self._inputs.items() if known.waited_for]

    @property
    def behind(self) -> int:
        """How many offsets below the cut have not been given out yet; none exactly where nothing is `open`."""
        return sum(max(0, known.cut - known.next_offset) for known in self._inputs.values())

    def ready(self, limit: int) -> bool:
        """Whether `limit` records below the cut are in hand, or all that are left of it."""
        if self.waited_for:
            return False
        in_hand = sum(len(known.hand) for known in self._inputs.values())
        return in_hand >= limit or all(known.fetched_to >= known.cut for known in self._inputs.values())

    def take(self, limit: int, bytes_max: int) -> list[InputRecord]:
        """Give out up to `limit` records in order, none beyond the one that fills `bytes_max`.

        None while an input is waited for.
        """
        taken: list[InputRecord] = []
        if self.waited_for:
            return taken
        heads = [head for known in self._inputs.values() for head in self._head(known)]
        heapq.heapify(heads)
        while heads and len(taken) < limit and bytes_max > 0:
            _, _, topic = heapq.heappop(heads)
            known = self._inputs[topic]
            bytes_max -= self._take_run(known, topic, heads[0] if heads else None, limit, bytes_max, taken)
            if known.waited_for:
                break
            for head in self._head(known):
                heapq.heappush(heads, head)
        return taken

    def _take_run(
        self,
        known: _Input,
        topic: str,
        other: tuple[int, bool, str] | None,
        limit: int,
        bytes_max: int,
        taken: list[InputRecord],
    ) -> int:
        """Give out the run of one input's records that come before every other input's next one; how large it is."""
        hand, cut, is_other = known.hand, known.cut, topic != self._first_topic
        given = size = 0
        room = limit - len(taken)
        while hand and given < room and size < bytes_max and hand[0].offset < cut:
            if other is not None and (hand[0].timestamp, is_other, topic) > other:
                break
            record = hand.popleft()
            size += record.size_bytes
            given += 1
            taken.append(record)
        known.hand_bytes -= size
        return size

    def _head(self, known: _Input) -> Iterable[tuple[int, bool, str]]:
        """The place of an input's next record in the order; nothing where none is below the cut."""
        if known.hand and known.hand[0].offset < known.cut:
            first = known.hand[0]
            yield (first.timestamp, first.topic != self._first_topic, first.topic)
