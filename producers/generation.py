"""Writes one typed function per fact from the contracts, so that an agency's editor and type checker know them.

Rules:
- `producers/statements/` holds each function once, by what the fact is about (its anchor category), the code lists
  and the records; `producers/agencies/<kind>.py` names what that kind of agency may state, and nothing else.
- A mandatory field is an argument without a default. Docstrings are the contract's own words; of facts that share
  their fields the first one explains them.
- The files are checked in and never edited by hand; a test fails when they differ from the contracts.
- No file grows over `LINES_MAX`: a subject that would is split by area, then by the first role that states it.

Run `python -m producers.generation` after a change of `contracts/catalogue/`.
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from contracts.catalogue import Catalogue, catalogue
from contracts.categories import MEANINGS, Category
from contracts.event_types import ANY_ROLE, DOMAIN, HUB, NEVER, CodeList, EventType, Field, Kind, RecordType

DIRECTORY: Final = Path(__file__).parent
LINES_MAX: Final = 390
COLUMNS_MAX: Final = 120

MODULE_OF_ROLE: Final[Mapping[str, str]] = {
    "PRI": "prison",
    "KIF": "probation",
    "PHE": "prison_health",
    "FAC": "facility",
    "SOC": "social_services",
    "JOB": "jobcenter",
    "BEN": "benefits",
    "ADD": "addiction",
    "HSG": "housing",
    "CHI": "child_welfare",
    "YTH": "youth_guidance",
    "PSY": "psychiatry",
    "MNT": "mentor",
    "VOL": "volunteers",
}

_SUBJECT_OF_ANCHOR: Final[Mapping[str, str]] = {
    Category.CU: "custody",
    Category.RE: "release",
    Category.OF: "offence",
    Category.PL: "plans",
    Category.HO: "housing",
    Category.AD: "address",
    Category.FI: "finance",
    Category.EM: "employment",
    Category.ED: "education",
    Category.SU: "substance_use",
    Category.MH: "mental_health",
    Category.PH: "physical_health",
    Category.CF: "family",
    Category.NW: "network",
    Category.RI: "risk",
    Category.CA: "case_administration",
    Category.CO: "consent_and_governance",
    DOMAIN: "efforts",
    NEVER: "without_subject",
}

_HEADER: Final = ("# fmt: off", "# isort: skip_file")
_ENVELOPE: Final = ("occurredAt", "lateReason", "legalBasisCode")

_PYTHON_TYPE: Final[Mapping[Kind, str]] = {
    Kind.UUID: "UUID",
    Kind.STRING: "str",
    Kind.INT: "int",
    Kind.BOOL: "bool",
    Kind.TIMESTAMP: "datetime",
    Kind.DATE: "date",
    Kind.DECIMAL: "Decimal",
    Kind.PARTY: "str",
    Kind.MUNICIPALITY: "str",
    Kind.STAFF: "str",
    Kind.PERSON: "str",
    Kind.CODE: "str",
}

_IMPORTS: Final = (
    (r"\bdate\b|\bdatetime\b", "from datetime import {}", ("date", "datetime")),
    (r"\bDecimal\b", "from decimal import Decimal", ()),
    (r"\bUUID\b", "from uuid import UUID", ()),
)


def generated_files(contracts: Catalogue) -> dict[str, str]:
    """Return every generated file by its path under `producers/`, with its content."""
    statable = [e for e in contracts.event_types.values() if not e.control and _roles_of(e)]
    named = _types_to_name(statable, contracts)
    files = {
        "statements/__init__.py": '"""One function per fact, by what the fact is about. Generated."""\n',
        "statements/codes.py": _codes_file(each for each in contracts.code_lists.values() if each.name in named),
        "statements/records.py": _records_file(each for each in contracts.records.values() if each.name in named),
        "agencies/__init__.py": '"""What each kind of agency may state: one module per kind. Generated."""\n',
    }
    module_of: dict[str, str] = {}
    for module, members in _modules(statable, contracts):
        files[f"statements/{module}.py"] = _statements_file(module, members, contracts)
        module_of |= {member.name: module for member in members}
    for role, name in MODULE_OF_ROLE.items():
        stated = [event_type for event_type in statable if event_type.may_state(role)]
        files[f"agencies/{name}.py"] = _agency_file(role, stated, module_of)
    return files


def write_files(directory: Path = DIRECTORY) -> None:
    """Write all generated files under `directory` and remove those that are no longer generated."""
    files = generated_files(catalogue())
    for folder in ("statements", "agencies"):
        (directory / folder).mkdir(exist_ok=True)
        for path in (directory / folder).glob("*.py"):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
    for name, content in files.items():
        (directory / name).write_text(content)


def snake_case(name: str) -> str:
    """Return a contract's name as a Python name: `custodyId` -> `custody_id`, `CaseOpened` -> `case_opened`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{snake}_" if keyword.iskeyword(snake) else snake


