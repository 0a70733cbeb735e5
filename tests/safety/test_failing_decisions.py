"""Whatever fails while a case is decided, nothing of that case leaves; it is counted, and the other case goes on.

Rule: every function of `hub.consent` that a decision reaches fails, each in a case of its own, whoever calls it and
through whatever table: the interpreter's own profile hook raises as it is entered while that case is decided.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import pytest

import hub.consent
from contracts.catalogue import catalogue
from hub.shard.settling import UNDECIDED_RETRY_MS, Settling
from tests.safety.stories import DIARY, PARTIES, PROVIDERS, SLOTS, Event, new_id, stated
from tests.safety.transcripts import record_of
from tests.shard.harness import ShardUnderTest

ROOM = str(Path(hub.consent.__file__).parent)
FUNCTIONS_MIN = 100
VICTIMS_MAX = 80
"""So many cases fit into one batch with all that is said of them."""
LONG = "x" * 40
THIRD = "c0000000-0000-4000-8000-000000000003"

Said = tuple[tuple[str, str, dict[str, Any]], ...]
BEFORE: Said = (
    ("PRI", "ImprisonmentStarted", {"homeMunicipality": "A", "legalStatus": "CONVICTED", "planDuty": True}),
    ("A.SOC", "CaseOpened", {}),
    ("PSY", "AdmissionStarted", {"admissionId": THIRD, "legalForm": "INVOLUNTARY"}),
)
CHANGE: Said = (
    ("A.SOC", "ConsentGiven", {"consentId": THIRD, "form": "WRITTEN", "givenBy": "SUBJECT", "validUntil": None}),
    ("A.SOC", "ConsentAmended", {"consentId": THIRD, "form": "ORAL"}),
    ("PRI", "CarePlacementStarted", {"placementId": THIRD}),
    ("FAC", "CarePlacementBreached", {"placementId": THIRD}),
    ("PRI", "KspActivated", {"endsOn": DIARY[-1] // 86_400_000}),
    ("A.SOC", "AddressProtectionSet", {"until": None}),
    ("A.SOC", "HousingSecured", {}),
    ("PSY", "DischargeAgreementMade", {"admissionId": THIRD, "parties": ["A.SOC", "KIF"]}),
    ("A.ADD", "TreatmentReferred", {"to": "PSY"}),
    ("A.ADD", "TreatmentCompleted", {"treatmentId": THIRD}),
    ("A.SOC", "CoordinatorAssigned", {"party": "A.SOC"}),
    ("A.SOC", "ResponsibilityTransferred", {"toMunicipality": "B", "effectiveDate": DIARY[-1] // 86_400_000}),
    ("A.SOC", "JointPlanAgreed", {"consentId": THIRD, "participants": ["PRI", "PSY"]}),
    ("A.SOC", "SubstanceMisuseAssessed", {"ongoing": True}),
    ("PSY", "BreakGlassRequested", {"requestId": THIRD, "party": "PSY", "categories": ["RI"], "justification": LONG}),
    ("A.SOC", "BreakGlassGranted", {"requestId": THIRD, "party": "PSY"}),
    ("PHE", "HealthSharingObjected", {"source": "PSY"}),
)  # fmt: skip


REMINDER = catalogue().event_types["ReminderRaised"].ce_type.encode()


class Injected(Exception):
    """What is raised in place of a function's work."""


def events(case_id: str, name: str, first_slot: int, said: Said) -> Iterator[Event]:
    """What is said, in the same words of every case; the events' ids are the case's own."""
    rng, ids, types = Random(name), Random(f"{name}/{case_id}"), catalogue().event_types
    for n, (party, event_type, values) in enumerate(said):
        expiry = {"expiresAt": DIARY[1] + 5 * 3_600_000} if "expiresAt" in types[event_type].field else {}
        event = stated(rng, types[event_type], party, first_slot + n, {**values, **expiry})
        yield replace(event, stated=replace(event.stated, id=new_id(ids)))


class Cases:
    """A shard with cases alike, told what `BEFORE` says; the first and the last stay whole, the others are victims."""

    def __init__(self, directory: Path, victims: int) -> None:
        directory.mkdir()
        self.hub = ShardUnderTest(directory, PARTIES, DIARY[0] - 1_000, healthcare_providers=PROVIDERS)
        self.ids = [f"5f0c7d1e-0000-4000-8000-{n:012d}" for n in range(victims + 2)]
        for case_id in self.ids:
            self.hub.enrol(case_id)
        self._tell("before", 0, BEFORE)
        self.settle(DIARY[0] + SLOTS * 1_000)
        self.before = self.sent()

    @property
    def victims(self) -> list[str]:
        return self.ids[1:-1]

    def change(self) -> None:
        """Tell what `CHANGE` says, of all cases in one batch."""
        self._tell("change", SLOTS, CHANGE)
        self.settle(DIARY[1] + SLOTS * 1_000)

    def settle(self, at: int) -> None:
        self.hub.tick(at - self.hub.now)
        self.hub.settle()

    def _tell(self, name: str, slot: int, said: Said) -> None:
        told = [(event, case_id) for case_id in self.ids for event in events(case_id, name, slot, said)]
        # A log is in the order of time; at one instant the cases come in turn.
        for event, case_id in sorted(told, key=lambda line: line[0].stated.recorded_at):
            party = event.stated.party
            sent = record_of(event, self.hub.key(party, case_id))
            topic = self.hub.names.input(party)
            self.hub.broker.append(topic, 0, sent.key, sent.value, list(sent.headers), sent.at)

    def sent(self) -> dict[str, list[tuple[Any, ...]]]:
        """What left of each case: to whom, of which type, with which effect and value; in order.

        A reminder names events of its own case: of it the value is left out.
        """
        sent: dict[str, list[tuple[Any, ...]]] = {case_id: [] for case_id in self.ids}
        for party in PARTIES:
            behind = {self.hub.key(party, case_id).encode(): case_id for case_id in self.ids}
            for record in self.hub.broker.log(self.hub.names.output(party), 0):
                headers = dict(record.headers)
                value = None if headers["ce_type"] == REMINDER else record.value
                sent[behind[record.key or b""]].append((party, headers["ce_type"], headers["hub_effect"], value))
        return sent

    def undecided(self) -> float:
        """`hub_undecided_total`."""
        return float(self.hub.shard.metrics.undecided._value.get())

    def close(self) -> None:
        self.hub.store.close()
        self.hub.keys.close()


