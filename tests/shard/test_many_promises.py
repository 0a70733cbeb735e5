"""Many withdrawals may wait for long: a turn and a settlement cost what they concern, not what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from contracts.fact import ce_id_of
from hub.shard import promises
from hub.store.ports import WAITS_FOR_CONSENT, Promise, Removal
from tests.shard.harness import ShardUnderTest
from tests.shard.test_disclosing import withdrawn
from tests.shard.test_restarting import cut_off, reachable_again
from tests.shard.test_withdrawals import acknowledged, hub

__all__ = ["hub"]

MANY = 1_000
OTHERS = "00000000-0000-4000-8000-"


class Asked(dict[str, tuple[Promise, ...]]):
    """Answers what it is asked for by name, and is never walked through."""

    def _walked(self, *_: object) -> Any:
        raise AssertionError("all that waits was walked through")

    __iter__ = keys = values = items = copy = __or__ = __ror__ = _walked


def look_at(looks: list[str]) -> Callable[[Sequence[Promise | Removal], Mapping[str, int]], Promise | Removal | None]:
    """Notes whose promise is looked at."""
    original = promises._first_missing

    def noted(promised: Sequence[Promise | Removal], confirmed: Mapping[str, int]) -> Promise | Removal | None:
        looks.extend(one.case_id for one in promised[:1])
        return original(promised, confirmed)

    return noted


def many_waiting(hub: ShardUnderTest) -> None:
    """Withdrawals of other cases: half of unknown consents, half of what `KIF` has not got yet."""
    for number in range(MANY):
        event_id, case_id = f"PRI/{OTHERS}{number:012d}", f"{OTHERS}{number:012d}"
        of_hub = WAITS_FOR_CONSENT if number % 2 else 0
        hub.shard.promises.waiting[event_id] = (
            Promise(event_id, "HUB", case_id, of_hub),
            Promise(event_id, "KIF", case_id, 1_000_000 + number),
        )
    hub.shard.promises.store.promises = lambda: dict(hub.shard.promises.waiting)  # type: ignore[method-assign]
    hub.shard.promises.__post_init__()


def test_what_a_turn_looks_at_does_not_grow_with_what_waits(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_waiting(hub)
    hub.settle()
    hub.shard.promises.waiting = Asked(hub.shard.promises.waiting)
    looks: list[str] = []
    monkeypatch.setattr(promises, "_first_missing", look_at(looks))
    cut_off(hub, "B.SOC")
    withdrawal = withdrawn(hub)
    hub.settle()
    assert acknowledged(hub) == []
    assert len(looks) <= 2, "the new one, and again when the first of its two parties has confirmed"
    before = len(looks)
    for _ in range(50):
        hub.tick(1)
        hub.settle()
    assert len(looks) == before, "nothing of its party was confirmed"
    reachable_again(hub)
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]
    assert len(looks) <= before + 3
    assert not {each for each in looks if each.startswith(OTHERS)}


def test_of_many_that_wait_for_one_party_those_are_said_whose_number_is_confirmed(hub: ShardUnderTest) -> None:
    many_waiting(hub)
    said = hub.shard.promises
    said.say_kept({"KIF": 1_000_000 + 9})
    published = [
        each for each in hub.broker.log(hub.names.hub_input, 0) if b"WithdrawalDelivered" in str(each).encode()
    ]
    assert len(published) == 5, "of ten numbers every other promise waits for its consent too"
    assert not said.say_kept({"KIF": 1_000_000 + 9}), "each is said once"
    assert said.say_kept({"KIF": 1_000_000 + 10})
