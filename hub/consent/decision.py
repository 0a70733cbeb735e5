"""The decision: which categories of one fact a receiver may see, and on what basis.

Rules (domain specification, 4.1, in this order):
- A publisher's own fact comes back whole (`OWN`). A consent or governance record goes to those it names (`CO`).
- Never-rules close first. Then, for each category, the first that permits: the statutory rules in the rule set's
  order, the consents in the order in which they were given (`C:<id>`), break-glass (`BG`).
- Gates close rules, and some of them everything, for a role.
- Anchor (L1): unless the fact's anchor category is open, nothing of it is.
- A line may ask for an agreement in force; a role may be open to named rules only, and to no consent.
- What no line opens is closed. An unknown party, role, purpose, domain or name opens nothing.

Pure. A standing comes from `standing.derive`, an outline from `contracts.fact`; `Shown` goes to disclosure.
A decider belongs to one policy and one standing; it compiles what it is asked for once and keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from contracts.categories import ALL_CATEGORIES, BIT, NO_CATEGORY, Category
from contracts.fact import Outline
from contracts.parties import role_of_id
from hub.consent.agreements import UNDER, WITHIN_ITS_PERIOD, Agreement
from hub.consent.conditions import CONDITIONS, FACT_CONDITIONS, SINCE
from hub.consent.emergency import OpenGlass
from hub.consent.explanation import Reasoning, explained
from hub.consent.policy import Line, Policy
from hub.consent.relations import BETWEEN, NAMED_BY, WHO, WITHIN, plan_consent_recipients
from hub.consent.rule_set import Gate, Grant, Rule, Side
from hub.consent.standing import Standing

Shown = tuple[tuple[str, int], ...]
"""The open categories by basis: (basis, mask) pairs sorted by basis; empty where nothing is shown."""

OWN: Final = "OWN"
CONSENT_RECORD: Final = "CO"
BREAK_GLASS: Final = "BG"
CONSENT_BASIS: Final = "C:"
"""What stands before the consent's id in a basis."""
NOTHING: Final[Shown] = ()
_CO: Final = BIT[Category.CO]

FactTest = Callable[[Outline, str], bool]
FactLimit = Callable[[Outline], int]


@dataclass(frozen=True, slots=True)
class Opening:
    """One compiled line of a table: `basis` opens `mask` of facts from `not_before` (milliseconds) that pass."""

    basis: str
    mask: int
    not_before: int | None = None
    tests: tuple[FactTest, ...] = ()
    limit: FactLimit | None = None


