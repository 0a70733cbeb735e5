"""I3: do the prison's plan and the municipality's plan match?

Rules (domain specification, 6, I3):
- The prison's plan is the latest sentence plan; the municipality's the latest joint plan, else the latest municipal
  plan. A joint plan that is only proposed, or ended, is none; the end of another plan does not end it.
- Compared are the domains of items that are not dropped, offending left out: difference / union; 0 where both are
  empty, 1 where exactly one plan exists.
- A day is judged at 12:00. Mismatch days are the days in custody on which the plans differ at all.

Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from contracts.fact import Fact
from hub.continuity.case import KnownCase, Share


class Plan(NamedTuple):
    """A plan in force: whether there is one, and its items."""

    exists: bool
    items: tuple[Mapping[str, Any], ...]

    def goals(self, case: KnownCase) -> dict[str, set[str]]:
        """The goals of the items that count, by domain."""
        goals: dict[str, set[str]] = {}
        for item in self.items:
            if item["status"] != case.terms.dropped_item and item["domain"] not in case.terms.domains_left_out:
                goals.setdefault(item["domain"], set()).add(item["goal"])
        return goals


NO_PLAN = Plan(exists=False, items=())


def sentence_plan(case: KnownCase, at: int) -> Plan:
    """The prison's plan at `at`."""
    return _latest(case, at, case.terms.sentence_plan_by, frozenset())


def joint_plan(case: KnownCase, at: int) -> Plan:
    """The joint plan at `at`."""
    return _latest(case, at, case.terms.joint_plan_by, case.terms.joint_plan_ended_by)


def municipal_plan(case: KnownCase, at: int) -> Plan:
    """The plan that stands for the municipality at `at`: joint, else its own."""
    joint = joint_plan(case, at)
    return joint if joint.exists else _latest(case, at, case.terms.municipal_plan_by, frozenset())


def mismatch(case: KnownCase, at: int) -> Fraction:
    """I3 at an instant, 0 to 1."""
    prison, municipality = sentence_plan(case, at), municipal_plan(case, at)
    if prison.exists != municipality.exists:
        return Fraction(1)
    ours, theirs = prison.goals(case).keys(), municipality.goals(case).keys()
    return Fraction(len(ours ^ theirs), len(ours | theirs)) if ours | theirs else Fraction(0)


def goal_mismatch(case: KnownCase, at: int) -> Share:
    """I3goal: of the domains in both plans, those with different goals."""
    ours, theirs = sentence_plan(case, at).goals(case), municipal_plan(case, at).goals(case)
    common = ours.keys() & theirs.keys()
    return Share(sum(ours[domain] != theirs[domain] for domain in common), len(common))


def mismatch_days(case: KnownCase, start: int, until: int) -> int:
    """The days in custody, from `start` before `until`, on which the plans differ at 12:00."""
    terms = case.terms
    types = terms.sentence_plan_by | terms.joint_plan_by | terms.joint_plan_ended_by | terms.municipal_plan_by
    changes = [case.happened(fact) for fact in case.of_types(*types) if start < case.happened(fact) < until]
    edges = [start, *changes, until]
    return sum(
        _noons(case, since, before)
        for since, before in itertools.pairwise(edges)
        if since < before and mismatch(case, since) > 0
    )


def _noons(case: KnownCase, since: int, before: int) -> int:
    return sum(since <= case.noon(day) < before for day in range(case.day(since), case.day(before) + 1))


def _latest(case: KnownCase, at: int, begun_by: Iterable[str], ended_by: frozenset[str]) -> Plan:
    latest: Fact | None = None
    for fact in case.of_types(*begun_by, *ended_by):
        if case.happened(fact) > at:
            continue
        if fact.event_type not in ended_by:
            latest = fact
        elif latest is not None and latest.payload["planId"] == fact.payload["planId"]:
            latest = None
    if latest is None:
        return NO_PLAN
    return Plan(exists=True, items=tuple(latest.payload.get("items") or ()))