@contextmanager
def watching(patch: pytest.MonkeyPatch, on_call: Callable[[str, CodeType], None]) -> Iterator[None]:
    """Call `on_call` with the case as each function of the room is entered while it is decided."""
    decide = Settling._decide

    def watched(settling: Settling, held: Any, clock: int, again: Any) -> Any:
        def hook(frame: FrameType, event: str, arg: object) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(ROOM):
                on_call(held.timeline.case_id, frame.f_code)

        sys.setprofile(hook)
        try:
            return decide(settling, held, clock, again)
        finally:
            sys.setprofile(None)

    with patch.context() as patched:
        patched.setattr(Settling, "_decide", watched)
        yield


def reached_by_decisions(directory: Path, patch: pytest.MonkeyPatch) -> tuple[list[CodeType], list[CodeType]]:
    """The functions that every case's decision reaches, and those that only a shard's first one does."""
    cases = Cases(directory, victims=1)
    reached: dict[str, dict[CodeType, None]] = {case_id: {} for case_id in cases.ids}
    with watching(patch, lambda case_id, code: reached[case_id].setdefault(code)):
        cases.change()
    assert cases.undecided() == 0
    assert not cases.hub.parked()
    assert all(len(cases.sent()[case_id]) > len(cases.before[case_id]) + 30 for case_id in cases.ids)
    cases.close()
    always = [code for code in reached[cases.ids[0]] if code in reached[cases.victims[0]]]
    return always, [code for code in reached[cases.ids[0]] if code not in always]


def assert_only_victims_are_held_back(directory: Path, functions: list[CodeType], patch: pytest.MonkeyPatch) -> None:
    """Let each of as many cases fail in one of `functions`, all in one batch; afterwards they heal."""
    cases = Cases(directory, victims=len(functions))
    victims = dict(zip(cases.victims, functions, strict=True))

    def fail(case_id: str, code: CodeType) -> None:
        if victims.get(case_id) is code:
            raise Injected

    with watching(patch, fail):
        cases.change()
    sent, names = cases.sent(), {case_id: code.co_qualname for case_id, code in victims.items()}
    assert [names[each] for each in cases.victims if sent[each] != cases.before[each]] == [], "something left"
    assert cases.undecided() == len(functions)
    first, last = cases.ids[0], cases.ids[-1]
    assert sent[first] == sent[last] != cases.before[first]

    cases.settle(cases.hub.now + UNDECIDED_RETRY_MS)
    healed = cases.sent()
    assert [names[each] for each in cases.victims if healed[each] != healed[first]] == [], "not healed"
    assert [one for one in healed[first] if one in sent[first]] == sent[first]
    cases.close()


def test_whatever_function_of_a_decision_fails_only_its_case_is_held_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "hub.shard.settling")
    always, at_first = reached_by_decisions(tmp_path / "whole", monkeypatch)
    assert len(always) >= FUNCTIONS_MIN
    for begin in range(0, len(always), VICTIMS_MAX):
        assert_only_victims_are_held_back(tmp_path / f"from-{begin}", always[begin : begin + VICTIMS_MAX], monkeypatch)
    # What is worked out once for a shard is reached by its first case only, so each has a shard of its own.
    for number, function in enumerate(at_first):
        assert_only_the_first_is_held_back(tmp_path / str(number), function, monkeypatch)


def assert_only_the_first_is_held_back(directory: Path, function: CodeType, patch: pytest.MonkeyPatch) -> None:
    """Let the first case of a new shard fail in `function`, the others go on."""
    cases = Cases(directory, victims=0)
    first, last = cases.ids

    def fail(case_id: str, code: CodeType) -> None:
        if case_id == first and code is function:
            raise Injected

    with watching(patch, fail):
        cases.change()
    sent = cases.sent()
    assert cases.undecided() == 1, function.co_qualname
    assert sent[first] == cases.before[first], function.co_qualname
    assert sent[last] != cases.before[last], function.co_qualname
    cases.close()
