"""A rule set's matrix as people read it: a table with notes, or CSV for a spreadsheet.

Rules:
- Everything is said out of the rule set; no rule, category or role is named here.
- In the table a rule stands by its number, and `<18` marks what holds for minors alone; what holds for citizens of
  age alone stands in a note. CSV has full rule names and marks both.

The matrix comes from `hub.consent.matrix`; the lines go to `hub rules matrix`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from contracts.catalogue import Catalogue
from contracts.categories import MEANINGS, Category
from contracts.event_types import NEVER, EventType, Kind
from hub.consent.conditions import CONDITIONS, sentence
from hub.consent.matrix import ADULT, MINOR, Cell, Matrix, MatrixReader, categories_held, is_narrow
from hub.consent.policy import fields_holding
from hub.consent.relations import NAMED_BY
from hub.consent.rule_set import RuleSet

NOTHING: Final = "-"
_NUMBERED: Final = re.compile(r"S(\d+)")


def summary_lines(reader: MatrixReader) -> list[str]:
    """The summary as a table with its notes."""
    matrix, roles = reader.summary(), list(reader.rules.roles)
    rows = [["", *roles]]
    rows += [[category.value, *(_short(matrix[category, role]) for role in roles)] for category in Category]
    meanings = [f"{category.value}  {meaning}" for category, meaning in MEANINGS.items()]
    notes = [*_legend(reader.rules), *_age_notes(matrix), *_coordinator_notes(reader), *_left_out(reader.rules)]
    return [_head(reader.rules), "", *_aligned(rows), "", *meanings, "", *notes]


def summary_csv(reader: MatrixReader) -> str:
    """The summary as CSV: a line for each category, a column for each role."""
    matrix, roles = reader.summary(), list(reader.rules.roles)
    rows = (
        [category.value, meaning, *(_full(matrix[category, role]) for role in roles)]
        for category, meaning in MEANINGS.items()
    )
    return _csv(["category", "meaning", *roles], rows)


def events_lines(reader: MatrixReader, contracts: Catalogue) -> list[str]:
    """Event type by event type as a table; `*` marks the anchor."""
    roles = list(reader.rules.roles)
    rows, heads = [["", *roles]], [""]
    for event_type in _shown_at_all(contracts):
        heads.append(
            "  ".join((event_type.name, f"by {' '.join(event_type.stated_by)}", *_said(reader.rules, event_type)))
        )
        rows.append([])
        matrix = reader.of_event(event_type)
        for category in categories_held(event_type) if matrix else ():
            mark = "*" if category == event_type.anchor else ""
            heads.append("")
            rows.append([f"  {category.value}{mark}", *(_short(matrix[category, role]) for role in roles)])
    lines = [head or line for head, line in zip(heads, _aligned(rows), strict=True)]
    notes = [
        "*     the anchor: unless it is open to a receiver, nothing of the event is.",
        "      Where no line of an event has the mark, the domain that it states decides.",
    ]
    return [_head(reader.rules), "", *lines, "", *notes, *_legend(reader.rules)]


def events_csv(reader: MatrixReader, contracts: Catalogue) -> str:
    """Event type by event type as CSV: a line for each category that it may hold."""
    roles = list(reader.rules.roles)
    rows: list[list[str]] = []
    for event_type in _shown_at_all(contracts):
        matrix, named = reader.of_event(event_type), _named(reader.rules, event_type)
        for category in categories_held(event_type):
            cells = [_full(matrix[category, role]) if matrix else "" for role in roles]
            rows.append(
                [event_type.name, " ".join(event_type.stated_by), event_type.anchor, category.value, named, *cells]
            )
    return _csv(["event", "stated by", "anchor", "category", "goes to", *roles], rows)


def _shown_at_all(contracts: Catalogue) -> Iterator[EventType]:
    return (each for each in contracts.event_types.values() if not each.control and each.anchor != NEVER)


def _said(rules: RuleSet, event_type: EventType) -> Iterator[str]:
    """What no cell can say of an event: to whom a record goes, which single fields are withheld."""
    if named := _named(rules, event_type):
        yield f"goes to: {named}"
    for line in rules.withheld_fields:
        if event_type.name in line.events:
            yield f"{line.id}: {line.field} to {' '.join(sorted(line.only_to))} only"
    for kind in rules.withheld_kinds:
        if any(fields_holding(event_type, Kind(kind.kind))):
            yield f"{kind.id}: no field with something of kind {kind.kind} to {' '.join(sorted(kind.never_to))}"


def _named(rules: RuleSet, event_type: EventType) -> str:
    """To whom a record on a consent goes; empty for any other event."""
    if event_type.anchor != Category.CO:
        return ""
    return "; ".join(sentence(NAMED_BY[name]) for name in rules.records.get(event_type.name, ())) or "nobody else"


# --- cells


def _short(cell: Cell) -> str:
    entries = [
        _NUMBERED.sub(r"\1", entry.rule) + ("<18" if entry.ages == {MINOR} else "") for entry in cell.rules
    ]  # fmt: skip
    return _joined(entries, cell)


def _full(cell: Cell) -> str:
    marks = {frozenset({MINOR}): "<18", frozenset({ADULT}): ">=18"}
    return _joined([entry.rule + marks.get(entry.ages, "") for entry in cell.rules], cell)


def _joined(entries: list[str], cell: Cell) -> str:
    if cell.never:
        return "N"
    letters = ["C"] * cell.consent + ["B"] * cell.break_glass + [f"({never})" for never in cell.closed_by]
    return " ".join([*entries, *letters]) or NOTHING


# --- notes


def _head(rules: RuleSet) -> str:
    return f"{rules.id}: {rules.title}, in force from {rules.in_force_from}"


def _legend(rules: RuleSet) -> list[str]:
    lines = [f"{rule.id:<5} {rule.title}: {rule.law}" for rule in rules.rules]
    for never in rules.never:
        while_ = " and ".join(sentence(CONDITIONS[name]) for name in never.conditions)
        lines.append(f"({never.id})  {never.title}; closed while {while_}")
    lines += [f"(gate) {gate.title}" for gate in rules.gates]
    return [
        *lines,
        "C     the citizen's consent may open it",
        "B     break-glass may open it in an emergency",
        "N     never, not even with consent",
        "<18   for citizens under age alone",
        f"{NOTHING}     goes to those whom the record itself names",
    ]


def _age_notes(matrix: Matrix) -> list[str]:
    receivers: dict[str, dict[str, None]] = {}
    for (_, role), cell in matrix.items():
        for entry in cell.rules:
            if entry.ages == {ADULT}:
                receivers.setdefault(entry.rule, {})[role] = None
    return [f"for citizens of age alone: {rule} to {', '.join(roles)}" for rule, roles in receivers.items()]


def _coordinator_notes(reader: MatrixReader) -> list[str]:
    return [
        f"while it is the coordinator: {rule} also to {', '.join(sorted(roles))}"
        for rule, roles in reader.for_coordinators().items()
    ]


def _left_out(rules: RuleSet) -> list[str]:
    """Which narrow lines the summary leaves out, by rule."""
    names: dict[str, set[str]] = {}
    for rule in rules.rules:
        for grant in rule.grants:
            if is_narrow(grant):
                names.setdefault(rule.id, set()).update(grant.events or ())
    return [
        f"left out, for it opens single events only: {rule} on {', '.join(sorted(events))}; see --by-event"
        for rule, events in names.items()
    ]


# --- shapes


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    columns = max(len(row) for row in rows)
    widths = [max((len(row[column]) for row in rows if row), default=0) for column in range(columns)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def _csv(head: list[str], rows: Iterable[list[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
