"""How long a withdrawal takes to be acknowledged: `python -m tests.acknowledgements --withdrawals 300`.

Rules:
- The real hub on a Kafka of its own, with citizens of whom facts are stated without a pause.
- Every citizen has consented to what social services state; one after the other withdraws. The time runs from the
  broker's confirmation of the withdrawal to its acknowledgement in the hands of who stated it.
- Exits 1 where one is missing, comes twice, or the 99th percentile is above two seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from contracts.codec import codec
from deploy.local_kafka import LocalKafka
from hub.shard.withdrawals import ACKNOWLEDGEMENT
from producers.transport import OutgoingRecord
from tests.takeovers.recovery import recovery_of
from tests.takeovers.town import Town

SHARDS: Final = 2
SECONDS_WANTED: Final = 2.0
PAUSE_SECONDS: Final = 0.1
PARTY: Final = "PRI"
PURPOSES: Final = ("RELEASE_PLANNING", "SOCIAL_SUPPORT", "BENEFIT")
LONG_AGO: Final = timedelta(days=5)


class Acknowledged:
    """When each withdrawal was acknowledged, by its `ce_id`, as the party that stated it reads its topic."""

    def __init__(self, town: Town) -> None:
        names = town.world.names
        self._consumer = KafkaConsumer(**town.world.connection(names.user(PARTY)).consumer_options())
        places = [TopicPartition(names.output(PARTY), shard) for shard in range(SHARDS)]
        self._consumer.assign(places)
        for place in places:
            self._consumer.seek(place, 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="acknowledgements")
        self.at: dict[str, list[float]] = {}

    @contextmanager
    def reading(self) -> Iterator[Mapping[str, list[float]]]:
        """Read on until this ends."""
        self._thread.start()
        try:
            yield self.at
        finally:
            self._stopped.set()
            self._thread.join()
            self._consumer.close()

    def _read(self) -> None:
        while not self._stopped.is_set():
            for records in self._consumer.poll(timeout_ms=20).values():
                now = time.monotonic()
                for record in records:
                    self._note(record, now)

    def _note(self, record: Any, now: float) -> None:
        told = codec().decode(record.value) if record.value else None
        if told and told.event_type.name == ACKNOWLEDGEMENT:
            self.at.setdefault(str(told.payload["targetEventId"]), []).append(now)


def main() -> int:
    """Withdraw as often as was asked for, and print how long it took."""
    options = argparse.ArgumentParser(prog="python -m tests.acknowledgements", description=__doc__)
    options.add_argument("--withdrawals", type=int, default=300, help="how many citizens withdraw a consent")
    options.add_argument("--seed", type=int, default=0, help="what is drawn from")
    options.add_argument("--json", action="store_true", help="the result for programs")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory, LocalKafka(Path(directory) / "kafka", tuned_for="tests") as kafka:
        place = Path(directory) / f"town-{uuid.uuid4().hex[:8]}"
        with closing(Town(kafka.admin, place, citizens=given.withdrawals, partitions=SHARDS)) as town:
            found = measured(town, given.seed)
    sys.stdout.write(json.dumps(found) + "\n" if given.json else "".join(f"{k}: {v}\n" for k, v in found.items()))
    return 0 if found["missing"] == found["twice"] == 0 and found["seconds"]["p99"] <= SECONDS_WANTED else 1


def measured(town: Town, seed: int) -> dict[str, Any]:
    """Let everybody consent, then withdraw one after the other, and return the figures."""
    town.worker("one").start()
    town.settle_in()
    consents = {case_id: uuid.uuid5(uuid.NAMESPACE_OID, f"consent of {case_id}") for case_id in town.cases}
    town.publish(PARTY, [consent(town, case_id, consent_id) for case_id, consent_id in consents.items()])
    town.wait_until(town.is_quiet, "every consent is stored")
    withdrawn: dict[str, float] = {}
    with Acknowledged(town).reading() as acknowledged, town.traffic(seed, pause_seconds=0.2):
        for done, (case_id, consent_id) in enumerate(consents.items(), start=1):
            now = datetime.now(UTC)
            values = {"consentId": consent_id, "at": now, "by": "SUBJECT"}
            record = town.record(PARTY, "ConsentWithdrawn", values, case_id, f"end of {case_id}", now)
            town.publish(PARTY, [record])
            withdrawn[dict(record.headers)["ce_id"].decode()] = time.monotonic()
            time.sleep(PAUSE_SECONDS)
            if done % 50 == 0:
                sys.stderr.write(f"{done} of {len(consents)} withdrawn\n")
        town.wait_until(lambda: withdrawn.keys() <= acknowledged.keys(), "every withdrawal is acknowledged")
    took = [acknowledged[target][0] - began for target, began in withdrawn.items()]
    return {
        "withdrawals": len(withdrawn),
        "missing": len(withdrawn.keys() - acknowledged.keys()),
        "twice": sum(len(at) > 1 for at in acknowledged.values()),
        "facts stated meanwhile": len(town.stated.confirmed),
        "seconds": recovery_of(took),
    }


def consent(town: Town, case_id: str, consent_id: uuid.UUID) -> OutgoingRecord:
    """A consent of a citizen to what social services state, for everybody."""
    at = datetime.now(UTC) - LONG_AGO
    values = {
        "consentId": consent_id, "version": 1, "at": at, "collectedBy": PARTY, "collector": "s1",
        "givenBy": "SUBJECT", "form": "WRITTEN", "evidenceRef": "e1", "noticeVersion": "1", "language": "da",
        "withdrawalExplained": True, "capacityConfirmed": True, "categories": ["CU", "HO", "PL", "FI"],
        "sources": ["A.SOC", "PRI"], "recipients": ["A.BEN", "A.SOC", "PRI"], "purposes": list(PURPOSES),
        "validFrom": at,
    }  # fmt: skip
    return town.record(PARTY, "ConsentGiven", values, case_id, f"consent {consent_id}", at)


if __name__ == "__main__":
    raise SystemExit(main())
