"""What others state, hidden from a party, moves none of its reminders, not even by a minute; nor does the order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.cloudevents import parse_disclosed
from contracts.codec import codec
from hub.shard.reminders import MINUTE_MS
from tests.shard.harness import DAY_MS, START, ShardUnderTest, imprisonment
from tests.shard.reminding import CUSTODY, PARTIES, UUID, until

Said = tuple[str, str, Mapping[str, Any]]
STEP_MS = 20_000
STEPS = 24
RELEASED_AT = START - 40 * DAY_MS


def case_of_many(at: int) -> list[Said]:
    """What social services are shown: custody, a release 40 days ago, housing and contact that come and go."""
    housed = {"housingId": UUID(1), "kind": "OWN_TENANCY", "at": at}
    contact = {"contactId": UUID(2), "at": at, "channel": "OFFICE", "attendance": "ATTENDED", "inCustody": False}
    return [
        ("A.HSG", "HousingSecured", housed),
        ("A.HSG", "HousingLost", housed),
        ("A.SOC", "MunicipalContactHeld", contact),
        ("A.BEN", "BenefitGranted", {"benefitId": UUID(3), "kind": "CASH_ASSISTANCE", "at": at}),
        ("A.BEN", "BenefitStopped", {"benefitId": UUID(3), "kind": "CASH_ASSISTANCE", "at": at}),
    ]


def hidden_from_social_services(at: int) -> list[Said]:
    """Clock events, of which several begin or stop a clock of somebody else, and what changes others' rights."""
    housed = {"housingId": UUID(4), "kind": "OWN_TENANCY", "at": at}
    asked = {
        "treatmentId": UUID(5),
        "kind": "SOCIAL",
        "targetGroup": "OTHER",
        "setting": "OUTPATIENT",
        "basis": "SEL_101",
        "provider": "A.ADD",
        "at": at,
    }
    consented = {
        "consentId": UUID(6),
        "version": 1,
        "at": at,
        "collectedBy": "PSY",
        "collector": "s",
        "givenBy": "SUBJECT",
        "form": "WRITTEN",
        "evidenceRef": "e",
        "noticeVersion": "1",
        "language": "da",
        "withdrawalExplained": True,
        "capacityConfirmed": True,
        "categories": ["SU"],
        "sources": ["A.ADD"],
        "recipients": ["PHE", "PSY"],
        "purposes": ["TREATMENT"],
        "validFrom": at,
    }
    return [
        ("B.SOC", "HousingSecured", housed),
        ("B.SOC", "HousingLost", housed),
        ("A.ADD", "TreatmentRequested", asked),
        ("A.ADD", "TreatmentStarted", asked),
        ("PSY", "ConsentGiven", consented),
    ]


def played(directory: Path, visible: list[tuple[int, int]], hidden: list[tuple[int, int]]) -> ShardUnderTest:
    """A shard on which (step, which) facts were stated, ticked every 20 seconds."""
    hub = ShardUnderTest(directory, PARTIES, RELEASED_AT - 100 * DAY_MS)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    until(hub, RELEASED_AT)
    values = {"custodyId": CUSTODY, "releasedAt": hub.now, "supervision": False}
    hub.state("PRI", "ReleasedAtEndOfSentence", values, "released")
    hub.settle()
    until(hub, START)
    for step in range(STEPS):
        _state(hub, case_of_many, [which for at, which in visible if at == step], f"visible {step}")
        hub.settle()
        hub.now += 3_000
        unseen = [which for at, which in hidden if at == step]
        _state(hub, hidden_from_social_services, unseen, f"hidden {step}")
        if unseen and Random(step).random() < 0.5:
            hub.settle()
        until(hub, START + (step + 1) * STEP_MS)
    until(hub, hub.now + 2 * MINUTE_MS)
    return hub


def _state(hub: ShardUnderTest, said: Callable[[int], list[Said]], which: list[int], reference: str) -> None:
    for number in which:
        party, event_type, values = said(hub.now)[number]
        hub.state(party, event_type, values, f"{reference} {number}")


def all_told(hub: ShardUnderTest, party: str) -> list[tuple[Any, ...]]:
    """Everything on the party's topic, with the times at which it came."""
    log = hub.broker.log(hub.names.output(party), 0)
    return [(record.key, record.value, tuple(record.headers), record.timestamp) for record in log]


def reminded(hub: ShardUnderTest, party: str) -> list[tuple[str, str, Any]]:
    found = []
    for _, value, headers, _ in all_told(hub, party):
        said = codec().decode(value).payload if value else {}
        if parse_disclosed(headers).party == "HUB":
            found.append((said.get("kind", "taken back"), parse_disclosed(headers).id, said.get("at")))
    return found


facts = st.lists(st.tuples(st.integers(0, STEPS - 1), st.integers(0, 4)), max_size=5, unique=True)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(visible=facts, hidden=facts.filter(bool))
def test_hidden_facts_move_no_reminder_of_a_party(
    visible: list[tuple[int, int]], hidden: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        without, with_hidden = played(Path(one), visible, []), played(Path(other), visible, hidden)
        assert reminded(without, "A.SOC"), "it is reminded of something, or nothing is shown here"
        assert all_told(with_hidden, "A.SOC") == all_told(without, "A.SOC")
        assert with_hidden.parked() == without.parked() == []


def test_the_order_of_arrival_changes_no_reminder(tmp_path: Path) -> None:
    """The same facts, recorded at the same times, published in another order on their topics."""
    held = []
    for number, reverse in enumerate((False, True)):
        directory = tmp_path / str(number)
        directory.mkdir()
        hub = ShardUnderTest(directory, PARTIES, START)
        hub.enrol()
        stated = [
            ("PRI", "ImprisonmentStarted", imprisonment(START - 200 * DAY_MS), START - 200 * DAY_MS),
            ("A.SOC", "CaseOpened", {"caseNo": "1", "at": START - 199 * DAY_MS}, START - 199 * DAY_MS),
            (
                "PRI",
                "ReleasedAtEndOfSentence",
                {"custodyId": CUSTODY, "releasedAt": START - DAY_MS, "supervision": False},
                START - DAY_MS,
            ),
            *((party, name, values, START) for party, name, values in hidden_from_social_services(START)[:4]),
        ]
        for place, (party, name, values, at) in enumerate(reversed(stated) if reverse else stated):
            number_of = len(stated) - place if reverse else place + 1
            hub.state(party, name, values, f"fact {number_of}", occurred_at=at)
        hub.settle()
        for days in (1, 10, 30):
            until(hub, START + days * DAY_MS)
        held.append(
            {
                party: sorted((one["kind"], one["dueAt"]) for one in hub.held(party).values() if "dueAt" in one)
                for party in PARTIES
            }
        )
        hub.store.close()
    assert held[0] == held[1]
    assert held[0]["A.SOC"]
