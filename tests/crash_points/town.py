"""A town whose hub and whose prison's subscription can be killed at any crash point, with what it must come to.

Rules:
- Hub and subscription are the real processes on the real broker and store, in modules that set the crash points.
- Beside them a subscription of the test's own, which nobody kills, reads the prison's topic: it is the undisturbed run.
- A round states a little of everything: housing, some of it said twice or taken back, a bad record, a consent and its
  end, and housing of a citizen whose key comes later, so that what was parked is retried.
- What is expected is known from what was stated alone.
"""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from consumers.kafka_source import KafkaSource
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.connection import KafkaConnection
from contracts.fact import event_id_of
from contracts.reasons import Reason
from deploy.hub_places import hub_directory
from deploy.hub_process import HubProcess
from hub.store.records import RecordParked
from producers.transport import OutgoingRecord
from tests.acknowledgements.__main__ import consent
from tests.crash_points.hub import FOLDER
from tests.crash_points.receiver import ReceiverProcess
from tests.crash_points.trap import Trigger
from tests.takeovers.town import Town, moment_of

PARTITIONS: Final = 2
CITIZENS: Final = 8
CONSENTING: Final = 2
PER_ROUND: Final = 4
STATING: Final = "A.SOC"
RECEIVING: Final = "PRI"


