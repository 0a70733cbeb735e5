"""Which consents have stopped opening something that a party was shown on their basis, and since when.

Rules (domain specification, 4.4):
- A party loses by a consent what it was shown on the basis of it, also while another basis stood beside or came after
  it, and is not shown any more, as far as the consent itself no longer opens it to that party: withdrawn, invalidated,
  lapsed by time or on a birthday, amended without the party, the source or the category, or lost with the municipality.
  Which of several bases ended first may rest on what the party does not see. Where it was hidden between, a consent
  that ended before it was shown again was told to have ended then.
- A consent is one under every id that it ever had: it ends once, and not by the correction of its id.
- A joint plan is shown by a rule of law that itself asks for the plan's consent: what it showed rested on that consent.
- What a gate, a never-rule, a correction or a retraction takes away, while the consent stands as it was, is no ending;
  nor is what another rule goes on showing.
- What was taken away so before is lost by the consent when that ends: the party still has what it was sent, and is to
  remove it, the first words of a correction too. Asked only where the rights in the case have changed, which decides
  all of it anyway.
- What leaves with another case together with its consent has not ended (`handing_over`).
- The ending is dated by the first moment at which the party, as known then, was no longer shown it. That moment is
  the party's own loss: no other fact of the case moves it. What was hidden before is lost when the consent ends.
- What a settlement knew is what stands before it on the timeline: another record may bear the same millisecond.

Pure. Changes come from `settlement`; the shard tells the parties (`hub.shard.notices`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, cached_property, reduce
from itertools import chain
from operator import or_
from typing import Final, NamedTuple

from contracts.categories import ALL_CATEGORIES
from contracts.fact import Outline
from hub.case_timeline.bases import Settled, joined
from hub.case_timeline.consent_ids import ids_of_consents
from hub.case_timeline.merges import left_with_another
from hub.case_timeline.timeline import CaseTimeline, first_recorded_at
from hub.consent.decision import Decider
from hub.consent.policy import Policy
from hub.consent.standing import Superseded, derive, next_change
from hub.disclosure.settlement import NOBODY, NOTHING, Change, mask_of_shown, person_of, shown_now

PolicyAt = Callable[[int], tuple[Policy, int | None]]
"""The policy in force at an instant, and when the next one comes into force."""
MOMENTS_MAX: Final = 64
"""Among how many moments since the last settlement the first one is looked for at which something has ended.

