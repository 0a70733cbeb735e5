"""The decision of the hub and a plain reader of the text answer the same questions alike.

Rules:
- 300,000 questions from a fixed first seed; `-s` prints what decided them. `python -m tests.naive` asks more.
- Every rule, never-rule, gate and condition that a country has must have decided some of them.
- A known difference is shown by its smallest example; when the example is mended, its entry in `known` goes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import pytest

from contracts.parties import Party
from tests.consent.production import Stated, answers
from tests.naive import civil
from tests.naive.case import Case, History
from tests.naive.comparison import Tally, coverage, run
from tests.naive.consents import ACTIVE
from tests.naive.known import DEVIATIONS
from tests.naive.never import NEVER
from tests.naive.questions import question
from tests.naive.reader import Reading, Shown
from tests.naive.statutes import ORDER

QUESTIONS: Final = 300_000
FIRST_SEED: Final = 1
CONDITIONS: Final = {*ACTIVE, "C purpose", "C category", "C dataFrom", "C oral", "C CF of a minor", "C moved", "L2"}
EVERYWHERE: Final = {"OWN", "RECORD", "C", "BG", "L1", *CONDITIONS, *NEVER, "gate prison", "gate municipal"}
# In Sweden the gate of KIF stands before S13 and S14 only, which ask for its activity themselves: it decides nothing.
ALSO: Final = {"DK": {"gate probation"}, "SE": set[str]()}


pytestmark = pytest.mark.xdist_group("naive")
"""All questions are asked once: in one process."""


@pytest.fixture(scope="module")
def tally() -> Tally:
    """All questions, asked."""
    *_, asked = run(FIRST_SEED, QUESTIONS)
    sys.stdout.write(f"\n{coverage(asked)}\n")
    return asked


def test_both_readers_give_the_same_answers(tally: Tally) -> None:
    assert tally.questions >= QUESTIONS
    assert not tally.differences, "\n".join(map(str, tally.differences[:20]))


@pytest.mark.parametrize("country", ["DK", "SE"])
def test_every_rule_has_decided_some_answers(tally: Tally, country: str) -> None:
    expected = EVERYWHERE | ALSO[country] | {name for name, _ in ORDER[country]}

    assert sorted(expected - set(tally.reasons[country])) == []


def test_a_share_of_the_answers_shows_something(tally: Tally) -> None:
    assert 0.1 < tally.shown / tally.questions < 0.5


def test_one_number_replays_one_history() -> None:
    assert question(4711) == question(4711)
    assert question(4711) != question(4712)


PARTIES: Final = ("PRI", "PSY", "MNT", "A.SOC")


def _at(text: str) -> int:
    return civil.instant(datetime.fromisoformat(text), civil.ZONES["DK"])


def _stated(number: int, kind: str, party: str, at: str, /, **payload: Any) -> Stated:
    return Stated(f"00000000-0000-4000-8000-{number:012}", kind, party, _at(at), _at(at), payload)


def _consent(source: str, receiver: str, purpose: str, *categories: str) -> Stated:
    consent: Mapping[str, Any] = {
        "consentId": "00000000-0000-4000-8000-0000000000c1", "version": 1, "at": _at("2025-01-07T10:00"),
        "collectedBy": receiver, "collector": "x", "givenBy": "SUBJECT", "form": "WRITTEN", "evidenceRef": "x",
        "noticeVersion": "x", "language": "da", "withdrawalExplained": True, "capacityConfirmed": True,
        "categories": list(categories), "sources": [source], "recipients": [receiver], "purposes": [purpose],
        "validFrom": _at("2025-01-07T10:00"),
    }  # fmt: skip
    return _stated(1, "ConsentGiven", receiver, "2025-01-07T10:00", **consent)


def _both(stated: list[Stated], event: Stated, receiver: str, at: str) -> tuple[Shown | None, Shown]:
    """What the text and what the decision say of one event to one receiver."""
    born, parties = date(1990, 5, 5), frozenset(Party(party) for party in PARTIES)
    case = Case(History(tuple(stated), born, "DK", frozenset()), _at(at))
    fact = next(fact for fact in case.live if fact.key == f"{event.party}/{event.id}")
    decided = answers(stated, born, "DK", parties, _at(at)).get((fact.key, receiver), {})
    return Reading(case, Counter()).shown(fact, receiver), decided


def _restrictions_only_in_the_window() -> tuple[Shown | None, Shown]:
    # N7: "not while the latest RemandStarted/Extended says restrictions=true"; here the start is not known yet.
    extended = _stated(
        2, "RemandExtended", "PRI", "2025-01-08T10:00", nextHearing=20_200, restrictions=True,
        custodyId="00000000-0000-4000-8000-0000000000d1",
    )  # fmt: skip
    return _both([_consent("PRI", "MNT", "SUPPORT", "CU"), extended], extended, "MNT", "2025-02-01T10:00")


EXAMPLES: Final = {
    "restrictions_only_in_the_window": _restrictions_only_in_the_window,
}


@pytest.mark.parametrize(
    ("at", "seen"), [("2025-03-30T03:29:59.999", {"S1": frozenset({"CU"})}), ("2025-03-30T03:30", {})]
)
def test_a_period_that_ends_at_a_time_that_does_not_exist(at: str, seen: Shown) -> None:
    # 4.9.16: "02:30 becomes 03:30"; the half year after this release would end at 02:30 on the day of the change.
    custody = {"custodyId": "00000000-0000-4000-8000-0000000000d1"}
    started = _stated(
        2, "RemandStarted", "PRI", "2024-09-01T09:00", **custody, startedAt=0, institution="PRI", restrictions=False,
        homeMunicipality="A",
    )  # fmt: skip
    released = _stated(3, "ReleasedFromRemand", "PRI", "2024-09-30T02:30", **custody, releasedAt=0)

    assert _both([started, released], released, "A.SOC", at) == (seen, seen)


@pytest.mark.parametrize(
    ("at", "admitted", "opened"),
    [
        ("2025-02-04T09:59:59.999", False, True),
        ("2025-02-04T10:00", False, False),
        ("2025-02-06T09:59:59.999", True, True),
        ("2025-02-06T10:00", True, False),
    ],
)
def test_an_emergency_lasts_a_day_and_three_days_for_an_admission(at: str, admitted: bool, opened: bool) -> None:
    # 4.6: "expiresAt <= 24 h; admissions <= 72 h".
    noted = _stated(
        2, "RiskNoteRecorded", "PRI", "2025-02-01T10:00", noteId="00000000-0000-4000-8000-0000000000d1", at=0,
        riskKind="SUICIDE", level="HIGH", validUntil=20_200, withholdFromSubject=False,
    )  # fmt: skip
    admission = _stated(
        3, "AdmissionStarted", "PSY", "2025-02-02T10:00", admissionId="00000000-0000-4000-8000-0000000000d2", at=0,
        legalForm="VOLUNTARY",
    )  # fmt: skip
    asked = _stated(
        4, "BreakGlassRequested", "PSY", "2025-02-03T10:00", requestId="00000000-0000-4000-8000-0000000000d3", at=0,
        party="PSY", user="x", categories=["RI"], reason="SUICIDE_RISK", justification="x" * 30,
        expiresAt=_at("2025-03-03T10:00"),
    )  # fmt: skip
    shown: Shown = {"BG": frozenset({"RI"})} if opened else {}

    assert _both([noted, asked, *([admission] if admitted else [])], noted, "PSY", at) == (shown, shown)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_once_differed_agrees_unless_it_is_listed_as_known(name: str) -> None:
    by_text, decided = EXAMPLES[name]()

    assert (by_text != decided) == (name in DEVIATIONS)


def test_every_known_difference_has_an_example() -> None:
    assert set(DEVIATIONS) <= set(EXAMPLES)
