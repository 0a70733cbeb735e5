"""What the tests of resyncs ask for and look at: requests, marks, and what receivers hold who lost all or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.shard.resyncing import NOTIFIED, REQUEST
from tests.shard.harness import CASE, HOUR_MS, OTHER_CASE, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import given

PARTY = "B.SOC"
"""The receiver: of another municipality, so that it sees what a consent opens and nothing else."""

Lines = Sequence[tuple[int, str, str, Mapping[str, Any]]]
"""What lies on a party's output, as `ShardUnderTest.told` gives it."""


def request_id(name: str) -> str:
    """The id of a request of that name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{NOTIFIED} {name}"))


def ask(hub: ShardUnderTest, party: str, name: str = "one") -> None:
    """Ask for a resync of the party."""
    hub.control.publish(0, REQUEST, {"party": party, "requestId": request_id(name)})


def is_mark(payload: Mapping[str, Any]) -> bool:
    """Whether this is a mark of a resync."""
    return {"requestId", "recipient"} <= payload.keys()


def marks(lines: Lines) -> list[tuple[int, str]]:
    """The (number, state) of every mark, in order."""
    return [(number, payload["state"]) for number, _, _, payload in lines if is_mark(payload)]


def undisturbed(lines: Lines) -> dict[str, Mapping[str, Any]]:
    """What a receiver holds that has read everything and takes no notice of marks: event id -> payload."""
    held: dict[str, Mapping[str, Any]] = {}
    last = 0
    for number, effect, event_id, payload in lines:
        if number <= last:
            continue
        assert number == last + 1
        last = number
        held.pop(event_id, None)
        if effect == "disclosed" and not is_mark(payload):
            held[event_id] = payload
    return held


def after_the_last_mark(lines: Lines) -> dict[str, Mapping[str, Any]]:
    """What a receiver holds that has lost everything, begins at the last beginning and has nothing before it."""
    begun = max(number for number, state in marks(lines) if state == "BEGUN")
    later = [(number - begun, effect, event_id, said) for number, effect, event_id, said in lines if number > begun]
    assert [state for _, state in marks(later)] == ["COMPLETED"]
    return undisturbed(later)


def two_citizens(directory: Path) -> ShardUnderTest:
    """A hub with two citizens; `PARTY` sees something of one of them, by consent."""
    hub = ShardUnderTest(directory)
    for place, case_id in enumerate((CASE, OTHER_CASE)):
        hub.enrol(case_id)
        custody = imprisonment(hub.now) | {"custodyId": f"c0000000-0000-4000-8000-00000000000{place}"}
        hub.state("PRI", "ImprisonmentStarted", custody, f"start {place}", case_id=case_id)
        hub.tick(1)
    given(hub, ["CU", "OF"], ["A.ADD", PARTY])
    hub.settle()
    hub.tick(HOUR_MS)
    hub.settle()
    return hub
