"""Reminders in the views: what kinds, since when, and whether the publishers are silent; gone with their retraction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumers.board import lists_of
from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views.base import REMINDER_COLUMNS
from consumers.views.choice import VIEWS, view_of
from consumers.visible import VisibleEvent
from consumers.wording import LANGUAGES, wording
from contracts.catalogue import catalogue
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import SimulatedTopic, name

CITIZEN = name("reminded")
NOT_REMINDED = {"cohort", "steering", "summary"}


def reminder(number: int, kind: str, due: int, *, silent: bool = False) -> VisibleEvent:
    said = {"kind": kind, "dueAt": due, "publishersSilent": silent}
    return VisibleEvent(CITIZEN, name("reminder", number), "HUB", "ReminderRaised", due, due, said)


@pytest.mark.parametrize(
    "view", [VIEWS[each] for each in sorted(set(VIEWS) - NOT_REMINDED)], ids=lambda view: view.name
)
def test_every_agency_sees_what_it_is_reminded_of_also_where_it_sees_nothing_else(view: Any) -> None:
    line = view.fold([reminder(1, "REVIEW_OVERDUE", 500, silent=True), reminder(2, "COORDINATOR_MISSING", 300)])
    assert {name: line[name] for name in ("reminders", "reminded_since", "perhaps_not_stated")} == {
        "reminders": ["COORDINATOR_MISSING", "REVIEW_OVERDUE"],
        "reminded_since": 300,
        "perhaps_not_stated": ["REVIEW_OVERDUE"],
    }
    assert "ReminderRaised" in view.event_types
    assert lists_of(view)[0].name == "run_out"


def test_who_reads_counts_or_pseudonyms_is_reminded_of_nothing() -> None:
    for each in NOT_REMINDED:
        assert not {column.name for column in VIEWS[each].columns} & {column.name for column in REMINDER_COLUMNS}
        assert "run_out" not in {one.name for one in lists_of(VIEWS[each])}


def test_a_reminder_that_is_taken_back_leaves_the_line_as_it_was_without_it(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    topic.disclose(CITIZEN, name("start"), "ImprisonmentStarted", {"occurredAt": 100, "institution": "PRI"})
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        drain(subscription)
        before = store.view_lines()
        said = {"occurredAt": 200, "kind": "SENTENCE_PLAN_MISSING", "dueAt": 200, "publishersSilent": False}
        topic.disclose(CITIZEN, name("r"), "ReminderRaised", said, party="HUB")
        drain(subscription)
        assert store.view_lines()[0]["reminders"] == ["SENTENCE_PLAN_MISSING"]
        topic.retract(CITIZEN, name("r"), "ReminderRaised", party="HUB")
        drain(subscription)
        assert store.view_lines() == before
    assert view_of("PRI") is VIEWS["prison"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_reminder_has_words(language: str) -> None:
    words = wording(language)
    for kind in catalogue().code_lists["ReminderKind"].symbols:
        assert words.code(kind) != kind, kind
