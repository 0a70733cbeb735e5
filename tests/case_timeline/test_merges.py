"""What one case has to tell another in a merge, and what belongs to whom when it is taken back; read from records."""

from __future__ import annotations

from contracts.catalogue import catalogue
from contracts.event_types import REFERENCE_FIELDS, Kind
from hub.case_timeline.merges import ALL_HAVE_COME, ALL_REMOVED, FACTS_COME, INTRODUCED_BY, messages
from hub.store.records import MergeStepped, case_stream


def test_references_and_what_introduces_them_are_those_of_the_contracts() -> None:
    for name, event_types in INTRODUCED_BY.items():
        assert name in REFERENCE_FIELDS
        for event_type in event_types:
            field = catalogue().event_types[event_type].field[name]
            assert field.kind is Kind.UUID
            assert field.mandatory
        referring = {each.name for each in catalogue().event_types.values() if name in each.field}
        assert referring > event_types


def test_a_case_that_passes_on_says_that_all_is_removed_whenever_the_last_that_it_waits_for_has() -> None:
    steps = [
        ("merged", "next", 4),
        ("joining", "first", 1),
        ("removed", "next", 4),
        ("confirmed", "first", 1),
        ("joining", "second", 1),
        ("joined", "first", 1),
        ("joined", "second", 1),
        ("confirmed", "second", 1),
    ]
    records = [
        MergeStepped(case_stream("own"), version, 0, step, other, 0, change=change)
        for version, (step, other, change) in enumerate(steps, 1)
    ]
    assert [(each.version, each.kind, each.change) for each in messages(records, "next")] == [
        (1, FACTS_COME, 4),
        (1, ALL_HAVE_COME, 4),
        (2, FACTS_COME, 4),
        (4, ALL_REMOVED, 4),
        (5, FACTS_COME, 4),
        (7, ALL_HAVE_COME, 4),
        (8, ALL_REMOVED, 4),
    ]
