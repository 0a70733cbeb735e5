"""Generated histories of one party's topic, and a dict-sized model of what the party may then see.

Rules:
- The model knows nothing of the store: an event is there from its last disclosure to its next retraction.
- Payloads are built from the contracts, so every visible shape of the event types used comes about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from consumers.store import PartyStore
from consumers.subscription import Subscription
from tests.consumers.simulated_topic import KEYS, PARTITIONS, SimulatedTopic, name

AT = 1_736_150_400_000
DAY_MS = 86_400_000
EVENT_TYPES = (
    "ImprisonmentStarted",
    "ReleasedOnParole",
    "ReleaseDateSet",
    "HousingSecured",
    "HousingLost",
    "CoordinatorAssigned",
    "CoordinatorVacated",
    "BenefitGranted",
    "MotivationTalkHeld",
)
OPTIONAL: dict[str, dict[str, Any]] = {
    "ImprisonmentStarted": {"institution": "PRI", "earliestParole": 20_395, "planDuty": True},
    "ReleaseDateSet": {"releaseDate": 20_395, "kind": "PAROLE"},
    "HousingSecured": {"housingId": name("h"), "kind": "PENSION", "address": "Nowhere Street 1", "startsOn": 20_393},
    "HousingLost": {"housingId": name("h"), "kind": "PENSION"},
    "CoordinatorAssigned": {"party": "A.SOC", "caseload": 18},
    "CoordinatorVacated": {"party": "A.SOC"},
    "BenefitGranted": {"benefitId": name("b"), "kind": "CASH_ASSISTANCE", "monthlyAmount": b"\x01\x00"},
    "MotivationTalkHeld": {"setting": "PRISON", "topics": ["HOUSING"]},
}


@dataclass(frozen=True)
class Disclose:
    key: str
    event: int
    party: str
    event_type: str
    occurred_at: int
    shown: frozenset[str]

    @property
    def payload(self) -> dict[str, Any]:
        chosen = OPTIONAL.get(self.event_type, {})
        return {"occurredAt": self.occurred_at} | {name: chosen[name] for name in chosen if name in self.shown}


@dataclass(frozen=True)
class Retract:
    key: str
    event: int
    party: str


@dataclass(frozen=True)
class Repeat:
    partition: int
    count: int


@dataclass(frozen=True)
class Advance:
    pass


@dataclass(frozen=True)
class Reopen:
    pass


Action = Disclose | Retract | Repeat | Advance | Reopen

_keys = st.sampled_from(KEYS[:3])
_events = st.integers(0, 5)
_parties = st.sampled_from(("PRI", "A.SOC"))
_fields = st.frozensets(st.sampled_from(sorted({field for fields in OPTIONAL.values() for field in fields})))
_disclose = st.builds(
    Disclose,
    _keys,
    _events,
    _parties,
    st.sampled_from(EVENT_TYPES),
    st.integers(0, 20).map(lambda day: AT + day * DAY_MS),
    _fields,
)
actions: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(
        _disclose,
        _disclose,
        st.builds(Retract, _keys, _events, _parties),
        st.builds(Repeat, st.integers(0, PARTITIONS - 1), st.integers(1, 4)),
        st.builds(Advance),
        st.builds(Reopen),
    ),
    max_size=40,
)


@dataclass
class Model:
    """What the party may see: (key, party, event id) -> the disclosure that shows it."""

    present: dict[tuple[str, str, str], Disclose] = field(default_factory=dict)

    def take(self, action: Action, topic: SimulatedTopic) -> None:
        """Do `action` to the model and to the topic."""
        match action:
            case Disclose(key, event, party, event_type):
                topic.disclose(key, name(event), event_type, action.payload, party=party)
                self.present[key, party, name(event)] = action
            case Retract(key, event, party):
                topic.retract(key, name(event), "CaseOpened", party=party)
                self.present.pop((key, party, name(event)), None)
            case Repeat(partition, count):
                topic.repeat(partition, count)
            case Advance() | Reopen():
                pass

    def visible(self) -> list[tuple[str, str, str, str, int, dict[str, Any]]]:
        """What `seen` must give."""
        return sorted(
            (key, party, event, shown.event_type, shown.occurred_at, shown.payload)
            for (key, party, event), shown in self.present.items()
        )


def seen(store: PartyStore) -> list[tuple[str, str, str, str, int, dict[str, Any]]]:
    """All that `store` shows, in the model's form."""
    return sorted(
        (event.key, event.party, event.event_id, event.event_type, event.occurred_at, dict(event.payload))
        for event in store.visible()
    )


def drain(subscription: Subscription) -> None:
    """Advance until nothing more comes."""
    while subscription.advance(0):
        pass
