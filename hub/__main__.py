"""One worker of the hub: `python -m hub`. Settings come from `HUB_...` variables; see `hub.settings`.

Rules:
- It opens stores, it never makes one.
- On SIGTERM or SIGINT it finishes its batch, confirms what was sent, hands its shards over, and ends with 0.
- A failure in one shard is that shard's alone (`hub.held_shards`). What leaves the worker nothing to do ends it with 1
  and one line on standard error.
- Of a failure that nobody foresaw that line has type and place, never its words: they may quote what was in hand.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading

from contracts.failures import Failure
from contracts.faults import tell_faults_without_words, told
from contracts.kafka_logging import quiet_kafka_logging
from hub.settings import load_settings
from hub.wiring import spare_the_collector
from hub.worker import Worker, open_worker

log = logging.getLogger("hub")


def main() -> int:
    """Run until told to stop; return the exit code."""
    tell_faults_without_words()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    quiet_kafka_logging()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        worker = open_worker(load_settings())
        spare_the_collector()
        run(worker, stop)
    except Failure as failure:
        log.error("the worker stops: %s", failure)
        return 1
    except Exception as error:
        log.error("the worker stops: unexpected %s: please report this line", told(error))
        return 1
    return 0


def run(worker: Worker, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    try:
        worker.serve_metrics()
        worker.join(stop)
        while not stop.is_set():
            worker.step()
    finally:
        worker.close()


if __name__ == "__main__":
    sys.exit(main())
