"""The derived id of a fact: stable, its own for every input, and telling nothing without the secret."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.derived_ids import derived_id, require_secret
from contracts.failures import BadSetting
from producers.event_ids import event_id

SECRET = bytes(range(32))
texts = st.text(max_size=30)
inputs = st.tuples(st.binary(min_size=32, max_size=40), texts, texts, texts, st.integers(0, 1000))


@given(inputs)
def test_same_inputs_give_the_same_uuid_of_version_8(given_inputs: tuple[bytes, str, str, str, int]) -> None:
    first, second = event_id(*given_inputs), event_id(*given_inputs)
    assert first == second
    parsed = uuid.UUID(first)
    assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)
    assert str(parsed) == first


@given(inputs, inputs)
def test_any_differing_input_gives_another_id(
    one: tuple[bytes, str, str, str, int], other: tuple[bytes, str, str, str, int]
) -> None:
    assert (event_id(*one) == event_id(*other)) == (one == other)


@given(inputs, st.integers(0, 4), st.data())
def test_changing_one_input_alone_changes_the_id(
    given_inputs: tuple[bytes, str, str, str, int], position: int, data: st.DataObject
) -> None:
    strategies = [st.binary(min_size=32, max_size=40), texts, texts, texts, st.integers(0, 1000)]
    changed = list(given_inputs)
    changed[position] = data.draw(strategies[position].filter(lambda value: value != given_inputs[position]))
    secret, system, source_ref, event_type, revision = changed
    assert isinstance(secret, bytes)
    assert isinstance(revision, int)
    assert event_id(secret, str(system), str(source_ref), str(event_type), revision) != event_id(*given_inputs)


def test_text_moved_from_one_part_to_the_next_gives_another_id() -> None:
    assert derived_id(SECRET, "ab", "c") != derived_id(SECRET, "a", "bc")
    assert derived_id(SECRET, "a", "") != derived_id(SECRET, "", "a")
    assert derived_id(SECRET, "a") != derived_id(SECRET, "a", "")


def test_known_value_does_not_change_between_versions() -> None:
    assert event_id(SECRET, "journal", "case/17", "CaseOpened", 0) == "44275a92-3165-86f2-a403-84df5b61ce67"


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(BadSetting, match="has `9` bytes, expected at least `32`") as caught:
        require_secret(b"too short", "the publisher's secret")
    assert "too short" not in str(caught.value)
