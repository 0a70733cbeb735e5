"""The hub under a race: a sender whose records reach the broker when told to, and the steps of both actors."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

from deploy.scenario.simulated_broker import SimulatedOutputs
from hub.broker.ports import OutputRecord, Outputs
from tests.shard.harness import HOUR_MS, ShardUnderTest, consent, imprisonment

PARTIES: Final = ("PRI", "KIF", "A.SOC", "A.ADD", "B.SOC")
WITHDRAWING: Final = "PRI"
RECEIVING: Final = "B.SOC"
AGENCIES: Final = ("consent", "fact", "withdraw", "another fact")
HUB: Final = ("step", "deliver", "confirm", "step", "deliver", "confirm", "step")
FAULTS: Final = ("crash", "lose", "repeat", "outage", "unreachable", "reachable", "deliver one", "confirm")
DRAIN_STEPS_MAX: Final = 60


class Sent(NamedTuple):
    """One record as it reached a topic, in the order in which that happened over all topics."""

    party: str
    number: int
    record: OutputRecord


class HeldOutputs(SimulatedOutputs):
    """A sender that keeps what it is given until `deliver`, and what it knows of it until `confirm`.

    Of a party whose topic refuses a record it keeps nothing: what follows waits to be handed over again.
    """

    def __init__(self, hub: RacingHub) -> None:
        super().__init__(hub.broker, hub.names, 0)
        self._hub = hub
        self._held: list[OutputRecord] = []
        self._known: dict[str, int] = {}

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Keep the records."""
        self._held.extend(records)

    def taken(self) -> Mapping[str, int]:
        """What has reached the broker, or is kept."""
        taken = dict(super().taken())
        for record in self._held:
            taken[record.party] = max(record.number, taken.get(record.party, 0))
        return taken

    def deliver(self, count: int | None = None) -> None:
        """Let the first `count` of them reach the broker, all where none is given."""
        ready, self._held = self._held[:count], self._held[len(self._held[:count]) :]
        for record in ready:
            reached = not self._hub.is_unreachable(record.party)
            super().send([record])
            if reached and record.party not in self._stalled:
                self._hub.sent.append(Sent(record.party, record.number, record))
        self._held = [record for record in self._held if record.party not in self._stalled]

    def lose(self) -> None:
        """Drop what is kept, and say so: the shard goes back to what was confirmed."""
        for record in self._held:
            self._stalled[record.party] = None
        self._held.clear()

    def confirm(self) -> None:
        """Let the shard hear of what has reached the broker."""
        self._known.update(super().confirmed())

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """What was told by `confirm` since the last call."""
        told, self._known = self._known, {}
        return told


@dataclass
class RacingHub(ShardUnderTest):
    """One shard for many races. `sent` is everything that reached a topic, in order."""

    sent: list[Sent] = field(default_factory=list)

    def _outputs(self) -> Outputs:
        self.held_outputs = HeldOutputs(self)
        return self.held_outputs

    def is_unreachable(self, party: str) -> bool:
        """Whether the party's topic refuses."""
        return self.names.output(party) in self.broker.unreachable

    def do(self, action: str) -> None:
        """Play one step of the hub, or one fault."""
        match action:
            case "step":
                self.shard.step(0.0)
            case "deliver":
                self.held_outputs.deliver()
            case "deliver one":
                self.held_outputs.deliver(1)
            case "confirm":
                self.held_outputs.confirm()
            case "lose":
                self.held_outputs.lose()
            case "crash":
                self.restart()
            case "repeat":
                self._state_again()
            case "outage":
                self.tick(HOUR_MS)
            case "unreachable":
                self.broker.unreachable.add(self.names.output(RECEIVING))
            case "reachable":
                self.broker.unreachable.discard(self.names.output(RECEIVING))

    def _state_again(self) -> None:
        if self.broker.log(self.names.input(WITHDRAWING), 0):
            self.append(WITHDRAWING, self.last_input(WITHDRAWING))

    def drain(self) -> None:
        """Let everything come to rest."""
        self.do("reachable")
        self.tick()
        quiet = 0
        for _ in range(DRAIN_STEPS_MAX):
            # A party whose sending failed is left alone for a moment of the machine's own clock.
            self.shard.sending._paused_until.clear()
            quiet = 0 if self.shard.step(0.0) else quiet + 1
            self.do("deliver")
            self.do("confirm")
            if quiet >= 3:
                return
        raise AssertionError("the shard did not come to rest")


