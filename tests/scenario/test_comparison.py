"""A planted difference, in the view or in the decision or in both, is reported in plain words."""

from __future__ import annotations

from contracts.categories import mask_of
from deploy.scenario.comparison import compared, text_of_view

CU, PL, SU = mask_of(["CU"]), mask_of(["PL"]), mask_of(["SU"])
EXPECTED = {"e1": {"S1": CU, "S2": PL}}


def test_agreement_of_all_three_is_no_difference() -> None:
    got, differences = compared(EXPECTED, {"e1": {"S1": CU, "S2": PL}}, {"e1": CU | PL})
    assert got == EXPECTED
    assert differences == []


def test_nothing_expected_and_nothing_seen_is_equal() -> None:
    assert compared({}, {}, {}) == ({}, [])


def test_hidden_category_is_reported() -> None:
    _, differences = compared(EXPECTED, {"e1": {"S1": CU}}, {"e1": CU})
    assert differences == ["e1: expected CU=S1 PL=S2, got CU=S1"]


def test_hidden_event_is_reported() -> None:
    got, differences = compared(EXPECTED, {}, {})
    assert got == {}
    assert differences == ["e1: expected CU=S1 PL=S2, got nothing"]


def test_leaked_event_is_reported() -> None:
    _, differences = compared({}, {"e1": {"S1": CU}}, {"e1": CU})
    assert differences == ["e1: expected nothing, got CU=S1"]


def test_wrong_basis_is_reported_though_the_categories_agree() -> None:
    _, differences = compared({"e1": {"S1": CU}}, {"e1": {"C:k1": CU}}, {"e1": CU})
    assert differences == ["e1: expected CU=S1, got CU=C:k1"]


def test_view_that_holds_more_than_the_decision_is_reported() -> None:
    _, differences = compared({"e1": {"S1": CU}}, {"e1": {"S1": CU}}, {"e1": CU | SU})
    assert differences == [
        "e1: expected CU=S1, got CU=S1 SU=?",
        "e1: the hub's newest decision shows CU=S1, the view holds CU+SU",
    ]


def test_view_that_holds_less_than_the_decision_is_reported() -> None:
    _, differences = compared({"e1": {"S1": CU}}, {"e1": {"S1": CU, "S2": PL}}, {"e1": CU})
    assert differences == ["e1: the hub's newest decision shows CU=S1 PL=S2, the view holds CU"]


def test_view_that_kept_what_was_taken_back_is_reported() -> None:
    _, differences = compared({}, {}, {"e1": CU})
    assert differences == [
        "e1: expected nothing, got CU=?",
        "e1: the hub's newest decision shows nothing, the view holds CU",
    ]


def test_event_without_any_category_in_the_view_is_still_seen() -> None:
    _, differences = compared({}, {}, {"e1": 0})
    assert differences == ["e1: expected nothing, got no category"]


def test_views_are_written_in_the_order_of_the_scenario() -> None:
    view = {"e2": {"S2": PL | CU, "C:k1": SU}, "zz": {"S1": CU}, "e1": {"S1": CU}}
    assert text_of_view(view, ["e1", "e2"]) == "e1 CU=S1, e2 CU+PL=S2 SU=C:k1, zz CU=S1"
    assert text_of_view({}, []) == "nothing"
