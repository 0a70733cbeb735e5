"""What senders and readers went through, and which anomalies are in it: the names are those of Jepsen's Kafka tests.

Rules:
- Pure: a history in, anomalies out. Nothing but what senders were told and readers were given counts as known.
- A send is what an agency stated, with the place that the broker acknowledged; `None` where it never did.
- A poll is what one reader was given in one go: numbers of one partition, each with what it told.

| anomaly | what it is |
|---|---|
| lost-write | acknowledged, and no reader ever saw it, though one that was acknowledged behind it was seen |
| unseen | acknowledged, and no reader ever saw it, nor anything behind it |
| duplicate | one thing under two numbers of a partition |
| poll-skip | a reader was given a number, and not the one before it |
| nonmonotonic-poll | a reader was given a number that is not behind its last one |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Anomaly = Literal["lost-write", "unseen", "duplicate", "poll-skip", "nonmonotonic-poll"]


class Send(NamedTuple):
    """One thing that was sent. `offset`: where the broker said that it has it, `None` where it did not say."""

    partition: int
    value: str
    offset: int | None


class Poll(NamedTuple):
    """What a reader was given at once: (number, value) pairs of one partition, in order."""

    reader: str
    partition: int
    given: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Found:
    """One anomaly, where it is and what it is about."""

    anomaly: Anomaly
    partition: int
    about: str


def anomalies(sends: Iterable[Send], polls: Sequence[Poll]) -> list[Found]:
    """Every anomaly of a history: `polls` in the order in which each reader had them."""
    return [*_never_seen(sends, polls), *_duplicates(polls), *_out_of_turn(polls)]


def _never_seen(sends: Iterable[Send], polls: Iterable[Poll]) -> Iterator[Found]:
    seen = {value for poll in polls for _, value in poll.given}
    newest: dict[int, int] = {}
    missing: list[tuple[int, int, str]] = []
    for partition, value, offset in sends:
        if offset is None:
            continue
        if value in seen:
            newest[partition] = max(offset, newest.get(partition, -1))
        else:
            missing.append((partition, offset, value))
    for partition, offset, value in missing:
        yield Found("lost-write" if offset < newest.get(partition, -1) else "unseen", partition, value)


def _duplicates(polls: Iterable[Poll]) -> Iterator[Found]:
    number_of: dict[tuple[int, str], int] = {}
    told: set[tuple[int, str, int]] = set()
    for poll in polls:
        for number, value in poll.given:
            first = number_of.setdefault((poll.partition, value), number)
            if first != number and (poll.partition, value, number) not in told:
                told.add((poll.partition, value, number))
                yield Found("duplicate", poll.partition, f"{value} is number {first} and number {number}")


def _out_of_turn(polls: Iterable[Poll]) -> Iterator[Found]:
    last: dict[tuple[str, int], int] = {}
    for poll in polls:
        for number, _ in poll.given:
            before = last.get((poll.reader, poll.partition), 0)
            if number <= before:
                yield Found("nonmonotonic-poll", poll.partition, f"{poll.reader}: {number} after {before}")
            elif number > before + 1:
                yield Found("poll-skip", poll.partition, f"{poll.reader}: {number} after {before}")
            last[poll.reader, poll.partition] = max(number, before)
