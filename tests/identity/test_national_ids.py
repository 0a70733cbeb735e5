"""National ids: what is taken, the birth date that it tells, and that nothing of it is ever shown."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
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
        ("6101600001", "DK", date(1960, 1, 1)),
        ("DK 6101900001", "DK", date(1990, 1, 1)),
        ("DK-850101-1236", "DK", date(1901, 1, 25)),
        ("DK0101900001", "DK", date(1990, 1, 1)),
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
        "0101900001\n2", "SE 8501011236", "dk 0101900001", "DK", "DK 19900101-0017",
    ],
)  # fmt: skip
def test_anything_else_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(BadNationalId) as caught:
        parse_national_id(text)
    assert not text or text not in str(caught.value)


def with_check_digit(nine: str) -> str:
    """Nine digits with the tenth of a Swedish number."""
    doubled = sum(int(digit) * 2 // 10 + int(digit) * 2 % 10 for digit in nine[::2])
    return nine + str(-(doubled + sum(map(int, nine[1::2]))) % 10)


def danish_check(nine: str) -> int:
    """The tenth digit of a Danish number; 10 where there is no such number."""
    return -sum(int(digit) * weight for digit, weight in zip(nine, (4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11


@pytest.mark.parametrize(
    "short",
    [
        "850101-1236", "690512-2384", "780930-7881", "8501011235", "450302-1236", "000229-1236", "450362-1236",
        with_check_digit("040517239"), with_check_digit("040577239"),
    ],
)  # fmt: skip
def test_a_swedes_ten_digits_make_no_dane_and_the_refusal_says_how_to_write_either(short: str) -> None:
    with pytest.raises(BadNationalId, match="write `DK` before a Danish one, or a Swedish one with its 12") as caught:
        parse_national_id(short)
    assert short[:6] not in str(caught.value)


SWEDISH_DAYS = st.dates(date(1900, 1, 1), date(2031, 12, 31))


@given(SWEDISH_DAYS, st.booleans(), st.integers(0, 999))
def test_no_swedish_number_of_ten_digits_without_a_danish_check_digit_is_taken(
    born: date, is_coordination: bool, number: int
) -> None:
    digits = with_check_digit(f"{born:%y%m}{born.day + 60 * is_coordination:02}{number:03}")
    assume(danish_check(digits[:9]) != int(digits[9]))
    with pytest.raises(BadNationalId):
        parse_national_id(digits)


@given(st.dates(date(1900, 1, 1), date(2036, 12, 31)), st.integers(0, 999))
def test_every_ordinary_danish_number_with_its_check_digit_is_taken_without_a_country(born: date, number: int) -> None:
    nine = f"{born:%d%m%y}{number:03}"
    digits = f"{nine}{danish_check(nine)}"
    assume(len(digits) == 10 and parse_national_id(f"DK {digits}").told_birth_date is not None)
    assert parse_national_id(digits) == parse_national_id(f"DK {digits}")


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
