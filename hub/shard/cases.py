"""The cases that a shard holds in memory: bounded, loaded when touched, written to their cache row when they leave.

Rules:
- A case comes from its cache row and the records after it where that is enough, else from all its records.
- Rights of a case restored from its row are derived for the moment of its last settlement, so that the next one
  sees what changed since. A case folded from all its records is decided afresh as a whole.
- Agreements are read from the governance timeline of the case's jurisdiction. A case restored from its row that was
  settled before they changed last is decided afresh as a whole.
- The bound counts facts, not cases: one long timeline weighs as much as many short ones. Large bodies weigh as more
  facts, so that what parties may state does not decide how much memory a full cache takes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from contracts.failures import DamagedStore
from hub.case_timeline.cache_row import case_from_row, needs_history, row_of
from hub.case_timeline.timeline import CaseTimeline, Reader, timeline_of
from hub.consent.agreements import NO_AGREEMENTS, Agreements
from hub.consent.policies import Policies
from hub.consent.policy import Policy
from hub.disclosure.settlement import Rights, rights_in
from hub.identity.pseudonyms import governance_case, pseudonym
from hub.store.ports import ShardStore

HELD_FACTS_MAX = 200_000
BYTES_OF_ONE_FACT = 4_096
"""So many bytes weigh as one fact more; what a fact says takes less than a hundred as a rule."""
DECODED_TO_BODY = 20
"""How many times its body a gate fact takes decoded, with what is derived from it: measured on long lists of names."""


@dataclass(slots=True)
class HeldCase:
    """A case in memory, the rights in force in it, and what the current batch touched."""

    timeline: CaseTimeline
    rights: Rights | None = None
    touched: dict[str, None] = field(default_factory=dict)
    due: int | None = None
    look_at: int | None = None
    """When the clocks of the case are looked at next; the due date is this or an earlier change of rights."""
    keys: dict[str, str] = field(default_factory=dict)
    weight: int = 0


@dataclass(slots=True)
class Cases:
    """The bounded cache of cases of one shard."""

    store: ShardStore
    reader: Reader
    policies: Policies
    settled_under: str
    """Names the rules, parties and clocks in force: where the store was settled under others, every case is due."""
    secret: bytes
    shard: int
    partitions: int
    facts_max: int = HELD_FACTS_MAX
    governance: dict[str, str] = field(init=False)
    """Jurisdiction -> the id of its timeline that is about no citizen."""
    about_nobody: frozenset[str] = field(init=False)
    """The ids of those timelines."""
    _held: OrderedDict[str, HeldCase] = field(default_factory=OrderedDict)
    _weight: int = 0
    _agreements: dict[str, Agreements] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.governance = {
            jurisdiction: governance_case(self.secret, jurisdiction, self.shard)
            for jurisdiction in self.policies.jurisdictions
        }
        self.about_nobody = frozenset(self.governance.values())

    def get(self, case_id: str) -> HeldCase:
        """Return a case, loading it if needed; an unknown one is empty."""
        held = self._held.get(case_id)
        if held is None:
            held = self._held[case_id] = self._load(case_id)
            self.weigh(held)
        else:
            self._held.move_to_end(case_id)
        return held

    def _load(self, case_id: str) -> HeldCase:
        row = self.store.cache_rows([case_id]).get(case_id)
        due = self.store.due_of([case_id]).get(case_id)
        case = case_from_row(case_id, row, self.reader) if row else None
        if case is not None:
            tail = list(self.store.case_records(case_id, after_version=case.version))
            if not any(needs_history(record) for record in tail):
                for record in tail:
                    case.fold(record, self.reader)
                if case.settled.at > self.agreements_in(case).changed_at and not tail:
                    rights = rights_in(case, case.settled.at, *self.grounds_at(case, case.settled.at))
                    return HeldCase(case, rights, due=due, look_at=due)
                return HeldCase(case, due=due)
        return HeldCase(timeline_of(case_id, self.store.case_records(case_id), self.reader), due=due)

    def hold_history(self, held: HeldCase) -> None:
        """Make the whole history of a case present. What the current batch added must not be there yet."""
        case = held.timeline
        if case.history_held:
            return
        whole = timeline_of(case.case_id, self.store.case_records(case.case_id), self.reader)
        for event_id, entry in case.facts.items():
            whole.facts.setdefault(event_id, entry)
        case.facts, case.told, case.event_at = whole.facts, whole.told, whole.event_at | case.event_at
        case.former_bases, case.body_bytes = whole.former_bases, whole.body_bytes
        case.history_held = True
        self.weigh(held)

    def grounds_at(self, case: CaseTimeline, at: int) -> tuple[Policy, int | None, Agreements]:
        """The policy in force in the case at `at`, when the next one comes into force, and the agreements."""
        jurisdiction = _jurisdiction(case)
        return (
            self.policies.in_force(jurisdiction, at),
            self.policies.next_start(jurisdiction, at),
            self.agreements_in(case),
        )

    def policy_in(self, case: CaseTimeline) -> Callable[[int], tuple[Policy, int | None]]:
        """Asks for the policy in force in the case at an instant, and when the next one comes into force."""
        jurisdiction = _jurisdiction(case)
        return lambda at: (self.policies.in_force(jurisdiction, at), self.policies.next_start(jurisdiction, at))

    def agreements_in(self, case: CaseTimeline) -> Agreements:
        """What is known of the agreements of the case's jurisdiction; the same object until that changes."""
        jurisdiction = _jurisdiction(case)
        found = self._agreements.get(jurisdiction)
        if found is None:
            found = NO_AGREEMENTS
            if not case.is_about_nobody:
                timeline = self.get(self.governance[jurisdiction]).timeline
                found = self._agreements[jurisdiction] = agreements_of(timeline, self.policies)
        return found

    def agreements_changed(self) -> None:
        """Read the agreements anew."""
        self._agreements.clear()

    def derived_key(self, case_id: str, party: str) -> str:
        """The party's own pseudonym for a case of this shard."""
        return pseudonym(self.secret, case_id, party, self.shard, self.partitions)

    def key_for(self, held: HeldCase, party: str) -> tuple[str, bool]:
        """Return the party's own pseudonym for the case, and whether it is used for the first time in memory."""
        key = held.keys.get(party)
        if key is not None:
            return key, False
        key = held.keys[party] = self.derived_key(held.timeline.case_id, party)
        return key, True

    def may_be_stated_of(self, case: CaseTimeline) -> bool:
        """Whether parties may state anything under their keys of the case: not of one that only tells them."""
        return not case.is_about_nobody or case.case_id in self.about_nobody

    def settled(self, held: HeldCase) -> None:
        """Note that the batch is done with this case."""
        held.touched.clear()
        self.weigh(held)

    def weigh(self, held: HeldCase) -> None:
        """Count what this case holds by now."""
        weight = weight_of(held.timeline)
        self._weight += weight - held.weight
        held.weight = weight

    def make_room(self) -> dict[str, bytes]:
        """Let the cases go that were touched longest ago, down to the bound; return their cache rows.

        Called before the batch is committed, so that the rows are stored with it.
        """
        rows: dict[str, bytes] = {}
        for case_id, held in self._over_bound():
            # A case that waits to be settled gets no row: it is loaded from all its records and decided as a whole.
            # Without rights it was not settled since it was loaded: what it waits with may be among its records.
            row = None if held.touched or held.rights is None else row_of(held.timeline, self.reader)
            if row is not None:
                rows[case_id] = row
        return rows

    def let_go(self) -> None:
        """Let the cases go that were touched longest ago, down to the bound, where no batch would store their rows."""
        for _ in self._over_bound():
            pass

    def _over_bound(self) -> Iterator[tuple[str, HeldCase]]:
        while self._weight > self.facts_max and len(self._held) > 1:
            case_id, held = self._held.popitem(last=False)
            self._weight -= held.weight
            yield case_id, held

    def drop_all(self) -> None:
        """Forget every case, after a failed commit: what is stored is the truth."""
        self._held.clear()
        self._weight = 0
        self._agreements.clear()


def weight_of(case: CaseTimeline) -> int:
    """How many facts a case holds, for the bound: by number, and by the bytes that they take."""
    taken = case.body_bytes + DECODED_TO_BODY * case.gate_body_bytes
    return len(case.facts) + len(case.gate_facts) + taken // BYTES_OF_ONE_FACT + 1


def agreements_of(timeline: CaseTimeline, policies: Policies) -> Agreements:
    """What a governance timeline says of agreements, as far as its records are folded."""
    if timeline.enrolled is None or not timeline.gate_facts:
        return NO_AGREEMENTS
    recorded = [fact.recorded_at for fact in timeline.gate_facts.values()]
    recorded += [death.at for event_id, death in timeline.dead.items() if event_id in timeline.gate_facts]
    zone = policies.in_force(timeline.enrolled.jurisdiction, 0).zone
    return Agreements.of(timeline.live_gate_facts(), zone, max(recorded))


def _jurisdiction(case: CaseTimeline) -> str:
    if case.enrolled is None:
        raise DamagedStore("a case is settled before its enrolment")
    return case.enrolled.jurisdiction
