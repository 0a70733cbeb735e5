"""Any history: the store equals the model, and the view equals one folded from scratch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from consumers import subscription as subscription_module
from consumers.store import PartyStore
from consumers.subscription import Subscription
from tests.consumers.histories import Action, Advance, Model, Reopen, actions, drain, seen
from tests.consumers.simulated_topic import SimulatedTopic


def from_scratch(model: Model, party_id: str, path: Path) -> list[dict[str, object]]:
    """The view of a party that was only ever sent what it may see now."""
    topic = SimulatedTopic()
    for (key, party, event), shown in sorted(model.present.items()):
        topic.disclose(key, event, shown.event_type, shown.payload, party=party)
    with PartyStore.create(path, party_id) as store:
        drain(Subscription(party_id, topic, store))
        return store.view_lines()


def check_history(history: list[Action], party_id: str, folder: Path) -> None:
    path = folder / "party.db"
    topic, model = SimulatedTopic(), Model()
    store = PartyStore.create(path, party_id)
    subscription = Subscription(party_id, topic, store)
    try:
        for action in history:
            model.take(action, topic)
            if isinstance(action, Advance):
                drain(subscription)
                assert seen(store) == model.visible()
            elif isinstance(action, Reopen):
                store.close()
                store = PartyStore.open(path, party_id)
                subscription = Subscription(party_id, topic, store)
        drain(subscription)
        assert seen(store) == model.visible()
        assert dict(subscription.numbers()) == {p: number for p, number in enumerate(topic.numbers) if number}
        assert store.keys() == sorted({key for key, _, _ in model.present})
        assert store.view_lines() == from_scratch(model, party_id, folder / "scratch.db")
    finally:
        store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions)
def test_the_prison_store_equals_the_model(history: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_history(history, "PRI", Path(folder))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions)
def test_the_social_store_equals_the_model_in_batches_of_two(history: list[Action]) -> None:
    whole = subscription_module.BATCH_RECORDS_MAX
    subscription_module.BATCH_RECORDS_MAX = 2  # type: ignore[misc]
    try:
        with tempfile.TemporaryDirectory() as folder:
            check_history(history, "A.SOC", Path(folder))
    finally:
        subscription_module.BATCH_RECORDS_MAX = whole  # type: ignore[misc]
