"""Registered agreements: which of them are in force at a moment, and what a line of the rules may ask of one.

Rules:
- Of the records of one agreement (`agreementId`) the last that has occurred decides: a registration holds as a whole,
  so an extension is another registration; AgreementEnded ends it.
- A registered agreement is in force from 00:00 local of `startsOn` until 00:00 local of `endsOn`, if it has one: what
  begins at T has begun, what ends at T has ended (domain specification, 4.9.1).
- A line that asks for an agreement opens only the categories that the agreement covers. Without one in force that
  fits it opens nothing.
- A correction or retraction of a record counts from when it was recorded; what was known before is not looked up here.

Records come from the governance timeline of the case's jurisdiction (`hub.shard.governance`), which every shard
has; what is in force goes into the standing. Pure.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from contracts.categories import Category, mask_of
from contracts.civil_time import start_of_day
from contracts.fact import Fact

if TYPE_CHECKING:
    from hub.consent.standing import Standing

REGISTERED: Final = "AgreementRegistered"
ENDED: Final = "AgreementEnded"
READS: Final = frozenset({REGISTERED, ENDED})
CITED_BY_FIELD: Final = "agreementId"
"""The field by which a fact of a case rests on an agreement."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One registered agreement. Instants in milliseconds; `end` is `None` where none is set."""

    agreement_id: str
    kind: str
    parties: frozenset[str]
    categories: int
    start: int
    end: int | None
    registered_by: str
    """The event id of the registration that holds."""

    def covers_time(self, instant: int) -> bool:
        """Whether `instant` lies within its period."""
        return self.start <= instant and (self.end is None or instant < self.end)


@dataclass(frozen=True, slots=True)
class Registered:
    """What was last registered of an agreement; `ended_at` is when AgreementEnded ended it, if it did."""

    agreement: Agreement
    cost_rule: str | None
    ended_at: int | None

    @property
    def end(self) -> int | None:
        """When it comes to its end, by its date or before; `None` while no end is set."""
        ends = (end for end in (self.agreement.end, self.ended_at) if end is not None)
        return min(ends, default=None)


InForce = tuple[Agreement, ...]
NONE_IN_FORCE: Final[InForce] = ()


@dataclass(frozen=True, eq=False)
class Agreements:
    """All that is known of the agreements of one jurisdiction. Another object means: something was stated anew.

    `changed_at` is the recorded time of the last change.
    """

    facts: tuple[Fact, ...] = ()
    zone: ZoneInfo | None = None
    changed_at: int = 0
    _in_force: dict[int, InForce] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, facts: Iterable[Fact], zone: ZoneInfo, changed_at: int) -> Agreements:
        """Read the live records of a governance timeline; others among them are ignored."""
        return cls(
            tuple(sorted((fact for fact in facts if fact.event_type in READS), key=lambda fact: fact.order)),
            zone,
            changed_at,
        )

    def in_force(self, at: int) -> InForce:
        """Return the agreements in force at `at`, by id."""
        if not self.facts:
            return NONE_IN_FORCE
        span = bisect_right(self._turns, at)
        found = self._in_force.get(span)
        if found is None:
            last = {str(fact.payload["agreementId"]): fact for fact in self.facts if fact.occurred_at <= at}
            standing = (_read(fact, self.zone) for _, fact in sorted(last.items()) if fact.event_type == REGISTERED)
            found = self._in_force[span] = tuple(one for one in standing if one.covers_time(at))
        return found

    def registered(self, at: int) -> Mapping[str, Registered]:
        """Return every agreement that was registered by `at`, by id, as its last registration has it."""
        found: dict[str, Registered] = {}
        for fact in self.facts:
            if fact.occurred_at > at:
                break
            agreement_id = str(fact.payload["agreementId"])
            if fact.event_type == REGISTERED:
                found[agreement_id] = Registered(_read(fact, self.zone), fact.payload.get("costRule"), None)
            elif agreement_id in found:
                found[agreement_id] = replace(found[agreement_id], ended_at=fact.occurred_at)
        return found

    def next_change(self, at: int) -> int | None:
        """Return the next instant after `at` at which something comes into force or ends by time alone."""
        place = bisect_right(self._turns, at)
        return self._turns[place] if place < len(self._turns) else None

    @cached_property
    def _turns(self) -> Sequence[int]:
        """Every instant at which what is in force may become other than before."""
        found = {fact.occurred_at for fact in self.facts}
        for fact in self.facts:
            if fact.event_type == REGISTERED:
                one = _read(fact, self.zone)
                found |= {instant for instant in (one.start, one.end) if instant is not None}
        return tuple(sorted(found))


NO_AGREEMENTS: Final = Agreements()


def _read(fact: Fact, zone: ZoneInfo | None) -> Agreement:
    if zone is None:
        raise ValueError("agreements are read in the civil time of a jurisdiction")
    payload = fact.payload
    ends_on = payload.get("endsOn")
    return Agreement(
        str(payload["agreementId"]),
        str(payload["kind"]),
        frozenset(payload["parties"]),
        mask_of(name for name in payload["categories"] if name in _CATEGORIES),
        start_of_day(payload["startsOn"], zone),
        None if ends_on is None else start_of_day(ends_on, zone),
        fact.event_id,
    )


_CATEGORIES: Final = frozenset(category.value for category in Category)


@lru_cache(maxsize=64)
def digest_of(in_force: InForce) -> str:
    """Return what a decision cites of the agreements that it was made under; empty where there was none."""
    if not in_force:
        return ""
    lines = (
        f"{one.agreement_id} {one.kind} {','.join(sorted(one.parties))} {one.categories} {one.start} {one.end}"
        for one in in_force
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def cited_agreements(facts: Iterable[Fact]) -> frozenset[str]:
    """Return the agreements on which `facts` of a case rest."""
    return frozenset(cited for fact in facts if (cited := fact.payload.get(CITED_BY_FIELD)) is not None)


# --- what a line of the rules may ask for

Under = Callable[["Standing", str, str], InForce]
"""(standing, stating party, receiving party) -> the agreements in force on which the line may rest."""


def between_its_parties(standing: Standing, stated_by: str, to: str) -> InForce:
    """an agreement in force names both parties and covers the category"""
    return tuple(one for one in standing.agreements if {stated_by, to} <= one.parties)


def evaluating_a_case_that_cites_it(standing: Standing, stated_by: str, to: str) -> InForce:  # noqa: ARG001 (one signature)
    """an agreement in force names the party and covers the category and the time of the fact, and the case cites it"""
    cited = standing.cited_agreements
    return tuple(one for one in standing.agreements if to in one.parties and one.agreement_id in cited)


UNDER: Final[Mapping[str, Under]] = {
    relation.__name__: relation for relation in (between_its_parties, evaluating_a_case_that_cites_it)
}
WITHIN_ITS_PERIOD: Final = frozenset({"evaluating_a_case_that_cites_it"})
"""The names that open only facts which occurred within the agreement's period."""
