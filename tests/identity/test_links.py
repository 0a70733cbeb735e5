"""Links of national ids one after the other: while the shards are at one, nothing else begins with its citizens."""

from __future__ import annotations

import pytest

from contracts.failures import CallerFailure
from hub.identity.enrolment import Identity

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
