"""What must hold of a race, read from the topics alone.

Rules:
- The withdrawal is acknowledged, once, to whoever stated it.
- Before the acknowledgement reaches its topic, the order to remove lies on the topic of each receiver that was shown
  something; and after it nothing new is shown there: only numbers that were there before may come again.
- Whoever folds the receiver's topic up to the fence, or to its end, sees nothing of what the consent opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from contracts.cloudevents import parse_disclosed
from contracts.codec import codec
from contracts.fact import ce_id_of
from tests.withdrawal_races.race import RECEIVING, WITHDRAWING, Race, RacingHub, Sent


class Line(NamedTuple):
    """One record of the race on a topic."""

    number: int
    event: str
    event_type: str
    shows: dict[str, object]
    """The fields shown; nothing for a retraction."""


def faults(hub: RacingHub, race: Race) -> Iterator[str]:
    """Say what is wrong."""
    lines = [(sent.party, _line(sent)) for sent in hub.sent[race.begins_at :] if _is_of(sent, race)]
    acknowledged = [place for place, (party, line) in enumerate(lines) if _acknowledges(party, line, race)]
    numbers = {lines[place][1].number for place in acknowledged}
    if len(numbers) != 1:
        yield f"the withdrawal was acknowledged under {len(numbers)} numbers"
        return
    first = acknowledged[0]
    before = [line for party, line in lines[:first] if party == RECEIVING]
    after = [line for party, line in lines[first:] if party == RECEIVING]
    if shown := _view(before):
        yield f"acknowledged while the receiver's topic still shows {sorted(shown)}"
    known = {line.number for line in before}
    if new := [line for line in after if _is_shown(line) and line.number not in known]:
        yield f"after the acknowledgement {new[0].event_type} went out under the new number {new[0].number}"
    everything = [line for party, line in lines if party == RECEIVING]
    if shown := _view(everything):
        yield f"at the end the receiver's topic shows {sorted(shown)}"


def _is_of(sent: Sent, race: Race) -> bool:
    key = {RECEIVING: race.key, WITHDRAWING: race.withdrawing_key}.get(sent.party)
    return key is not None and sent.record.key == key.encode()


def _line(sent: Sent) -> Line:
    attributes = parse_disclosed(sent.record.headers)
    payload = codec().decode(sent.record.value).payload if sent.record.value else {}
    shows = {name: value for name, value in payload.items() if value is not None}
    name = attributes.type.rpartition(".")[0].rpartition(".")[2]
    return Line(sent.number, f"{attributes.party}/{attributes.id}", name, shows)


def _acknowledges(party: str, line: Line, race: Race) -> bool:
    return (
        party == WITHDRAWING
        and line.event.startswith("HUB/")
        and "kind" not in line.shows
        and line.shows.get("targetEventId") == ce_id_of(race.withdrawal)
    )


def _is_shown(line: Line) -> bool:
    """Whether it shows what only the consent opens: the fact's own content."""
    return "custodyId" in line.shows


def _view(lines: list[Line]) -> set[str]:
    """The facts that a receiver shows which has read these lines, dropping repeats by number."""
    seen: dict[str, bool] = {}
    last = 0
    for line in lines:
        if line.number > last:
            last = line.number
            seen[line.event] = _is_shown(line)
    return {event for event, shown in seen.items() if shown}
