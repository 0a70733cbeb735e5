"""What one shard may send: its numbers and decisions as stored, and every record that is handed over beside them.

Rules:
- Each number belongs to one decision, and each decision that is sent to one number; it names rules and parties, and
  for each consent that it rests on there is a version in force on the timeline.
- A record is handed over only when its number is stored, for the party, event and key of its decision.
- Content goes only under the newest number of its event, or where that very number lies on the topic already.
- A record that names no event goes only where no content of its number's event was handed over, under it or before.
- No new content rests on a consent whose withdrawal is stored and has come, or has long lain unread.
- A send position is no higher than what lies on the topic.
- A withdrawal is acknowledged only when it counts, and everything that was taken back of what had rested on its
  consent, then or before, lies on the topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from contracts.codec import codec
from hub.broker.ports import OutputRecord
from hub.shard.resyncing import COMPLETED, party_of
from hub.store.records import (
    CitizenEnrolled,
    Decision,
    DecisionsRecorded,
    FactRecorded,
    GovernanceOpened,
    NumbersAssigned,
    ResyncStepped,
    Shown,
    StoredRecord,
)
from tests.simulator.accounts import HUB
from tests.simulator.invariants import ACKNOWLEDGED, CITED, CONFIRMED, DENSE, STORED_FIRST, TOLD_ONCE, WITHDRAWN
from tests.simulator.machine import require, violate

CONSENT: Final = "C:"
SCOPES: Final = frozenset({"ConsentGiven", "ConsentAmended"})
WITHDRAWAL: Final = "ConsentWithdrawn"
ENDS: Final = frozenset({WITHDRAWAL, "ConsentExpired", "ConsentInvalidated"})
ACKNOWLEDGEMENT: Final = "WithdrawalAcknowledged"


class Numbered(NamedTuple):
    """One decision that was given a number."""

    case_id: str
    event_id: str
    decision: Decision


class Unread(NamedTuple):
    """A withdrawal on a party's topic: of which consent of which case, where it lies and when it was stored there."""

    consent_id: str
    case_id: str
    topic: str
    offset: int
    timestamp: int


@dataclass(slots=True)
class Line:
    """The stored records on consents of one case, and what of the case was corrected or retracted."""

    jurisdiction: str = ""
    events: dict[int, str] = field(default_factory=dict)
    """Version -> event id."""
    consents: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """Event id -> (event type, consent id, when it occurred) of each record on a consent."""
    dead: set[str] = field(default_factory=set)

    def copy(self) -> Line:
        """The same line, to go on from separately."""
        return Line(self.jurisdiction, dict(self.events), dict(self.consents), set(self.dead))

    def note(self, fact: FactRecorded) -> None:
        """Take in one fact."""
        self.events[fact.originator_version] = fact.event_id
        if fact.corrects:
            self.dead.add(fact.corrects)
        if fact.event_type == "EventRetracted":
            self.dead.add(f"{fact.party}/{_payload(fact)['targetEventId']}")
        if fact.event_type in SCOPES | ENDS:
            self.consents[fact.event_id] = (fact.event_type, _payload(fact)["consentId"], fact.occurred_at)

    def has_scope(self, consent_id: str) -> bool:
        """Whether a version of the consent stands on the timeline."""
        return any(kind in SCOPES for kind, _ in self._of(consent_id))

    def is_withdrawn(self, consent_id: str, at: int) -> bool:
        """Whether an end of the consent stands, and has come by `at`."""
        return any(kind in ENDS and occurred <= at for kind, occurred in self._of(consent_id))

    def _of(self, consent_id: str) -> Iterable[tuple[str, int]]:
        live = (said for event_id, said in self.consents.items() if event_id not in self.dead)
        return ((kind, occurred) for kind, of, occurred in live if of == consent_id)


def _mask(shown: Shown) -> int:
    mask = 0
    for _, categories in shown:
        mask |= categories
    return mask


def _payload(fact: FactRecorded) -> dict[str, Any]:
    return dict(codec().decode_body(fact.schema_id, fact.value))


