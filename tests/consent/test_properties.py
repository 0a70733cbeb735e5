"""What must hold of every history: order, turning points, candidates, and that less permission never opens more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.categories import ALL_CATEGORIES, BIT, Category
from contracts.parties import PartyRegistry
from hub.consent.decision import Decider, Shown
from hub.consent.policy import Policy, load_policy
from hub.consent.standing import Standing, next_change
from tests.consent.histories import END, PARTIES, REGISTRY, History, histories, moments

POLICIES = {jurisdiction: load_policy(jurisdiction, REGISTRY) for jurisdiction in ("DK", "SE")}
in_each_jurisdiction = pytest.mark.parametrize("jurisdiction", ["DK", "SE"])
often = settings(max_examples=40, deadline=None)


def union(shown: Shown) -> int:
    mask = 0
    for _, categories in shown:
        mask |= categories
    return mask


def shown_everywhere(history: History, at: int, policy: Policy, standing: Standing) -> dict[tuple[str, str], Shown]:
    decider = Decider(policy, standing)
    return {
        (outline.event_id, party): decider.shown(outline, party)
        for outline in history.outlines(at)
        for party in PARTIES
    }


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_nobody_outside_the_candidates_is_ever_permitted(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    decider = Decider(policy, history.standing(at, policy))
    for outline in history.outlines(at):
        candidates = decider.candidates(outline)
        for party in PARTIES:
            assert party in candidates or not decider.shown(outline, party)


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_the_next_change_is_never_late(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    standing = history.standing(at, policy)
    until = next_change(standing, at)
    assert until is None or until > at
    last = (until or END + 400 * 86_400_000) - 1
    probes = {at, last, *(data.draw(st.integers(at, last)) for _ in range(3))}
    for probe in probes:
        assert history.standing(probe, policy, known_at=at) == standing


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_a_standing_does_not_depend_on_the_order_of_facts(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    standing = history.standing(at, policy)
    backwards = history.standing(at, policy, reverse=True)
    shuffled = History(tuple(data.draw(st.permutations(history.facts))), history.person).standing(at, policy)
    assert standing == backwards == shuffled
    assert hash(standing) == hash(backwards)
    assert standing.turning_points == backwards.turning_points == shuffled.turning_points


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_a_rule_less_never_opens_more(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    rule = data.draw(st.sampled_from(policy.rules.rules))
    less = replace(rule, grants=rule.grants[1:])
    rules = tuple(less if each is rule else each for each in policy.rules.rules)
    poorer = Policy(replace(policy.rules, rules=rules), REGISTRY)
    standing = history.standing(at, policy)
    before = shown_everywhere(history, at, policy, standing)
    after = shown_everywhere(history, at, poorer, standing)
    assert all(not union(after[key]) & ~union(before[key]) for key in before)


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_a_consent_category_less_never_opens_more(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    gone = data.draw(st.sampled_from(Category)).value
    narrowed = tuple(
        fact._replace(payload={**fact.payload, "categories": [c for c in fact.payload["categories"] if c != gone]})
        if fact.event_type in ("ConsentGiven", "ConsentAmended")
        else fact
        for fact in history.facts
    )
    poorer = History(narrowed, history.person)
    before = shown_everywhere(history, at, policy, history.standing(at, policy))
    after = shown_everywhere(poorer, at, policy, poorer.standing(at, policy))
    assert all(not union(after[key]) & ~union(before[key]) for key in before)


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments, gone=st.sampled_from(PARTIES))
def test_who_leaves_changes_nothing_for_the_others(jurisdiction: str, data: st.DataObject, at: int, gone: str) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    later = Policy(policy.rules, PartyRegistry.of(replace(party, left=party.id == gone) for party in REGISTRY))
    before = shown_everywhere(history, at, policy, history.standing(at, policy))
    after = shown_everywhere(history, at, later, history.standing(at, later))
    others = [(event_id, party) for event_id, party in before if party != gone]
    assert [after[each] for each in others] == [before[each] for each in others]
    decider = Decider(later, history.standing(at, later))
    assert not any(gone in decider.decided(outline) for outline in history.outlines(at))


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_what_is_shown_has_its_anchor_and_no_never_category(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    standing = history.standing(at, policy)
    decider = Decider(policy, standing)
    for outline in history.outlines(at):
        for party in PARTIES:
            shown = decider.shown(outline, party)
            assert [basis for basis, _ in shown] == sorted({basis for basis, _ in shown})
            if not shown or party == outline.party:
                continue
            terms = policy.terms_of(party)
            assert terms is not None or shown[0][0] == "CO"
            assert union(shown) & outline.anchor == outline.anchor
            assert not union(shown) & ~outline.categories
            assert terms is None or not union(shown) & terms.never
            if not standing.custody.open and policy.role_of(party) in ("PRI", "PHE"):
                assert shown == (("CO", BIT[Category.CO]),)


@in_each_jurisdiction
@often
@given(data=st.data(), at=moments)
def test_every_answer_can_be_explained_and_agrees(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    decider = Decider(policy, history.standing(at, policy))
    known = {fact.event_id for fact in history.known(at)}
    for outline in history.outlines(at)[:6]:
        for party in PARTIES:
            reasons = decider.explain(outline, party)
            by_basis: dict[str, int] = {}
            for reason in reasons:
                assert reason.sentences
                assert set(reason.events) <= known
                if reason.basis is not None:
                    by_basis[reason.basis] = by_basis.get(reason.basis, 0) | BIT[reason.category]
            assert tuple(sorted(by_basis.items())) == decider.shown(outline, party)
            assert sum(BIT[reason.category] for reason in reasons) == outline.categories & ALL_CATEGORIES