class Decider:
    """Decides every fact of a case for one standing. Holds no case data beyond the standing."""

    def __init__(self, policy: Policy, standing: Standing) -> None:
        self.policy, self.standing = policy, standing
        self._who: dict[str, frozenset[str]] = {}
        self._tables: dict[tuple[str, str, str], tuple[Opening, ...]] = {}
        self._alike: dict[tuple[str, str, int, int], tuple[int, Mapping[str, Shown]]] = {}
        self._candidates: dict[tuple[str, str], frozenset[str]] = {}
        self._closed: dict[str, int] = {}
        self._held: dict[str, bool] = {}
        self._glass: dict[str, list[OpenGlass]] = {}
        for glass in standing.open_glass:
            self._glass.setdefault(glass.requester, []).append(glass)

    def decided(self, outline: Outline) -> Mapping[str, Shown]:
        """Return who may see what of the fact behind `outline`; nobody with nothing.

        Facts of one kind, alike in all that the tables ask, are decided once.
        """
        kind = (outline.party, outline.event_type, outline.categories, outline.anchor)
        known = self._alike.get(kind)
        if known is not None and outline.occurred_at >= known[0]:
            return known[1]
        candidates = self.candidates(outline)
        if outline.anchor == _CO:
            return {party: shown for party in candidates if (shown := self._record_shown(outline, party))}
        decided = {party: shown for party in candidates if (shown := self.shown(outline, party))}
        since = self._alike_since(outline, candidates)
        if since is not None and outline.occurred_at >= since:
            self._alike[kind] = (since, decided)
        return decided

    def _alike_since(self, outline: Outline, candidates: frozenset[str]) -> int | None:
        """Return from when on facts of this kind are all decided alike; `None` where each is judged on its own."""
        if outline.anchor == _CO or self._naming(outline):
            return None
        since = 0
        for receiver in candidates:
            for opening in self._table(outline.party, outline.event_type, receiver):
                if opening.tests or opening.limit is not None:
                    return None
                since = max(since, opening.not_before or 0)
        return since

    def _naming(self, outline: Outline) -> list[str]:
        """How the lines on facts of this kind say whom such a fact names, as far as there are such lines."""
        return [
            grant.named_by
            for _, grant in self.policy.lines_from(outline.event_type, outline.party)
            if grant.named_by is not None and self.holds(grant.conditions)
        ]

    def shown(self, outline: Outline, receiver: str) -> Shown:
        """Return what `receiver` may see of the fact behind `outline`, by basis."""
        if outline.anchor == _CO:
            goes_there = receiver == outline.party or receiver in self.record_parties(outline)
            return self._record_shown(outline, receiver) if goes_there else NOTHING
        if outline.party == receiver:
            return ((OWN, outline.categories),)
        found = self.opened(outline, receiver)
        if not found:
            return NOTHING
        # L1. An anchor without a category (an unknown domain) is never open.
        if not any(mask & outline.anchor for mask in found.values()):
            return NOTHING
        return tuple(sorted(found.items())) if len(found) > 1 else tuple(found.items())

    def opened(self, outline: Outline, receiver: str) -> dict[str, int]:
        """Return the categories that rules, consents and break-glass open by basis, before the anchor is asked for."""
        left, occurred_at = outline.categories, outline.occurred_at
        found: dict[str, int] = {}
        for opening in self._table(outline.party, outline.event_type, receiver):
            mask = left & opening.mask
            if not mask or (opening.not_before is not None and occurred_at < opening.not_before):
                continue
            if opening.tests and not all(test(outline, receiver) for test in opening.tests):
                continue
            if opening.limit is not None:
                mask &= opening.limit(outline)
                if not mask:
                    continue
            found[opening.basis] = found.get(opening.basis, NO_CATEGORY) | mask
            left &= ~mask
            if not left:
                break
        return found

    def explain(self, outline: Outline, receiver: str) -> list[Reasoning]:
        """Return, for each category that the fact has something in, why `receiver` is or is not shown it."""
        return explained(self, outline, receiver)

    def candidates(self, outline: Outline) -> frozenset[str]:
        """Return the registered parties worth asking about a fact, its publisher among them."""
        if outline.anchor == _CO:
            found = self.record_parties(outline)
        else:
            key = (outline.party, outline.event_type)
            standing_ones = self._candidates.get(key)
            if standing_ones is None:
                standing_ones = self._registered(self._candidates_of(*key) | {outline.party})
                self._candidates[key] = standing_ones
            found = standing_ones
            for name in self._naming(outline):
                found |= NAMED_BY[name](self.policy, self.standing, outline)
            if found is standing_ones:
                return found
        return self._registered(found | {outline.party})

    def _registered(self, parties: frozenset[str]) -> frozenset[str]:
        return frozenset(party for party in parties if party in self.policy.registry)

    def closed(self, receiver: str) -> int:
        """Return the categories that never-rules close to `receiver` now; all of them for an unknown role."""
        mask = self._closed.get(receiver)
        if mask is None:
            mask = self._closed[receiver] = self._never(receiver)
        return mask

    # --- compiling

    def _table(self, stated_by: str, event_type: str, receiver: str) -> tuple[Opening, ...]:
        key = (stated_by, event_type, receiver)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = self._compile(stated_by, event_type, receiver)
        return table

    def _compile(self, stated_by: str, event_type: str, receiver: str) -> tuple[Opening, ...]:
        open_to_it = ALL_CATEGORIES & ~self.closed(receiver) & ~_CO
        if not open_to_it or not self.may_receive(receiver, None):
            return ()
        lines = [
            opening
            for rule, grant in self.policy.lines_between(event_type, stated_by, receiver)
            if self.holds(grant.conditions) and self.grant_joins(rule, grant, stated_by, receiver)
            for opening in self._openings(rule, grant, open_to_it, stated_by, receiver)
        ]
        if not self._is_open_by_named_rules_only(receiver):
            lines += self._lines_of_the_case(stated_by, receiver, open_to_it)
        return tuple(line for line in lines if line.mask)

    def _is_open_by_named_rules_only(self, receiver: str) -> bool:
        terms = self.policy.terms_of(receiver)
        return terms is None or terms.only_by is not None

    def _lines_of_the_case(self, stated_by: str, receiver: str, open_to_it: int) -> list[Opening]:
        """What consents and break-glass open."""
        lines = self._consent_openings(stated_by, receiver, open_to_it)
        by_glass = NO_CATEGORY
        for glass in self._glass.get(receiver, ()):
            if glass.sources is None or stated_by in glass.sources:
                by_glass |= glass.categories
        lines.append(Opening(BREAK_GLASS, by_glass & open_to_it))
        return lines

    def _openings(self, rule: Rule, grant: Grant, open_to_it: int, stated_by: str, receiver: str) -> list[Opening]:
        opening = self._opening(rule, grant, open_to_it)
        if grant.under is None:
            return [opening]
        bounded = grant.under in WITHIN_ITS_PERIOD
        return [_under(opening, one, bounded) for one in UNDER[grant.under](self.standing, stated_by, receiver)]

    def _opening(self, rule: Rule, grant: Grant, open_to_it: int) -> Opening:
        policy, standing = self.policy, self.standing
        tests: list[FactTest] = []
        if grant.named_by is not None:
            named_by = NAMED_BY[grant.named_by]
            tests.append(lambda outline, receiver: receiver in named_by(policy, standing, outline))
        if grant.facts:
            conditions = [FACT_CONDITIONS[name] for name in grant.facts]
            tests.append(lambda outline, _: all(condition(standing, outline) for condition in conditions))
        limit = None if grant.within is None else partial(WITHIN[grant.within], policy, standing)
        mask = grant.categories & open_to_it
        not_before = None
        if grant.since is not None:
            not_before = SINCE[grant.since](standing)
            if not_before is None:
                mask = NO_CATEGORY
        return Opening(rule.id, mask, not_before, tuple(tests), limit)

    def _consent_openings(self, stated_by: str, receiver: str, open_to_it: int) -> list[Opening]:
        terms = self.policy.terms_of_role(receiver)
        implied = self.policy.rules.consent.implied.get(role_of_id(stated_by), NO_CATEGORY)
        return [
            Opening(CONSENT_BASIS + consent.consent_id, consent.opens & open_to_it, consent.data_from)
            for consent in self.standing.consents
            if terms is not None
            and receiver in consent.recipients
            and stated_by in consent.sources
            and terms.purpose in consent.purposes
            and not implied & ~consent.listed
        ]

    # --- the parts of a decision, also read by explanations

    def consent_behind(self, basis: str, outline: Outline) -> str | None:
        """Return the consent on which a basis rests for one fact: its own, or for a joint plan that of the plan."""
        if basis.startswith(CONSENT_BASIS):
            return basis.removeprefix(CONSENT_BASIS)
        consent_id = self._plan_consent(outline)
        return consent_id if consent_id and any(rule.id == basis for rule, _ in self._plan_lines(outline)) else None

    def _plan_lines(self, outline: Outline) -> list[Line]:
        """The lines of the rules under which a joint plan goes to the recipients of its consent."""
        lines = self.policy.lines_from(outline.event_type, outline.party)
        return [(rule, grant) for rule, grant in lines if grant.named_by == plan_consent_recipients.__name__]

    @staticmethod
    def _plan_consent(outline: Outline) -> str | None:
        consent_id = outline.references.get("consentId")
        return consent_id if isinstance(consent_id, str) else None

    def consent_opens(self, consent_id: str, outline: Outline, receiver: str) -> int:
        """Return what a consent opens of one fact to `receiver`; gates, never-rules and the registry left aside."""
        mask = self._opened_with_plan(outline, receiver) if self._plan_consent(outline) == consent_id else NO_CATEGORY
        for opening in self._consent_openings(outline.party, receiver, ALL_CATEGORIES):
            if opening.basis == CONSENT_BASIS + consent_id and outline.occurred_at >= (opening.not_before or 0):
                mask |= opening.mask
        return mask

    def _opened_with_plan(self, outline: Outline, receiver: str) -> int:
        mask = NO_CATEGORY
        if receiver in plan_consent_recipients(self.policy, self.standing, outline):
            for rule, grant in self._plan_lines(outline):
                if self.on_side(grant.to, receiver):
                    opening = self._opening(rule, grant, ALL_CATEGORIES)
                    mask |= opening.mask if opening.limit is None else opening.mask & opening.limit(outline)
        return mask

    def holds(self, conditions: tuple[str, ...]) -> bool:
        """Return whether every named condition holds of the case now."""
        return all(self._holds(name) for name in conditions)

    def _holds(self, name: str) -> bool:
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = CONDITIONS[name](self.standing)
        return held

    def parties_in(self, who: str) -> frozenset[str]:
        """Return the parties that stand in the named relation to the case."""
        found = self._who.get(who)
        if found is None:
            found = self._who[who] = WHO[who](self.policy, self.standing)
        return found

    def on_side(self, side: Side, party: str) -> bool:
        """Return whether `party` is on one side of a grant."""
        return side.has_role(role_of_id(party)) and (side.who is None or party in self.parties_in(side.who))

    def grant_joins(self, rule: Rule, grant: Grant, stated_by: str, receiver: str) -> bool:
        """Return whether a grant leads from `stated_by` to `receiver`, gates included."""
        return (
            self.on_side(grant.stated_by, stated_by)
            and self.on_side(grant.to, receiver)
            and self.may_receive(receiver, rule.id)
            and (grant.between is None or BETWEEN[grant.between](self.standing, stated_by, receiver))
        )

    def closed_gate(self, receiver: str, rule_id: str | None) -> Gate | None:
        """Return a gate that closes `rule_id` (`None`: everything) to `receiver`, if one does."""
        role = role_of_id(receiver)
        for gate in self.policy.rules.gates:
            holds_for_it = gate.rules is None or (rule_id is not None and rule_id in gate.rules)
            if role in gate.roles and holds_for_it:
                inside = gate.who is None or receiver in self.parties_in(gate.who)
                if not (inside and self.holds(gate.conditions)):
                    return gate
        return None

    def may_receive(self, receiver: str, rule_id: str | None) -> bool:
        """Return whether no gate closes `rule_id` (`None`: everything) to `receiver`."""
        return self.closed_gate(receiver, rule_id) is None

    def _never(self, receiver: str) -> int:
        terms = self.policy.terms_of(receiver)
        if terms is None:
            return ALL_CATEGORIES
        mask, role = terms.never, role_of_id(receiver)
        for never in self.policy.rules.never:
            if (never.roles is None or role in never.roles) and self.holds(never.conditions):
                exempt = any(
                    self.on_side(line.to, receiver) and self.holds(line.conditions) for line in never.exemptions
                )
                mask |= NO_CATEGORY if exempt else never.categories
        return mask

    # --- who to ask

    def _candidates_of(self, stated_by: str, event_type: str) -> frozenset[str]:
        found: set[str] = set()
        for _, grant in self.policy.lines_from(event_type, stated_by):
            if grant.under is not None and not self.standing.agreements:
                continue
            if grant.named_by is None and self.holds(grant.conditions) and self.on_side(grant.stated_by, stated_by):
                found |= self._members(grant.to)
        for consent in self.standing.consents:
            if stated_by in consent.sources:
                found |= consent.recipients
        return frozenset(found | self._glass.keys())

    def _members(self, side: Side) -> frozenset[str]:
        by_role = self.policy.by_role
        if side.who is not None:
            return frozenset(party for party in self.parties_in(side.who) if side.has_role(role_of_id(party)))
        roles = by_role if side.roles is None else side.roles
        return frozenset[str]().union(*(by_role.get(role, frozenset()) for role in roles if side.has_role(role)))

    # --- consent and governance records

    def record_parties(self, outline: Outline) -> frozenset[str]:
        """Return the parties to which a consent or governance record goes."""
        named_by = self.policy.rules.records.get(outline.event_type, ())
        return frozenset[str]().union(*(NAMED_BY[name](self.policy, self.standing, outline) for name in named_by))

    def may_get_record(self, event_type: str, receiver: str) -> bool:
        """Return whether records of this type may go to the role of `receiver`, if they name it."""
        terms = self.policy.terms_of(receiver)
        return terms is not None and (terms.only_by is None or event_type in terms.only_records)

    def _record_shown(self, outline: Outline, receiver: str) -> Shown:
        """What its publisher, or a party to which it goes, is shown of a record."""
        if outline.party == receiver:
            return ((OWN, outline.categories),)
        if not self.may_get_record(outline.event_type, receiver):
            return NOTHING
        return ((CONSENT_RECORD, outline.categories & _CO),)


def _under(opening: Opening, agreement: Agreement, bounded: bool) -> Opening:
    """The part of an opening that rests on one agreement; `bounded`: for facts of its period only."""
    not_before, tests = opening.not_before, opening.tests
    if bounded:
        not_before = max(not_before or agreement.start, agreement.start)
        if agreement.end is not None:
            end = agreement.end
            tests = (*tests, lambda outline, _: outline.occurred_at < end)
    return Opening(opening.basis, opening.mask & agreement.categories, not_before, tests, opening.limit)
