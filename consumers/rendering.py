"""Shows a view or one citizen's visible events: as text for people, as plain values for programs.

Rules:
- Text has local civil times and the reader's own language; plain values have codes, ISO times and the contract's
  names, whatever the language.
- What was stated steers no terminal: text for people has it as `contracts.printable` says, plain values exactly.
- Only what is there is shown. A closed field and one that was never stated are both simply not there.

From `consumers.store`, to a terminal or another program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from consumers.views.base import Column, Shape, View
from consumers.views.reading import taken_back
from consumers.visible import VisibleEvent
from consumers.wording import Wording
from contracts.catalogue import catalogue
from contracts.categories import categories_of
from contracts.civil_time import day_date, format_local, local_of
from contracts.event_types import Field, Kind
from contracts.printable import printable

_DECIMAL_SCALE: Final = -2
_SHOWN_ELSEWHERE: Final = frozenset({"occurredAt"})


def view_text(view: View, party_id: str, lines: Sequence[Mapping[str, Any]], words: Wording, zone: ZoneInfo) -> str:
    """The view of `party_id`: one paragraph per citizen."""
    paragraphs = [
        f"{words.view(view.name)} {words.phrase('of_party')} {party_id}\n{words.phrase('citizens', count=len(lines))}"
    ]
    for line in lines:
        shown = [f"{words.phrase('citizen')} {line['key']}"]
        for column in view.columns:
            text = column_text(column, line[column.name], words, zone)
            if text:
                shown.append(f"  {words.column(column.name)}: {text}")
        paragraphs.append("\n".join(shown))
    return "\n\n".join(paragraphs)


def events_text(party_id: str, key: str, events: Sequence[VisibleEvent], words: Wording, zone: ZoneInfo) -> str:
    """All that `party_id` may see of the citizen `key`, by time, with the visible fields."""
    paragraphs = [
        f"{words.phrase('citizen')} {key} {words.phrase('of_party')} {party_id}\n"
        f"{words.phrase('events', count=len(events)) if events else words.phrase('nothing')}"
    ]
    gone = taken_back(events)
    for event in events:
        contract = catalogue().event_types[event.event_type]
        names = [words.category(category) for category in categories_of(contract.categories_in(event.payload))]
        shown = [
            f"{format_local(event.occurred_at, zone)}  {words.event_type(event.event_type)}  ({event.party})",
            f"  {words.phrase('shows')}: {', '.join(names)}",
        ]
        if (event.party, event.event_id) in gone:
            shown.append(f"  {words.phrase('taken_back')}")
        if event.corrects is not None:
            shown.append(f"  {words.phrase('replaces')}")
        for field in contract.fields:
            if field.name in event.payload and field.name not in _SHOWN_ELSEWHERE:
                shown += _field_lines(field, event.payload[field.name], words, zone, "  ")
        paragraphs.append("\n".join(shown))
    return "\n\n".join(paragraphs)


def view_values(view: View, lines: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> list[dict[str, Any]]:
    """The view's lines as plain values: ISO times with their offset, ISO dates, codes."""
    return [
        {"key": line["key"]} | {column.name: column_value(column, line[column.name], zone) for column in view.columns}
        for line in lines
    ]


def events_values(events: Sequence[VisibleEvent], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Visible events as plain values; `categories` are those that something is visible of.

    `taken_back` says that the reader itself retracted the event, which then stands no more.
    """
    found, gone = [], taken_back(events)
    for event in events:
        contract = catalogue().event_types[event.event_type]
        found.append(
            {
                "key": event.key,
                "event_id": event.event_id,
                "party": event.party,
                "event_type": event.event_type,
                "occurred_at": local_of(event.occurred_at, zone).isoformat(),
                "published_at": local_of(event.ce_time, zone).isoformat(),
                "corrects": event.corrects,
                "taken_back": (event.party, event.event_id) in gone,
                "categories": [str(category) for category in categories_of(contract.categories_in(event.payload))],
                "fields": {
                    field.name: plain_value(field, event.payload[field.name], zone)
                    for field in contract.fields
                    if field.name in event.payload
                },
            }
        )
    return found


def column_text(column: Column, value: Any, words: Wording, zone: ZoneInfo) -> str:
    """One column of a line for people; empty where nothing is known."""
    if value is None or value == []:
        return ""
    match column.shape:
        case Shape.INSTANT:
            return format_local(value, zone)
        case Shape.DAY:
            return day_date(value).isoformat()
        case Shape.CODE:
            return words.code(value)
        case Shape.CODES if column.name == "missing":
            return ", ".join(words.missing(code) for code in value)
        case Shape.CODES:
            return ", ".join(words.code(code) for code in value)
        case Shape.TEXT | Shape.NUMBER:
            return printable(str(value))
        case Shape.FIGURES:
            return str(len(value))


def column_value(column: Column, value: Any, zone: ZoneInfo) -> Any:
    """One column of a line for programs."""
    if value is not None and column.shape is Shape.INSTANT:
        return local_of(value, zone).isoformat()
    if value is not None and column.shape is Shape.DAY:
        return day_date(value).isoformat()
    return value


def _field_lines(field: Field, value: Any, words: Wording, zone: ZoneInfo, indent: str) -> list[str]:
    if field.kind is not Kind.RECORD:
        items = value if field.repeated else [value]
        return [f"{indent}{words.field(field.name)}: {', '.join(_text(field, item, words, zone) for item in items)}"]
    shown = [f"{indent}{words.field(field.name)}:"]
    for item in value if field.repeated else [value]:
        parts = [
            f"{words.field(part.name)}: {_text(part, item[part.name], words, zone)}"
            for part in catalogue().records[field.type_name].fields
            if part.name in item
        ]
        shown.append(f"{indent}  - {', '.join(parts)}")
    return shown


def _text(field: Field, value: Any, words: Wording, zone: ZoneInfo) -> str:
    match field.kind:
        case Kind.TIMESTAMP:
            return format_local(value, zone)
        case Kind.BOOL:
            return words.phrase("yes" if value else "no")
        case Kind.ENUM | Kind.CODE if field.type_name == "Category":
            return words.category(value)
        case Kind.ENUM | Kind.CODE:
            return words.code(value)
        case _:
            return printable(str(_plain_one(field, value, zone)))


def plain_value(field: Field, value: Any, zone: ZoneInfo) -> Any:
    """A field's wire value for programs: ISO times and dates, decimals as text, lists and records item by item."""
    return [_plain_one(field, item, zone) for item in value] if field.repeated else _plain_one(field, value, zone)


def _plain_one(field: Field, value: Any, zone: ZoneInfo) -> Any:
    match field.kind:
        case Kind.TIMESTAMP:
            return local_of(value, zone).isoformat()
        case Kind.DATE:
            return day_date(value).isoformat()
        case Kind.DECIMAL:
            return str(Decimal(int.from_bytes(value, "big", signed=True)).scaleb(_DECIMAL_SCALE))
        case Kind.RECORD:
            return {
                part.name: plain_value(part, value[part.name], zone)
                for part in catalogue().records[field.type_name].fields
                if value.get(part.name) is not None
            }
        case _:
            return value
