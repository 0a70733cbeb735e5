"""One story of the search again, told in full: what the twin changed, what the party got, what the hub stated.

Rules:
- The round is played exactly as the search plays it, with all its twins and the same noise.
- All stories are made up, so that content may be shown: event types, event ids, fields, times in UTC.
- The last round of a search may hold fewer stories; there the noise alone is other than in the search.

From `interference`, `twins` and `transcripts`; goes to `python -m tests.safety --only ROUND/PLACE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from contracts.cloudevents import HUB_DECISION, HUB_SEQ
from contracts.codec import codec
from hub.store.records import FactRecorded
from tests.safety.answers import answers_of
from tests.safety.interference import (
    Record,
    differences,
    noise,
    places_of_differences,
    random_of,
    resync_of,
    stories_of,
)
from tests.safety.stories import PARTIES, Event, Story
from tests.safety.transcripts import Play, Transcript
from tests.safety.twins import twin_of

HUB = "HUB"


def replay(directory: Path, seed: int, number: int, place: int, parties: Sequence[str] = PARTIES) -> Iterator[str]:
    """Tell, line by line, what differs for each of `parties` that can tell the story at `place` from its twin."""
    stories = stories_of(seed, number)
    decided = [answers_of(each, PARTIES) for each in stories]
    resync_at = resync_of(seed, number)
    base = Play(directory / "base", stories, resync_at=resync_at)
    for party in parties:
        rng = random_of(seed, number, party)
        twins = [twin_of(each, party, answers, rng)[0] for each, answers in zip(stories, decided, strict=True)]
        twin = twins[place]
        if twin is None:
            continue
        played = [each if one is None else one.story for each, one in zip(stories, twins, strict=True)]
        other = Play(directory / party, played, noise(rng, party, played, base), resync_at)
        before, after = base.transcript(party), other.transcript(party)
        if place in places_of_differences(base, party, before, after):
            yield from differences(party, before, after)
            yield f"  twin: {', '.join(twin.changes)}"
            yield from _changed(stories[place], twin.story)
            key = base.hub.key(party, stories[place].case_id).encode()
            yield from _otherwise(_of(before, key), _of(after, key))
            yield from _stated_by_the_hub(base, other, stories[place].case_id)
        other.close()
    base.close()


def _of(transcript: Transcript, key: bytes) -> list[Record]:
    return [record for record in transcript.records if record[0] == key]


def _otherwise(before: list[Record], after: list[Record]) -> Iterator[str]:
    """The first record of the citizen that differs in more than its number, as it was and as it is."""
    for one, other in zip_longest(before, after):
        if told(one) != told(other):
            yield f"  was: {told(one)}"
            yield f"  is: {told(other)}"
            return


def told(record: Record | None) -> str:
    """A record that a party was sent, in one line; only its number in the topic is left out."""
    if record is None:
        return "nothing"
    _, value, headers, timestamp = record
    said = _present(codec().decode(value).payload) if value else "taken back"
    envelope = {name: text.decode() for name, text in headers if name not in (HUB_SEQ, HUB_DECISION)}
    return f"{_utc(timestamp)} {said} {envelope}"


def _changed(story: Story, twin: Story) -> Iterator[str]:
    one, other = {event.event_id: event for event in story.events}, {event.event_id: event for event in twin.events}
    for event_id in sorted(one.keys() | other.keys()):
        if one.get(event_id) != other.get(event_id):
            yield f"  - {_line(one.get(event_id))}"
            yield f"  + {_line(other.get(event_id))}"


def _line(event: Event | None) -> str:
    if event is None:
        return "nothing"
    stated = event.stated
    ends = f" corrects {stated.corrects}" if stated.corrects else ""
    links = f" links {event.correlation} {event.causation}" if event.correlation or event.causation else ""
    occurred = f"recorded {_utc(stated.recorded_at)}, occurred {_utc(stated.occurred_at)}"
    return f"{stated.event_type} {event.event_id}{ends}{links} {occurred} {_present(stated.payload)}"


def _stated_by_the_hub(base: Play, other: Play, case_id: str) -> Iterator[str]:
    one, another = _hub_facts(base, case_id), _hub_facts(other, case_id)
    yield from (f"  hub - {line}" for line in one if line not in another)
    yield from (f"  hub + {line}" for line in another if line not in one)


def _hub_facts(play: Play, case_id: str) -> list[str]:
    lines = []
    for record in play.hub.store.case_records(case_id):
        if isinstance(record, FactRecorded) and record.party == HUB:
            said = codec().decode_body(record.schema_id, record.value)
            lines.append(f"{_utc(record.recorded_at)} {record.event_type} {_present(said)}")
    return lines


def _present(payload: Mapping[str, Any]) -> str:
    return str({name: value for name, value in payload.items() if value is not None})


def _utc(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")
