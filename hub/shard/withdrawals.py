"""A withdrawal as a promise: who must have been sent the order to remove, and what whoever withdrew is told of it.

Rules (GDPR 7(3), 17, 19; design: withdrawal is an obligation with receipts, not a flag):
- The settlement that takes a withdrawal in tells everybody who had something on its ground to remove it. The last
  number that it gives such a party is the fence on that party's topic: whoever has read past it shows nothing of it.
- Whoever was told so before (the consent had lapsed, was narrowed or withdrawn already) may not have heard it yet: the
  last number of the settlement that took back from it is its fence. One that is confirmed by now holds nothing up.
- What another case of the citizen takes back in a merge is waited for too: that case says when it is confirmed.
- A withdrawal of a consent that is not on the case counts, whenever the consent comes. But its id may be mistyped, and
  the one that was meant in force: it is not acknowledged before there is a consent that has or had that id.
- A withdrawal by a clock that is ahead counts from the moment that it names, and takes back then.
- While it waits for one of these, the promise names the hub itself with a number that is never confirmed. Its fences
  are those of the settlement in which it begins to count.
- What a consent showed under one of its ids rests on it under each that it ever had: a form can be corrected.
- The promise is kept when the broker has confirmed every fence (`hub.shard.promises`). Only then, and by a record of
  the shard's own input, the withdrawal is acknowledged to whoever stated it. It learns that all is done, and neither
  whom it concerned nor whether it concerned anybody.
- Whoever was told that a consent has ended owes a receipt: removed, or kept on a ground of its own. Until it comes it
  is open, and overdue after the period of `hub/continuity/clocks.toml`. A receipt that is taken back is owed again.
  Who takes part no more is told, and owes it, when it comes back; nobody waits for it meanwhile.
- A receipt is owed on the case on which it would be answered: a notice that goes to another case takes it along.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from contracts.fact import Fact, ce_id_of, event_id_of
from contracts.topics import HUB_PARTY
from hub.arrival.gate import RECEIPT
from hub.case_timeline.timeline import NOTICE, CaseTimeline, Reader, fact_recorded
from hub.disclosure.settlement import Change, mask_of_shown
from hub.shard.notices import CONSENT_ENDED
from hub.shard.stating import hub_event_id, hub_fact
from hub.store.ports import (
    WAITS_FOR_CONSENT,
    WAITS_FOR_ITS_TIME,
    WAITS_FOR_MERGE,
    Obligation,
    Promise,
    Removal,
    removal_step,
)
from hub.store.records import CaseRecord, DecisionsRecorded, FactRecorded

WITHDRAWAL: Final = "ConsentWithdrawn"
ACKNOWLEDGEMENT: Final = "WithdrawalAcknowledged"
DELIVERED: Final = "WithdrawalDelivered"
REMOVAL_DELIVERED: Final = "MergeRemovalDelivered"
ConsentBehind = Callable[[str, str], str | None]
"""The consent on which a basis rests for an event, if on one."""


def unacknowledged(case: CaseTimeline, secret: bytes) -> Iterator[str]:
    """The withdrawals of a case that stand and were not acknowledged yet. Asks the whole history."""
    return (event_id for event_id in case.gate_facts if _is_unacknowledged(case, event_id, secret))


def _is_unacknowledged(case: CaseTimeline, event_id: str, secret: bytes) -> bool:
    fact = case.gate_facts.get(event_id)
    if fact is None or fact.event_type != WITHDRAWAL or event_id in case.dead:
        return False
    return _acknowledgement_id(case, event_id, secret) not in case.facts


def promise(
    case: CaseTimeline, event_id: str, fences: Mapping[str, int], consents: Mapping[str, Container[str]], clock: int
) -> tuple[Promise, ...]:
    """What must be confirmed before the withdrawal is acknowledged: on each party's topic all up to its fence.

    `consents` as of `ids_of_consents`. Where nobody had anything, and the case waits for nothing, the promise is kept
    at once.
    """
    rows = {**fences, HUB_PARTY: waits_for(case, event_id, consents, clock)}
    return tuple(Promise(event_id, party, case.case_id, number) for party, number in sorted(rows.items()))


def fences_of(promised: Iterable[Promise]) -> dict[str, int]:
    """Party -> what must be confirmed on its topic."""
    return {one.party: one.number for one in promised if one.party != HUB_PARTY}


def counts_already(promised: Iterable[Promise]) -> bool:
    """Whether the withdrawal counted when this was promised: its fences are known since."""
    return _waited_for(promised) not in (WAITS_FOR_CONSENT, WAITS_FOR_ITS_TIME)


def begins_now(case: CaseTimeline, promised: Sequence[Promise], clock: int) -> bool:
    """Whether a withdrawal that waited for its time begins to count."""
    withdrawal = case.gate_facts.get(promised[0].event_id)
    waited = _waited_for(promised) == WAITS_FOR_ITS_TIME
    return waited and withdrawal is not None and withdrawal.occurred_at <= clock


def _waited_for(promised: Iterable[Promise]) -> int:
    """What a withdrawal waited for beside its fences when this was promised, as of `waits_for`."""
    return next((one.number for one in promised if one.party == HUB_PARTY), 0)


def waits_for(case: CaseTimeline, event_id: str, consents: Mapping[str, Container[str]], clock: int) -> int:
    """What the withdrawal waits for beside its fences (`Promise`), at `clock`; 0 where that is nothing."""
    withdrawal = case.gate_facts[event_id]
    if withdrawal.occurred_at > clock:
        return WAITS_FOR_ITS_TIME
    if withdrawal.payload["consentId"] not in consents:
        return WAITS_FOR_CONSENT
    return WAITS_FOR_MERGE if case.joining or case.unremoved else 0


def taken_back(changes: Iterable[Change], last: Mapping[str, int], orders: Container[str]) -> dict[str, int]:
    """The fence of each party that loses something by `changes`, or is told by one of `orders` (notices) to remove it.

    `last` are the last numbers that they are given.
    """
    losing = {
        change.party
        for change in changes
        if (change.is_sent and change.event_id in orders) or mask_of_shown(change.before) & ~mask_of_shown(change.shown)
    }
    return {party: last[party] for party in losing}


def removals(case: CaseTimeline, other: str, last: Mapping[str, int]) -> tuple[Removal, ...]:
    """What must be confirmed before `other` hears that all is removed that `case` takes back in a merge.

    `last` are the last numbers that each party was given over the whole case, by the settlement that takes it back or
    before: whatever the party was ever told is behind it.
    """
    shard, change = case.removing[other]
    step = removal_step(case.case_id, other, change)
    return tuple(
        Removal(step, party, case.case_id, other, shard, change, number)
        for party, number in sorted({HUB_PARTY: 0, **last}.items())
    )


class Before(NamedTuple):
    """What a case told before this settlement, as far as promises ask.

    `last`: party -> the last number that it was given. `fences`: consent -> party -> the last number of the newest
    settlement that took back from the party what had rested on the consent.
    """

    last: Mapping[str, int]
    fences: Mapping[str, Mapping[str, int]]


def told_before(records: Iterable[CaseRecord], consents: Iterable[str], consent_behind: ConsentBehind) -> Before:
    """Read once, from all `records` of a case, what promises about these consents and about merges rest on.

    What a party is still shown, on whatever basis, was not taken back.
    """
    fences: dict[str, dict[str, int]] = {consent_id: {} for consent_id in consents}
    event_at: dict[int, str] = {}
    rested: dict[tuple[str, str], dict[str, int]] = {}
    """(Event id, party) -> consent -> the categories still shown that were ever shown on a basis that rests on it."""
    last: dict[str, int] = {}
    for record in records:
        if isinstance(record, FactRecorded):
            event_at[record.originator_version] = record.event_id
        if not isinstance(record, DecisionsRecorded):
            continue
        losing: set[tuple[str, str]] = set()
        for decision in record.decisions:
            line, party = (event_at[decision.fact_version], decision.party), decision.party
            last[party] = max(decision.number, last.get(party, 0))
            shown, ever = mask_of_shown(decision.shown), rested.pop(line, {})
            losing |= {(consent_id, party) for consent_id, mask in ever.items() if mask & ~shown}
            for basis, mask in decision.shown if fences else ():
                consent_id = consent_behind(basis, line[0])
                if consent_id in fences:
                    ever[consent_id] = ever.get(consent_id, 0) | mask
            if still := {consent_id: mask & shown for consent_id, mask in ever.items() if mask & shown}:
                rested[line] = still
        for consent_id, party in losing:
            fences[consent_id][party] = last[party]
    return Before(last, fences)


def newest(fences: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The highest fence of each party among several."""
    found: dict[str, int] = {}
    for each in fences:
        found |= {party: max(number, found.get(party, 0)) for party, number in each.items()}
    return found


