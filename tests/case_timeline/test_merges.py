"""What one case has to tell another in a merge, and what belongs to whom when it is taken back; read from records."""

from __future__ import annotations

from contracts.catalogue import catalogue
from contracts.event_types import Kind
from contracts.fact import REFERENCE_FIELDS
from hub.case_timeline.merges import INTRODUCED_BY


def test_references_and_what_introduces_them_are_those_of_the_contracts() -> None:
    for name, event_types in INTRODUCED_BY.items():
        assert name in REFERENCE_FIELDS
        for event_type in event_types:
            field = catalogue().event_types[event_type].field[name]
            assert field.kind is Kind.UUID
            assert field.mandatory
        referring = {each.name for each in catalogue().event_types.values() if name in each.field}
        assert referring > event_types
