"""Tells those who received a fact that it was corrected or retracted, or that a consent has ended for them.

Rules (GDPR 19; domain specification, 2.1, 4.4):
- Whoever was ever told of a corrected or retracted fact gets a notice, also who may no longer see it: the notice names
  the event and has no content. Its publisher needs none.
- Whoever loses what it was shown on the basis of a consent, because that consent no longer opens it, or had lost it to
  a gate, a correction or a retraction while the consent still stood, is told once for each ending. The notice names
  the last record of that consent that the party itself was told of, and the moment of its own loss; it says neither
  why nor how much.
- A notice to a party that has left is stated all the same: it is told when it comes back.
- A notice is a fact of the hub's own on the same timeline: about a correction in the batch that admits it, about an
  ending in the settlement that finds the loss. It is stated once; its id is derived from what it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.fact import Fact, ce_id_of
from hub.case_timeline.timeline import NOTICE, RETRACTION, CaseTimeline, Reader
from hub.consent.consents import SCOPED
from hub.consent.decision import Decider
from hub.disclosure.endings import Holds, Ids, PolicyAt, ended_at, endings, hidden_endings, still_opened, still_shown
from hub.disclosure.handing_over import endings_elsewhere
from hub.disclosure.settlement import Change
from hub.shard.stating import hub_event_id, hub_fact
from hub.store.records import FactRecorded

CONSENT_ENDED = "CONSENT_ENDED"


def notices_of(
    case: CaseTimeline, event_id: str, recorded_at: int, reader: Reader, secret: bytes
) -> Iterator[tuple[FactRecorded, Fact]]:
    """Yield what to admit after `event_id` took another fact's place, or took it back; versions follow the case's.

    The caller admits each before it asks for the next. Nothing is yielded where nobody was told.
    """
    target = case.victim_of(event_id)
    victim = case.facts.get(target) if target else None
    if target is None or victim is None:
        return
    kind = "RETRACTED" if case.facts[event_id].outline.event_type == RETRACTION else "CORRECTED"
    for recipient in sorted(case.told.get(target, ())):
        if recipient != victim.outline.party:
            notice_id = hub_event_id(secret, case, "notice", event_id, recipient)
            yield _stated(case, notice_id, target, recipient, kind, recorded_at, recorded_at, reader)


def notices_of_endings(
    case: CaseTimeline,
    decider: Decider,
    changes: Iterable[Change],
    clock: int,
    policy_at: PolicyAt,
    reader: Reader,
    secret: bytes,
    *,
    rights_changed: bool,
) -> Iterator[tuple[FactRecorded, Fact]]:
    """Yield what to put on the timeline for the consents that have ended with `changes`; versions follow the case's.

    Where the rights in the case changed, also for those of which a gate had hidden before what they showed, and for
    those that had shown it on another case. The caller puts each on the timeline before it asks for the next.
    """
    shown = endings(case, decider, changes, policy_at)
    hidden = hidden_endings(case, decider, policy_at) if rights_changed else {}
    elsewhere = endings_elsewhere(case, decider) if rights_changed else {}
    named: dict[tuple[Ids, str], str] = {}
    holding: dict[tuple[Ids, str], Holds] = {}
    for consent, party in sorted(shown.keys() | hidden.keys() | elsewhere.keys()):
        known = _last_record_told(case, consent, party)
        if known and not _is_to_be_told(case, known, party, reader):
            key = consent, party
            named[key] = known
            if key in shown:
                holding[key] = still_shown(party, shown[key])
            elif key in hidden:
                holding[key] = still_opened(*key, hidden[key])
    ended = ended_at(case, holding, clock, policy_at) if holding else {}
    for (consent, party), target in named.items():
        at = ended.get((consent, party), case.former_bases.brought_at)
        notice_id = hub_event_id(secret, case, "consent ended", consent[0], party, str(at))
        if notice_id not in case.facts:
            yield _stated(case, notice_id, target, party, CONSENT_ENDED, at, clock, reader)


def _is_to_be_told(case: CaseTimeline, known: str, party: str, reader: Reader) -> bool:
    """Whether the party has such a notice and was not told of it: the settlement that found the loss came to nothing.

    The next one may date the loss otherwise, and would state it again, each time.
    """
    return any(
        entry.outline.event_type == NOTICE
        and entry.outline.references.get("recipient") == party
        and entry.outline.references.get("targetEventId") == ce_id_of(known)
        and party not in case.told.get(event_id, ())
        and event_id not in case.dead
        and reader.codec.decode_body(entry.record.schema_id, entry.record.value)["kind"] == CONSENT_ENDED
        for event_id, entry in case.facts.items()
    )


def _last_record_told(case: CaseTimeline, consent: Ids, party: str) -> str | None:
    """The last record of a consent's scope that the party was ever told of."""
    told = [
        (entry.version, event_id)
        for event_id, entry in case.facts.items()
        if entry.outline.event_type in SCOPED
        and entry.outline.references.get("consentId") in consent
        and (party in case.told.get(event_id, ()) or entry.outline.party == party)
    ]
    return max(told)[1] if told else None


def _stated(
    case: CaseTimeline,
    notice_id: str,
    target: str,
    recipient: str,
    kind: str,
    at: int,
    recorded_at: int,
    reader: Reader,
) -> tuple[FactRecorded, Fact]:
    payload = {
        "occurredAt": at,
        "targetEventId": ce_id_of(target),
        "recipient": recipient,
        "at": at,
        "kind": kind,
    }
    return hub_fact(case, NOTICE, notice_id, payload, recorded_at, reader)
