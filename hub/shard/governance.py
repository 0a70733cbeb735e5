"""The timelines of a shard that are about no citizen: one for each jurisdiction, on every shard.

Rules:
- The shard opens them itself and gives each party its key; nothing of them is drawn, so a command can derive them.
- Only facts about no citizen enter them, and such facts enter no other timeline.
- What concerns the whole hub (an agreement) is stated on every shard, since every shard decides by it. Only shard
  `TELLING_SHARD` tells the parties named in it, so each is told once; the parties' keys are of that shard.
- That shard also states, once, which rule sets came into force and which parties joined or left: whatever its
  timeline does not say yet of the rules and parties that are there now.
- Another agreement makes every case due, as other rules do: nothing left over leaves a case that is not settled.
- Before the shard has adopted them, nothing is stated of rules and parties: it would be dated by the time before.

From the worker, before each batch and after each fact about no citizen; facts go to the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.topics import HUB_PARTY
from hub.case_timeline.timeline import RETRACTION, CaseTimeline
from hub.consent.agreements import READS
from hub.identity.pseudonyms import TELLING_SHARD
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.shard.stating import hub_event_id, hub_fact, put_on_timeline
from hub.store.ports import ShardStore
from hub.store.records import GovernanceOpened, case_stream

JOINED: Final = "AgencyJoined"
LEFT: Final = "AgencyLeft"
ACTIVATED: Final = "PolicyActivated"


@dataclass(slots=True)
class Governance:
    """Keeps the governance timelines of one shard."""

    store: ShardStore
    cases: Cases
    _next_look: int = 0
    _has_issued_keys: bool = False
    """Whether every key of what is open was found in the store."""

    def keep(self, batch: Batch, clock: int) -> None:
        """Open what is missing and state what has come into force by `clock`; before anything else of the batch."""
        if clock < self._next_look or clock == 0:
            return
        policies = self.cases.policies
        for jurisdiction in policies.jurisdictions:
            held = self.cases.get(self.cases.governance[jurisdiction])
            if held.timeline.enrolled is None:
                batch.clock_moves_to(clock)
                opened = GovernanceOpened(case_stream(held.timeline.case_id), 1, clock, jurisdiction)
                held.timeline.fold(opened, self.cases.reader)
                batch.writes.records.append(opened)
            self._issue_keys(held, batch)
            if self.cases.shard == TELLING_SHARD:
                self._state_changes(held, jurisdiction, clock, batch)
        starts = (policies.next_start(jurisdiction, clock) for jurisdiction in policies.jurisdictions)
        self._next_look = min((start for start in starts if start is not None), default=_NEVER)

    def issue_keys(self, batch: Batch) -> None:
        """Give every party its keys of what is open: nothing is stated, and who has joined may be heard at once.

        For each batch until the store has them: one that gives them may not be stored.
        """
        if self._has_issued_keys:
            return
        held_of_all = [self.cases.get(case_id) for case_id in self.cases.governance.values()]
        is_missing = [self._issue_keys(held, batch) for held in held_of_all if held.timeline.enrolled is not None]
        self._has_issued_keys = not any(is_missing)

    def look_again(self) -> None:
        """Look at the next batch, after one that could not be stored."""
        self._next_look, self._has_issued_keys = 0, False

    def note(self, party: str, event_type: str, batch: Batch) -> None:
        """A fact about no citizen has been admitted: other agreements are other grounds for every case.

        Agreements are the hub's own statements: what another party takes back there makes nothing due.
        """
        if event_type in READS or (event_type == RETRACTION and party == HUB_PARTY):
            self.cases.agreements_changed()
            if any(policy.asks_for_agreements for policy in self.cases.policies):
                batch.make_due(self.store.cases())

    def _issue_keys(self, held: HeldCase, batch: Batch) -> bool:
        """Give the parties the keys that the store does not have; return whether there are any."""
        parties = [HUB_PARTY]
        if self.cases.shard == TELLING_SHARD:
            parties += self.cases.policies.registry.parties
        keys = {(party, self.cases.key_for(held, party)[0]) for party in parties}
        known = self.store.cases_of(keys)
        missing = keys - known.keys()
        batch.writes.keys.update(dict.fromkeys(missing, held.timeline.case_id))
        return bool(missing)

    def _state_changes(self, held: HeldCase, jurisdiction: str, clock: int, batch: Batch) -> None:
        self.cases.hold_history(held)
        said = _what_is_said(held.timeline, self.cases)
        for event_type, values in _changes(said, self.cases, jurisdiction, clock):
            batch.clock_moves_to(clock)
            case, reader = held.timeline, self.cases.reader
            event_id = hub_event_id(self.cases.secret, case, event_type, str(case.version + 1))
            payload = {"occurredAt": clock, "at": clock, **values}
            put_on_timeline(held, *hub_fact(case, event_type, event_id, payload, clock, reader), batch, reader)
            batch.touch(held)


_NEVER: Final = 2**63 - 1


@dataclass(slots=True)
class _Said:
    """What a governance timeline says: who takes part, and the rule set that came into force last."""

    taking_part: set[str]
    policy: str | None


def policy_version(rule_set: str, digest: str) -> str:
    """Return how `PolicyActivated` names a rule set: its id and the beginning of its text's SHA-256."""
    return f"{rule_set} {digest[:16]}"


def _what_is_said(timeline: CaseTimeline, cases: Cases) -> _Said:
    said = _Said(set(), None)
    for event_id, entry in timeline.facts.items():
        if event_id in timeline.dead or entry.record.party != HUB_PARTY:
            continue
        if entry.record.event_type not in (JOINED, LEFT, ACTIVATED):
            continue
        payload = cases.reader.codec.decode_body(entry.record.schema_id, entry.record.value)
        if entry.record.event_type == JOINED:
            said.taking_part.add(payload["party"])
        elif entry.record.event_type == LEFT:
            said.taking_part.discard(payload["party"])
        else:
            said.policy = payload["policyVersion"]
    return said


def _changes(said: _Said, cases: Cases, jurisdiction: str, clock: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What is so and is not said yet."""
    policy = cases.policies.in_force(jurisdiction, clock)
    version = policy_version(policy.rule_set, policy.digest)
    if said.policy != version:
        yield ACTIVATED, {"policyVersion": version}
    parties = set(policy.registry.parties)
    for party in sorted(parties - said.taking_part):
        yield JOINED, {"party": party}
    for party in sorted(said.taking_part - parties):
        yield LEFT, {"party": party}
