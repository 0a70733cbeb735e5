"""The clocks' data: what a lawyer may write there, and what refuses the file before anybody is reminded by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.catalogue import catalogue
from contracts.failures import BadRuleSet
from hub.continuity.clock_terms import CLOCKS_FILE, PROVIDER, PUBLISHER, clock_terms, read_clock_terms
from hub.continuity.clocks import CLOCKS

TEXT = CLOCKS_FILE.read_text(encoding="utf-8")


def read_with(tmp_path: Path, old: str, new: str) -> None:
    assert old in TEXT
    path = tmp_path / "clocks.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    read_clock_terms(path)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('kind = "REVIEW_OVERDUE"', 'kind = "REVIEW_LATE"', "REVIEW_OVERDUE"),
        ('kind = "REVIEW_OVERDUE"', 'kind = "CITIZEN_NOTICE_OVERDUE"', "once"),
        ('law = "', 'laws = "', "TRIAL_PRESUMED_LAPSED"),
        ('jurisdictions = ["DK", "SE"]', 'jurisdictions = ["NO"]', "`NO`"),
        ('events = ["SentencePlanAgreed"]', 'events = ["SentencePlanAgred"]', "`SentencePlanAgred`"),
        ('events = ["SentencePlanAgreed"]', "events = []", "SENTENCE_PLAN_MISSING"),
        ('of = ["SOC", "HSG"]', 'of = ["SOC", "HOUSING"]', "`HOUSING`"),
        ('of = ["SOC", "HSG"]', "of = []", "RELEASED_WITHOUT_HOUSING"),
        ('categories = ["HO"]', 'categories = ["HOUSE"]', "HOUSE"),
        ('categories = ["HO"]', "categories = []", "RELEASED_WITHOUT_HOUSING"),
        ('asked = [{ events = ["HousingSecured"]', 'asked = [{ event = "x", events = ["HousingSecured"]', "asked"),
        ("silent_after_seconds = 86400", "silent_after_seconds = 0", "silent_after_seconds"),
        ("silent_after_seconds = 86400", "silent_after_seconds = true", "silent_after_seconds"),
        ("silent_after_seconds = 86400", "", "silent_after_seconds"),
        ('id = "CLOCKS-1"', 'id = "CLOCKS-1"\nmore = 1', "nothing else"),
        ("[[clock]]", "[clock", "TOML"),
    ],
)
def test_a_slip_refuses_the_file_and_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(BadRuleSet, match=named):
        read_with(tmp_path, old, new)


def test_whoever_is_asked_could_state_it_and_a_comment_is_another_version(tmp_path: Path) -> None:
    types = catalogue().event_types
    for (_, kind), lines in clock_terms().asked.items():
        for asked in lines:
            for event in asked.events:
                stating = [of for of in asked.of if of in (PUBLISHER, PROVIDER) or types[event].may_state(of)]
                assert stating == list(asked.of), (kind, event)
                assert asked.categories & types[event].anchor_bit({}), (kind, event, "the anchor opens all the rest")
    path = tmp_path / "clocks.toml"
    path.write_text(TEXT + "# another version\n", encoding="utf-8")
    assert read_clock_terms(path).asked == clock_terms().asked
    assert read_clock_terms(path).digest != clock_terms().digest


def test_every_kind_of_the_contracts_is_counted_and_no_other() -> None:
    assert set(catalogue().code_lists["ReminderKind"].symbols) - {"OTHER"} == set(CLOCKS)
    assert {kind for _, kind in clock_terms().asked} == set(CLOCKS)