def acknowledgement(
    case: CaseTimeline, event_id: str, recorded_at: int, reader: Reader, secret: bytes
) -> tuple[FactRecorded, Fact] | None:
    """What to put on the timeline now that every fence is confirmed.

    `None` where it was acknowledged, where the withdrawal was taken back, and where the case was closed meanwhile.
    """
    if case.merged_into is not None or not _is_unacknowledged(case, event_id, secret):
        return None
    payload = {
        "occurredAt": recorded_at,
        "targetEventId": ce_id_of(event_id),
        "recipient": case.facts[event_id].outline.party,
        "at": recorded_at,
    }
    stated_id = _acknowledgement_id(case, event_id, secret)
    return hub_fact(case, ACKNOWLEDGEMENT, stated_id, payload, recorded_at, reader)


def owed_first(case: CaseTimeline, changes: Iterable[Change], due: int, reader: Reader) -> Iterator[Obligation]:
    """What those owe by `due` whom `changes` tell for the first time that a consent has ended.

    What another case told is owed as it was: see `owed`.
    """
    for change in changes:
        record, outline = case.facts[change.event_id]
        if not change.shown or outline.event_type != NOTICE or change.party != outline.references["recipient"]:
            continue
        if record.origin is None and change.party not in case.told.get(change.event_id, ()):
            notice = fact_recorded(record, reader)
            if _says_ended(notice):
                yield _obligation(notice, case.case_id, due)


