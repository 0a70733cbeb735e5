"""The cutter: nothing outside the mask, by properties over every event type of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.categories import ALL_CATEGORIES, BIT, CATEGORY_OF_DOMAIN, NO_CATEGORY, Category, mask_of
from contracts.codec import codec
from contracts.event_types import DOMAIN, NEVER, EventType, Field, Kind
from contracts.schema_ids import schema_ids
from hub.disclosure.cutter import cut
from tests.contracts.values import event_types, payloads

masks = st.integers(0, ALL_CATEGORIES)
PLAN = catalogue().event_types["SentencePlanAgreed"]
EFFORT = catalogue().event_types["EarlierEffortRecorded"]
CONTACT = catalogue().event_types["MunicipalContactHeld"]


@st.composite
def statements(draw: st.DrawFn) -> tuple[EventType, dict[str, Any]]:
    event_type = draw(event_types())
    return event_type, draw(payloads(event_type))


def domain_of(item: Any) -> Any:
    return item["domain"] if isinstance(item, dict) else item


def open_domains(mask: int) -> set[str]:
    return {domain for domain, category in CATEGORY_OF_DOMAIN.items() if BIT[category] & mask}


@settings(max_examples=100, deadline=None)
@given(statements(), masks)
def test_no_field_is_shown_whose_category_is_not_in_the_mask(
    statement: tuple[EventType, dict[str, Any]], mask: int
) -> None:
    event_type, payload = statement
    for name, value in (cut(event_type, payload, mask) or {}).items():
        field = event_type.field[name]
        assert field.category != NEVER
        if field.category != DOMAIN:
            assert BIT[Category(field.category)] & mask
            assert value == payload[name]
        elif field.repeated:
            assert {domain_of(item) for item in value} <= open_domains(mask)
            assert value == [item for item in payload[name] if domain_of(item) in open_domains(mask)]
        else:
            assert payload["domain"] in open_domains(mask)


@settings(max_examples=100, deadline=None)
@given(statements(), masks)
def test_what_the_mask_opens_is_shown_unless_the_anchor_is_closed(
    statement: tuple[EventType, dict[str, Any]], mask: int
) -> None:
    event_type, payload = statement
    form = cut(event_type, payload, mask)
    if not event_type.anchor_bit(payload) & mask:
        assert form is None
        return
    assert form is not None
    wanted = {
        name
        for name, value in payload.items()
        if value is not None
        and event_type.field[name].category not in (DOMAIN, NEVER)
        and BIT[Category(event_type.field[name].category)] & mask
    }
    assert wanted <= set(form)
    assert None not in form.values()


@settings(max_examples=60, deadline=None)
@given(statements(), masks)
def test_a_closed_field_is_cut_exactly_like_one_that_was_never_stated(
    statement: tuple[EventType, dict[str, Any]], mask: int
) -> None:
    event_type, payload = statement
    form = cut(event_type, payload, mask)
    never_stated = dict(payload)
    for name in event_type.field:
        if form is None or name not in form:
            if name != "domain":
                never_stated[name] = None
        elif event_type.field[name].category == DOMAIN and event_type.field[name].repeated:
            never_stated[name] = form[name]
    assert cut(event_type, never_stated, mask) == form


@settings(max_examples=60, deadline=None)
@given(statements(), masks)
def test_whatever_is_cut_fits_the_disclosed_schema_and_cutting_twice_changes_nothing(
    statement: tuple[EventType, dict[str, Any]], mask: int
) -> None:
    event_type, payload = statement
    form = cut(event_type, payload, mask)
    if form is not None and not event_type.control:
        schema_id = schema_ids().disclosed(event_type.name)
        back = codec().decode(codec().encode(schema_id, form)).payload
        assert {name: value for name, value in back.items() if value is not None} == form
        assert cut(event_type, form, mask) == form


@settings(max_examples=60, deadline=None)
@given(statements(), masks)
def test_a_wider_mask_never_shows_less(statement: tuple[EventType, dict[str, Any]], mask: int) -> None:
    event_type, payload = statement
    narrow, wide = cut(event_type, payload, mask), cut(event_type, payload, ALL_CATEGORIES)
    if narrow is not None:
        assert wide is not None
        assert set(narrow) <= set(wide)


@settings(max_examples=60, deadline=None)
@given(statements(), masks, st.text(max_size=5))
def test_a_field_that_is_never_disclosed_changes_nothing_whatever_it_holds(
    statement: tuple[EventType, dict[str, Any]], mask: int, value: str
) -> None:
    event_type, payload = statement
    hidden = Field("internalNote", Kind.STRING, NEVER, "kept by the hub")
    wider = replace(event_type, fields=(*event_type.fields, hidden))
    assert cut(wider, {**payload, "internalNote": value}, mask) == cut(event_type, payload, mask)


@settings(max_examples=60, deadline=None)
@given(statements(), masks, st.data())
def test_a_withheld_field_is_not_shown_whatever_the_mask(
    statement: tuple[EventType, dict[str, Any]], mask: int, data: st.DataObject
) -> None:
    event_type, payload = statement
    withheld = frozenset(data.draw(st.sets(st.sampled_from(sorted(event_type.field)))))
    form, whole = cut(event_type, payload, mask, withheld), cut(event_type, payload, mask)
    if whole is None:
        assert form is None
    else:
        assert form == {name: value for name, value in whole.items() if name not in withheld}


def item(domain: str, goal: str) -> dict[str, Any]:
    return {
        "itemId": "i",
        "domain": domain,
        "goal": goal,
        "activityType": "x",
        "responsible": "PRI",
        "status": "ACTIVE",
    }


def plan(*items: dict[str, Any]) -> dict[str, Any]:
    return {"occurredAt": 1, "planId": "p", "version": 1, "agreedAt": 1, "citizenAgrees": True, "items": list(items)}


def test_items_of_a_list_are_cut_by_their_own_domain_and_keep_their_order() -> None:
    stated = plan(item("SUBSTANCE", "a"), item("HOUSING", "b"), item("MENTAL", "c"), item("HOUSING", "d"))
    form = cut(PLAN, stated, mask_of(["PL", "HO"]))
    assert form is not None
    assert [each["goal"] for each in form["items"]] == ["b", "d"]


@pytest.mark.parametrize("items", [[], [item("SUBSTANCE", "a")], [item("OTHER", "a")]])
def test_a_list_of_which_nothing_is_left_is_absent_as_an_empty_one_is(items: list[dict[str, Any]]) -> None:
    form = cut(PLAN, plan(*items), mask_of(["PL", "HO"]))
    assert form is not None
    assert "items" not in form


@pytest.mark.parametrize("domain", ["OTHER", "UNHEARD_OF", None])
def test_an_unknown_domain_is_shown_to_nobody_even_under_a_full_mask(domain: str | None) -> None:
    assert cut(EFFORT, {"occurredAt": 1, "domain": domain, "effortType": "x"}, ALL_CATEGORIES) is None
    contact = {"occurredAt": 1, "contactId": "c", "topics": [domain, "HOUSING"]}
    form = cut(CONTACT, contact, ALL_CATEGORIES)
    assert form is not None
    assert form["topics"] == ["HOUSING"]


def test_an_empty_mask_shows_no_event_of_the_catalogue() -> None:
    for event_type in catalogue().event_types.values():
        payload = {field.name: "HOUSING" for field in event_type.fields}
        assert cut(event_type, payload, NO_CATEGORY) is None
