"""Links of national ids one after the other: while the shards are at one, nothing else begins with its citizens."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.failures import CallerFailure
from hub.identity.enrolment import Identity
from hub.identity.national_ids import parse_national_id
from hub.identity.vault import Vault
from tests.identity.conftest import TODAY, VAULT_KEY

FIRST, SECOND, THIRD = "0101900001", "0202910002", "0303920009"


@pytest.fixture
def three(identity: Identity) -> Identity:
    for each in (FIRST, SECOND, THIRD):
        identity.enrol(each)
    return identity


def test_a_chain_is_begun_and_undone_one_link_after_the_other(three: Identity) -> None:
    first = three.link(FIRST, SECOND)
    for given_up, kept in ((SECOND, THIRD), (THIRD, SECOND)):
        with pytest.raises(CallerFailure, match="under way"):
            three.link(given_up, kept)
    three.done(*first)
    second = three.link(SECOND, THIRD)
    three.done(*second)
    undone = three.unlink(SECOND)
    with pytest.raises(CallerFailure, match="under way"):
        three.unlink(FIRST)
    three.done(*undone)
    three.done(*three.unlink(FIRST))


def test_a_link_is_taken_back_only_when_it_was_done_and_made_again_only_when_that_was(three: Identity) -> None:
    linked = three.link(FIRST, SECOND)
    with pytest.raises(CallerFailure, match="under way"):
        three.unlink(FIRST)
    three.done(*linked)
    unlinked = three.unlink(FIRST)
    for given_up, kept in ((FIRST, SECOND), (SECOND, FIRST)):
        with pytest.raises(CallerFailure, match="under way"):
            three.link(given_up, kept)
    three.done(*unlinked)
    assert three.link(SECOND, FIRST)[0].changes == 1


def test_a_command_that_was_not_finished_is_given_again_and_says_the_same(three: Identity) -> None:
    assert three.link(FIRST, SECOND) == three.link(FIRST, SECOND)
    three.done(*three.link(FIRST, SECOND))
    assert three.unlink(FIRST)[0].changes == three.unlink(FIRST)[0].changes == 2


def test_that_an_earlier_link_is_done_is_said_again_and_ends_no_later_one(three: Identity) -> None:
    first = three.link(FIRST, THIRD)
    three.done(*first)
    second = three.link(SECOND, THIRD)
    three.done(*first)
    with pytest.raises(CallerFailure, match="under way"):
        three.unlink(FIRST)
    three.done(*second)
    three.done(*three.unlink(FIRST))


def _name(identity: Identity, key: str) -> str | None:
    return identity.basics_of(key, "PRI", lambda *_: True, lambda *_: None).name


def test_a_name_noted_under_any_of_linked_ids_is_the_citizens_after_reopening_too(
    three: Identity, vault: Vault, vault_path: Path
) -> None:
    keys = [three.key_for(each, "PRI") for each in (FIRST, SECOND, THIRD)]
    three.done(*three.link(FIRST, SECOND))
    three.done(*three.link(SECOND, THIRD))
    for each, name in ((THIRD, "Name A"), (FIRST, "Name B"), (SECOND, "Name C"), (FIRST, "Name D"), (THIRD, "Name E")):
        three.enrol(each, name=name)
        assert vault.enrol(parse_national_id(each), TODAY).name == name
        assert {_name(three, key) for key in keys} == {name}
    three.enrol(FIRST, name="Last Name")
    vault.close()
    reopened = Vault.open(vault_path, VAULT_KEY)
    assert {getattr(reopened.behind("PRI", key), "name", None) for key in keys} == {"Last Name"}
    reopened.close()


def test_a_name_noted_under_a_given_up_id_stays_with_it_when_the_link_is_taken_back(three: Identity) -> None:
    keys = [three.key_for(each, "PRI") for each in (FIRST, SECOND, THIRD)]
    three.enrol(THIRD, name="Third Own")
    three.done(*three.link(FIRST, SECOND))
    three.done(*three.link(SECOND, THIRD))
    three.enrol(FIRST, name="Name Noted")
    three.done(*three.unlink(SECOND))
    assert [_name(three, key) for key in keys] == ["Name Noted", "Name Noted", "Third Own"]
    three.done(*three.unlink(FIRST))
    assert [_name(three, key) for key in keys] == ["Name Noted", None, "Third Own"]


def test_a_name_read_through_a_link_is_not_written_down_by_the_next_change(three: Identity) -> None:
    keys = [three.key_for(each, "PRI") for each in (FIRST, SECOND, THIRD)]
    three.enrol(SECOND, name="Second Own")
    three.done(*three.link(FIRST, SECOND))
    three.enrol(FIRST, name="Name Noted")
    three.done(*three.link(THIRD, SECOND))
    three.done(*three.unlink(FIRST))
    assert [_name(three, key) for key in keys] == ["Name Noted", "Second Own", "Second Own"]
