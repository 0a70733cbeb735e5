"""The matrix: which role may see which category, and by what; read out of a rule set, for people.

Rules:
- A rule's line counts for a role where the very code that decides joins a publisher to it, in a case in which all that
  rules may ask for holds: in custody and convicted, all parties taking part, all in one responsible municipality.
  Each line is tried with a citizen of age and with one under age.
- A line that holds in neither is refused, never left out: a matrix that is silent would be read as "may not".
- Whoever coordinates may be joined by more lines; those are told apart, for they depend on no role.
- The summary leaves out narrow lines, which open a single event type or go to whom the fact itself names.
- Never is stronger than all else. Consent may open whatever is left, but records on consents.

Pure. Rule sets come from `rule_reader`; `hub rules matrix` prints what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from contracts.categories import ALL_CATEGORIES, BIT, CATEGORY_OF_DOMAIN, Category, categories_of
from contracts.event_types import ANY_ROLE, DOMAIN, NEVER, EventType
from contracts.failures import BadRuleSet
from contracts.parties import Party, PartyRegistry
from hub.consent.agreements import UNDER, Agreement
from hub.consent.custody import Custody
from hub.consent.decision import Decider
from hub.consent.health import Health
from hub.consent.policy import Policy
from hub.consent.protection import RiskCooperation
from hub.consent.rule_set import Grant, Rule, RuleSet
from hub.consent.standing import Standing

MINOR: Final = "under age"
ADULT: Final = "of age"
BOTH_AGES: Final = frozenset({MINOR, ADULT})
_MUNICIPALITY: Final = "A"
_AGREEMENT: Final = "agreement"


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule that may open a category to a role; `ages` says of which citizens."""

    rule: str
    ages: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What may open one category to one role. `closed_by` are never-rules that close it in some cases."""

    rules: tuple[RuleEntry, ...] = ()
    consent: bool = False
    break_glass: bool = False
    never: bool = False
    closed_by: tuple[str, ...] = ()


Matrix = Mapping[tuple[Category, str], Cell]
Joins = frozenset[tuple[str, str, str]]


class MatrixReader:
    """Reads the matrices of one rule set."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._party_of = {
            role: Party(f"{_MUNICIPALITY}.{role}" if role in rules.municipal_roles else role, healthcare_provider=True)
            for role in rules.roles
        }
        # Of each role there is a second party: another municipality's, or another unit of the state or a region.
        self._twin_of = {
            role: Party(
                f"B.{role}" if role in rules.municipal_roles else f"other.unit.{role}", healthcare_provider=True
            )
            for role in rules.roles
        }
        self._policy = Policy(rules, PartyRegistry.of([*self._party_of.values(), *self._twin_of.values()]))
        deciders = self._deciders(None)
        self._joined = [(rule, grant, self._joins_of(rule, grant, deciders)) for rule, grant in self._policy.lines]
        for rule, _, joins in self._joined:
            if not joins:
                raise BadRuleSet(
                    f"rule `{rule.id}`: a line joins nobody in the cases that the matrix tries: "
                    "teach `hub.consent.matrix` a case in which it holds, or remove the line"
                )

    def for_coordinators(self) -> Mapping[str, frozenset[str]]:
        """Rule -> the roles to which it opens more than the matrix says while they coordinate."""
        found: dict[str, set[str]] = {}
        for role in sorted(self.rules.municipal_roles & self._party_of.keys()):
            deciders = self._deciders(self._party_of[role].id)
            for rule, grant, joins in self._joined:
                more = self._joins_of(rule, grant, deciders) - joins
                if any(to == role for _, _, to in more):
                    found.setdefault(rule.id, set()).add(role)
        return {rule: frozenset(roles) for rule, roles in found.items()}

    def _deciders(self, coordinator: str | None) -> Mapping[str, Decider]:
        everybody = frozenset(self._policy.registry.parties)
        return {
            age: Decider(self._policy, _widest_standing(everybody, coordinator, adult=age == ADULT))
            for age in (ADULT, MINOR)
        }

    def summary(self) -> Matrix:
        """Every category and role, whatever the event; narrow lines are left out."""
        wide = [line for line in self._joined if not is_narrow(line[1])]
        return {
            (category, role): self._cell(
                category, role, self._entries(wide, category, role, frozenset(self.rules.roles))
            )
            for category, role in product(Category, self.rules.roles)
        }

    def of_event(self, event_type: EventType) -> Matrix:
        """The categories that one event type may hold; narrow lines included, and only publishers who may state it.

        Empty for what is never disclosed, and for records on consents, which go to those whom they name.
        """
        if event_type.anchor in (NEVER, Category.CO):
            return {}
        stated_by = frozenset(self.rules.roles)
        if ANY_ROLE not in event_type.stated_by:
            stated_by &= frozenset(event_type.stated_by)
        lines = [line for line in self._joined if line[1].events is None or event_type.name in line[1].events]
        return {
            (category, role): self._cell(
                category, role, self._entries(lines, category, role, stated_by), anchor=event_type.anchor
            )
            for category, role in product(categories_held(event_type), self.rules.roles)
        }

    def _joins_of(self, rule: Rule, grant: Grant, deciders: Mapping[str, Decider]) -> Joins:
        """The (age, publisher's role, receiver's role) that a line joins."""
        return frozenset(
            (age, stated_by, to)
            for age, decider in deciders.items()
            if decider.holds(grant.conditions)
            for stated_by, to in product(self._party_of, repeat=2)
            for publisher in (self._party_of[stated_by].id, self._twin_of[stated_by].id)
            if self._policy.may_rest_on(to, rule.id)
            and (grant.under is None or UNDER[grant.under](decider.standing, publisher, self._party_of[to].id))
            and publisher != self._party_of[to].id
            and decider.grant_joins(rule, grant, publisher, self._party_of[to].id)
        )

    def _entries(
        self,
        lines: Iterable[tuple[Rule, Grant, Joins]],
        category: Category,
        role: str,
        stated_by: frozenset[str],
    ) -> tuple[RuleEntry, ...]:
        ages: dict[str, set[str]] = {}
        for rule, grant, joins in lines:
            if grant.categories & BIT[category]:
                found = {age for age, publisher, to in joins if to == role and publisher in stated_by}
                if found:
                    ages.setdefault(rule.id, set()).update(found)
        return tuple(RuleEntry(rule, frozenset(ages[rule])) for rule in sorted(ages, key=_number))

    def _cell(self, category: Category, role: str, entries: tuple[RuleEntry, ...], anchor: str | None = None) -> Cell:
        terms, bit = self.rules.roles[role], BIT[category]
        # L1: of an event whose anchor a role may never see, it sees nothing at all.
        anchor_bit = BIT[Category(anchor)] if anchor is not None and anchor != DOMAIN else 0
        if (bit | anchor_bit) & terms.never:
            return Cell(never=True)
        if category is Category.CO:
            return Cell()
        closed_by = tuple(
            never.id
            for never in self.rules.never
            if never.categories & bit and (never.roles is None or role in never.roles)
        )
        return Cell(entries, terms.only_by is None, bool(terms.break_glass & bit), False, closed_by)


