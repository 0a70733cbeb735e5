"""Whatever a view can show has a word in every language: event types, fields and codes of what is disclosed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from consumers.wording import LANGUAGES, wording
from contracts.avro_schemas import Form
from contracts.catalogue import catalogue
from contracts.event_types import Field, Kind
from contracts.schema_ids import schema_ids


def shown_types() -> list[str]:
    return [name for name in catalogue().event_types if (name, Form.DISCLOSED) in schema_ids().by_key]


def shown_fields() -> list[Field]:
    def with_parts(fields: Iterable[Field]) -> Iterable[Field]:
        for field in fields:
            yield field
            if field.kind is Kind.RECORD:
                yield from with_parts(catalogue().records[field.type_name].fields)

    return [field for name in shown_types() for field in with_parts(catalogue().event_types[name].fields)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_type_that_is_disclosed_has_a_word(language: str) -> None:
    assert [name for name in shown_types() if name not in wording(language).sections["event_types"]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_that_is_disclosed_has_a_word(language: str) -> None:
    named = {field.name for field in shown_fields()}
    assert sorted(named - wording(language).sections["fields"].keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_that_is_disclosed_has_a_word(language: str) -> None:
    lists = {field.type_name for field in shown_fields() if field.kind in (Kind.ENUM, Kind.CODE) and field.type_name}
    codes = {symbol for name in lists - {"Category"} for symbol in catalogue().code_lists[name].symbols}
    assert sorted(codes - wording(language).sections["codes"].keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_has_a_word_that_no_contract_knows(language: str) -> None:
    assert sorted(wording(language).sections["event_types"].keys() - set(shown_types())) == []
    assert sorted(wording(language).sections["fields"].keys() - {field.name for field in shown_fields()}) == []


def test_a_treatment_trial_is_one_word_in_swedish() -> None:
    words = [word.lower() for section in wording("sv").sections.values() for word in section.values()]
    assert not [word for word in words if "prövotid" in word or "prövning" in word or "behandlingspraktik" in word]


def test_emergency_access_and_a_treatment_trial_are_one_word_each_in_danish() -> None:
    sections = wording("da").sections
    words = [word.lower() for section in sections.values() for word in section.values()]
    assert not [word for word in words if "værdispring" in word]
    assert sections["codes"]["INTERNSHIP"] == "praktik", "the word for work experience, so not for a trial"
    assert [word for word in words if "praktik" in word.replace("behandlingspraktik", "")] == ["praktik"]
