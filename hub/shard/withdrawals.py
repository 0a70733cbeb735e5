"""A withdrawal as a promise: who must have been sent the order to remove, and what whoever withdrew is told of it.

Rules (GDPR 7(3), 17, 19; design: withdrawal is an obligation with receipts, not a flag):
- The settlement that takes a withdrawal in tells everybody who had something on its ground to remove it. The last
  number that it gives such a party is the fence on that party's topic: whoever has read past it shows nothing of it.
- Whoever was told so before (the consent had lapsed, was narrowed or withdrawn already) may not have heard it yet: the
  last number of the settlement that took back from it is its fence. One that is confirmed by now holds nothing up.
- What another case of the citizen takes back in a merge is waited for too: that case says when it is confirmed. Until
  then the promise names the hub itself, which has no numbers: it cannot be kept.
- The promise is kept when the broker has confirmed every fence (`hub.shard.promises`). Only then, and by a record of
  the shard's own input, the withdrawal is acknowledged to whoever stated it. It learns that all is done, and neither
  whom it concerned nor whether it concerned anybody.
- Whoever was told that a consent has ended owes a receipt: removed, or kept on a ground of its own. Until it comes it
  is open, and overdue after the period of `hub/continuity/clocks.toml`. A receipt that is taken back is owed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from contracts.fact import Fact, ce_id_of, event_id_of
from contracts.topics import HUB_PARTY
from hub.arrival.gate import RECEIPT
from hub.case_timeline.timeline import NOTICE, CaseTimeline, Reader
from hub.consent.decision import CONSENT_BASIS
from hub.disclosure.settlement import Change, mask_of_shown
from hub.shard.stating import hub_event_id, hub_fact
from hub.store.ports import Obligation, Promise, Removal, removal_step
from hub.store.records import CaseRecord, DecisionsRecorded, FactRecorded

WITHDRAWAL: Final = "ConsentWithdrawn"
ACKNOWLEDGEMENT: Final = "WithdrawalAcknowledged"
DELIVERED: Final = "WithdrawalDelivered"
REMOVAL_DELIVERED: Final = "MergeRemovalDelivered"


def unacknowledged(case: CaseTimeline, secret: bytes) -> Iterator[str]:
    """The withdrawals of a case that stand and were not acknowledged yet. Asks the whole history."""
    for fact in case.live_gate_facts():
        if fact.event_type == WITHDRAWAL and _acknowledgement_id(case, fact.event_id, secret) not in case.facts:
            yield fact.event_id


def promises(
    case: CaseTimeline, event_id: str, told: Iterable[tuple[Change, int]], before: Mapping[str, int]
) -> tuple[Promise, ...]:
    """What must be confirmed before the withdrawal is acknowledged.

    `told` are the changes of the settlement that took it in, each with its number, `before` the fences of earlier ones
    (`earlier_fences`). Where nobody had anything, the promise is kept at once, but for what other cases have to remove:
    the party that withdrew is named with number 0.
    """
    fences: dict[str, int] = {}
    losing: set[str] = set()
    for change, number in told:
        fences[change.party] = max(number, fences.get(change.party, 0))
        if mask_of_shown(change.before) & ~mask_of_shown(change.shown):
            losing.add(change.party)
    withdrawing = case.facts[event_id].outline.party
    kept = {withdrawing: 0, **before, **{party: fences[party] for party in losing}}
    promised = tuple(Promise(event_id, party, case.case_id, number) for party, number in sorted(kept.items()))
    return held_up(promised, by_a_merge=bool(case.unremoved))


def held_up(promised: Sequence[Promise], *, by_a_merge: bool) -> tuple[Promise, ...]:
    """The same promise, for as long as another case of the citizen has something left to remove, or not any more."""
    own = tuple(promise for promise in promised if promise.party != HUB_PARTY)
    return (*own, own[0]._replace(party=HUB_PARTY, number=1)) if by_a_merge else own


def removals(
    case: CaseTimeline, other: str, records: Iterable[CaseRecord], told: Iterable[tuple[Change, int]]
) -> tuple[Removal, ...]:
    """What must be confirmed before `other` hears that all is removed that `case` takes back in a merge.

    `records` are those of the whole case, `told` the changes of the settlement that takes it back, each with its
    number: whatever a party was ever told of the case is behind the last number of these.
    """
    shard, change = case.removing[other]
    last = {HUB_PARTY: 0}
    for record in records:
        if isinstance(record, DecisionsRecorded):
            for decision in record.decisions:
                last[decision.party] = max(decision.number, last.get(decision.party, 0))
    for one, number in told:
        last[one.party] = max(number, last.get(one.party, 0))
    step = removal_step(case.case_id, other, change)
    return tuple(
        Removal(step, party, case.case_id, other, shard, change, number) for party, number in sorted(last.items())
    )


def earlier_fences(withdrawal: Fact, records: Iterable[CaseRecord]) -> dict[str, int]:
    """Party -> the last number of the newest settlement that took back from it what had rested on the consent.

    `records` are those of a whole case. What a party is still shown, on whatever basis, was not taken back.
    """
    basis = CONSENT_BASIS + withdrawal.payload["consentId"]
    event_at: dict[int, str] = {}
    rested: dict[tuple[str, str], int] = {}
    """(Event id, party) -> the categories still shown that were ever shown on the consent."""
    fences: dict[str, int] = {}
    for record in records:
        if isinstance(record, FactRecorded):
            event_at[record.originator_version] = record.event_id
        if not isinstance(record, DecisionsRecorded):
            continue
        last: dict[str, int] = {}
        losing: set[str] = set()
        for decision in record.decisions:
            line, party = (event_at[decision.fact_version], decision.party), decision.party
            shown, had = mask_of_shown(decision.shown), rested.get(line, 0)
            rested[line] = (had | dict(decision.shown).get(basis, 0)) & shown
            last[party] = max(decision.number, last.get(party, 0))
            if had & ~shown:
                losing.add(party)
        fences |= {party: last[party] for party in losing}
    return fences


def acknowledgement(
    case: CaseTimeline, event_id: str, recorded_at: int, reader: Reader, secret: bytes
) -> tuple[FactRecorded, Fact] | None:
    """What to put on the timeline now that every fence is confirmed.

    `None` where it was acknowledged, where the withdrawal was taken back, and where the case was closed meanwhile.
    """
    if case.merged_into is not None or event_id not in unacknowledged(case, secret):
        return None
    payload = {
        "occurredAt": recorded_at,
        "targetEventId": ce_id_of(event_id),
        "recipient": case.facts[event_id].outline.party,
        "at": recorded_at,
    }
    stated_id = _acknowledgement_id(case, event_id, secret)
    return hub_fact(case, ACKNOWLEDGEMENT, stated_id, payload, recorded_at, reader)


def obligation(notice: Fact, case_id: str, within_ms: int) -> Obligation:
    """What the recipient of a notice of an ended consent owes from now on."""
    return Obligation(notice.event_id, case_id, notice.payload["recipient"], notice.recorded_at + within_ms)


def answered(receipt: Mapping[str, object]) -> str:
    """The notice that a receipt answers."""
    return event_id_of(HUB_PARTY, str(receipt["targetEventId"]))


def owed_again(case: CaseTimeline, receipt: str, within_ms: int) -> Obligation | None:
    """What is owed again now that the event `receipt` was taken back; due when it was before. Asks the whole history.

    `None` where it is no receipt, where another receipt for the same notice stands, and where the notice does not.
    """
    if receipt not in case.facts or case.facts[receipt].outline.event_type != RECEIPT:
        return None
    notice = answered(case.facts[receipt].outline.references)
    standing = (entry.outline.references for event_id, entry in case.facts.items() if case.is_live(event_id, RECEIPT))
    if notice in map(answered, standing) or not case.is_live(notice, NOTICE):
        return None
    party, noticed_at = case.facts[receipt].outline.party, case.facts[notice].record.recorded_at
    return Obligation(notice, case.case_id, party, noticed_at + within_ms)


def _acknowledgement_id(case: CaseTimeline, event_id: str, secret: bytes) -> str:
    return hub_event_id(secret, case, "withdrawal acknowledged", event_id)