def _types_to_name(statable: Sequence[EventType], contracts: Catalogue) -> set[str]:
    """The code lists and records that get a name: the present ones, and earlier ones that a present event still has."""
    fields = [field for event_type in statable for field in event_type.fields]
    fields += [part for each in fields if each.kind is Kind.RECORD for part in contracts.records[each.type_name].fields]
    present = {name for name in (*contracts.code_lists, *contracts.records) if "@" not in name}
    return present | {field.type_name for field in fields}


def _type_name(name: str) -> str:
    """The Python name of a code list or record: `HousingKind`, and `HousingKindV1` for an earlier version of it."""
    return name.replace("@", "V")


def _roles_of(event_type: EventType) -> list[str]:
    return [role for role in MODULE_OF_ROLE if event_type.may_state(role)]


def _modules(event_types: Sequence[EventType], contracts: Catalogue) -> Iterator[tuple[str, list[EventType]]]:
    """Group the facts into modules, each short enough; a group too long is split by the next, finer key."""
    keys: list[Callable[[EventType], str]] = [
        lambda e: _SUBJECT_OF_ANCHOR[e.anchor],
        lambda e: e.area,
        lambda e: "any_agency" if ANY_ROLE in e.stated_by else MODULE_OF_ROLE[_first_agency(e)],
    ]

    def split(prefix: str, members: list[EventType], depth: int) -> Iterator[tuple[str, list[EventType]]]:
        groups: dict[str, list[EventType]] = {}
        for member in members:
            groups.setdefault(keys[depth](member), []).append(member)
        for key, group in sorted(groups.items()):
            name = f"{prefix}_in_{key}" if prefix else key
            lines = _statements_file(name, group, contracts).count("\n")
            if lines > LINES_MAX and depth + 1 < len(keys):
                yield from split(name if len(groups) > 1 or not prefix else prefix, group, depth + 1)
            else:
                yield name, group

    return split("", list(event_types), 0)


def _first_agency(event_type: EventType) -> str:
    return next(role for role in event_type.stated_by if role != HUB)


def _statements_file(module: str, members: Sequence[EventType], contracts: Catalogue) -> str:
    explained: dict[tuple[Field, ...], EventType] = {}
    body = "\n\n".join(_function(member, explained.setdefault(member.fields, member), contracts) for member in members)
    subject = module.partition("_in_")[0].replace("_", " ")
    records = sorted(set(re.findall(r"\b(" + "|".join(map(_type_name, contracts.records)) + r")\b(?=[\] |])", body)))
    local = ["from producers.statement import Statement" + (", record_values" if "record_values(" in body else "")]
    if "codes." in body:
        local.append("from producers.statements import codes")
    if records:
        local.append(f"from producers.statements.records import {', '.join(records)}")
    doc = f"Facts about {subject}, one function each. Generated by `producers.generation` from the contracts."
    envelope = [
        line
        for field in members[0].fields
        if field.name in _ENVELOPE
        for line in _wrapped(f"{snake_case(field.name)}: {field.doc}", indent=0, hanging=4)
    ]
    return _file("\n".join([doc, "", "Arguments of every function:", *envelope, ""]), body, sorted(local))