class CrashTown(Town):
    """The town; `hub` and `receiver` are its processes, `hub_trigger` and `receiver_trigger` let them die."""

    def __init__(self, admin: KafkaConnection, directory: Path, *, seed: int, **stores: Any) -> None:
        super().__init__(
            admin, directory, citizens=CITIZENS, partitions=PARTITIONS, module="tests.crash_points.hub", **stores
        )
        self._draw = random.Random(seed)
        citizens = list(self.cases)
        self._consenting, self._settled = citizens[:CONSENTING], citizens[CONSENTING:]
        self._late: dict[str, bool] = {}
        self._told: list[tuple[str, str]] = []
        self.shown: set[str] = set()
        """The housing that the prison must see, by the hub's event id."""
        self.repeats = 0
        try:
            self.hub: HubProcess = self.worker("one")
            self.hub_trigger = Trigger(hub_directory(self.world) / FOLDER)
            self.receiver = ReceiverProcess(self.world, RECEIVING)
            self._closing.callback(self.receiver.kill)
            self.receiver_trigger = Trigger(self.receiver.folder)
            self._watch()
            self.hub.start()
            self.receiver.launch()
            self.settle_in()
            self.wait_until(self.is_at_rest, "everybody is in prison")
            self.repeats_before = self.received() - len(self.stated.confirmed)
        except BaseException:
            self.close()
            raise

    def _watch(self) -> None:
        names = self.world.names
        self.undisturbed = PartyStore.create(self.world.directory / "undisturbed.db", RECEIVING)
        self._closing.callback(self.undisturbed.close)
        source = KafkaSource(self.world.connection(names.user(RECEIVING)), names, RECEIVING)
        self._subscription = Subscription(RECEIVING, source, self.undisturbed)
        self._closing.callback(self._subscription.close)

    def state_round(self) -> None:
        """State a little of everything."""
        fresh = [(case_id, self._reference(case_id)) for case_id in self._draw.choices(self._settled, k=PER_ROUND)]
        records = [self.housing(case_id, ref) for case_id, ref in fresh]
        self.publish(STATING, [*records, records[0]])
        self.repeats += 1
        self.shown.update(map(_event_id, records))
        somebody = self._draw.choice(self._settled)
        self.publish_bad(self.housing(somebody, self._reference(somebody)))
        if self._told:
            case_id, ref = self._told.pop(self._draw.randrange(len(self._told)))
            self.publish(STATING, [self.retraction(case_id, ref)])
            self.shown.discard(_event_id(self.housing(case_id, ref)))
        self._told += fresh
        self._consent_and_withdraw(self._draw.choice(self._consenting))
        self._state_of_somebody_late()
        self.retry_parked()

    def retry_parked(self) -> None:
        """Give late citizens their keys, and have retried what waits for them."""
        late = [case_id for case_id, has_key in self._late.items() if not has_key]
        self._late.update(dict.fromkeys(late, True))
        waiting = [
            (record.partition, "ParkedRetried", {"party": STATING, "parkedNumber": record.originator_version})
            for record in self.waiting_for_key()
        ]
        if late or waiting:
            self.control([*(self.issue(case_id, STATING) for case_id in late), *waiting])

    def waiting_for_key(self) -> list[RecordParked]:
        """What is parked because its citizen's key came later."""
        return [record for record in self.open_parked() if record.reason == Reason.UNKNOWN_KEY]

    def keys_of_consenting(self) -> set[str]:
        """The prison's keys of those of whom what it sees rests on consents."""
        return {self.key(case_id, RECEIVING) for case_id in self._consenting}

    def open_parked(self) -> list[RecordParked]:
        """What is parked and not resolved."""
        return [record for store in self.stores for record, outcome in store.parked() if outcome is None]

    def received(self) -> int:
        """How many records lie on the parties' inputs."""
        return sum(end for (topic, _), end in self.ends().items() if topic != self.world.names.hub_input)

    def is_at_rest(self) -> bool:
        """Whether the hub has stored and sent all, owes no acknowledgement, and the prison's subscription has it."""
        # In this order: an acknowledgement that is stored gives out a number of its own.
        return not any(store.promises() for store in self.stores) and self.is_quiet() and self.has_received()

    def has_received(self) -> bool:
        """Whether the prison's subscription has applied the last number given out to it."""
        with PartyStore.open_for_reading(self.receiver.store_file, RECEIVING) as store:
            reached = {shard: position.last_number for shard, position in store.positions().items()}
        return reached == self._given_out_to_prison()

    def catch_up_undisturbed(self) -> None:
        """Let the subscription that nobody kills read to the end."""
        self.wait_until(self._advance_undisturbed, "the undisturbed subscription has all")

    def _advance_undisturbed(self) -> bool:
        self._subscription.advance(0.1)
        return dict(self._subscription.numbers()) == self._given_out_to_prison()

    def _given_out_to_prison(self) -> dict[int, int]:
        numbers = {shard: given.get(RECEIVING, 0) for shard, given in enumerate(self.given_out())}
        return {shard: number for shard, number in numbers.items() if number}

    def _reference(self, case_id: str) -> str:
        """A reference under which something is stated that happened after the citizen's imprisonment began."""
        while True:
            reference = f"housing-{uuid.UUID(int=self._draw.getrandbits(128))}"
            if moment_of(reference) > moment_of(f"custody of {case_id}"):
                return reference

    def _consent_and_withdraw(self, case_id: str) -> None:
        """Somebody of whom all that is stated rests on consents: what the prison sees of them comes and goes."""
        now, consent_id = datetime.now(UTC), uuid.UUID(int=self._draw.getrandbits(128))
        given = consent(self, case_id, consent_id)
        values = {"consentId": consent_id, "at": now, "by": "SUBJECT"}
        withdrawn = self.record(STATING, "ConsentWithdrawn", values, case_id, f"end of {consent_id}", now)
        self.publish(RECEIVING, [given])
        self.publish(STATING, [self.housing(case_id, self._reference(case_id)), withdrawn])

    def _state_of_somebody_late(self) -> None:
        case_id = str(uuid.UUID(int=self._draw.getrandbits(128)))
        self.cases[case_id] = self._draw.randrange(PARTITIONS)
        self._late[case_id] = False
        self.control([self.enrolment(case_id)])
        self.publish(STATING, [self.housing(case_id, self._reference(case_id))])


def _event_id(record: OutgoingRecord) -> str:
    return event_id_of(STATING, dict(record.headers)["ce_id"].decode())
