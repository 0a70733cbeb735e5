"""A few of each kind of forgery with each layer switched off in turn; `python -m tests.spoofing` tries many more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.local_kafka import LocalKafka
from tests.conftest import MakeWorld
from tests.spoofing.forgeries import KINDS
from tests.spoofing.rounds import ALL_OFF, GUARDED, NOTHING_OFF
from tests.spoofing.stage import BROKER, REGISTRY, Stage

pytestmark = pytest.mark.kafka
ATTEMPTS = 2 * len(KINDS)


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld, local_kafka: LocalKafka) -> Iterator[Stage]:
    with closing(Stage(make_world(REGISTRY, played=False), local_kafka.admin)) as stage:
        yield stage


@pytest.mark.parametrize("off", GUARDED, ids=lambda off: "-".join(sorted(off)) or "nothing")
def test_nothing_forged_is_accepted_with_one_layer_off(stage: Stage, off: frozenset[str]) -> None:
    # A seed of its own: the key that is not registered yet is registered at the end of a round.
    outcome = stage.play(ATTEMPTS, off, seed=GUARDED.index(off))
    assert (outcome.attempts, outcome.accepted) == (ATTEMPTS, 0)
    if BROKER in off:
        assert set(outcome.by_kind) == set(KINDS)
    else:
        assert outcome.denied_tried > 0
        assert outcome.written + outcome.denied == ATTEMPTS


def test_the_attempts_are_of_a_kind_that_is_accepted_where_nothing_guards(stage: Stage) -> None:
    assert stage.play(ATTEMPTS, ALL_OFF, seed=8).accepted > ATTEMPTS / 2
    # And everything holds again once it is back: the switch is the test's, not the hub's.
    assert stage.play(ATTEMPTS, NOTHING_OFF, seed=9).accepted == 0
