"""Do the numbers that were given out lead to the decisions that gave them out, each to its own?

Rules:
- Both sides are counted: what settlements say they gave out, and what the streams of numbers say. A sum over a hash of
  every number and its decision (case, version, index) is the same on both sides where all of them are: nothing is held
  but a few figures a party.
- What a case decided that cannot be read is on neither side. Of its numbers, and of them alone, it is asked only that
  its stream goes as far as they lead.
- A number that was skipped is on neither side either: no settlement gave it out.

Used by `hub.store.checking`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from hub.store.records import DecisionsRecorded, NumberAssigned, NumbersSkipped, Run, sent_stream

_SUM_BYTES: Final = 16
_SUM_END: Final = 1 << (8 * _SUM_BYTES)


@dataclass(slots=True)
class Tally:
    """Some numbers of one party: how many, the highest, and the sum of what each stands for."""

    count: int = 0
    highest: int = 0
    total: int = 0

    def add(self, number: int, case_id: str, version: int, index: int) -> None:
        """Count one number that stands for decision `index` in `version` of a case."""
        told = blake2b(f"{number}\0{case_id}\0{version}\0{index}".encode(), digest_size=_SUM_BYTES).digest()
        self.count += 1
        self.highest = max(self.highest, number)
        self.total = (self.total + int.from_bytes(told)) % _SUM_END

    def join(self, other: Tally) -> None:
        """Count what `other` has counted."""
        self.count += other.count
        self.highest = max(self.highest, other.highest)
        self.total = (self.total + other.total) % _SUM_END


def given_in(case_id: str, record: DecisionsRecorded, tallies: dict[str, Tally]) -> None:
    """Add the numbers that one settlement of a case gave out to `tallies`, by party."""
    for index, decision in enumerate(record.decisions):
        if decision.number:
            tally = tallies.setdefault(decision.party, Tally())
            tally.add(decision.number, case_id, record.originator_version, index)


@dataclass(slots=True)
class CheckedNumbers:
    """The numbers of one store, from both sides, by party."""

    heads: dict[str, int] = field(default_factory=dict)
    """The last number of each stream."""
    unread: dict[str, int] = field(default_factory=dict)
    """The cases that cannot be read, each with the last version of its stream."""
    _decided: dict[str, Tally] = field(default_factory=dict)
    _given: dict[str, Tally] = field(default_factory=dict)
    _behind: dict[str, int] = field(default_factory=dict)
    """How many numbers lead behind the end of a case that cannot be read."""

    def decided(self, tallies: Mapping[str, Tally]) -> None:
        """Take in what one case has decided, once it is read."""
        for party, tally in tallies.items():
            self._decided.setdefault(party, Tally()).join(tally)

    def given(self, party: str, run: Run) -> None:
        """Take in one row of a party's numbers; all cases come before it."""
        if isinstance(run, NumbersSkipped):
            return
        for number in run.numbers:
            self._given_one(party, number)

    def _given_one(self, party: str, number: NumberAssigned) -> None:
        end = self.unread.get(number.case_id)
        if end is None:
            tally = self._given.setdefault(party, Tally())
            tally.add(number.originator_version, number.case_id, number.decided_version, number.decision_index)
        elif number.decided_version > end:
            self._behind[party] = self._behind.get(party, 0) + 1

    def faults_at_rest(self) -> Iterator[str]:
        """What is wrong, in words, where nothing was stored meanwhile."""
        for party in sorted({*self.heads, *self._decided}):
            head, decided = self.heads.get(party, 0), self._decided.get(party, Tally())
            given, stream = self._given.get(party, Tally()), f"stream `{sent_stream(party)}`"
            if decided.highest > head:
                yield f"{stream} ends with `{head}`, settlements gave out numbers up to `{decided.highest}`"
            elif given.count != decided.count:
                has = f"{stream} has `{given.count}` numbers that are neither skipped nor of cases that cannot be read"
                yield f"{has}, settlements gave out `{decided.count}`"
            elif given.total != decided.total:
                yield f"{stream} leads to other decisions than those that gave its numbers out"
            if behind := self._behind.get(party, 0):
                yield f"{stream} leads `{behind}` times behind the end of a case that cannot be read"

    def faults_of_sent(self, sent: Mapping[str, int]) -> Iterator[str]:
        """What is wrong with how far was `sent`, in words."""
        for party, number in sorted(sent.items()):
            given = max(self.heads.get(party, 0), self._decided.get(party, Tally()).highest)
            if number > given:
                yield f"table `send_positions` has `{party}` at `{number}`, of `{given}` numbers given out"
