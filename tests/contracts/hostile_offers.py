"""The contracts that `test_hostile_contracts` offers: what is wrong -> the rule that must be named, and the change.

Rules:
- An offer changes a folder that holds the program's own catalogue, or puts one small area beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

AREA: Final = """
[area]
name = "trial"
owner = "somebody"
doc = "something"

[[family]]
stated_by = ["SOC"]
anchor = "HO"

[family.events]
ThingHappened = "Something has happened to the citizen."

[family.fields]
thingId = { type = "uuid", category = "HO", mandatory = true, doc = "One thing, from start to end." }
"""
LOOP: Final = """
[record.Loop]
doc = "A record that holds itself."
[record.Loop.fields]
loop = { type = "Loop", list = true, category = "HO", doc = "The same again, and again." }
"""
ADDRESS: Final = 'address = { type = "string", category = "AD"'
FIELD: Final = 'thingId = { type = "uuid", category = "HO", mandatory = true, doc = "One thing, from start to end." }'
LISTS: Final = "code_lists.toml"
HOME: Final = "municipality.toml"
PRISON: Final = "prison_and_probation.toml"
CONSENT: Final = "consent.toml"

Offer = Callable[[Path], object]


def _area(old: str, new: str) -> Offer:
    """The small area beside the program's own, with one change."""
    assert old in AREA
    return lambda folder: (folder / "trial.toml").write_text(AREA.replace(old, new, 1), encoding="utf-8")


def _field(definition: str) -> Offer:
    return _area(FIELD, definition)


def _declared(name: str, kind: str, category: str) -> Offer:
    return _field(f'{name} = {{ type = "{kind}", category = "{category}", doc = "What somebody would like to have." }}')


