"""Default deny: take any permission, tag or name out of the policy data, add a field, and no field more leaves.

Every scenario of the oracle and the readings, at each instant of its views and a few others, for all its parties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import pytest

from contracts import event_types
from contracts.avro_schemas import Form, fields_of
from contracts.catalogue import catalogue
from contracts.categories import BIT, Category
from contracts.event_types import DOMAIN, NEVER, EventType, Field, Kind
from contracts.fact import Fact, Outline, outline_of
from contracts.failures import BadRuleSet
from hub.consent.decision import Decider
from hub.consent.policy import Policy
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set
from hub.consent.standing import Standing
from hub.disclosure import cutter
from hub.disclosure.cutter import cut
from hub.disclosure.settlement import mask_of_shown
from tests.consent.scenario_cases import PlayedCase
from tests.safety.checks import fresh, played
from tests.safety.removals import ALL_RELATIONS, relation_removals, rule_removals, term_removals

HOUR_MS: Final = 3_600_000
JURISDICTIONS: Final = ("DK", "SE")


@dataclass(frozen=True, slots=True)
class Look:
    """One case at one moment: what is live then, and the standing."""

    case: PlayedCase
    at: int
    standing: Standing
    live: tuple[tuple[Fact, Outline], ...]

    @property
    def name(self) -> str:
        """Which scenario, when."""
        return f"{self.case.playbook.scenario.id} at {self.at}"


Opened = dict[tuple[str, str, str], int]
"""(look, event, party) -> everything that the party is shown of another's event."""


@lru_cache(maxsize=2)
def looks(jurisdiction: str) -> tuple[Look, ...]:
    """Every case of the jurisdiction at the instants of its views, after its first and third event, and long after.

    Of two moments between which neither facts nor standing changed the first is enough.
    """
    found: list[Look] = []
    for case in map(fresh, played()):
        if case.playbook.scenario.jurisdiction == jurisdiction:
            for at in sorted(_instants(case)):
                look = Look(case, at, case.standing(at), tuple((fact, _outline(fact)) for fact in case.live(at)))
                last = found[-1] if found else None
                if not (last and last.case is case and last.standing == look.standing and last.live == look.live):
                    found.append(look)
    return tuple(found)


def _instants(case: PlayedCase) -> set[int]:
    recorded = sorted(fact.recorded_at for fact in case.facts)
    others = {recorded[0] + HOUR_MS, recorded[min(2, len(recorded) - 1)] + HOUR_MS, recorded[-1] + 100 * 24 * HOUR_MS}
    return others | {expectation.at for expectation in case.playbook.scenario.expectations}


def _outline(fact: Fact) -> Outline:
    return outline_of(fact, catalogue().event_types[fact.event_type])


def opened(looked: tuple[Look, ...], policies: Mapping[int, Policy], standings: bool = False) -> Opened:
    """All that is open, under `policies` (by case); `standings` derives these anew as well."""
    found: Opened = {}
    for look in looked:
        policy = policies[id(look.case)]
        standing = _standing_under(look, policy) if standings else look.standing
        decider = Decider(policy, standing)
        for _, outline in look.live:
            for party, shown in decider.decided(outline).items():
                if party != outline.party:
                    found[look.name, outline.event_id, party] = mask_of_shown(shown)
    return found


def _standing_under(look: Look, policy: Policy) -> Standing:
    case = fresh(look.case)
    case.__dict__["policy"] = policy
    return case.standing(look.at)


def as_they_are(looked: tuple[Look, ...]) -> dict[int, Policy]:
    """The policies of the cases."""
    return {id(look.case): look.case.policy for look in looked}


def under(looked: tuple[Look, ...], rules: Any) -> dict[int, Policy]:
    """The same with other rules."""
    return {id(look.case): Policy(rules, look.case.policy.registry) for look in looked}


def more(before: Opened, after: Opened) -> list[tuple[str, str, str]]:
    """Where more is open than before."""
    return [key for key, mask in after.items() if mask & ~before.get(key, 0)]


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
def test_without_any_rule_grant_category_or_event_nothing_more_leaves(jurisdiction: str) -> None:
    looked = looks(jurisdiction)
    before, fewer = opened(looked, as_they_are(looked)), 0
    for name, rules in rule_removals(looked[0].case.policy.rules):
        rule_id = name.removeprefix("rule ").partition(",")[0]
        # Only where the rule opens something can its loss be told; there all facts and parties are decided anew.
        concerned = tuple(look for look in looked if rule_id in _bases(look))
        after = opened(concerned, under(concerned, rules))
        assert more(before, after) == [], name
        names = {look.name for look in concerned}
        fewer += any(after.get(key, 0) != mask for key, mask in before.items() if key[0] in names)
    assert fewer > 10


_BASES: Final[dict[int, frozenset[str]]] = {}


