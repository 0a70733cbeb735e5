"""The contracts as they may be some years from now: the housing events have a second version, all else is as it is.

`grown` writes them beside the real ones; `in_force` makes the program read them, as a later release would.
`with_invented_past` does the opposite for facts that decide who may see what: today's contracts of imprisonment and
consent are the second version, and the first one had other names for what the rules read.

What the second version changes: `reason` is called `cause`, `startsOn` is dropped, `rentPaidBy` and `tenancyEndsOn` are
new, of the codes of `kind` two are gone (one of which said who pays) and one is new.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from contracts import catalogue as catalogue_module
from contracts import schema_ids as schema_ids_module
from contracts.catalogue import DIRECTORY, Catalogue, Earlier, catalogue, read_catalogue
from contracts.codec import codec
from contracts.schema_ids import DIRECTORY as SCHEMAS
from contracts.schema_ids import schema_ids, write_schemas
from contracts.upcast import Types, Upcast, translation

HOUSING: Final = ("HousingApplied", "HousingOffered", "HousingSecured", "HousingRefused", "HousingLost")

_NEW_CODES: Final = (
    '["OWN_TENANCY", "SOCIAL_TENANCY", "SHELTER_110", "SUPPORTED_85", "FAMILY", "NONE", "HALFWAY_HOUSE", "OTHER"]'
)
_RULES: Final = """
[earlier.upcast]
renamed = { cause = "reason" }
dropped = ["startsOn"]

[earlier.upcast.codes.kind]
TEMPORARY_107 = "SHELTER_110"
PENSION = { kind = "OTHER", rentPaidBy = "MUNICIPALITY" }
"""


def grown(directory: Path, ends_on: str = "") -> Path:
    """Write the later contracts under `directory`, with ids for what is new; version 1 may end on a day."""
    shutil.copytree(DIRECTORY, directory / "catalogue")
    shutil.copytree(SCHEMAS, directory / "schemas")
    municipality = directory / "catalogue" / "municipality.toml"
    text = municipality.read_text(encoding="utf-8")
    start = text.index('[[family]]\nstated_by = ["SOC", "HSG"]\nanchor = "HO"\n\n[family.events]\nHousingApplied')
    end = text.index("[[family]]", start + 1)
    first = text[start:end]
    second = first.replace('anchor = "HO"', 'anchor = "HO"\nversion = 2').replace("\nreason =", "\ncause =")
    second = "\n".join(line for line in second.splitlines() if not line.startswith("startsOn")) + "\n"
    second += 'rentPaidBy = { type = "CostBearer", category = "FI", doc = "Who pays the rent." }\n'
    second += 'tenancyEndsOn = { type = "date", category = "HO", doc = "The last day of the tenancy." }\n\n'
    ended = f"\nends_on = {ends_on}" if ends_on else ""
    earlier = first.replace("[[family]]", "[[earlier]]").replace("[family.", "[earlier.")
    earlier = earlier.replace('anchor = "HO"', f'anchor = "HO"\nversion = 1{ended}')
    earlier = earlier.replace('"HousingKind"', '"HousingKind@1"') + _RULES
    municipality.write_text(text[:start] + second + text[end:] + "\n" + earlier, encoding="utf-8")
    _grow_codes(directory / "catalogue" / "code_lists.toml")
    write_schemas(directory / "schemas", read_catalogue(directory / "catalogue"))
    return directory


RENAMED: Final = {
    "prison_and_probation.toml": {"homeMunicipality": "residence", "planDuty": "coordinationDuty"},
    "consent.toml": {"purposes": "aims", "recipients": "mayKnow", "sources": "mayTell", "validFrom": "since"},
}
"""File -> the field's name now -> the name that it had."""
_FIRST_EVENT: Final = {"prison_and_probation.toml": "ImprisonmentStarted", "consent.toml": "ConsentGiven"}


def with_invented_past(directory: Path) -> Path:
    """Write today's contracts with an invented first version of two families, under ids of their own."""
    shutil.copytree(DIRECTORY, directory / "catalogue")
    for name, renamed in RENAMED.items():
        file = directory / "catalogue" / name
        text = file.read_text(encoding="utf-8")
        event = text.index(f"\n{_FIRST_EVENT[name]} = ")
        start = text.rindex("[[family]]", 0, event)
        end = text.index("[[family]]", event)
        family = text[start:end]
        second = family.replace("[family.events]", "version = 2\n\n[family.events]")
        first = family.replace("[[family]]", "[[earlier]]").replace("[family.", "[earlier.")
        first = first.replace("[earlier.events]", "version = 1\n\n[earlier.events]")
        for now, before in renamed.items():
            assert f"\n{now} = " in first
            first = first.replace(f"\n{now} = ", f"\n{before} = ")
        rules = ", ".join(f'{now} = "{before}"' for now, before in renamed.items())
        earlier = f"{first}\n[earlier.upcast]\nrenamed = {{ {rules} }}\n"
        file.write_text(text[:start] + second + text[end:] + "\n" + earlier, encoding="utf-8")
    write_schemas(directory / "schemas", read_catalogue(directory / "catalogue"))
    return directory


def with_successor(contracts: Catalogue, name: str, **changes: Any) -> Catalogue:
    """Return `contracts` with a second version of one event type, `changes` being what differs in it."""
    old = contracts.event_types[name]
    new = dataclasses.replace(old, version=2, **changes)
    gone = frozenset(each.name for each in old.fields) - frozenset(each.name for each in new.fields)
    to_next = translation(old, new, Upcast(dropped=gone), Types(contracts.code_lists, contracts.records))
    return dataclasses.replace(
        contracts,
        event_types={**contracts.event_types, name: new},
        earlier={**contracts.earlier, name: (Earlier(old, to_next),)},
    )


def _grow_codes(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    start = text.index("[code_list.HousingKind]")
    end = text.index("[code_list.", start + 1)
    entry = text[start:end]
    symbols = entry[entry.index("symbols = ") + len("symbols = ") :].strip()
    earlier = entry.replace("[code_list.HousingKind]", '[code_list."HousingKind@1"]')
    file.write_text(text[:start] + entry.replace(symbols, _NEW_CODES) + earlier + text[end:], encoding="utf-8")


@contextmanager
def in_force(directory: Path) -> Iterator[None]:
    """Make the program read the contracts under `directory`, as if it had come with them."""
    with (
        patch.object(catalogue_module, "DIRECTORY", directory / "catalogue"),
        patch.object(schema_ids_module, "DIRECTORY", directory / "schemas"),
    ):
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    for cached in (catalogue, schema_ids, codec):
        cached.cache_clear()