And of how many earlier settlements it is asked what a consent opened then."""
Look = tuple[Decider, int | None]
"""What the case meant at a moment, and until when that held by itself."""
Holds = Callable[[Decider], bool]
"""What is asked of the case as it was decided at a moment."""


Ids = tuple[str, ...]
"""A consent, by every id that it ever had, in order."""


class Loss(NamedTuple):
    """`mask`: what a party was shown of one fact on the basis of a consent, and is not shown any more."""

    outline: Outline
    mask: int


class Behind:
    """The consents on which bases rest."""

    def __init__(self, case: CaseTimeline, decider: Decider) -> None:
        self._case, self._decider = case, decider

    @cached_property
    def _ids(self) -> Mapping[str, frozenset[str]]:
        return ids_of_consents(self._case)

    def of(self, masks: Mapping[str, int], outline: Outline) -> Iterator[tuple[Ids, int]]:
        """Each of `masks` that rests on a consent for a fact, with the consent."""
        for basis, mask in sorted(masks.items()):
            if consent_id := self._decider.consent_behind(basis, outline):
                yield tuple(sorted(self._ids.get(consent_id, (consent_id,)))), mask


class Earlier:
    """What consents opened as a case was settled before: each settlement derived once, and `MOMENTS_MAX` of them.

    At any other they count as having opened all: an end is told again rather than never.
    """

    def __init__(self, case: CaseTimeline, policy_at: PolicyAt) -> None:
        self._case, self._policy_at = case, policy_at
        self._known: dict[Settled, Decider] = {}

    def opened(self, settled: Settled, consent: Ids, outline: Outline, party: str) -> int:
        """The categories that a consent opened of a fact."""
        if settled not in self._known and len(self._known) >= MOMENTS_MAX:
            return ALL_CATEGORIES
        if settled not in self._known:
            self._known[settled], _ = as_settled(self._case, settled, self._policy_at)
        return opened(self._known[settled], consent, outline, party)


def endings(
    case: CaseTimeline, decider: Decider, changes: Iterable[Change], policy_at: PolicyAt
) -> Mapping[tuple[Ids, str], tuple[Loss, ...]]:
    """Return what was lost, by (consent, party), in that order."""
    found: dict[tuple[Ids, str], list[Loss]] = {}
    earlier, behind = Earlier(case, policy_at), Behind(case, decider)
    left = cache(lambda consent_id: left_with_another(case, {"consentId": consent_id}) is not None)
    for change in changes:
        lost = mask_of_shown(change.before) & ~mask_of_shown(change.shown)
        if not lost:
            continue
        outline = case.facts[change.event_id].outline
        for consent, mask in _shown_by_consents(case, behind, change, earlier):
            if case.is_unlinked(change.event_id) and all(map(left, consent)):
                continue
            loss = Loss(outline, mask & lost)
            if loss.mask and not _opens(decider, consent, change.party, (loss,)):
                found.setdefault((consent, change.party), []).append(loss)
    return {key: tuple(losses) for key, losses in sorted(found.items())}


def _shown_by_consents(
    case: CaseTimeline, behind: Behind, change: Change, earlier: Earlier
) -> Iterator[tuple[Ids, int]]:
    """Each consent on which something rested until now that the party was shown of a fact, and the categories."""
    line, outline, former = (change.event_id, change.party), case.facts[change.event_id].outline, case.former_bases
    yield from behind.of(joined(former.kept.get(line, {}).items(), change.before), outline)
    for settled, masks in former.shown_again.get(line, {}).items():
        for consent, mask in behind.of(masks, outline):
            # What it opened no more was hidden when it ended, and was told then.
            yield consent, mask & earlier.opened(settled, consent, outline, change.party)


def hidden_endings(
    case: CaseTimeline, decider: Decider, policy_at: PolicyAt
) -> Mapping[tuple[Ids, str], tuple[Loss, ...]]:
    """Return what was hidden before and its consent opened at the last settlement still, but would not open now.

    Not what is shown again by now. By (consent, party), in that order.
    """
    found: dict[tuple[Ids, str], list[Loss]] = {}
    shown_of = cache(lambda event_id: NOBODY if case.joining else shown_now(case, decider, event_id))
    behind = Behind(case, decider)
    for (event_id, party), bases in case.former_bases.taken_back.items():
        if case.is_unlinked(event_id):
            continue
        outline = case.facts[event_id].outline
        hidden = ~mask_of_shown(shown_of(event_id).get(party, NOTHING))
        for consent, mask in behind.of(bases, outline):
            if lost := mask & hidden & ~opened(decider, consent, outline, party):
                found.setdefault((consent, party), []).append(Loss(outline, lost))
    if not found:
        return {}
    # Most of these ended long ago, and were told then.
    before, _ = as_settled(case, case.settled, policy_at)
    told_now = {
        (consent, party): tuple(
            Loss(outline, then) for outline, mask in losses if (then := mask & opened(before, consent, outline, party))
        )
        for (consent, party), losses in sorted(found.items())
    }
    return {key: losses for key, losses in told_now.items() if losses}


def open_again(case: CaseTimeline, decider: Decider) -> frozenset[tuple[str, str]]:
    """Return (consent id, party) where a consent opens now all that it ever showed the party and that was taken away.

    Under each id of the consent; none where nothing was.
    """
    lost: dict[tuple[Ids, str], list[Loss]] = {}
    former, behind = case.former_bases, Behind(case, decider)
    again = ((line, masks) for line, parts in former.shown_again.items() for masks in parts.values())
    for (event_id, party), masks in chain(former.taken_back.items(), again):
        if not case.is_unlinked(event_id):
            outline = case.facts[event_id].outline
            for consent, mask in behind.of(masks, outline):
                lost.setdefault((consent, party), []).append(Loss(outline, mask))
    return frozenset(
        (consent_id, party)
        for (consent, party), losses in lost.items()
        if _opens(decider, consent, party, losses)
        for consent_id in consent
    )


def still_shown(party: str, losses: tuple[Loss, ...]) -> Holds:
    """Ask whether `party` is shown all of `losses`."""
    return lambda decider: _shows(decider, party, losses)


def still_opened(consent: Ids, party: str, losses: tuple[Loss, ...]) -> Holds:
    """Ask whether the consent would open all of `losses` to `party`, whatever a gate hides."""
    return lambda decider: _opens(decider, consent, party, losses)


def ended_at(
    case: CaseTimeline, holding: Mapping[tuple[Ids, str], Holds], clock: int, policy_at: PolicyAt
) -> Mapping[tuple[Ids, str], int]:
    """Return since when (milliseconds) each of `holding` holds no more, by the same keys.

    It is looked for after the last settlement; where the rules themselves are others by now, it is `clock`. Among few
    moments the first such one is found; among many the last, by halving: what the case meant at a moment is derived
    from all of it, and what one party states must not make that its square. Derived once for all that is asked.
    """
    moments = {fact.recorded_at for fact in case.gate_facts.values()} | {death.at for death in case.dead.values()}
    moments = {each for each in moments if case.settled.at < each <= clock}
    if any(case.facts[each].record.recorded_at <= case.settled.at for each in _new_and_old(case, case.settled)):
        moments.add(case.settled.at)
    in_order, settled = sorted(moments), as_settled(case, case.settled, policy_at)
    as_known = cache(lambda at: _as_known(case, at, policy_at))
    return {key: _ended(holds, settled, in_order, clock, as_known) for key, holds in holding.items()}


def _ended(holds: Holds, settled: Look, moments: Sequence[int], clock: int, as_known: Callable[[int], Look]) -> int:
    """Since when something holds no more that held when the case was `settled`; `moments` came after it, in order."""
    decider, until = settled
    if not holds(decider):
        return clock
    place = 0
    if len(moments) > MOMENTS_MAX:
        place = bisect_left(moments, True, key=lambda at: not holds(as_known(at)[0]))
        until = as_known(moments[place - 1])[1] if place else until
    while True:
        to_come = [until] if until is not None and until <= clock else []
        to_come += moments[place : place + 1]
        if not to_come:
            return clock
        at = min(to_come)
        while place < len(moments) and moments[place] <= at:
            place += 1
        decider, until = as_known(at)
        if not holds(decider):
            return at


def _opens(decider: Decider, consent: Ids, party: str, losses: Iterable[Loss]) -> bool:
    return all(not loss.mask & ~opened(decider, consent, loss.outline, party) for loss in losses)


def opened(decider: Decider, consent: Ids, outline: Outline, party: str) -> int:
    """The categories that a consent opens of a fact, under whatever id."""
    return reduce(or_, (decider.consent_opens(consent_id, outline, party) for consent_id in consent))


def _shows(decider: Decider, party: str, losses: Iterable[Loss]) -> bool:
    return all(not loss.mask & ~mask_of_shown(decider.shown(loss.outline, party)) for loss in losses)


def as_settled(case: CaseTimeline, settled: Settled, policy_at: PolicyAt) -> Look:
    """What the case meant in one of its settlements, and until when that held by itself."""
    return _as_known(case, settled.at, policy_at, _new_and_old(case, settled))


def _new_and_old(case: CaseTimeline, settled: Settled) -> frozenset[str]:
    """The facts (event ids) that came after a settlement and are no younger: of its millisecond, or by a merge.

    What is not held of the history was there before it.
    """
    return frozenset(
        event_id
        for event_id, entry in case.facts.items()
        if entry.version > settled.version and first_recorded_at(entry.record) <= settled.at
    )


def _as_known(case: CaseTimeline, at: int, policy_at: PolicyAt, but: Set[str] = frozenset()) -> Look:
    """What the case meant at `at`, as known at `at` without the facts `but`, and until when that held by itself."""
    policy, next_policy_at = policy_at(at)
    known = [fact for fact in case.gate_facts.values() if fact.recorded_at <= at and fact.event_id not in but]
    ended = {case.victim_of(each): first_recorded_at(case.facts[each].record) for each in but}
    died = {
        fact.event_id: death.at
        for fact in known
        if (death := case.dead.get(fact.event_id)) and death.at < ended.get(fact.event_id, death.at + 1)
    }
    live = [fact for fact in known if died.get(fact.event_id, at + 1) > at]
    gone = [Superseded(fact, died[fact.event_id]) for fact in known if died.get(fact.event_id, at + 1) <= at]
    standing = derive(live, case.held, case.publishers, person_of(case), at, policy, gone)
    ends = [end for end in (next_change(standing, at), next_policy_at) if end is not None]
    return Decider(policy, standing), min(ends, default=None)