def _bases(look: Look) -> frozenset[str]:
    known = _BASES.get(id(look))
    if known is None:
        decider = Decider(look.case.policy, look.standing)
        known = _BASES[id(look)] = frozenset(
            basis for _, outline in look.live for shown in decider.decided(outline).values() for basis, _ in shown
        )
    return known


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
def test_without_any_role_purpose_record_form_or_giver_nothing_more_leaves(jurisdiction: str) -> None:
    looked = looks(jurisdiction)[::3]
    before, differing = opened(looked, as_they_are(looked)), 0
    for name, rules in term_removals(looked[0].case.policy.rules):
        after = opened(looked, under(looked, rules), standings=True)
        assert more(before, after) == [], name
        differing += after != before
    assert differing > 10


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
def test_without_any_relation_nothing_more_leaves(jurisdiction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = looks(jurisdiction)
    before, names, differing = opened(looked, as_they_are(looked)), [], 0
    for name, table, nothing in relation_removals():
        with monkeypatch.context() as patch:
            patch.setitem(table, name, nothing)
            after = opened(looked, as_they_are(looked))
        assert more(before, after) == [], name
        names.append(name)
        differing += after != before
    assert sorted(names) == sorted(ALL_RELATIONS)
    assert differing > 5


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
def test_a_line_that_is_lost_from_the_rule_file_refuses_it_or_opens_nothing_more(jurisdiction: str) -> None:
    """Also a line that narrows: who, while, since, a never-rule, a gate."""
    looked = looks(jurisdiction)
    as_it_is = looked[0].case.policy.rules
    file = RULES_FOLDER / f"{as_it_is.id}.toml"
    lines = file.read_text(encoding="utf-8").splitlines()
    before, outcomes = opened(looked, as_they_are(looked)), Counter[str]()
    for number, line in enumerate(lines):
        text = "\n".join((*lines[:number], *lines[number + 1 :]))
        try:
            rules = replace(parse_rule_set(text.encode(), file.name), digest=as_it_is.digest)
            policies = under(looked, rules)
        except BadRuleSet:
            outcomes["refused"] += 1
            continue
        if rules == as_it_is:
            outcomes["says nothing"] += 1
            continue
        outcomes["opens no more"] += 1
        assert more(before, opened(looked, policies, standings=True)) == [], f"line {number + 1}: {line}"
    assert outcomes["refused"] > 200
    assert outcomes["opens no more"] > 5


def _stated_fields() -> Iterator[tuple[EventType, Field]]:
    """Every field that some scenario states, with a category of its own."""
    stated = {
        (fact.event_type, name)
        for jurisdiction in JURISDICTIONS
        for look in looks(jurisdiction)
        for fact, _ in look.live
        for name, value in fact.payload.items()
        if value is not None
    }
    for event_type, name in sorted(stated):
        contract = catalogue().event_types[event_type]
        if contract.field[name].category not in (DOMAIN, NEVER):
            yield contract, contract.field[name]


def _forms(contract: EventType, name: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What leaves of all facts of one event type, under `contract` instead of its own."""
    forms: dict[tuple[str, str, str], dict[str, Any]] = {}
    for look in looks("DK") + looks("SE"):
        facts = [fact for fact, _ in look.live if fact.event_type == name]
        decider = Decider(look.case.policy, look.standing) if facts else None
        for fact in facts:
            assert decider is not None
            for party, shown in decider.decided(outline_of(fact, contract)).items():
                if party != fact.party:
                    withheld = look.case.policy.withheld_fields(name, party)
                    form = cut(contract, fact.payload, mask_of_shown(shown), withheld)
                    if form is not None:
                        forms[look.name, fact.event_id, party] = form
    return forms


def test_a_field_without_its_category_is_gone_and_nothing_comes_in_its_place() -> None:
    usual: dict[str, dict[tuple[str, str, str], dict[str, Any]]] = {}
    gone = 0
    for contract, field in _stated_fields():
        before = usual.setdefault(contract.name, _forms(contract, contract.name))
        if not any(field.name in form for form in before.values()):
            continue
        unclassified = replace(field, category=NEVER)
        fields = tuple(unclassified if each is field else each for each in contract.fields)
        after = _forms(replace(contract, fields=fields), contract.name)
        for key, form in after.items():
            assert field.name not in form
            assert form.items() <= before[key].items(), f"{contract.name}.{field.name}"
        gone += 1
    assert gone > 100


def test_an_event_without_its_anchor_is_gone() -> None:
    for name in {contract.name for contract, _ in _stated_fields()}:
        assert _forms(replace(catalogue().event_types[name], anchor=NEVER), name) == {}


WiderCategory = StrEnum("WiderCategory", [*((each.name, each.value) for each in Category), ("ZZ", "ZZ")])  # type: ignore[misc]
"""The categories as they would be with one more."""


@pytest.mark.parametrize("category", [NEVER, "ZZ"])
def test_a_field_added_to_any_contract_changes_nothing_that_leaves(
    category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits: dict[str, int] = {**{str(each): bit for each, bit in BIT.items()}, WiderCategory("ZZ"): 1 << len(Category)}
    for module in (event_types, cutter):
        monkeypatch.setattr(module, "Category", WiderCategory)
        monkeypatch.setattr(module, "BIT", bits)
    added = Field("somethingNew", Kind.STRING, category, "Not in any rule.")
    compared = 0
    for look in looks("DK") + looks("SE"):
        decider, anew = (Decider(look.case.policy, look.standing) for _ in range(2))
        for fact, outline in look.live:
            contract = catalogue().event_types[fact.event_type]
            wider = replace(contract, fields=(*contract.fields, added))
            fuller = fact._replace(payload={**fact.payload, "somethingNew": "a secret"})
            after = anew.decided(outline_of(fuller, wider))
            for party, shown in decider.decided(outline).items():
                if party != fact.party:
                    mask, mask_after = mask_of_shown(shown), mask_of_shown(after[party])
                    assert mask_after == mask
                    assert cut(wider, fuller.payload, mask_after) == cut(contract, fact.payload, mask)
                    compared += 1
            assert set(after) == set(decider.decided(outline))
            if category == NEVER:
                assert fields_of(wider, Form.DISCLOSED) == fields_of(contract, Form.DISCLOSED)
    assert compared > 1_000
