"""The real shard beside a model of parking, over any history: what is open, in which order, why, and what was admitted.

The model is small: lists and dictionaries, one record at a time. The shard beside it works in batches of any size, and
loses its memory now and then.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.fact import ce_id_of
from contracts.reasons import Reason
from hub.arrival.gate import CLOCK_SKEW_MS_MAX
from hub.broker.ports import InputRecord
from hub.continuity.clock_terms import clock_terms
from hub.shard.retrying import RETRY
from hub.store.records import FactRecorded
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, ShardUnderTest, consent

KEPT_MS = clock_terms().parked_for_seconds * 1_000
CASES = (CASE, OTHER_CASE)
TIMES = (HOUR_MS, 3 * HOUR_MS, 50 * DAY_MS)
PARTY = "PRI"


class Said(NamedTuple):
    """One statement of the prison: `ends` is what it corrects or takes back, `consent` what it is about."""

    event_id: str
    kind: str
    case_id: str
    occurred_at: int
    consent: int
    ends: str = ""


class Open(NamedTuple):
    """One parked record of the model."""

    number: int
    first: int
    since: int
    said: Said
    reason: str


@dataclass
class Model:
    """What must be so, kept in the plainest way."""

    enrolled: set[str] = field(default_factory=set)
    admitted: dict[str, Said] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    open: list[Open] = field(default_factory=list)
    version: int = 0

    def time_is(self, now: int) -> None:
        """What is old enough expires before anything else happens; the oldest first."""
        over = sorted((one for one in self.open if now - one.since >= KEPT_MS), key=lambda one: (one.since, one.number))
        self.version += len(over)
        self.open = [one for one in self.open if one not in over]

    def arrives(self, said: Said, now: int) -> None:
        """A record is admitted, a repeat, or parked."""
        if reason := self._refused(said, now, is_first=True):
            self.version += 1
            self.open.append(Open(self.version, self.version, now, said, reason))

    def retried(self, number: int, now: int) -> None:
        """A record is judged again, and what stands behind it."""
        asked = next((one for one in self.open if one.number == number), None)
        if asked is None:
            return
        refused = [one for one in self._line_from(asked) if not self._enters(one, now)]
        for one in refused:
            if not self._enters(one, now) and one is asked:
                self.version += 2
                self.open.remove(one)
                self.open.append(Open(self.version, one.first, one.since, one.said, self._refused(one.said, now)))

    def _line_from(self, asked: Open) -> list[Open]:
        """What goes with it: from the first copy on of anything that goes, or the first amendment that waits for it."""
        line = [one for one in self.open if one.said.case_id == asked.said.case_id]
        first, before = asked.first, 0
        while first != before:
            before = first
            for one in [one for one in line if one.first >= first]:
                first = min([first, *(other.first for other in line if self._goes_along(other, one))])
        return sorted((one for one in line if one.first >= first), key=lambda one: one.first)

    def _goes_along(self, other: Open, one: Open) -> bool:
        is_copy = other.said.event_id == one.said.event_id
        speaks_of_it = other.said.kind == "ConsentGiven" or other.reason == Reason.WAITS_FOR_PARKED
        is_its = one.said.kind == "ConsentGiven" and speaks_of_it and other.said.consent == one.said.consent
        return is_copy or is_its

    def _enters(self, one: Open, now: int) -> bool:
        if self._refused(one.said, now):
            return False
        self.version += 1
        self.open.remove(one)
        return True

    def _refused(self, said: Said, now: int, *, is_first: bool = False) -> str:
        """Why a record is refused at `now`; where it is not, it is admitted."""
        if said.occurred_at > now + CLOCK_SKEW_MS_MAX:
            return Reason.IN_THE_FUTURE
        if said.case_id not in self.enrolled:
            return Reason.UNKNOWN_KEY
        if said.event_id in self.admitted:
            return ""
        if said.ends and not self._can_be_ended(said):
            return Reason.CORRECTS_NOTHING
        if said.kind == "ConsentAmended" and not self._is_given(said):
            parked = (one.said for one in self.open if one.said.kind == "ConsentGiven")
            waits = any((one.case_id, one.consent) == (said.case_id, said.consent) for one in parked)
            return Reason.WAITS_FOR_PARKED if waits else Reason.UNKNOWN_CONSENT
        if is_first and said.kind == "ConsentGiven" and not self._is_given(said) and self._is_awaited(said):
            return Reason.WAITS_FOR_PARKED
        self.admitted[said.event_id] = said
        if said.ends:
            self.dead.add(said.ends)
        return ""

    def _can_be_ended(self, said: Said) -> bool:
        if said.ends in self.dead:
            return False
        stated = self.admitted.get(said.ends) or next(
            (one.said for one in self.open if one.said.event_id == said.ends), None
        )
        return stated is not None and stated.case_id == said.case_id

    def _is_awaited(self, said: Said) -> bool:
        waiting = (
            one.said for one in self.open if one.said.kind == "ConsentAmended" and one.reason == Reason.WAITS_FOR_PARKED
        )
        return any((one.case_id, one.consent) == (said.case_id, said.consent) for one in waiting)

    def _is_given(self, said: Said) -> bool:
        return any(
            one.kind == "ConsentGiven" and (one.case_id, one.consent) == (said.case_id, said.consent)
            for event_id, one in self.admitted.items()
            if event_id not in self.dead
        )


class Both:
    """The shard and the model, told the same."""

    def __init__(self, directory: Path) -> None:
        self.hub = ShardUnderTest(directory)
        self.hub.settle()
        self.model = Model()
        self.said: list[tuple[Said, InputRecord, str, int]] = []

    def do(self, step: tuple[Any, ...]) -> None:
        """Do one step at a moment of its own."""
        self.hub.tick(1)
        self.model.time_is(self.hub.now)
        name, *values = step
        getattr(self, name)(*values)

    def say(self, kind: str, case: int, consent_number: int, early: bool) -> None:
        self._state(kind, CASES[case], consent_number, f"{kind} {len(self.said)}", 2 * HOUR_MS if early else 0)

    def correct(self, place: int) -> None:
        of = self._before(place)
        if of is not None:
            said, _, reference, revision = of
            self._state(said.kind, said.case_id, said.consent, reference, 0, revision + 1, said.event_id)

    def take_back(self, place: int) -> None:
        of = self._before(place)
        if of is None:
            return
        said, hub = of[0], self.hub
        values = {"targetEventId": ce_id_of(said.event_id), "at": hub.now, "reason": "DUPLICATE"}
        event_id = hub.state(PARTY, "EventRetracted", values, f"back {len(self.said)}", case_id=said.case_id)
        self._note(Said(event_id, "EventRetracted", said.case_id, hub.now, 0, said.event_id), "", 0)

    def repeat(self, place: int) -> None:
        if self.said:
            said, record, _, _ = self.said[place % len(self.said)]
            self.hub.append(PARTY, record)
            self.model.arrives(said, self.hub.now)

    def retry(self, place: int) -> None:
        waiting = [one.number for one in self.model.open]
        number = waiting[place % len(waiting)] if waiting and place % 4 else place + 1
        if number <= self.model.version:
            self.hub.control.publish(0, RETRY, {"party": PARTY, "parkedNumber": number})
            self.model.retried(number, self.hub.now)

    def enrol(self, case: int) -> None:
        self.hub.enrol(CASES[case])
        self.model.enrolled.add(CASES[case])

    def wait(self, place: int) -> None:
        self.hub.tick(TIMES[place])
        self.model.time_is(self.hub.now)

    def restart(self) -> None:
        self.look()
        self.hub.restart()

    def look(self) -> None:
        """Let the shard come to rest, and compare."""
        hub, model = self.hub, self.model
        hub.settle()
        open_ = [one for one, outcome in hub.store.parked(PARTY) if outcome is None]
        expected = sorted((one.number, one.reason, one.since) for one in model.open)
        since = {one.number: one.since for one in hub.store.open_parked()}
        assert [(one.originator_version, one.reason, since[one.originator_version]) for one in open_] == expected
        assert hub.shard.state.parked.get(PARTY, 0) == model.version
        records = (record for case_id in CASES for record in hub.store.case_records(case_id))
        facts = [record.event_id for record in records if isinstance(record, FactRecorded)]
        assert sorted(fact for fact in facts if fact.startswith(PARTY)) == sorted(model.admitted)
        ended = {one.ends for one in model.admitted.values()}
        shown = {event_id for event_id in hub.held("A.SOC") if event_id in model.admitted}
        assert not shown & ended
        assert not [one for one in model.open if one.said.kind == "ConsentWithdrawn" and "parked" in one.reason]

    def _before(self, place: int) -> tuple[Said, InputRecord, str, int] | None:
        stated = [one for one in self.said if one[0].kind != "EventRetracted"]
        return stated[place % len(stated)] if stated else None

    def _state(
        self, kind: str, case_id: str, number: int, reference: str, ahead_ms: int, revision: int = 0, ends: str = ""
    ) -> None:
        hub = self.hub
        at = hub.now + ahead_ms
        consent_id = f"d0000000-0000-4000-8000-00000000000{number}"
        values = consent(at, ["CU", "HO"], ["A.SOC"]) | {"consentId": consent_id}
        if kind == "ConsentWithdrawn":
            values = {"consentId": consent_id, "at": at, "by": "SUBJECT"}
        if any(one[2:] == (reference, revision) for one in self.said):
            return  # two corrections of one revision would be one event id with two contents
        event_id = hub.state(PARTY, kind, values, reference, case_id=case_id, occurred_at=at, revision=revision)
        self._note(Said(event_id, kind, case_id, at, number, ends), reference, revision)

    def _note(self, said: Said, reference: str, revision: int) -> None:
        self.said.append((said, self.hub.last_input(PARTY), reference, revision))
        self.model.arrives(said, self.hub.now)


PLACES = st.integers(0, 7)
KINDS = st.sampled_from(("ConsentGiven", "ConsentGiven", "ConsentAmended", "ConsentWithdrawn"))
STEPS = st.one_of(
    st.tuples(st.just("say"), KINDS, st.integers(0, 1), st.integers(1, 2), st.booleans()),
    st.tuples(st.sampled_from(("correct", "take_back", "repeat", "retry", "retry")), PLACES),
    st.tuples(st.sampled_from(("enrol",)), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.sampled_from((0, 1, 1, 2))),
    st.tuples(st.sampled_from(("look", "look", "restart"))),
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(STEPS, min_size=20, max_size=45))
def test_a_shard_parks_retries_and_lets_expire_what_the_model_says(steps: Sequence[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        both = Both(Path(directory))
        for step in steps:
            both.do(step)
        both.look()
        both.hub.shard.close()
