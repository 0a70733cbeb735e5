"""A hub at work with canaries on every path: enrolled, stated, refused, asked for by mistake, and in what crashes.

Rules:
- The social services of A are the hostile or careless agency: whatever they may send carries a canary.
- `ALLOWED` says where a canary may stand, by the path on which it was planted; everywhere else it is a leak. What an
  agency wrote stands on its own input, in what the rules let others see of it, and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

from contracts.catalogue import catalogue
from contracts.civil_time import instant_of
from contracts.codec import codec
from contracts.event_types import EventType, Kind
from contracts.parties import Party, PartyRegistry
from contracts.schema_ids import schema_ids
from deploy import command_line
from hub.arrival.gate import REFERENCES
from producers.transport import OutgoingRecord
from tests.kafka.live_world import LiveWorld, RawRecord, raw
from tests.leaks.canaries import Canaries
from tests.safety.stories import payload_of

REGISTRY: Final = PartyRegistry.of([Party("A.SOC"), Party("A.BEN"), Party("PRI"), Party("EVA"), Party("B.SOC")])
PUBLISHER: Final = "A.SOC"
MAY_SEE: Final = frozenset({"A.SOC", "PRI", "A.BEN"})
"""Who may be told something of what A's social services state; the others have no right to any of it."""
REFERRING: Final = frozenset({*REFERENCES, "ConsentWithdrawn"})
FACT, REFUSED, SECRET, PERSON = "fact", "refused", "for auditors", "person"


def plant(live: LiveWorld, canaries: Canaries) -> None:
    """Put canaries on every path that leads into the hub."""
    _enrol(live, canaries)
    live.write_all([*_facts(live, canaries), *_refused(live, canaries)])
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "all before it was handled")


def _enrol(live: LiveWorld, canaries: Canaries) -> None:
    for national_id in (canaries.danish_id(f"{PERSON}: Dane"), canaries.swedish_id(f"{PERSON}: Swede")):
        name = canaries.text(f"{PERSON}: name of {len(national_id)}")
        said, code = hub("identity", "enrol", given=f"{national_id}\n\n{name}\n", live=live)
        assert code == 0, said


def _facts(live: LiveWorld, canaries: Canaries) -> Iterator[RawRecord]:
    """One fact of each event type that the publisher may state and that has a text in it."""
    rng, at = Random(1), instant_of(live.moment())
    for event_type in catalogue().event_types.values():
        fields = [field for field in event_type.fields if field.kind is Kind.STRING and not field.repeated]
        is_statable = event_type.may_state("SOC") and not event_type.control and event_type.name not in REFERRING
        if not fields or not is_statable or event_type.without_subject:
            continue
        payload = payload_of(event_type.fields, rng, at) | {"occurredAt": at}
        for field in fields:
            payload[field.name] = canaries.text(f"{FACT}: {event_type.name}.{field.name}")
        payload["lateReason"] = canaries.code(f"{SECRET}: {event_type.name}")
        yield _of_type(live, event_type, payload)


def _of_type(live: LiveWorld, event_type: EventType, payload: dict[str, Any]) -> RawRecord:
    record = _with_header(live.housing(), "ce_type", event_type.ce_type.encode())
    return raw(live, record, value=codec().encode(schema_ids().published(event_type.name), payload))


def _with_header(record: OutgoingRecord, name: str, value: bytes) -> OutgoingRecord:
    return replace(record, headers=[*((given, old) for given, old in record.headers if given != name), (name, value)])


