"""What may be taken out of the policy data, one thing at a time: rules, grants, categories, events, purposes, roles.

Rules:
- Each removal takes away a permission or a part of one. Never-rules, gates, exceptions and conditions are no
  permissions: without them more is open, and they are left alone here.
- A named relation is removed by finding nobody (or nothing) any more.

Used by `test_default_deny`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from contracts.categories import BIT, NO_CATEGORY, Category
from hub.consent import relations
from hub.consent.rule_set import Grant, Rule, RuleSet

NOBODYS_PURPOSE: Final = "NOBODYS_PURPOSE"


def rule_removals(rules: RuleSet) -> Iterator[tuple[str, RuleSet]]:
    """The rule set without one rule, one grant, one category or one event of a grant."""
    for rule in rules.rules:
        yield f"rule {rule.id}", _with(rules, rule, ())
        for number, grant in enumerate(rule.grants, 1):
            name = f"{rule.id}, grant {number}"
            if len(rule.grants) > 1:
                yield name, _with(rules, rule, tuple(each for each in rule.grants if each is not grant))
            for category in Category:
                if grant.categories & BIT[category] and grant.categories != BIT[category]:
                    less = replace(grant, categories=grant.categories & ~BIT[category])
                    yield f"{name}, {category}", _changed(rules, rule, grant, less)
            if grant.events is not None and len(grant.events) > 1:
                for event in sorted(grant.events):
                    less = replace(grant, events=grant.events - {event})
                    yield f"{name}, {event}", _changed(rules, rule, grant, less)


def _with(rules: RuleSet, rule: Rule, grants: tuple[Grant, ...]) -> RuleSet:
    fewer = tuple(replace(rule, grants=grants) if each is rule else each for each in rules.rules)
    return replace(rules, rules=fewer)


def _changed(rules: RuleSet, rule: Rule, old: Grant, new: Grant) -> RuleSet:
    return _with(rules, rule, tuple(new if each is old else each for each in rule.grants))


def term_removals(rules: RuleSet) -> Iterator[tuple[str, RuleSet]]:
    """The rule set without one role, purpose, openable category, record, form or giver of a consent."""
    for name, role in rules.roles.items():
        others = {each: terms for each, terms in rules.roles.items() if each != name}
        yield f"role {name}", replace(rules, roles=others)
        without_purpose = {**rules.roles, name: replace(role, purpose=NOBODYS_PURPOSE)}
        yield f"purpose of {name}", replace(rules, roles=without_purpose)
        if role.break_glass:
            yield f"break-glass of {name}", replace(rules, roles={**rules.roles, name: replace(role, break_glass=0)})
    for event in rules.records:
        yield (
            f"record {event}",
            replace(rules, records={each: to for each, to in rules.records.items() if each != event}),
        )
    consent = rules.consent
    yield "joint planning", replace(rules, consent=replace(consent, joint_planning_purpose=NOBODYS_PURPOSE))
    for form in sorted(consent.forms):
        yield f"form {form}", replace(rules, consent=replace(consent, forms=consent.forms - {form}))
    for field in ("givers_under_consent_age", "givers_from_consent_age", "givers_adult"):
        for giver in sorted(getattr(consent, field)):
            fewer: dict[str, Any] = {field: getattr(consent, field) - {giver}}
            yield f"{field} {giver}", replace(rules, consent=replace(consent, **fewer))
    yield (
        "health parties",
        replace(rules, health=replace(rules.health, parties=frozenset(), parties_if_provider=frozenset())),
    )


def relation_removals() -> Iterator[tuple[str, dict[str, Any], Callable[..., object]]]:
    """Each named relation: its name, the table that it stands in, and what stands in its place when it is gone."""
    tables: tuple[tuple[Any, Callable[..., object]], ...] = (
        (relations.WHO, lambda policy, standing: frozenset()),
        (relations.NAMED_BY, lambda policy, standing, outline: frozenset()),
        (relations.WITHIN, lambda policy, standing, outline: NO_CATEGORY),
        (relations.BETWEEN, lambda standing, stated_by, to: False),
    )
    for table, nothing in tables:
        for name in table:
            yield name, table, nothing


ALL_RELATIONS: Final = (*relations.WHO, *relations.NAMED_BY, *relations.WITHIN, *relations.BETWEEN)
