"""What commands complain about shows no national id, whatever stands beside it, and every UUID."""

from __future__ import annotations

import re
import subprocess
import sys
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deploy.command_line import CHARACTERS_MAX, complain, without_national_ids

HIDDEN = "(number hidden)"
BESIDE = st.text(st.characters(exclude_categories=["Nd"]), max_size=60) | st.from_regex(r"[a-f-]{0,40}", fullmatch=True)
"""What has no digit, also what is written as a UUID is."""
NATIONAL_IDS = st.from_regex(r"([0-9]{2})?[0-9]{6}[-+ ]?[0-9]{4}", fullmatch=True)
UUIDS = st.builds(
    lambda uuid, version, is_upper: (
        str(UUID(int=uuid.int, version=version)).upper() if is_upper else str(UUID(int=uuid.int, version=version))
    ),
    st.uuids() | st.integers(0, 10**32 - 1).map(lambda digits: UUID(f"{digits:032}")),
    st.integers(1, 5),
    st.booleans(),
)
"""Any, and those that have digits alone beside their fixed ones."""


@given(BESIDE, NATIONAL_IDS, BESIDE)
def test_a_national_id_is_hidden_amid_anything_that_is_no_digit(before: str, national_id: str, after: str) -> None:
    assert without_national_ids(f"{before}{national_id}{after}") == f"{before}{HIDDEN}{after}"


@given(st.lists(st.tuples(BESIDE, NATIONAL_IDS), min_size=1, max_size=4), UUIDS)
def test_each_of_several_is_hidden_beside_a_uuid_too(parts: list[tuple[str, str]], uuid: str) -> None:
    said = " ".join(f"{before}/{national_id}" for before, national_id in parts)
    told = without_national_ids(f"{said}, event {uuid}")
    assert told == " ".join(f"{before}/{HIDDEN}" for before, _ in parts) + f", event {uuid}"


ANYTHING = st.text(max_size=20) | st.from_regex(r"[0-9 +-]{0,14}", fullmatch=True)


@given(ANYTHING, UUIDS, ANYTHING)
def test_a_uuid_is_never_changed(before: str, uuid: str, after: str) -> None:
    assume(not before[-1:].isdecimal())
    assert uuid in without_national_ids(f"{before}{uuid}{after}")


@pytest.mark.parametrize("before", ["010190-", "20250131 ", "12345678+", "case "])
def test_a_number_before_a_uuid_takes_nothing_of_it(before: str) -> None:
    uuid = "1234abcd-1234-4123-8123-123456789012"
    assert uuid in without_national_ids(f"{before}{uuid} and {uuid}-1234")


def test_a_national_id_at_the_end_of_what_is_said_is_hidden_before_the_rest_is_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    complain("x" * (CHARACTERS_MAX - 7) + "010190-0005")
    assert not re.search("[0-9]", capsys.readouterr().err)


def test_a_file_that_is_named_by_a_national_id_is_not_told_by_it() -> None:
    words = [sys.executable, "-c", "from deploy.command_line import main; main()"]
    done = subprocess.run(
        [*words, "agreement", "register", "010190-0005-plan.toml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"{HIDDEN}-plan.toml" in done.stderr
    assert "0005" not in done.stderr
