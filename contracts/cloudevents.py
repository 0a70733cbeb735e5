"""The CloudEvents attributes of a record as Kafka headers: what a publisher sends and what the hub sends.

Rules:
- CloudEvents 1.0, Kafka binding, binary mode: one header per attribute, named `ce_` and the attribute.
- Nothing is filled in: an attribute that is not there is missing, `ce_time` included.
- Each `ce_` header stands once, is short ASCII, and is one that this module knows. A header that is unknown is
  refused, not skipped: a misspelt `ce_corrects` would make a second fact of a correction. Its name is not repeated, as
  no text of a sender's is. Headers without `ce_` are ignored, but for the two of a signature (`contracts.signatures`).
- Times are RFC 3339, written in UTC with `Z`, read with any offset (stock libraries write `+00:00`); ids are UUIDs in
  lower case; no personal data in any of them.
- What the hub sends carries the publishing party, never its system, and a number, an effect and a decision id.

From here: arrival (parse), producers (write), disclosure (write), consumers (parse).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from contracts.civil_time import day_date, day_number
from contracts.failures import Refused
from contracts.limits import HEADER_VALUE_BYTES_MAX, HEADERS_COUNT_MAX, INSTANT_MAX, INSTANT_MIN
from contracts.models import UUID_TEXT
from contracts.parties import PARTY_ID
from contracts.reasons import Reason

Headers = Sequence[tuple[str, bytes]]
Effect = Literal["disclosed", "retracted"]

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "content-type"
AVRO: Final = "application/avro"
HUB_SEQ: Final = "hub_seq"
HUB_EFFECT: Final = "hub_effect"
HUB_DECISION: Final = "hub_decision"
SIG_KEY: Final = "sig_key"
SIG: Final = "sig"
SIG_PATH: Final = "sig_path"
DISCLOSED: Final = "disclosed"
RETRACTED: Final = "retracted"

_REQUIRED: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time")
_OPTIONAL: Final = ("ce_corrects", "ce_correlationid", "ce_causationid")
_REQUIRED_NAMES: Final = frozenset(_REQUIRED)
STATED_HEADERS: Final = (*_REQUIRED, *_OPTIONAL)
"""The `ce_` headers of an event, in the order in which they are signed."""
HUB_HEADERS: Final = (HUB_SEQ, HUB_EFFECT, HUB_DECISION)
"""What the hub adds, in the order in which it is signed."""
_PUBLISHED: Final = frozenset(STATED_HEADERS)
_UUID: Final = re.compile(UUID_TEXT.removeprefix("^").removesuffix(r"\z"))
_PARTY: Final = PARTY_ID.pattern
_SYSTEM: Final = "[A-Za-z0-9-]{1,40}"
_SOURCE_TEXT: Final = f"urn:party:{_PARTY}:{_SYSTEM}"
_SOURCE: Final = re.compile(rf"urn:party:({_PARTY}):({_SYSTEM})")
_SOURCE_BYTES: Final = re.compile(_SOURCE.pattern.encode())
_DISCLOSED_SOURCE: Final = re.compile(rf"urn:party:({_PARTY})")
_TYPE: Final = re.compile(r"[a-z0-9_]{1,40}(?:\.[A-Za-z0-9_]{1,60}){2,6}\.v[1-9][0-9]{0,3}")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_NUMBER_BYTES: Final = re.compile(_NUMBER.pattern.encode())


class Attributes(NamedTuple):
    """What a publisher says about one event. `time` is milliseconds, `source` is `urn:party:<id>:<system>`."""

    id: str
    source: str
    type: str
    time: int
    corrects: str | None = None
    correlation: str | None = None
    causation: str | None = None

    @property
    def party(self) -> str:
        """The publishing party's id. Raises `Refused` for a source that is no party's."""
        return source_parts(self.source)[0]

    @property
    def system(self) -> str:
        """The party's own name of the system that stated the event."""
        return source_parts(self.source)[1]


@lru_cache(maxsize=4_096)
def source_parts(source: str) -> tuple[str, str]:
    """Return party and system of `urn:party:<id>:<system>`; raise `Refused(bad_header)` for anything else."""
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise _bad("ce_source", "expected `urn:party:<party id>:<system>`, the system in letters, digits and `-`")
    return match[1], match[2]


