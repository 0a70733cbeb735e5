"""Reads the terms of the indicators (`terms.toml`): periods, thresholds, code lists.

Rules:
- The file holds exactly the fields of `Terms`, each in the form that its type asks; anything else is refused.
- Every event type that it names must be in the catalogue: a renamed event would else count as nothing, silently.

Read once; every indicator of this room takes its numbers from here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.civil_time import Period
from contracts.failures import BadRuleSet

TERMS_FILE: Final = Path(__file__).with_name("terms.toml")


@dataclass(frozen=True, slots=True)
class Effort:
    """A kind of effort: what begins it or lets it go on, what ends it, its domain (empty: the event names it)."""

    begun_by: frozenset[str]
    ended_by: frozenset[str]
    domain: str


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms; the comments of the file say which indicator reads which."""

    id: str
    own_time_fields: tuple[str, ...]
    begun_by: frozenset[str]
    completed_by: frozenset[str]
    completed_by_reason: frozenset[str]
    completed_reason: str
    continued_by_suffix: tuple[str, ...]
    attended: str
    planned_within: Period
    continued_within: tuple[Period, ...]
    contact_by: frozenset[str]
    contact_within_days: tuple[int, ...]
    contact_after_release_days: int
    sentence_plan_by: frozenset[str]
    joint_plan_by: frozenset[str]
    joint_plan_ended_by: frozenset[str]
    municipal_plan_by: frozenset[str]
    dropped_item: str
    domains_left_out: frozenset[str]
    treatment_opened_by: frozenset[str]
    treatment_closed_by: frozenset[str]
    handed_over_by: frozenset[str]
    prison_settings: frozenset[str]
    host_funding: frozenset[str]
    guarantee_days: int
    coordinator_window: Period
    coordinator_before_release_days: int
    plan_within_days: int
    contact_before_parole: Period
    contact_within_days_of_start: int
    contact_deadline_by: frozenset[str]
    meeting_before_release_days: int
    decision_before_release_days: int
    decided_kind: str
    overlap_days: int
    overlap_justified: str
    provider_fields: tuple[str, ...]
    offered_step: str
    inside_settings: frozenset[str]
    age_bands: tuple[int, ...]
    notice_hours: int
    income_by: frozenset[str]
    income_ended_by: frozenset[str]
    reminded_after_release: Period
    vacancy_days: int
    visit_days: int
    lapsing_within: Period
    review_within_days: int
    citizen_told_within_days: int
    user_requests_max: int
    user_requests_within_days: int
    returned_within: tuple[Period, ...]
    small_cell: int
    releases_counted_after_months: int
    trials_counted_after_months: int
    effort: tuple[Effort, ...]


@lru_cache(maxsize=1)
def terms() -> Terms:
    """Return the terms that come with this program, read once."""
    return read_terms(TERMS_FILE)


def read_terms(path: Path) -> Terms:
    """Return the terms of a file; raise `BadRuleSet` on anything that is missing, unknown or of another form."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRuleSet(f"`{path.name}` is not TOML: {error}") from error
    kinds = {field.name: str(field.type) for field in fields(Terms)}
    if strays := sorted(document.keys() ^ kinds.keys()):
        raise BadRuleSet(f"`{path.name}`: `{strays[0]}` is unknown or missing; expected {', '.join(kinds)}")
    read = Terms(**{name: _value(path, name, kinds[name], document[name]) for name in kinds})
    if read.small_cell < 2:
        raise BadRuleSet(f"`{path.name}`: `small_cell` is `{read.small_cell}`; below 2 single persons would be shown")
    _check_event_types(path, read)
    return read


def _value(path: Path, name: str, kind: str, given: Any) -> Any:
    try:
        return _READERS[kind](given)
    except (TypeError, ValueError, KeyError) as error:
        raise BadRuleSet(f"`{path.name}`: `{name}` is not of the form `{kind}`; correct it") from error


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(given)
    return given


def _whole(given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise TypeError(given)
    return given


def _listed(given: object) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise TypeError(given)
    return given


def _effort(given: Mapping[str, Any]) -> Effort:
    if given.keys() != {"begun_by", "ended_by", "domain"}:
        raise KeyError(given)
    begun_by, ended_by = (frozenset(map(_text, _listed(given[name]))) for name in ("begun_by", "ended_by"))
    return Effort(begun_by, ended_by, _text(given["domain"]))


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": _text,
    "int": _whole,
    "Period": lambda given: Period.parse(_text(given)),
    "tuple[str, ...]": lambda given: tuple(map(_text, _listed(given))),
    "tuple[int, ...]": lambda given: tuple(map(_whole, _listed(given))),
    "tuple[Period, ...]": lambda given: tuple(Period.parse(_text(each)) for each in _listed(given)),
    "frozenset[str]": lambda given: frozenset(map(_text, _listed(given))),
    "tuple[Effort, ...]": lambda given: tuple(map(_effort, _listed(given))),
}


def _check_event_types(path: Path, read: Terms) -> None:
    named: set[str] = set()
    for field in fields(Terms):
        value = getattr(read, field.name)
        if field.name.endswith("_by") and isinstance(value, frozenset):
            named |= value
    for effort in read.effort:
        named |= effort.begun_by | effort.ended_by
    if unknown := sorted(named - catalogue().event_types.keys()):
        raise BadRuleSet(f"`{path.name}` names the event type `{unknown[0]}`, which no contract has; correct it")