def _changed(file: str, old: str, new: str) -> Offer:
    """One of the program's own files, changed at one place."""

    def offer(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(old) >= 1, old
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return offer


def _appended(file: str, text: str) -> Offer:
    def offer(folder: Path) -> None:
        with (folder / file).open("a", encoding="utf-8") as opened:
            opened.write(text)

    return offer


def _raw(content: bytes) -> Offer:
    return lambda folder: (folder / "trial.toml").write_bytes(content)


def _list(body: str, name: str = "Trick") -> Offer:
    return _appended(LISTS, f'\n[code_list.{name}]\ndoc = "What may be said of a thing."\n{body}\n')


OFFERED: Final[dict[str, tuple[str, Offer]]] = {
    # Files that would cost memory or time before anything is judged.
    "a bomb of nested lists": ("toml-nesting", _raw(b"a=" + b"[" * 3_900)),
    "a bomb of nested tables": ("toml-nesting", _raw(b"a=" + b"{a=" * 1_200)),
    "a bomb of dotted keys": ("toml-line", _raw(b".".join([b"a"] * 200_000) + b"=1")),
    "a bomb of one long text": ("toml-line", _raw(b'a="' + b"x" * 900_000 + b'"')),
    "a bomb of size": ("toml-size", _raw(b"# filler\n" * 200_000)),
    "a number without end": ("toml-form", _raw(b"a = " + b"9" * 3_900 + b"9" * 90 + b"\nb = " + b"9_" * 1_900 + b"x")),
    "no text": ("toml-form", _raw(b"\xff\xfe\x00")),
    "no TOML": ("toml-form", _raw(b"[[family]")),
    "the same key twice": ("toml-form", _field(f"{FIELD}\n{FIELD}")),
    # Fields and what may be shown of them.
    "a field without a category": (
        "unclassified-field",
        _field('x = { type = "uuid", doc = "What nobody classified." }'),
    ),
    "a category that is none": ("unclassified-field", _area('category = "HO"', 'category = "XX"')),
    "a category that is a list": ("unclassified-field", _area('category = "HO"', 'category = ["HO", "AD"]')),
    "an anchor that is none": ("unclassified-field", _area('anchor = "HO"', 'anchor = "all"')),
    "an anchor in a domain that is not there": ("category-without-domain", _area('anchor = "HO"', 'anchor = "domain"')),
    "a category of a domain that is not there": (
        "category-without-domain",
        _area('category = "HO"', 'category = "domain"'),
    ),
    "whereabouts under another category": ("whereabouts", _declared("inCustody", "bool", "HO")),
    "a national id as a field": ("national-id", _declared("cprNumber", "string", "HO")),
    "a national id in capitals": ("national-id", _declared("ownPersonnummer", "code", "HO")),
    "a default": ("unknown-key", _area("mandatory = true", 'default = "SUPPORT"')),
    "a default on a consent's purpose": (
        "unknown-key",
        _changed(CONSENT, 'purposes = { type = "Purpose",', 'purposes = { default = "SUPPORT", type = "Purpose",'),
    ),
    "an alias": ("unknown-key", _area("mandatory = true", 'aliases = ["caseNo"]')),
    "a type that is none": ("unknown-type", _area('type = "uuid"', 'type = "any"')),
    "a union as a type": ("unknown-type", _area('type = "uuid"', 'type = ["null", "string", "int"]')),
    "a record in itself": ("unknown-type", _appended(LISTS, LOOP)),
    "a flag that is a text": ("flag-form", _area("mandatory = true", 'mandatory = "no"')),
    "a control flag that is a text": ("flag-form", _area('anchor = "HO"', 'anchor = "HO"\ncontrol = "false"')),
    # Names.
    "a field of the envelope": ("duplicate-field", _declared("occurredAt", "timestamp", "never")),
    "two fields that fold together": ("duplicate-field", _field(FIELD + "\n" + FIELD.replace("thingId", "thingid"))),
    "two events that fold together": ("duplicate-short-name", _area("ThingHappened =", "HousingSECURED =")),
    "an event under the name of a code list": ("duplicate-short-name", _area("ThingHappened =", "HousingKind =")),
    "an event under a disclosed name": ("duplicate-short-name", _area("ThingHappened =", "HousingSecuredDisclosed =")),
    "an event that is there already": ("duplicate-event", _area("ThingHappened =", "HousingSecured =")),
    "a code list under the name of a type": ("name-form", _list('symbols = ["A", "OTHER"]', "uuid")),
    "a code list in other letters": ("name-form", _list('symbols = ["A", "OTHER"]', '"Ｄomain"')),
    "a path as a name": ("name-form", _area("ThingHappened =", '"../../../tmp/Thing" =')),
    "a line break in a name": ("name-form", _area("thingId =", '"thing\\nId" =')),
    "an area of another name": ("area-form", _area('name = "trial"', 'name = "consent"')),
    "an area that is a list": ("area-form", _area('owner = "somebody"', "owner = []")),
    "a doc that steers a terminal": (
        "doc-form",
        _area("Something has happened to the citizen.", "Something happened \\u001b[2J\\u202e."),
    ),
    "a doc without end": ("doc-form", _area("Something has happened to the citizen.", "Something happened " * 40)),
    "no doc": ("missing-doc", _area("One thing, from start to end.", "x")),
    "a doc that is a table": ("missing-doc", _area('"Something has happened to the citizen."', "{ a = 1 }")),
    # Code lists.
    "a code list without OTHER": ("enum-without-other", _list('symbols = ["A", "B"]')),
    "OTHER in the middle": ("enum-without-other", _list('symbols = ["OTHER", "B"]')),
    "a code list without end": (
        "schema-size",
        _list("symbols = [\n" + "".join(f'"S{n}",\n' for n in range(300)) + '"OTHER"]'),
    ),
    "a symbol twice": ("name-form", _list('symbols = ["A", "A", "OTHER"]')),
    "symbols that fold together": ("name-form", _list('symbols = ["OPEN", "open", "OTHER"]')),
    "symbols that are numbers": ("code-list-form", _list("symbols = [1, 2]")),
    "a code list that is none": ("table-form", _appended(LISTS, "\n[code_list]\nTrick = 3\n")),
    # Who may state it, and what it is to the hub.
    "a role that is none": ("unknown-role", _area('["SOC"]', '["SOC", "POLICE"]')),
    "nobody may state it": ("unknown-role", _area('["SOC"]', "[]")),
    "a control record of an agency": ("control", _area('anchor = "HO"', 'anchor = "never"\ncontrol = true')),
    "families that are no tables": (
        "table-form",
        _raw(b'family = [1]\n[area]\nname = "trial"\nowner = "x"\ndoc = "x"\n'),
    ),
    "too many fields": ("schema-size", _field("\n".join(FIELD.replace("thingId", f"thing{n}Id") for n in range(120)))),
    # Versions, and what was published before.
    "a version from nowhere": (
        "version-ladder",
        _area('anchor = "HO"', 'anchor = "HO"\nversion = 1000000000000000000'),
    ),
    "a version that is none": ("version-form", _area('anchor = "HO"', 'anchor = "HO"\nversion = "2"')),
    "a changed type": (
        "changed-under-its-version",
        _changed(HOME, ADDRESS, ADDRESS.replace('"string"', '"int"')),
    ),
    "a changed category": ("changed-under-its-version", _changed(HOME, ADDRESS, ADDRESS.replace("AD", "HO"))),
    "an optional field made mandatory": (
        "changed-under-its-version",
        _changed(HOME, ADDRESS, ADDRESS + ", mandatory = true"),
    ),
    "a renamed field": ("changed-under-its-version", _changed(HOME, "address = {", "street = {")),
    "another order of symbols": (
        "changed-under-its-version",
        _changed(LISTS, '["DK", "SE", "OTHER"]', '["SE", "DK", "OTHER"]'),
    ),
    "a removed event": ("event-removed", _changed(HOME, "CaseOpened =", "CaseBegun =")),
    "a removed area": ("event-removed", lambda folder: (folder / HOME).unlink()),
    "a new event without an id": ("no-id", _area("thingId =", "thingId =")),
}