class DisclosureAttributes(NamedTuple):
    """What the hub says about one record of an output topic. `time` is the publisher's `ce_time`, milliseconds."""

    id: str
    party: str
    type: str
    time: int
    number: int
    effect: Effect
    decision: str
    corrects: str | None = None
    correlation: str | None = None
    causation: str | None = None


def claimed_source(headers: Headers) -> tuple[str, str] | None:
    """Return the party and system that `headers` name as source, read before all else; `None` where that is unclear."""
    sources = [value for name, value in headers if name == "ce_source"]
    match = _SOURCE_BYTES.fullmatch(sources[0]) if len(sources) == 1 and isinstance(sources[0], bytes) else None
    return (match[1].decode("ascii"), match[2].decode("ascii")) if match else None


def claimed_event(headers: Headers) -> tuple[str, str] | None:
    """Return the `ce_id` and the name of the event type that `headers` give; `None` where one of them is unclear."""
    ids = [value for name, value in headers if name == "ce_id" and isinstance(value, bytes)]
    types = [value for name, value in headers if name == "ce_type" and isinstance(value, bytes)]
    if len(ids) != 1 or len(types) != 1:
        return None
    event_id, event_type = ids[0].decode("ascii", "replace"), types[0].decode("ascii", "replace")
    if not _UUID.fullmatch(event_id) or not _TYPE.fullmatch(event_type):
        return None
    return event_id, event_type.split(".")[-2]


def claimed_number(headers: Headers) -> int | None:
    """Return the number that `headers` give, whatever else they say; `None` where that is unclear."""
    numbers = [value for name, value in headers if name == HUB_SEQ and isinstance(value, bytes)]
    match = _NUMBER_BYTES.fullmatch(numbers[0]) if len(numbers) == 1 else None
    return int(match[0]) if match else None


def parse_attributes(headers: Headers) -> Attributes:
    """Return what a publisher's `headers` say; raise `Refused(bad_header)` naming the header at fault."""
    usual = _usual_attributes(headers)
    if usual is not None:
        return usual
    found = _ce_headers(headers, _PUBLISHED)
    _check_common(found)
    source_parts(found["ce_source"])
    return Attributes(
        _uuid(found, "ce_id"),
        found["ce_source"],
        _checked_type(found["ce_type"]),
        parse_time(found["ce_time"]),
        _optional_uuid(found, "ce_corrects"),
        _optional_uuid(found, "ce_correlationid"),
        _optional_uuid(found, "ce_causationid"),
    )


def _usual_attributes(headers: Headers) -> Attributes | None:
    """What nearly every record looks like, read in one step: the required headers as `published_headers` has them.

    `None` for anything else, sound or not: that is read header by header.
    """
    if len(headers) == len(_USUAL_NAMES) + len(_SIGNATURE_NAMES):
        # A signature is judged elsewhere, from the bytes as they lie here.
        if (headers[-2][0], headers[-1][0]) != _SIGNATURE_NAMES:
            return None
        headers = headers[:-2]
    if len(headers) != len(_USUAL_NAMES):
        return None
    names, values = zip(*headers, strict=True)
    if names != _USUAL_NAMES:
        return None
    try:
        together = _BETWEEN.join(values)
    except TypeError:
        return None
    match = _USUAL.fullmatch(together) if len(together) <= HEADER_VALUE_BYTES_MAX else None
    if match is None:
        return None
    event_id, source, event_type, minute, millis = match.groups()
    start = _start_of_minute(minute)
    if start is None:
        return None
    instant = start + int(millis.replace(b".", b""))
    return Attributes(event_id.decode(), source.decode(), event_type.decode(), instant)


def published_headers(attributes: Attributes) -> list[tuple[str, bytes]]:
    """Return the headers under which a publisher sends an event with `attributes`."""
    headers = _common_headers(attributes.id, attributes.source, attributes.type, attributes.time)
    headers += link_headers(attributes.corrects, attributes.correlation, attributes.causation)
    headers.append((CONTENT_TYPE, _AVRO_BYTES))
    return headers