def is_narrow(grant: Grant) -> bool:
    """Whether a line opens a single event type only, or goes to whom the fact itself names."""
    return grant.named_by is not None or (grant.events is not None and len(grant.events) == 1)


def categories_held(event_type: EventType) -> tuple[Category, ...]:
    """The categories that a fact of this type may have something in, sorted by name."""
    stated = {event_type.anchor, *(field.category for field in event_type.fields)} - {NEVER}
    held = {Category(category) for category in stated - {DOMAIN}}
    if DOMAIN in stated:
        held.update(CATEGORY_OF_DOMAIN.values())
    return categories_of(sum(BIT[category] for category in held))


def _number(rule_id: str) -> tuple[str, int]:
    letters = rule_id.rstrip("0123456789")
    return letters, int(rule_id[len(letters) :] or 0)


def _widest_standing(everybody: frozenset[str], coordinator: str | None, *, adult: bool) -> Standing:
    """A case in which all that opens something holds, and nothing that closes."""
    return Standing(
        custody=Custody(open=True, window_start=0, convicted=True, plan_duty=True),
        responsible=_MUNICIPALITY,
        coordinator=coordinator,
        adult=adult,
        probation_active=True,
        participants=everybody,
        risk_cooperation=RiskCooperation(in_force=True, radicalisation=True),
        address_protected=False,
        consents=(),
        consent_parties=frozenset(),
        health=Health(in_treatment=everybody, vulnerable=True),
        placements=(),
        open_glass=(),
        glass_deciders=frozenset(),
        glass_holders=frozenset(),
        agreements=(Agreement(_AGREEMENT, "", everybody, ALL_CATEGORIES, 0, None, ""),),
        cited_agreements=frozenset({_AGREEMENT}),
    )
