"""The search for interference: stories and their twins played, and every difference that a party could see, told.

Rules:
- A round plays some stories together in one shard, then once more for each party, each story replaced by its twin for
  that party; records that the hub refuses, and repeats, of other parties are thrown in.
- A pair is one story, one party, one twin that counts. A story without a twin for a party is played as it is.
- What differs is told without content: round and place of the story (as `--only` takes them), party, number, which
  part of the record.
- Where all of a party's records of each citizen are the same and only their order between citizens differs, that is
  counted on its own.

From `stories`, `twins` and `transcripts`; run by `test_non_interference` and `python -m tests.safety`; one pair
again by `replay`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, zip_longest
from pathlib import Path
from random import Random
from typing import Any, Final

from contracts.cloudevents import HUB_DECISION, HUB_SEQ
from tests.safety.answers import answers_of
from tests.safety.stories import DIARY, PARTIES, SLOT_MS, SLOTS, Story, story
from tests.safety.transcripts import Noise, Play, Transcript, record_of
from tests.safety.twins import Twin, twin_of

STORIES_PER_ROUND: Final = 20
LATE_MS: Final = SLOTS * SLOT_MS - 500
"""At this distance from its instant, after everything stated then, comes what is refused or repeated."""
Record = tuple[Any, ...]
"""Key, value, headers and timestamp of what was sent."""
_PARTS: Final = ("key", "value", "headers", "timestamp")


@dataclass(slots=True)
class Search:
    """What a search has done and found."""

    pairs: int = 0
    discarded: int = 0
    records: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    pairs_of: Counter[str] = field(default_factory=Counter)
    records_of: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    interference: list[str] = field(default_factory=list)
    reordered: int = 0
    """Transcripts in which only the order between citizens differs."""

    @property
    def tried(self) -> int:
        """Twins made, those discarded among them."""
        return self.pairs + self.discarded


def search(directory: Path, pairs: int, seed: int = 0, parties: Sequence[str] = PARTIES) -> Search:
    """Compare at least `pairs` pairs, of each of `parties` alike; everything follows from `seed`."""
    found = Search()
    for number in count():
        if found.pairs >= pairs:
            return found
        stories = stories_of(seed, number)
        wanted = -(-(pairs - found.pairs) // len(parties))
        _round(directory / f"round-{number}", stories[:wanted], parties, found, (seed, number))
    raise AssertionError("a search ends with its pairs")


def stories_of(seed: int, number: int) -> list[Story]:
    """The stories of one round."""
    return [story(seed + number * STORIES_PER_ROUND + place) for place in range(STORIES_PER_ROUND)]


def random_of(seed: int, number: int, party: str) -> Random:
    """From what the twins of a party, and after them the noise, are drawn in one round."""
    return Random(f"{seed}/{number}/{party}")


def resync_of(seed: int, number: int) -> int | None:
    """At which instant every party is told everything anew in one round; in every third, never."""
    return None if number % 3 == 2 else random_of(seed, number, "resync").choice(DIARY[1:-1])


def _round(
    directory: Path, stories: Sequence[Story], parties: Sequence[str], found: Search, which: tuple[int, int]
) -> None:
    seed, number = which
    decided = [answers_of(each, PARTIES) for each in stories]
    resync_at = resync_of(seed, number)
    base = Play(directory / "base", stories, resync_at=resync_at)
    expected = {party: base.transcript(party) for party in parties}
    base.close()
    for party in parties:
        rng = random_of(seed, number, party)
        twins: list[Twin | None] = []
        for each, answers in zip(stories, decided, strict=True):
            twin, discarded = twin_of(each, party, answers, rng)
            twins.append(twin)
            found.discarded += discarded
            if twin is not None:
                found.pairs += 1
                found.pairs_of[party] += 1
                found.changes.update(twin.changes)
        played = [each if twin is None else twin.story for each, twin in zip(stories, twins, strict=True)]
        other = Play(directory / party, played, noise(rng, party, played, base), resync_at)
        got = other.transcript(party)
        found.refused += len(other.hub.parked())
        other.close()
        found.records += len(got.records)
        found.records_of[party] += len(got.records)
        if expected[party].records != got.records and by_citizen(expected[party]) == by_citizen(got):
            found.reordered += 1
        else:
            places = places_of_differences(base, party, expected[party], got)
            where = " ".join(f"{number}/{place}" for place in places) or f"{number}/?"
            found.interference += [f"{where}, {line}" for line in differences(party, expected[party], got)]


def noise(rng: Random, party: str, stories: Sequence[Story], base: Play) -> Iterator[Noise]:
    """What other parties send and the hub does not admit: other bytes under an old id, nonsense, an exact repeat."""
    others = [(each, event) for each in stories for event in each.events if event.stated.party != party]
    for each, event in rng.sample(others, min(3, len(others))):
        sent = record_of(event, base.hub.key(event.stated.party, each.case_id))
        at = (
            rng.choice([instant for instant in DIARY if instant + 1 > event.stated.recorded_at] or [DIARY[-1]]) + 30_000
        )
        yield Noise(sent.party, at, sent.key, sent.value, sent.headers)
        yield Noise(sent.party, at, sent.key, b"\x00 nonsense", sent.headers)
        yield Noise(sent.party, at, b"nobody's key", sent.value, sent.headers)


def places_of_differences(base: Play, party: str, before: Transcript, after: Transcript) -> list[int]:
    """The places in their round of the stories about whose citizens more, less or something else was told."""
    one, other = by_citizen(before)["citizens"], by_citizen(after)["citizens"]
    keys = (base.hub.key(party, each.case_id).encode() for each in base.stories)
    return [place for place, key in enumerate(keys) if one.get(key) != other.get(key)]


def by_citizen(transcript: Transcript) -> dict[str, Any]:
    """A transcript without the order between citizens: their records each, numbers left out, and when how many came."""
    citizens: dict[object, list[object]] = {}
    for key, value, headers, timestamp in transcript.records:
        unnumbered = [header for header in headers if header[0] not in (HUB_SEQ, HUB_DECISION)]
        citizens.setdefault(key, []).append((value, unnumbered, timestamp))
    numbers = [dict(headers)[HUB_SEQ] for _, _, headers, _ in transcript.records]
    return {
        "citizens": citizens,
        "numbers": numbers,
        "timestamps": [record[-1] for record in transcript.records],
        "visible": transcript.visible,
        "view": transcript.view,
        "basics": transcript.basics,
    }


def differences(party: str, before: Transcript, after: Transcript) -> Iterator[str]:
    """What `party` could tell the two apart by, without any content."""
    for number, (one, other) in enumerate(zip_longest(before.records, after.records), 1):
        if one != other:
            parts = "presence" if one is None or other is None else _differing(one, other)
            yield f"{party}, record {number}: {parts} differs"
            break
    for part in ("visible", "view", "basics"):
        if getattr(before, part) != getattr(after, part):
            yield f"{party}: {part} differs"


def _differing(one: Sequence[object], other: Sequence[object]) -> str:
    return "+".join(part for part, a, b in zip(_PARTS, one, other, strict=True) if a != b)