def _function(event_type: EventType, explained: EventType, contracts: Catalogue) -> str:
    mandatory = [field for field in event_type.fields if field.mandatory]
    optional = [field for field in event_type.fields if not field.mandatory]
    arguments = ["*"]
    arguments += [f"{snake_case(field.name)}: {_type_of(field)}" for field in mandatory]
    arguments += [f"{snake_case(field.name)}: {_type_of(field)} | None = None" for field in optional[2:] + optional[:2]]
    values = [f'"{field.name}": {_value_of(field)}' for field in event_type.fields if field.name != "occurredAt"]
    lines = [f"def {snake_case(event_type.name)}("]
    lines += _filled(arguments, indent=4)
    lines += [") -> Statement:"]
    lines += _docstring(event_type, explained, contracts)
    lines += [f'    return Statement("{event_type.name}", {{']
    lines += _filled(values, indent=8)
    lines += ["    }, occurred_at)", ""]
    return "\n".join(lines)


def _docstring(event_type: EventType, explained: EventType, contracts: Catalogue) -> list[str]:
    roles = "any agency" if ANY_ROLE in event_type.stated_by else ", ".join(_roles_of(event_type))
    head = _wrapped(event_type.doc or f"State `{event_type.name}`.", indent=4, first='"""')
    lines = [*head, "", *_wrapped(f"Stated by {roles}. {_anchor_words(event_type)}", indent=4), ""]
    if explained is not event_type:
        return [*lines, f"    Arguments: as for `{snake_case(explained.name)}`.", '    """']
    for field in event_type.fields:
        if field.name in _ENVELOPE:
            continue
        category = "" if field.category == event_type.anchor else f" ({_category_words(field)})"
        words = (
            f"{snake_case(field.name)}{category}: {field.doc or 'see the contract.'}{_codes_words(field, contracts)}"
        )
        lines += _wrapped(words, indent=4, hanging=4)
    return [*lines, '    """']


def _anchor_words(event_type: EventType) -> str:
    if event_type.anchor == DOMAIN:
        return "Fields have the category of its domain unless named."
    if event_type.anchor == NEVER:
        return "Shown to no receiver."
    return f"Fields are {event_type.anchor} ({MEANINGS[Category(event_type.anchor)]}) unless named."


def _category_words(field: Field) -> str:
    return {DOMAIN: "by its domain", NEVER: "never shown"}.get(field.category, field.category)


def _codes_words(field: Field, contracts: Catalogue) -> str:
    if field.kind is not Kind.CODE or not field.type_name:
        return ""
    return f" Known codes: {', '.join(contracts.code_lists[field.type_name].symbols)}."


def _codes_file(code_lists: Iterable[CodeList]) -> str:
    parts = []
    for code_list in sorted(code_lists, key=lambda each: each.name):
        if code_list.extensible:
            continue
        symbols = [f'"{symbol}"' for symbol in code_list.symbols]
        parts.append("\n".join([f"{_type_name(code_list.name)} = Literal[", *_filled(symbols, indent=4), "]"]))
        if code_list.doc:
            parts[-1] += "\n" + "\n".join(_wrapped(f'{code_list.doc}"""', indent=0, first='"""'))
    doc = "The closed code lists, as types. Generated by `producers.generation` from the contracts."
    return _file(doc, "\n".join(parts) + "\n", [], standard=("from typing import Literal",))


