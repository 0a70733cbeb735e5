"""The disclosure log of a case: which party could see what of it in a period, on which basis and by what rules.

Rules:
- Read from the decisions as they were recorded; nothing is decided again, so later rules or facts change nothing.
- One entry is a span of time in which a party was shown the same of one fact on the same bases. It lies in the period
  where a part of it does: what was told before and not taken back yet is seen in it too.
- What a party stated itself is left out.
- A consent is named with the version whose scope was in force when the decision was made: by the very code that
  decides, from the records that stood on the case's stream before the decision.
- Fields are named by today's contract; values are left to the timeline. What the version of the event type that the
  party reads does not carry was not seen.
- A number that was overtaken before it could be sent went out empty, and stands here as shown: nothing is kept of that.
- To the citizen nothing is said of a risk note that is withheld from them, nor of what is said about it (4.7).

For auditors, and for what a citizen is given on asking (`hub case seen`); records come from `hub.store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from contracts.fact import ce_id_of
from hub.case_timeline.timeline import CORRECTED, CaseTimeline, Reader
from hub.consent.decision import CONSENT_BASIS, Decider
from hub.consent.policies import Policies
from hub.consent.policy import Policy
from hub.consent.standing import Standing
from hub.disclosure.cutter import cut
from hub.disclosure.settlement import mask_of_shown, person_of, rights_in
from hub.evidence.explanation import not_carried
from hub.evidence.replay import LIVE, Replay, ReplayedFact, Telling
from hub.store.records import DecisionsRecorded, Shown

WITHHELD: Final = "withholdFromSubject"
"""The field by which a publisher says that the citizen is not told."""
NOTE: Final = "noteId"
TARGET: Final = "targetEventId"
_ALWAYS: Final = 2**63 - 1
PoliciesAt = Callable[[int], Policies]
"""The policies under which the shard decided at an instant."""


class ConsentVersion(NamedTuple):
    """A consent on which something was shown; `version` and `event_id` are of the record whose scope was in force."""

    consent_id: str
    version: int | None
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry: from `since` until `until` (milliseconds; `None`: still). `number` 0: only the basis became another.

    `rule_set`, `registry` and `agreements` are the digests that the decision cites; `rule_set_id` is the id that the
    text of that digest has, empty where it is not there any more.
    """

    party: str
    event_id: str
    event_type: str
    stated_by: str
    shown: Shown
    fields: tuple[str, ...]
    since: int
    until: int | None
    number: int
    consents: tuple[ConsentVersion, ...]
    rule_set: str
    rule_set_id: str
    registry: str
    agreements: str


def seen_between(
    replayed: Replay, reader: Reader, policies_at: PoliciesAt, since: int | None = None, until: int | None = None
) -> list[Seen]:
    """Return who could see what from `since` until `until`, by party, time and fact; without them, ever."""
    log = _log_of(replayed, reader, policies_at)
    begin, end = since or 0, _ALWAYS if until is None else until
    found = [
        entry
        for fact in replayed.facts
        for entry in _entries(log, fact)
        if entry.since < end and (entry.until is None or entry.until > begin or entry.since >= begin)
    ]
    return sorted(found, key=lambda entry: (entry.party, entry.since, entry.event_id, entry.until or _ALWAYS))


def withheld_from_citizen(replayed: Replay) -> frozenset[str]:
    """Return the events of which the citizen is told nothing: a withheld note, its ending, and what is about either.

    One record of a note that says so withholds all of that note: the others betray it. Only its own correction ends
    that, where it is live, bears the same number and does not say so: a number alone may be what was corrected.
    """
    correction_of = {fact.corrects: fact for fact in replayed.facts if fact.corrects is not None}
    marked = [fact for fact in replayed.facts if fact.payload.get(WITHHELD)]
    notes = {fact.payload[NOTE] for fact in marked if not _is_told_after_all(fact, correction_of)}
    of_notes = (fact.event_id for fact in replayed.facts if fact.payload.get(NOTE) in notes)
    found = {fact.event_id for fact in marked}.union(of_notes)
    ce_ids = {ce_id_of(event_id) for event_id in found}
    about = (fact.event_id for fact in replayed.facts if fact.payload.get(TARGET) in ce_ids)
    return frozenset(found.union(about))


