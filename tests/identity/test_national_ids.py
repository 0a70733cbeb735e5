"""National ids: what is taken, the birth date that it tells, and that nothing of it is ever shown."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.failures import BadNationalId
from hub.identity.national_ids import parse_national_id


@pytest.mark.parametrize(
    ("text", "jurisdiction", "born"),
    [
        ("0101900001", "DK", date(1990, 1, 1)),
        ("010190-3001", "DK", date(1990, 1, 1)),
        (" 010190 0001\n", "DK", date(1990, 1, 1)),
        ("0101364001", "DK", date(2036, 1, 1)),
        ("0101374001", "DK", date(1937, 1, 1)),
        ("0101369001", "DK", date(2036, 1, 1)),
        ("0101379001", "DK", date(1937, 1, 1)),
        ("0101575001", "DK", date(2057, 1, 1)),
        ("0101588001", "DK", date(1858, 1, 1)),
        ("2902044001", "DK", date(2004, 2, 29)),
        ("6101900001", "DK", date(1990, 1, 1)),
        ("9102900001", "DK", None),
        ("0000000000", "DK", None),
        ("199001010017", "SE", date(1990, 1, 1)),
        ("20040229-0017", "SE", date(2004, 2, 29)),
        ("199001610017", "SE", date(1990, 1, 1)),
        ("199013010017", "SE", None),
    ],
)
def test_form_and_birth_date(text: str, jurisdiction: str, born: date | None) -> None:
    parsed = parse_national_id(text)
    assert (parsed.jurisdiction, parsed.told_birth_date) == (jurisdiction, born)
    assert parsed.digits == "".join(character for character in text if character.isdigit())


@pytest.mark.parametrize(
    "text",
    [
        "", "010190", "01019000011", "01019O0001", "0101-900001", "010190--0001", "٠١٠١٩٠٠٠٠١", "0101900001; drop",
        "0101900001\n2",
    ],
)  # fmt: skip
def test_anything_else_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(BadNationalId) as caught:
        parse_national_id(text)
    assert not text or text not in str(caught.value)


@given(st.text(max_size=20))
def test_hostile_text_gives_ten_or_twelve_ascii_digits_or_a_refusal(text: str) -> None:
    try:
        parsed = parse_national_id(text)
    except BadNationalId as failure:
        assert not any(part in str(failure) for part in text.split() if len(part) > 6)
    else:
        assert len(parsed.digits) in (10, 12)
        assert parsed.digits.isascii()
        assert parsed.digits.isdigit()


def test_text_form_shows_no_digit() -> None:
    shown = repr(parse_national_id("0101900001"))
    assert not any(character.isdigit() for character in shown)