def answered(receipt: Mapping[str, object]) -> str:
    """The notice that a receipt answers."""
    return event_id_of(HUB_PARTY, str(receipt["targetEventId"]))


def owed(case: CaseTimeline, notices: Iterable[str], reader: Reader, within_ms: int) -> Iterator[Obligation]:
    """What is owed on an open case for those of `notices` that stand and say that a consent has ended.

    Nothing where a receipt stands. Due as it was when the notice was first stated. Asks the whole history.
    """
    if case.merged_into is not None:
        return
    standing = (case.facts[event_id].record for event_id in notices if case.is_live(event_id, NOTICE))
    ended = [notice for notice in (fact_recorded(record, reader) for record in standing) if _says_ended(notice)]
    if not ended:
        return
    receipts = (entry.outline.references for event_id, entry in case.facts.items() if case.is_live(event_id, RECEIPT))
    settled = set(map(answered, receipts))
    for notice in ended:
        if notice.event_id not in settled:
            yield _obligation(notice, case.case_id, notice.recorded_at + within_ms)


def _obligation(notice: Fact, case_id: str, due: int) -> Obligation:
    return Obligation(notice.event_id, case_id, notice.payload["recipient"], due)


def _says_ended(notice: Fact) -> bool:
    return bool(notice.payload["kind"] == CONSENT_ENDED)


def _acknowledgement_id(case: CaseTimeline, event_id: str, secret: bytes) -> str:
    return hub_event_id(secret, case, "withdrawal acknowledged", event_id)