def disclosed_headers(attributes: DisclosureAttributes) -> list[tuple[str, bytes]]:
    """Return the headers of one record of an output topic; a retraction has no content and no content type."""
    event = disclosed_event_headers(attributes.id, attributes.party, attributes.type, attributes.time)
    links = link_headers(attributes.corrects, attributes.correlation, attributes.causation)
    return numbered_headers([*event, *links], attributes.number, attributes.decision, attributes.effect)


def disclosed_event_headers(event_id: str, party: str, event_type: str, time: int) -> list[tuple[str, bytes]]:
    """Return what the records of one event have in common, whoever gets them; `time` is its `ce_time`, milliseconds."""
    return _common_headers(event_id, f"urn:party:{party}", event_type, time)


def numbered_headers(event: Headers, number: int, decision: str, effect: Effect) -> list[tuple[str, bytes]]:
    """Return the headers of one record about `event`, for the party that `number` is given out to."""
    return [*event, (HUB_SEQ, b"%d" % number), (HUB_DECISION, decision.encode()), *_EFFECT_HEADERS[effect]]


def parse_disclosed(headers: Headers) -> DisclosureAttributes:
    """Return what the hub's `headers` say; raise `Refused(bad_header)` naming the header at fault."""
    found = _ce_headers(headers, _PUBLISHED)
    effect = found.get(HUB_EFFECT)
    if effect != DISCLOSED and effect != RETRACTED:
        raise _bad(HUB_EFFECT, f"expected `{DISCLOSED}` or `{RETRACTED}`")
    _check_common(found, has_content=effect == DISCLOSED)
    match = _DISCLOSED_SOURCE.fullmatch(found["ce_source"])
    if match is None:
        raise _bad("ce_source", "expected `urn:party:<party id>`")
    if not _NUMBER.fullmatch(found.get(HUB_SEQ, "")):
        raise _bad(HUB_SEQ, "expected a number from 1")
    return DisclosureAttributes(
        _uuid(found, "ce_id"),
        match[1],
        _checked_type(found["ce_type"]),
        parse_time(found["ce_time"]),
        int(found[HUB_SEQ]),
        DISCLOSED if effect == DISCLOSED else RETRACTED,
        _uuid(found, HUB_DECISION),
        _optional_uuid(found, "ce_corrects"),
        _optional_uuid(found, "ce_correlationid"),
        _optional_uuid(found, "ce_causationid"),
    )


def format_time(instant: int) -> str:
    """Return `instant` (milliseconds) as RFC 3339 in UTC, always with three decimals."""
    minute, millis = divmod(instant, 60_000)
    return f"{_minute_text(minute)}:{millis // 1000:02d}.{millis % 1000:03d}Z"


@lru_cache(maxsize=4_096)
def _minute_text(minute: int) -> str:
    day, minutes = divmod(minute, 1_440)
    return f"{_day_text(day)}T{minutes // 60:02d}:{minutes % 60:02d}"


@lru_cache(maxsize=4_096)
def _start_of_minute(minute: bytes) -> int | None:
    """The instant at which `2025-01-06T09:00` begins; `None` where there is no such minute."""
    try:
        return parse_time(f"{minute.decode()}:00Z")
    except Refused:
        return None


@lru_cache(maxsize=1_024)
def _day_of_text(text: str) -> int:
    return day_number(date.fromisoformat(text))


@lru_cache(maxsize=1_024)
def _day_text(day: int) -> str:
    return day_date(day).isoformat()


def parse_time(text: str) -> int:
    """Return RFC 3339 `text` as milliseconds, finer digits dropped; raise `Refused(bad_header)` otherwise."""
    match = _TIME.fullmatch(text)
    if match is not None:
        day, hours, minutes, seconds, fraction, sign, ahead_hours, ahead_minutes = match.groups()
        try:
            midnight = _day_of_text(day) * 86_400_000
        except ValueError:
            pass
        else:
            instant = midnight + int(hours) * 3_600_000 + int(minutes) * 60_000 + int(seconds) * 1_000
            instant += int((fraction or "")[:3].ljust(3, "0"))
            if sign is not None:
                ahead = int(ahead_hours) * 3_600_000 + int(ahead_minutes) * 60_000
                instant += ahead if sign == "-" else -ahead
            if INSTANT_MIN <= instant <= INSTANT_MAX:
                return instant
    raise _bad("ce_time", "expected RFC 3339, such as `2025-01-06T09:00:00.000Z`")


