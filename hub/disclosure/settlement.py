"""Settles a case: the fresh decision minus what the case's own decisions say was told.

Rules:
- Rights are derived anew whenever something they are derived from changed, or a moment passed at which they may
  change by time alone. Equal rights before and after: only the touched facts are decided. Else all of them are.
- What differs is recorded; it is sent only where the categories shown differ. A change of basis alone is not sent.
- A corrected fact is shown to nobody, a retracted one to its publisher only.
- A case that was merged into another shows nobody anything. While facts of another case are still coming in, nothing
  is shown that was not shown before: a consent may have come whose withdrawal has not.
- Whoever is no candidate any more, but was told, is taken back from.
- To a party that is told its case again, what it may see counts as not sent, and what it may not see stays unsaid.
- Changes come in one order: first what is taken back, then what is disclosed, each by fact and party.

Pure. `hub.shard` hands in the case and the time, and stores what comes out.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from contracts.civil_time import day_date
from contracts.fact import Outline
from contracts.failures import DamagedStore
from contracts.topics import HUB_PARTY
from hub.case_timeline.timeline import APART, CORRECTED, CaseTimeline, Death
from hub.consent.agreements import NO_AGREEMENTS, Agreements
from hub.consent.decision import Decider
from hub.consent.policy import Policy
from hub.consent.standing import Person, Standing, Superseded, derive, next_change
from hub.store.records import CitizenEnrolled, Shown

NOTHING: Final[Shown] = ()
NOBODY: Final[Mapping[str, Shown]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights in a case at one settlement, and until when they hold by themselves."""

    standing: Standing
    decider: Decider
    until: int | None
    standing_inputs: int
    agreements: Agreements = NO_AGREEMENTS

    def hold(self, case: CaseTimeline, at: int, agreements: Agreements = NO_AGREEMENTS) -> bool:
        """Whether nothing that these rights were derived from has changed up to `at`."""
        return (
            self.standing_inputs == case.standing_inputs
            and (self.until is None or at < self.until)
            and self.agreements is agreements
        )


class Change(NamedTuple):
    """What `party` may see of one fact now, where that differs from the newest decision, or is told `again`."""

    event_id: str
    party: str
    shown: Shown
    before: Shown
    again: bool = False

    @property
    def is_sent(self) -> bool:
        """Whether the receiver can see a difference, or may have lost what it was sent."""
        mask = mask_of_shown(self.shown)
        return mask != mask_of_shown(self.before) or (self.again and bool(mask))


@lru_cache(maxsize=4_096)
def mask_of_shown(shown: Shown) -> int:
    """Return the categories that `shown` opens, whatever the bases."""
    mask = 0
    for _, categories in shown:
        mask |= categories
    return mask


def rights_in(
    case: CaseTimeline,
    at: int,
    policy: Policy,
    next_policy_at: int | None = None,
    agreements: Agreements = NO_AGREEMENTS,
) -> Rights:
    """Derive the rights in `case` at `at`; they end with `policy`, at `next_policy_at`, at the latest.

    `agreements` are those of the case's jurisdiction; rules that ask for none do not look at them.
    """
    person = person_of(case)
    superseded = [Superseded(fact, until) for fact, until in case.superseded_gate_facts()]
    asked_for = agreements if policy.asks_for_agreements else NO_AGREEMENTS
    standing = derive(
        case.live_gate_facts(),
        case.held,
        case.publishers,
        person,
        at,
        policy,
        superseded,
        asked_for.in_force(at),
    )
    ends = [next_change(standing, at), next_policy_at, asked_for.next_change(at)]
    until = min((end for end in ends if end is not None), default=None)
    return Rights(standing, Decider(policy, standing), until, case.standing_inputs, agreements)


def person_of(case: CaseTimeline) -> Person:
    """What enrolment states about the citizen of a case."""
    if case.enrolled is None:
        raise DamagedStore("a case has facts before its enrolment")
    # A governance timeline is about no citizen: nobody's age decides anything in it.
    born = case.enrolled.birth_date if isinstance(case.enrolled, CitizenEnrolled) else 0
    return Person(day_date(born), case.enrolled.jurisdiction)


def renewed(
    case: CaseTimeline,
    before: Rights | None,
    at: int,
    policy: Policy,
    next_policy_at: int | None = None,
    agreements: Agreements = NO_AGREEMENTS,
) -> tuple[Rights, bool]:
    """Return the rights at `at`, and whether standing or policy differ from `before` (always, where there was none)."""
    if before is not None and before.hold(case, at, agreements):
        return before, False
    fresh = rights_in(case, at, policy, next_policy_at, agreements)
    if before is None or fresh.standing != before.standing or before.decider.policy is not policy:
        return fresh, True
    # The old decider has its tables compiled; the standing it was made for means the same.
    return Rights(before.standing, before.decider, fresh.until, fresh.standing_inputs, agreements), False


def differences(
    case: CaseTimeline, decider: Decider, event_ids: Iterable[str], again: Container[str] = ()
) -> list[Change]:
    """Return every difference between the fresh decision on `event_ids` and what was told of them, in order.

    The parties in `again` are told what they may see, whether they were told before or not.
    """
    changes = [change for event_id in event_ids for change in _differences_of(case, decider, event_id, again)]
    if case.joining:
        changes = [less for change in changes if (less := _narrowed(change)).is_sent]
    changes.sort(key=lambda change: (bool(change.shown), case.facts[change.event_id].version, change.party))
    return changes


def _differences_of(case: CaseTimeline, decider: Decider, event_id: str, again: Container[str]) -> list[Change]:
    fresh = shown_now(case, decider, event_id)
    told = case.told.get(event_id, NOBODY)
    changes = [
        Change(event_id, party, shown, told.get(party, NOTHING), party in again)
        for party, shown in fresh.items()
        if shown != told.get(party, NOTHING) or (shown and party in again)
    ]
    for party, before in told.items():
        if before and party not in fresh:
            changes.append(Change(event_id, party, NOTHING, before))
    return changes


def _narrowed(change: Change) -> Change:
    """The part of a change that takes something back."""
    return change._replace(shown=narrowed(change.shown, change.before))


def narrowed(shown: Shown, before: Shown) -> Shown:
    """Return what of `shown` was shown before: all that is, while facts of another case are still coming in."""
    shown_before = mask_of_shown(before)
    return tuple((basis, mask & shown_before) for basis, mask in shown if mask & shown_before)


def shown_now(case: CaseTimeline, decider: Decider, event_id: str) -> Mapping[str, Shown]:
    """Return who may see what of one fact of the case now, nobody with nothing."""
    if case.merged_into is not None:
        return NOBODY
    return decisions_on(case.facts[event_id].outline, case.dead.get(event_id), decider)


def decisions_on(outline: Outline, death: Death | None, decider: Decider) -> Mapping[str, Shown]:
    """Return who may see what of one fact now, nobody with nothing; `death` is how it died, if it did.

    The hub states facts too (reviews); it is no party of the registry and tells itself nothing.
    """
    if death is None:
        return decider.decided(outline)
    if death.how in (CORRECTED, *APART) or outline.party == HUB_PARTY:
        return {}
    return {outline.party: decider.shown(outline, outline.party)}