def _refused(live: LiveWorld, canaries: Canaries) -> Iterator[RawRecord]:
    """Records that are parked, each for another reason, with a canary where the reason lies."""

    def text(path: str) -> str:
        return canaries.text(f"{REFUSED}: {path}")

    good = live.housing
    for name in ("ce_id", "ce_source", "ce_type", "ce_time", "ce_corrects", "content-type", "traceparent"):
        yield raw(live, _with_header(good(), name, text(f"header {name}").encode()))
    yield raw(live, good(), headers=[*good().headers, (f"ce_{canaries.code(f'{REFUSED}: name of a header')}", b"x")])
    yield raw(live, good(), key=text("key").encode())
    yield raw(live, good(), key=canaries.danish_id(f"{REFUSED}: national id as key").encode())
    yield raw(live, _with_header(good(), "ce_source", f"urn:party:{canaries.code(f'{REFUSED}: party')}:x".encode()))
    yield raw(live, good(), value=text("value that is no frame").encode())
    yield raw(live, good(), value=b"\x00\x7f\xff\xff\xff" + text("value of no schema").encode())
    yield raw(live, good(), value=good().value + text("bytes after the value").encode())
    for field, value in (
        ("address", canaries.address(f"{REFUSED}: too long") * 200),
        ("address", f"{text('control character')}\x07"),
        ("housingId", canaries.danish_id(f"{REFUSED}: national id as uuid")),
        ("legalBasisCode", text("code")),
        ("lateReason", canaries.swedish_id(f"{REFUSED}: national id as code") + " "),
    ):
        payload = codec().decode(good().value).payload | {field: value}
        yield raw(live, good(), value=codec().encode(schema_ids().published("HousingSecured"), payload))
    about_staff = next(
        (each, field.name)
        for each in catalogue().event_types.values()
        for field in each.fields
        if field.kind is Kind.STAFF and not field.repeated and each.may_state("SOC") and not each.without_subject
    )
    at = instant_of(live.moment())
    payload = payload_of(about_staff[0].fields, Random(2), at) | {"occurredAt": at}
    payload[about_staff[1]] = canaries.danish_id(f"{REFUSED}: national id as staff")
    yield _of_type(live, about_staff[0], payload)


def hub(*arguments: str, given: str = "", live: LiveWorld) -> tuple[str, int]:
    """Call `hub` on the world of `live`; return all that it says, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict("os.environ", {"HUB_WORLD_DIRECTORY": str(live.world.directory)}),
        patch.object(sys, "argv", ["hub", *arguments]),
        patch.object(sys, "stdin", io.StringIO(given)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = command_line.run()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return out.getvalue() + err.getvalue(), code


def calls(live: LiveWorld, canaries: Canaries, place: Path) -> Iterator[tuple[Sequence[str], str]]:
    """Calls of the command line that give or meet a canary where none belongs, with their standard input."""

    def person(path: str) -> str:
        return canaries.danish_id(f"call: {path}")

    key = live.keys[PUBLISHER]
    case_id = hub("case", "find", PUBLISHER, key, live=live)[0].strip()
    yield ("identity", "enrol"), f"{person('enrol')}9\n{canaries.text('call: date')}\n{canaries.text('call: name')}\n"
    yield ("identity", "enrol"), f"{canaries.text('call: no id')}\n\n\n"
    yield ("identity", "key", "--party", "Z.SOC"), f"{person('key of a stranger')}\n\n"
    yield ("identity", "link"), f"{person('link')}\n{canaries.swedish_id('call: link to')}\n"
    yield ("identity", "unlink", "--json"), f"{person('unlink')}\n"
    yield ("identity", "basics", person("basics"), "--party", PUBLISHER), ""
    yield ("case", "find", PUBLISHER, person("find")), ""
    yield ("case", "timeline", person("timeline"), "--json"), ""
    yield ("explain", case_id, person("explain"), PUBLISHER, "--json"), ""
    yield ("view", "show", person("view")), ""
    yield ("view", "show", "EVA", "--json"), ""
    yield ("parked", "list", "--json"), ""
    yield ("parked", "list", "--all"), ""
    yield ("parked", "list", "--party", canaries.swedish_id("call: parked")), ""
    for number in range(1, 16):
        yield ("parked", "show", PUBLISHER, str(number)), ""
    yield ("parked", "retry", PUBLISHER, "1"), ""
    yield ("publishers", "--json"), ""
    yield ("continuity", "indicators", "--json"), ""
    yield ("governance", "figures", "--json"), ""
    yield ("contracts", "list", person("contracts")), ""
    yield ("rules", "matrix", person("rules")), ""
    for name, text in (
        ("agreement.toml", '{0} = "{0}"\n'),
        ("scenario.md", "# {0}\n| {0} |\n"),
        ("rules.toml", 'title = "{0}"\n'),
    ):
        file = place / name
        file.write_text(text.format(canaries.code(f"call: {name}")), encoding="utf-8")
    yield ("agreement", "register", str(place / "agreement.toml")), ""
    yield ("rules", "diff", "DK", str(place / "rules.toml")), ""
    yield ("scenario", "play", "--core", "--json", str(place / "scenario.md")), ""