_AVRO_BYTES: Final = AVRO.encode()


def _common_headers(event_id: str, source: str, event_type: str, time: int) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("ce_time", format_time(time).encode()),
    ]


def link_headers(corrects: str | None, correlation: str | None, causation: str | None) -> list[tuple[str, bytes]]:
    """Return the headers that name other events, none for what is not there."""
    if corrects is None and correlation is None and causation is None:
        return []
    links = zip(_OPTIONAL, (corrects, correlation, causation), strict=True)
    return [(name, value.encode()) for name, value in links if value is not None]


def _ce_headers(headers: Headers, known: frozenset[str]) -> dict[str, str]:
    """The headers that are ours, as text; raise `Refused` for one that is malformed, doubled or unknown."""
    if len(headers) > HEADERS_COUNT_MAX:
        raise _bad("headers", f"send at most {HEADERS_COUNT_MAX}")
    found: dict[str, str] = {}
    for name, value in headers:
        if name in known or name in _HUB_HEADERS or name == CONTENT_TYPE:
            if name in found:
                raise _bad(name, "send it once")
            if not isinstance(value, bytes) or len(value) > HEADER_VALUE_BYTES_MAX or not value.isascii():
                raise _bad(name, f"expected at most {HEADER_VALUE_BYTES_MAX} bytes of ASCII")
            found[name] = value.decode("ascii")
        elif name.lower().startswith("ce_"):
            raise _bad("ce_", _perhaps(name))
    return found


_HUB_HEADERS: Final = frozenset(HUB_HEADERS)
_SIGNATURE_NAMES: Final = (SIG_KEY, SIG)
_EFFECT_HEADERS: Final[Mapping[Effect, Headers]] = {
    DISCLOSED: ((HUB_EFFECT, DISCLOSED.encode()), (CONTENT_TYPE, _AVRO_BYTES)),
    RETRACTED: ((HUB_EFFECT, RETRACTED.encode()),),
}
_USUAL_NAMES: Final = (*_REQUIRED, CONTENT_TYPE)
_BETWEEN: Final = b"\x00"
_USUAL: Final = re.compile(
    _BETWEEN.join(
        (
            re.escape(SPEC_VERSION).encode(),
            rf"({_UUID.pattern})".encode(),
            rf"({_SOURCE_TEXT})".encode(),
            rf"({_TYPE.pattern})".encode(),
            rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9]\.[0-9]{3})Z",
            re.escape(_AVRO_BYTES),
        )
    )
)


def _perhaps(name: str) -> str:
    """What to do about an unknown header. Its name is its sender's own text, and is not repeated."""
    meant = get_close_matches(name.lower()[:80], sorted(_PUBLISHED), n=1, cutoff=0.8)
    hint = f": is `{meant[0]}` meant?" if meant else ""
    return f"a header that begins so is none of the hub's{hint or ': leave it out'}"


def _check_common(found: Mapping[str, str], *, has_content: bool = True) -> None:
    if not found.keys() >= _REQUIRED_NAMES:
        missing = next(name for name in _REQUIRED if name not in found)
        raise _bad(missing, "send it: nothing is filled in")
    if found["ce_specversion"] != SPEC_VERSION:
        raise _bad("ce_specversion", f"expected `{SPEC_VERSION}`")
    if has_content and "avro" not in found.get(CONTENT_TYPE, AVRO):
        raise _bad(CONTENT_TYPE, f"expected `{AVRO}`, or none: structured CloudEvents are not read")


def _uuid(found: Mapping[str, str], name: str) -> str:
    value = found.get(name, "")
    if not _UUID.fullmatch(value):
        raise _bad(name, "expected a UUID in lower case with hyphens")
    return value


def _optional_uuid(found: Mapping[str, str], name: str) -> str | None:
    return _uuid(found, name) if name in found else None


@lru_cache(maxsize=4_096)
def _checked_type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        raise _bad("ce_type", "expected a type of the contracts, `org.casehub.<area>.<event>.v<n>`")
    return text


def _bad(name: str, fix: str) -> Refused:
    return Refused(Reason.BAD_HEADER, name, fix)
