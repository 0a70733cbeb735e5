"""Views and events as people read them, in three languages, against golden texts; and as plain values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumers.rendering import events_text, events_values, view_text, view_values
from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views.choice import VIEWS
from consumers.wording import LANGUAGES, wording
from contracts.categories import Category
from contracts.civil_time import zone_of
from contracts.failures import CallerFailure
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name

START = 1_736_150_400_000
SUMMER = START + 180 * 86_400_000
GOLDEN = Path(__file__).with_name("golden")
ZONE = zone_of("DK")


@pytest.fixture
def filled(store: PartyStore, topic: SimulatedTopic) -> PartyStore:
    key = KEYS[0]
    topic.disclose(
        key,
        name("e1"),
        "ImprisonmentStarted",
        {
            "occurredAt": START,
            "institution": "PRI",
            "legalStatus": "CONVICTED",
            "earliestParole": 20_395,
            "planDuty": True,
        },
    )
    topic.disclose(
        key,
        name("e5"),
        "SentencePlanAgreed",
        {
            "occurredAt": START + 3_600_000,
            "planId": name("p"),
            "version": 1,
            "citizenAgrees": False,
            "items": [
                {
                    "itemId": name("i"),
                    "domain": "HOUSING",
                    "goal": "a room",
                    "activityType": "x",
                    "responsible": "A.SOC",
                    "activityId": None,
                    "plannedStart": 20_395,
                    "plannedEnd": None,
                    "status": "PLANNED",
                }
            ],
        },
    )
    topic.disclose(
        key,
        name("e12"),
        "HousingSecured",
        {"occurredAt": SUMMER, "housingId": name("h"), "kind": "OWN_TENANCY", "startsOn": 20_393},
        party="A.SOC",
        corrects=name("e11"),
    )
    topic.disclose(
        key,
        name("e13"),
        "BenefitGranted",
        {"occurredAt": SUMMER, "benefitId": name("b"), "kind": "CASH_ASSISTANCE", "monthlyAmount": b"\x12\xd6\x87"},
        party="A.BEN",
    )
    topic.disclose(
        key,
        name("k1"),
        "ConsentGiven",
        {"occurredAt": SUMMER, "categories": ["CU", "HO"], "recipients": ["PRI", "A.SOC"]},
        party="A.SOC",
    )
    drain(Subscription("PRI", topic, store))
    return store


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_view_reads_as_agreed(filled: PartyStore, language: str) -> None:
    text = view_text(filled.view, "PRI", filled.view_lines(), wording(language), ZONE)
    assert text + "\n" == (GOLDEN / f"view.{language}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_events_read_as_agreed(filled: PartyStore, language: str) -> None:
    text = events_text("PRI", KEYS[0], filled.visible(KEYS[0]), wording(language), ZONE)
    assert text + "\n" == (GOLDEN / f"events.{language}.txt").read_text(encoding="utf-8")


def test_a_key_of_nobody_shows_nothing(filled: PartyStore) -> None:
    assert events_text("PRI", KEYS[1], filled.visible(KEYS[1]), wording("da"), ZONE).endswith("\nIntet er synligt")


def test_plain_values_are_codes_and_iso_times(filled: PartyStore) -> None:
    (line,) = view_values(filled.view, filled.view_lines(), ZONE)
    assert line["since"] == "2025-01-06T09:00:00+01:00"
    assert line["housing_from"] == "2025-11-01"
    assert line["missing"] == ["RELEASE_DATE", "COORDINATOR"]
    events = events_values(filled.visible(KEYS[0]), ZONE)
    benefit = next(event for event in events if event["event_type"] == "BenefitGranted")
    assert benefit["fields"]["monthlyAmount"] == "12345.67"
    assert benefit["categories"] == ["FI"]
    assert json.loads(json.dumps([line, events])) == [line, events]


def test_what_was_stated_steers_no_terminal_and_is_exact_for_programs(store: PartyStore, topic: SimulatedTopic) -> None:
    hostile = "x\x1b[2J\x9b31m\u202e\n2025-01-06 09:00  Released"
    custody = {"occurredAt": START, "institution": hostile, "legalStatus": "CONVICTED", "planDuty": True}
    topic.disclose(KEYS[0], name("e1"), "ImprisonmentStarted", custody)
    item: dict[str, object] = {"itemId": name("i"), "domain": "HOUSING", "goal": hostile, "activityType": "x"}
    item |= {"responsible": "A.SOC", "status": "PLANNED", "activityId": None, "plannedStart": None, "plannedEnd": None}
    plan = {"occurredAt": START, "planId": name("p"), "version": 1, "items": [item]}
    topic.disclose(KEYS[0], name("e2"), "SentencePlanAgreed", plan)
    drain(Subscription("PRI", topic, store))
    events, lines = store.visible(KEYS[0]), store.view_lines()
    shown = [
        events_text("PRI", KEYS[0], events, wording("da"), ZONE),
        view_text(store.view, "PRI", lines, wording("da"), ZONE),
    ]
    escaped = r"x\x1b[2J\x9b31m\u202e\n2025-01-06 09:00  Released"
    assert [text.count(escaped) for text in shown] == [2, 1]
    assert "".join(shown).replace("\n", "").isprintable()
    assert [event["fields"].get("institution") for event in events_values(events, ZONE)] == [hostile, None]
    assert view_values(store.view, lines, ZONE)[0]["institution"] == hostile


def test_all_languages_have_the_same_keys() -> None:
    keys = {
        language: {section: set(words) for section, words in wording(language).sections.items()}
        for language in LANGUAGES
    }
    assert keys["da"] == keys["en"] == keys["sv"]


def test_every_word_that_a_view_needs_is_there() -> None:
    words = wording("en")
    for view in VIEWS.values():
        assert words.view(view.name)
        assert all(words.column(column.name) for column in view.columns)
    assert set(words.sections["categories"]) == set(Category)


def test_a_type_or_field_without_a_word_is_shown_by_its_name() -> None:
    words = wording("sv")
    assert words.event_type("SomethingNewHappened") == "Something new happened"
    assert words.field("somethingNew") == "something new"
    assert words.code("OF_A_NATION") == "OF_A_NATION"


def test_another_language_is_refused() -> None:
    with pytest.raises(CallerFailure, match="language `de`: expected one of da, en, sv"):
        wording("de")