@dataclass(frozen=True)
class Race:
    """One citizen's race: the ids by which `verdict` finds what came of it."""

    case_id: str
    consent_id: str
    key: str
    withdrawing_key: str
    withdrawal: str
    begins_at: int
    script: tuple[str, ...]


def new_race(hub: RacingHub, seed: int) -> tuple[str, str]:
    """Enrol a citizen of the race's own; return case and consent."""
    ids = random.Random(f"withdrawal race {seed}")
    case_id, consent_id = (str(uuid.UUID(int=ids.getrandbits(128), version=4)) for _ in range(2))
    hub.tick(1_000)
    hub.enrol(case_id)
    hub.drain()
    return case_id, consent_id


def run(hub: RacingHub, case_id: str, consent_id: str, script: Sequence[str]) -> Race:
    """Play `script`, then let all come to rest."""
    begins_at, withdrawal = len(hub.sent), ""
    for action in script:
        if action in AGENCIES:
            withdrawal = _agencies(hub, case_id, consent_id, action) or withdrawal
        else:
            hub.do(action)
    hub.drain()
    keys = hub.key(RECEIVING, case_id), hub.key(WITHDRAWING, case_id)
    return Race(case_id, consent_id, *keys, withdrawal, begins_at, tuple(script))


def _agencies(hub: RacingHub, case_id: str, consent_id: str, action: str) -> str | None:
    """Play one step of the agencies; return the event id of the withdrawal, if it was that."""
    hub.tick(10)
    reference = f"{action} {case_id}"
    if action == "consent":
        values = consent(hub.now, ["CU", "OF"], [RECEIVING]) | {"consentId": consent_id}
        hub.state(WITHDRAWING, "ConsentGiven", values, reference, case_id=case_id)
    elif action == "withdraw":
        values = {"consentId": consent_id, "at": hub.now, "by": "SUBJECT"}
        return hub.state(WITHDRAWING, "ConsentWithdrawn", values, reference, case_id=case_id)
    else:
        values = imprisonment(hub.now) | {"custodyId": str(uuid.uuid5(uuid.UUID(case_id), action))}
        hub.state(WITHDRAWING, "ImprisonmentStarted", values, reference, case_id=case_id)
    return None


def interleavings() -> Iterator[tuple[str, ...]]:
    """Every order of the steps of both actors that keeps each one's own."""
    count = len(AGENCIES) + len(HUB)
    for places in combinations(range(count), len(AGENCIES)):
        agencies, hub = iter(AGENCIES), iter(HUB)
        yield tuple(next(agencies) if place in places else next(hub) for place in range(count))


def drawn(seed: int) -> tuple[str, ...]:
    """One interleaving with faults in between."""
    chance = random.Random(seed)
    hub_steps = [chance.choice(HUB[:3]) for _ in range(chance.randint(4, 16))]
    steps = [*hub_steps, *(chance.choice(FAULTS) for _ in range(chance.randint(0, 5)))]
    chance.shuffle(steps)
    for action, place in zip(AGENCIES, sorted(chance.sample(range(len(steps) + 1), len(AGENCIES))), strict=True):
        steps.insert(place + AGENCIES.index(action), action)
    return tuple(steps)


def new_hub(directory: Path) -> RacingHub:
    """A hub at rest."""
    return RacingHub(directory, PARTIES)
