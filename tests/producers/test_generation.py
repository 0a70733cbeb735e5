"""The functions per fact: as the contracts say, complete, typed, and each one a fact that its agency may publish."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import pytest

import producers
from contracts.catalogue import catalogue
from contracts.event_types import EventType
from producers.generation import LINES_MAX, MODULE_OF_ROLE, generated_files, snake_case, write_files
from producers.publisher import Publisher
from producers.statement import Statement
from producers.statements import codes, records
from tests.producers.recording_transport import RecordingTransport

ROOM = Path(producers.__file__).parent
KEY = "6f1d7b1e-2d5c-8a3b-9c4d-0123456789ab"
NOON = datetime(2025, 1, 8, 12, 0, tzinfo=UTC)
AGENCY_EVENTS = [
    (role, event_type)
    for role in MODULE_OF_ROLE
    for event_type in catalogue().event_types.values()
    if event_type.may_state(role) and not event_type.control
]


def function_of(role: str, event_type: EventType) -> Callable[..., Statement]:
    module = importlib.import_module(f"producers.agencies.{MODULE_OF_ROLE[role]}")
    function: Callable[..., Statement] = getattr(module, snake_case(event_type.name))
    return function


def example(annotation: Any) -> Any:
    """Return a valid value of an argument's type; the whole point of precise types is that this suffices."""
    if get_origin(annotation) is list:
        return [example(get_args(annotation)[0])]
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if type(None) in get_args(annotation):
        return example(next(each for each in get_args(annotation) if each is not type(None)))
    if annotation in (records.PlanItem, records.Need):
        return annotation(**{name: example(hint) for name, hint in typing.get_type_hints(annotation).items()})
    plain = {
        UUID: UUID(int=1),
        datetime: NOON,
        date: date(2025, 2, 1),
        Decimal: Decimal("12.50"),
        bool: True,
        int: 1,
        str: "x",
    }
    return plain[annotation]


def test_checked_in_files_are_those_that_the_contracts_give() -> None:
    expected = generated_files(catalogue())
    found = {
        f"{folder}/{path.name}": path.read_text()
        for folder in ("statements", "agencies")
        for path in (ROOM / folder).glob("*.py")
    }
    assert sorted(found) == sorted(expected), "run `python -m producers.generation`"
    stale = [name for name, content in expected.items() if found[name] != content]
    assert not stale, "run `python -m producers.generation`"


def test_writing_replaces_what_is_stale_and_removes_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "agencies").mkdir()
    (tmp_path / "agencies" / "police.py").write_text("gone")
    (tmp_path / "agencies" / "prison.py").write_text("stale")
    write_files(tmp_path)
    written = {f"{path.parent.name}/{path.name}": path.read_text() for path in tmp_path.glob("*/*.py")}
    assert written == generated_files(catalogue())


def test_no_generated_file_is_too_long() -> None:
    lengths = {name: content.count("\n") for name, content in generated_files(catalogue()).items()}
    assert max(lengths.values()) <= LINES_MAX, lengths


def test_every_role_of_the_contracts_has_a_module() -> None:
    roles = {role for event_type in catalogue().event_types.values() for role in event_type.stated_by}
    assert roles - {"any", "HUB"} == set(MODULE_OF_ROLE)


@pytest.mark.parametrize("role", MODULE_OF_ROLE)
def test_a_module_offers_exactly_what_its_role_may_state(role: str) -> None:
    module = importlib.import_module(f"producers.agencies.{MODULE_OF_ROLE[role]}")
    functions = {name for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    assert functions == {snake_case(event_type.name) for stating, event_type in AGENCY_EVENTS if stating == role}
    assert "consent_given" in functions
    assert set(module.__all__) - functions <= {"PlanItem", "Need"}


def test_every_function_states_a_fact_that_passes_the_contract() -> None:
    transport = RecordingTransport()
    special = {"collected_by": "A.SOC"}
    for role, event_type in AGENCY_EVENTS:
        function = function_of(role, event_type)
        hints = typing.get_type_hints(function)
        arguments = {name: special.get(name, example(hints[name])) for name in inspect.signature(function).parameters}
        mandatory = {
            name: arguments[name]
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is inspect.Parameter.empty
        }
        party = "PRI" if role == "PRI" else f"A.{role}"
        publisher = Publisher(party, transport, bytes(32))
        for given in (arguments, mandatory):
            publisher.publish(function(**given), key=KEY, source_ref=f"{event_type.name} {len(given)}")
    assert len(transport.records) == 2 * len(AGENCY_EVENTS)


def test_exactly_the_mandatory_fields_have_no_default() -> None:
    for role, event_type in AGENCY_EVENTS:
        parameters = inspect.signature(function_of(role, event_type)).parameters
        without_default = {name for name, each in parameters.items() if each.default is inspect.Parameter.empty}
        assert without_default == {snake_case(field.name) for field in event_type.fields if field.mandatory}
        assert set(parameters) == {snake_case(field.name) for field in event_type.fields}
        assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_closed_code_lists_are_literals_of_their_symbols() -> None:
    for code_list in catalogue().code_lists.values():
        if code_list.extensible:
            assert not hasattr(codes, code_list.name)
        else:
            assert get_args(getattr(codes, code_list.name)) == code_list.symbols


def test_snake_case_keeps_digits_and_avoids_keywords() -> None:
    assert [snake_case(name) for name in ("CaseOpened", "custodyId", "atcGroup", "from", "at")] == [
        "case_opened", "custody_id", "atc_group", "from_", "at",
    ]  # fmt: skip