def _records_file(records: Iterable[RecordType]) -> str:
    parts = []
    for record in records:
        ordered = sorted(record.fields, key=lambda field: not field.mandatory)
        fields = [
            f"    {snake_case(field.name)}: {_type_of(field)}" + ("" if field.mandatory else " | None = None")
            for field in ordered
        ]
        docs: list[str] = []
        for field in ordered:
            docs += _wrapped(f"{snake_case(field.name)}: {field.doc or 'see the contract.'}", indent=4, hanging=4)
        values = [f'"{field.name}": self.{_value_of(field)}' for field in record.fields]
        parts.append(
            "\n".join(
                [
                    "@dataclass(frozen=True, slots=True)",
                    f"class {_type_name(record.name)}:",
                    *_wrapped(record.doc or f"One `{record.name}`.", indent=4, first='"""'),
                    "",
                    *docs,
                    '    """',
                    "",
                    *fields,
                    "",
                    "    def values(self) -> dict[str, Any]:",
                    '        """The record under the contract\'s own names."""',
                    "        return {",
                    *_filled(values, indent=12),
                    "        }",
                    "",
                ]
            )
        )
    doc = "The records that stand in lists of facts. Generated by `producers.generation` from the contracts."
    body = "\n\n".join(parts)
    standard = ("from dataclasses import dataclass", "from typing import Any")
    return _file(doc, body, ["from producers.statements import codes"], standard)


def _agency_file(role: str, stated: Sequence[EventType], module_of: Mapping[str, str]) -> str:
    names: dict[str, list[str]] = {}
    for event_type in stated:
        names.setdefault(module_of[event_type.name], []).append(snake_case(event_type.name))
    everything = sorted(name for members in names.values() for name in members)
    lines = []
    for module, members in sorted(names.items()):
        lines += [f"from producers.statements.{module} import (", *_filled(sorted(members), indent=4), ")"]
    if any(field.kind is Kind.RECORD for event_type in stated for field in event_type.fields):
        records = sorted({_type_name(f.type_name) for e in stated for f in e.fields if f.kind is Kind.RECORD})
        lines.append(f"from producers.statements.records import {', '.join(records)}")
        everything = records + everything
    kind = MODULE_OF_ROLE[role].replace("_", " ")
    doc = f"What {kind} (role {role}) may state. Generated by `producers.generation` from the contracts."
    quoted = _filled([f'"{name}"' for name in everything], indent=4)
    return "\n".join([f'"""{doc}"""', *_HEADER, "", *lines, "", "__all__ = [", *quoted, "]", ""])


def _file(doc: str, body: str, local: Sequence[str], standard: Sequence[str] = ()) -> str:
    plain = list(standard)
    code = re.sub(r'""".*?"""', "", body, flags=re.DOTALL)
    for pattern, line, choices in _IMPORTS:
        if re.search(pattern, code):
            used = [choice for choice in choices if re.search(rf"\b{choice}\b", code)]
            plain.append(line.format(", ".join(used)))
    head = [f'"""{doc}"""', *_HEADER, "", "from __future__ import annotations", ""]
    if plain:
        head += [*sorted(plain), ""]
    if local:
        head += [*local, ""]
    return "\n".join(head) + "\n\n" + body


def _type_of(field: Field) -> str:
    if field.kind is Kind.ENUM:
        name = f"codes.{_type_name(field.type_name)}"
    elif field.kind is Kind.RECORD:
        name = _type_name(field.type_name)
    else:
        name = _PYTHON_TYPE[field.kind]
    return f"list[{name}]" if field.repeated else name


def _value_of(field: Field) -> str:
    name = snake_case(field.name)
    return f"record_values({name})" if field.kind is Kind.RECORD else name


def _filled(items: Sequence[str], indent: int) -> list[str]:
    """Lay `items` out, comma after each, as many to a line as fit; never breaking inside an item."""
    lines, line = [], ""
    for item in items:
        longer = f"{line} {item}," if line else " " * indent + f"{item},"
        if len(longer) > COLUMNS_MAX and line:
            lines.append(line)
            longer = " " * indent + f"{item},"
        line = longer
    return [*lines, line] if line else lines


def _wrapped(text: str, indent: int, first: str = "", hanging: int = 0) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        first + text,
        COLUMNS_MAX,
        initial_indent=margin,
        subsequent_indent=margin + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    write_files()
