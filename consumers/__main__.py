"""`python -m consumers` runs one party's subscription; `python -m consumers make-store` makes its store first.

Rules:
- SIGTERM and SIGINT end it after the batch in hand; nothing is half applied.
- A broker that cannot be reached, and a store without room or whose lock another program holds, is tried again, ever
  more slowly; that is said once, and once when it is over.
- A record that cannot be applied stops its partition: nothing is skipped. That is said once. The other partitions go
  on, and so does this one as soon as a resync begins behind it.
- Anything else ends the process with exit code 2 and a message that says what to do.
- Logs carry counts, partitions and offsets, never keys, ids or content.
"""

from __future__ import annotations

import logging
import signal
import sqlite3
import sys
import threading
from types import FrameType
from typing import Final

from consumers.hub_signatures import HubSignatures
from consumers.kafka_source import KafkaSource
from consumers.settings import ConsumerSettings, consumer_settings
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.failures import BadSetting, Failure, ReceiverFailure
from contracts.faults import tell_faults_without_words, told
from contracts.kafka_logging import quiet_kafka_logging

WAIT_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 30.0
STOPPED_SECONDS: Final = 5.0
"""How long after a refusal the other partitions are read, and the beginning of a resync is looked for, again."""
FAILED: Final = 2

_log = logging.getLogger("consumers")


def main(arguments: list[str]) -> int:
    """Run, or make the store; return the exit code."""
    tell_faults_without_words()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    quiet_kafka_logging()
    if arguments not in ([], ["make-store"]):
        _log.error("expected no argument, or `make-store`")
        return FAILED
    try:
        settings = consumer_settings()
        if arguments:
            if not settings.store.parent.is_dir():
                raise BadSetting(
                    f"`HUB_CONSUMER_STORE`: no directory `{settings.store.parent}`; mend the path or make it"
                )
            PartyStore.create(settings.store, settings.party).close()
            return 0
        stop = threading.Event()
        _stop_on_signals(stop)
        with PartyStore.open(settings.store, settings.party) as store:
            _log.info("receiving for `%s`", settings.party)
            run(settings, store, stop)
    except Failure as failure:
        _log.error("%s", failure)
        return FAILED
    except sqlite3.Error as error:
        _log.error("the store could not be read or written: %s; check disk and rights, then start again", error)
        return FAILED
    except Exception as error:
        _log.error("unexpected %s: please report this line", told(error))
        return FAILED
    return 0


def run(settings: ConsumerSettings, store: PartyStore, stop: threading.Event) -> None:
    """Receive until `stop` is set; raise the failure that trying again cannot mend, unless a resync can."""
    source = KafkaSource(settings.connection, settings.names, settings.party)
    topic = settings.names.output(settings.party)
    signatures = HubSignatures.read(topic, settings.hub_keys_file) if settings.hub_keys_file else None
    subscription = Subscription(settings.party, source, store, signatures)
    pause_seconds, outage = WAIT_SECONDS, ""
    said: set[str] = set()
    filling: list[int] = store.filling()
    try:
        while not stop.is_set():
            try:
                handled, rest_seconds = subscription.advance(WAIT_SECONDS), 0.0
            except ReceiverFailure:  # told below, once
                handled, rest_seconds = 0, STOPPED_SECONDS
            except Failure as failure:
                if not failure.retriable:
                    raise
                if str(failure) != outage:
                    outage = str(failure)
                    _log.warning("%s; trying again, at least every %.0f s", failure, RETRY_SECONDS_MAX)
                stop.wait(pause_seconds)
                pause_seconds = min(2 * pause_seconds, RETRY_SECONDS_MAX)
                continue
            if outage:
                outage = ""
                _log.info("reading again")
            pause_seconds = WAIT_SECONDS
            _tell_stopped(subscription, said)
            if (now_filling := store.filling()) != filling:
                filling = now_filling
                _log.info("partitions being told anew: %s", " ".join(map(str, filling)) or "none, all is here")
            if handled:
                _log.info("handled %d records, %d repeats so far", handled, subscription.repeats)
            stop.wait(rest_seconds)
    finally:
        subscription.close()


def _tell_stopped(subscription: Subscription, said: set[str]) -> None:
    for failure in map(str, subscription.stopped().values()):
        if failure not in said:
            said.add(failure)
            _log.error("%s; the other partitions go on, and so will this one behind the beginning of a resync", failure)


def _stop_on_signals(stop: threading.Event) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