@dataclass(slots=True)
class Disclosures:
    """The disclosures of one shard. `rule_sets`: jurisdiction -> digests of its rule sets; `registry` a digest."""

    rule_sets: Mapping[str, frozenset[str]]
    registry: str
    lines: dict[str, Line] = field(default_factory=dict)
    numbered: dict[tuple[str, int], Numbered] = field(default_factory=dict)
    """(Party, number) -> its decision."""
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    """(Party, event id) -> the newest number."""
    shown: dict[tuple[str, str], Shown] = field(default_factory=dict)
    """(Party, event id) -> what the newest decision shows, and on what: a change of basis alone has no number."""
    topics: dict[str, dict[int, set[bytes | None]]] = field(default_factory=dict)
    """Party -> number -> the values that lie on its topic under that number."""
    rested: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """(Party, event id) -> consent -> the categories still shown that were ever shown on it."""
    taken_back: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """(Case, consent) -> party -> the last number that took back from it what had rested on the consent."""
    fences: dict[str, dict[str, int]] = field(default_factory=dict)
    """Withdrawal -> what must lie on the topics before it is acknowledged, as of the batch that brought it."""
    shown_first: dict[tuple[str, str], int] = field(default_factory=dict)
    """(Party, event id) -> the lowest number under which content was handed over, by whomever: it may still arrive."""
    clock: int = 0
    told_anew: set[str] = field(default_factory=set)
    """The parties with an open resync."""

    def copy(self) -> Disclosures:
        """The same disclosures, to go on from separately."""
        topics = {party: {n: set(values) for n, values in numbers.items()} for party, numbers in self.topics.items()}
        lines = {case_id: line.copy() for case_id, line in self.lines.items()}
        return Disclosures(
            self.rule_sets, self.registry, lines, dict(self.numbered), dict(self.newest), dict(self.shown), topics,
            {place: dict(masks) for place, masks in self.rested.items()},
            {place: dict(numbers) for place, numbers in self.taken_back.items()},
            {event_id: dict(numbers) for event_id, numbers in self.fences.items()},
            dict(self.shown_first), self.clock, set(self.told_anew),
        )  # fmt: skip

    def stored(self, records: Iterable[StoredRecord], clock: int) -> None:
        """Take in a batch that has just been stored."""
        decided: dict[tuple[str, int, int], Decision] = {}
        runs: list[NumbersAssigned] = []
        self.clock = clock
        records = list(records)
        steps = [record for record in records if isinstance(record, ResyncStepped)]
        self.told_anew |= {party_of(step) for step in steps}
        for record in records:
            case_id = record.originator_id.removeprefix("case:")
            if isinstance(record, CitizenEnrolled | GovernanceOpened):
                self.lines[case_id] = Line(record.jurisdiction)
            elif isinstance(record, FactRecorded):
                self.lines[case_id].note(record)
                if record.event_type == ACKNOWLEDGEMENT:
                    self._acknowledged(record)
            elif isinstance(record, DecisionsRecorded):
                self._cites(self.lines[case_id], record)
                version = record.originator_version
                decided |= {(case_id, version, n): one for n, one in enumerate(record.decisions) if one.number}
            elif isinstance(record, NumbersAssigned):
                runs.append(record)
        for run in runs:
            self._number(run, decided)
        self.told_anew -= {party_of(step) for step in steps if step.step == COMPLETED}
        require(not decided, DENSE, f"{len(decided)} decisions name a number that was not given out")
        for record in records:
            if isinstance(record, FactRecorded) and record.event_type == WITHDRAWAL:
                place = record.originator_id.removeprefix("case:"), _payload(record)["consentId"]
                self.fences.setdefault(record.event_id, dict(self.taken_back.get(place, {})))

    def _acknowledged(self, fact: FactRecorded) -> None:
        said = _payload(fact)
        withdrawal = f"{said['recipient']}/{said['targetEventId']}"
        _, _, counts_from = self.lines[fact.originator_id.removeprefix("case:")].consents[withdrawal]
        require(counts_from <= self.clock, ACKNOWLEDGED, f"a withdrawal is acknowledged that counts from {counts_from}")
        for party, number in self.fences[withdrawal].items():
            last = max(self.topics.get(party, ()), default=0)
            require(number <= last, ACKNOWLEDGED, f"{number} of {party} takes back, {last} lies on the topic")

    def _cites(self, line: Line, record: DecisionsRecorded) -> None:
        where = f"{record.originator_id} {record.originator_version}"
        require(record.rule_set in self.rule_sets[line.jurisdiction], CITED, f"{where} names no rule set")
        require(record.registry == self.registry, CITED, f"{where} names another registry")
        for decision in record.decisions:
            require(decision.fact_version in line.events, CITED, f"{where} decides on no fact")
            place = decision.party, line.events[decision.fact_version]
            is_news = not decision.number or _mask(decision.shown) != _mask(self.shown.get(place, ()))
            require(is_news or decision.party in self.told_anew, TOLD_ONCE, f"{where} tells what was told before")
            self.shown[place] = decision.shown
            self._rests(record.originator_id.removeprefix("case:"), place, decision)
            for basis, mask in decision.shown:
                require(basis and (mask or not decision.number), CITED, f"{where} shows nothing on `{basis}`")
                if basis.startswith(CONSENT):
                    consent_id = basis.removeprefix(CONSENT)
                    require(line.has_scope(consent_id), CITED, f"{where} rests on a consent of no version")
                    ended = line.is_withdrawn(consent_id, record.clock)
                    require(not ended, WITHDRAWN, f"{where} rests on a consent that had ended")

    def _rests(self, case_id: str, place: tuple[str, str], decision: Decision) -> None:
        """Note what rests on which consent, and the number that takes such a thing back."""
        still = _mask(decision.shown)
        before = self.rested.get(place, {})
        for consent_id, mask in before.items():
            if mask & ~still:
                self.taken_back.setdefault((case_id, consent_id), {})[decision.party] = decision.number
        now = {basis.removeprefix(CONSENT): mask for basis, mask in decision.shown if basis.startswith(CONSENT)}
        masks = {each: (before.get(each, 0) | now.get(each, 0)) & still for each in before.keys() | now.keys()}
        self.rested[place] = {consent_id: mask for consent_id, mask in masks.items() if mask}

    def _number(self, run: NumbersAssigned, decided: dict[tuple[str, int, int], Decision]) -> None:
        party = run.originator_id.removeprefix("sent:")
        for one in run.numbers:
            number = one.originator_version
            decision = decided.pop((one.case_id, one.decided_version, one.decision_index), None)
            if decision is None or (decision.party, decision.number) != (party, number):
                violate(DENSE, f"number {number} of {party} is not that of its decision")
            event_id = self.lines[one.case_id].events[decision.fact_version]
            self.numbered[party, number] = Numbered(one.case_id, event_id, decision)
            self.newest[party, event_id] = number

    def handed_over(self, record: OutputRecord, key: bytes, heeded: Iterable[Unread]) -> None:
        """Judge a record that is handed over now. `key`: the party's own for the case; `heeded`: what it must obey."""
        party, number = record.party, record.number
        told = self.numbered.get((party, number))
        where = f"number {number} of {party}"
        if told is None:
            violate(STORED_FIRST, f"{where} is handed over and not stored")
        headers = {name: value.decode() for name, value in record.headers}
        named = f"{headers['ce_source'].removeprefix('urn:party:')}/{headers['ce_id']}"
        require((headers["hub_seq"], record.key) == (str(number), key), STORED_FIRST, f"{where} is not that number")
        place = party, told.event_id
        if record.value is None and named == f"{HUB}/{headers['hub_decision']}":
            is_first = number < self.shown_first.get(place, number + 1)
            require(is_first, WITHDRAWN, f"{where} names nothing, and content of it was handed over")
            shows = any(mask for _, mask in told.decision.shown)
            require(not shows or self.newest[place] != number, STORED_FIRST, f"{where} tells nothing of what is shown")
            return
        require(named == told.event_id, STORED_FIRST, f"{where} is about another event")
        if record.value is None or record.value in self.topics.get(party, {}).get(number, ()):
            return
        require(any(mask for _, mask in told.decision.shown), STORED_FIRST, f"{where} shows what was not decided")
        overtaken = self.newest[place] != number
        require(not overtaken, WITHDRAWN, f"{where} has content, and a later number of its event is stored")
        self._rests_on(told, where, heeded)
        self.shown_first[place] = min(number, self.shown_first.get(place, number))

    def _rests_on(self, told: Numbered, where: str, heeded: Iterable[Unread]) -> None:
        line = self.lines[told.case_id]
        shown = self.shown[told.decision.party, told.event_id]
        bases = {basis.removeprefix(CONSENT) for basis, _ in shown if basis.startswith(CONSENT)}
        for consent_id in sorted(bases):
            ended = line.is_withdrawn(consent_id, self.clock)
            require(not ended, WITHDRAWN, f"{where} rests on a consent whose end is stored")
        ended_unread = any(one.case_id == told.case_id and one.consent_id in bases for one in heeded)
        require(not ended_unread, WITHDRAWN, f"{where} rests on a consent whose withdrawal lay there unread")

    def arrived(self, record: OutputRecord) -> None:
        """A record lies on its topic now: the next number of its party, or one that lies there."""
        numbers = self.topics.setdefault(record.party, {})
        last = max(numbers, default=0)
        require(record.number <= last + 1, DENSE, f"number {record.number} of {record.party} came after {last}")
        values = numbers.setdefault(record.number, set())
        values.add(record.value)
        contents = values - {None}
        require(len(contents) <= 1, STORED_FIRST, f"number {record.number} of {record.party} says two things")

    def confirmed(self, positions: Mapping[str, int]) -> None:
        """Send positions are stored now."""
        for party, number in positions.items():
            last = max(self.topics.get(party, ()), default=0)
            require(number <= last, CONFIRMED, f"{party}: {number} is confirmed, {last} lies on the topic")
