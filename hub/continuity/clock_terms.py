"""Reads which clocks there are, for which jurisdictions, and of whom it is asked who may be reminded (`clocks.toml`).

Rules:
- A kind must be one that `clocks.py` counts and that the contracts' code list has; every kind is there once.
- An unknown key, event type, role, category or jurisdiction refuses the whole file.
- `digest` names this file and `terms.toml`: where either is another one, every case is looked at again.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.categories import mask_of
from contracts.civil_time import ZONE_OF_JURISDICTION
from contracts.failures import BadRuleSet
from contracts.lint import ROLES
from hub.continuity.clocks import CLOCKS
from hub.continuity.terms import TERMS_FILE

CLOCKS_FILE: Final = Path(__file__).with_name("clocks.toml")
PUBLISHER: Final = "publisher"
PROVIDER: Final = "provider"
_KEYS: Final = frozenset({"kind", "title", "law", "confidence", "jurisdictions", "asked"})
_NUMBERS: Final = ("silent_after_seconds", "receipt_within_seconds", "parked_for_seconds", "reminders_per_look_max")
_ASKED_KEYS: Final = frozenset({"events", "of", "categories"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Events that a party must be entitled to, with the categories (mask), `of` whom: roles, publisher, provider."""

    events: tuple[str, ...]
    of: tuple[str, ...]
    categories: int


@dataclass(frozen=True, slots=True)
class ClockTerms:
    """All clocks: what is asked, by (jurisdiction, kind). A kind that is not there does not run there.

    `silent_after_seconds`: after how long without a sign of life a publisher counts as silent.
    `receipt_within_seconds`: after how long without a receipt a receiver that was told of a consent's end is overdue.
    `parked_for_seconds`: how long a refused record is kept, from when it was first parked.
    `reminders_per_look_max`: how many reminders one look at a case states; the next look states the rest.
    """

    id: str
    digest: str
    asked: Mapping[tuple[str, str], tuple[Asked, ...]]
    silent_after_seconds: int
    receipt_within_seconds: int
    parked_for_seconds: int
    reminders_per_look_max: int


@lru_cache(maxsize=1)
def clock_terms() -> ClockTerms:
    """Return the clocks that come with this program, read once."""
    return read_clock_terms(CLOCKS_FILE)


def read_clock_terms(path: Path) -> ClockTerms:
    """Return the clocks of a file; raise `BadRuleSet` on anything that is missing, unknown or of another form."""
    text = path.read_bytes()
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRuleSet(f"`{path.name}` is not TOML: {error}") from error
    _require(
        path,
        document.keys() == {"id", "clock", *_NUMBERS},
        f"expected `id`, {', '.join(f'`{number}`' for number in _NUMBERS)} and `[[clock]]` tables, and nothing else",
    )
    for number in _NUMBERS:
        value = document[number]
        _require(path, type(value) is int and value > 0, f"`{number}` is a whole number from 1")
    asked: dict[tuple[str, str], tuple[Asked, ...]] = {}
    kinds: list[str] = []
    for clock in document["clock"]:
        kind = str(clock.get("kind"))
        _require(path, clock.keys() == _KEYS, f"clock `{kind}`: expected {', '.join(sorted(_KEYS))}")
        kinds.append(kind)
        lines = tuple(_asked(path, kind, line) for line in clock["asked"])
        _require(path, bool(lines), f"clock `{kind}`: name what is asked, or nobody could be reminded")
        _known(path, kind, "jurisdictions", clock["jurisdictions"], ZONE_OF_JURISDICTION)
        asked |= {(jurisdiction, kind): lines for jurisdiction in clock["jurisdictions"]}
    _require(path, sorted(kinds) == sorted(CLOCKS), f"expected each of {', '.join(sorted(CLOCKS))} once")
    _known(path, "", "kind", kinds, catalogue().code_lists["ReminderKind"].symbols)
    digest = hashlib.sha256(text + TERMS_FILE.read_bytes()).hexdigest()
    return ClockTerms(str(document["id"]), digest, asked, *(document[number] for number in _NUMBERS))


def _asked(path: Path, kind: str, line: Mapping[str, Any]) -> Asked:
    _require(path, line.keys() == _ASKED_KEYS, f"clock `{kind}`: `asked` has {', '.join(sorted(_ASKED_KEYS))}")
    _require(path, all(line[key] for key in _ASKED_KEYS), f"clock `{kind}`: an empty list under `asked` asks nothing")
    _known(path, kind, "events", line["events"], catalogue().event_types)
    _known(path, kind, "of", line["of"], ROLES | {PUBLISHER, PROVIDER})
    try:
        categories = mask_of(line["categories"])
    except ValueError as error:
        raise BadRuleSet(f"`{path.name}`, clock `{kind}`: {error}; use one of the 18 categories") from error
    return Asked(tuple(line["events"]), tuple(line["of"]), categories)


def _known(path: Path, kind: str, key: str, names: Iterable[str], known: Iterable[str]) -> None:
    if strays := sorted(set(names) - set(known)):
        raise BadRuleSet(f"`{path.name}`, clock `{kind}`: `{key}` names `{strays[0]}`, which is unknown; correct it")


def _require(path: Path, holds: bool, message: str) -> None:
    if not holds:
        raise BadRuleSet(f"`{path.name}`: {message}")
