"""What a party itself took back: it still has the fact and its retraction, and no view of it shows the fact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumers.rendering import events_text, events_values
from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views.base import View
from consumers.views.choice import VIEWS
from consumers.visible import VisibleEvent
from consumers.wording import LANGUAGES, wording
from contracts.civil_time import zone_of
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import SimulatedTopic, name

CITIZEN = name("taken back")
ZONE = zone_of("DK")


def retraction(event: str, party: str) -> VisibleEvent:
    said = {"targetEventId": name(event), "at": 300, "reason": "ENTERED_IN_ERROR"}
    return VisibleEvent(CITIZEN, name("retraction", event), party, "EventRetracted", 300, 300, said)


def housing(event: str, at: int, party: str = "A.SOC") -> VisibleEvent:
    said = {"kind": "OWN_TENANCY", "at": at, "housingId": name("home", event)}
    return VisibleEvent(CITIZEN, name(event), party, "HousingSecured", at, at, said)


def test_a_view_does_not_show_what_its_party_took_back(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    secured = {"occurredAt": 100, "kind": "OWN_TENANCY", "at": 100, "housingId": name("home")}
    topic.disclose(CITIZEN, name("secured"), "HousingSecured", secured, party="A.SOC")
    with PartyStore.create(tmp_path / "s.db", "A.SOC") as store:
        subscription = Subscription("A.SOC", topic, store)
        drain(subscription)
        assert store.view_lines()[0]["housing"] == "OWN_TENANCY"
        said = {"occurredAt": 200, "targetEventId": name("secured"), "at": 200, "reason": "OTHER"}
        topic.disclose(CITIZEN, name("r"), "EventRetracted", said, party="A.SOC")
        drain(subscription)
        assert store.view_lines() == [], "nothing else is known of the citizen"
        assert len(store.visible(CITIZEN)) == 2, "what the party was sent stays: it is its own fact"


@pytest.mark.parametrize("view", [VIEWS[each] for each in sorted(VIEWS)], ids=lambda view: view.name)
def test_every_view_leaves_out_what_was_taken_back_and_keeps_the_rest(view: View) -> None:
    fold = view.fold
    kept, gone = housing("kept", 200), housing("gone", 100)
    if view.name == "summary":
        line = fold([gone, kept, retraction("gone", "A.SOC")])
        assert line is not None
        assert line["events"] == 2
    else:
        assert fold([gone, kept, retraction("gone", "A.SOC")]) == fold([kept])
        assert fold([gone, retraction("gone", "A.SOC")]) is None
        assert fold([kept, retraction("kept", "B.SOC")]) == fold([kept]), "nobody takes back what another stated"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_events_of_a_citizen_are_marked_where_they_were_taken_back(language: str) -> None:
    events = [housing("gone", 100), housing("kept", 200), retraction("gone", "A.SOC")]
    words = wording(language)
    assert events_text("A.SOC", CITIZEN, events, words, ZONE).count(words.phrase("taken_back")) == 1
    values = json.loads(json.dumps(events_values(events, ZONE)))
    assert [value["taken_back"] for value in values] == [True, False, False]