def _is_told_after_all(marked: ReplayedFact, correction_of: Mapping[str, ReplayedFact]) -> bool:
    """Whether the fact that stands in the place of a marked one says of that same note that the citizen is told."""
    last, passed = marked, {marked.event_id}
    while last.state == CORRECTED and last.event_id in correction_of:
        last = correction_of[last.event_id]
        if last.event_id in passed:  # corrections in a ring: nothing stands in its place
            return False
        passed.add(last.event_id)
    return last.state == LIVE and last.payload.get(NOTE) == marked.payload[NOTE] and not last.payload.get(WITHHELD)


@dataclass(slots=True)
class _Log:
    """The case whose log it is, and what reads it."""

    case: CaseTimeline
    reader: Reader
    policies_at: PoliciesAt
    deciders: dict[Policy, Decider] = field(default_factory=dict)
    """One for each policy: which consent is behind a basis depends on nothing else."""
    versions: dict[int, Mapping[str, ConsentVersion]] = field(default_factory=dict)
    """The version of a settlement that rested on consents -> the consents that were active at it, by their ids."""

    def policy(self, at: int) -> Policy:
        """The policy by which the case was decided at `at`."""
        return self.policies_at(at).in_force(person_of(self.case).jurisdiction, at)

    def consents_behind(self, fact: ReplayedFact, telling: Telling) -> list[str]:
        """The ids of the consents on which `telling` rests."""
        policy = self.policy(telling.clock)
        if policy not in self.deciders:
            self.deciders[policy] = rights_in(self.case, 0, policy).decider
        outline = self.case.facts[fact.event_id].outline
        behind = (self.deciders[policy].consent_behind(basis, outline) for basis, _ in telling.shown)
        return [consent_id for consent_id in behind if consent_id is not None]


def _log_of(replayed: Replay, reader: Reader, policies_at: PoliciesAt) -> _Log:
    log = _Log(replayed.case, reader, policies_at)
    resting = {
        telling.settlement
        for fact in replayed.facts
        for telling in fact.tellings
        if telling.party != fact.party and log.consents_behind(fact, telling)
    }
    then, rights = CaseTimeline(replayed.case.case_id), None
    for record in replayed.records if resting else ():
        if isinstance(record, DecisionsRecorded) and record.originator_version in resting:
            policy = log.policy(record.clock)
            if rights is None or rights.decider.policy is not policy or not rights.hold(then, record.clock):
                rights = rights_in(then, record.clock, policy)
            log.versions[record.originator_version] = _active_consents(then, rights.standing)
        then.fold(record, reader)
    return log


def _active_consents(case: CaseTimeline, standing: Standing) -> Mapping[str, ConsentVersion]:
    found: dict[str, ConsentVersion] = {}
    for consent in standing.consents:
        # The record that gave the consent, and the last one that amended it, if any did.
        stated = case.gate_facts[standing.origins[CONSENT_BASIS + consent.consent_id][-1]]
        found[consent.consent_id] = ConsentVersion(consent.consent_id, stated.payload["version"], stated.event_id)
    return found


def _entries(log: _Log, fact: ReplayedFact) -> Iterator[Seen]:
    for party in dict.fromkeys(telling.party for telling in fact.tellings if telling.party != fact.party):
        open_one: Seen | None = None
        for telling in (each for each in fact.tellings if each.party == party):
            if open_one is not None:
                if telling.shown == open_one.shown:
                    continue  # sent once more to whom had it already: it was seen all the time
                yield replace(open_one, until=telling.clock)
            open_one = _entry(log, fact, telling) if telling.shown else None
        if open_one is not None:
            yield open_one


def _entry(log: _Log, fact: ReplayedFact, telling: Telling) -> Seen:
    policies = log.policies_at(telling.clock)
    policy = log.policy(telling.clock)
    contract = log.reader.catalogue.event_types[fact.event_type]
    withheld = policy.withheld_fields(fact.event_type, telling.party)
    behind = log.consents_behind(fact, telling)
    form = cut(contract, fact.payload, mask_of_shown(telling.shown), withheld) or {}
    left_out = not_carried(contract, form, policies.registry, telling.party, log.reader)
    return Seen(
        telling.party,
        fact.event_id,
        fact.event_type,
        fact.party,
        telling.shown,
        tuple(each.name for each in contract.fields if each.name in form.keys() - left_out.keys()),
        telling.clock,
        None,
        telling.number,
        tuple(log.versions[telling.settlement].get(each, ConsentVersion(each, None, None)) for each in behind),
        telling.rule_set,
        next((each.rule_set for each in policies if each.digest == telling.rule_set), ""),
        telling.registry,
        telling.agreements,
    )
