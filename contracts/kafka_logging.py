"""Keep what a Kafka client carries out of the log.

Rules:
- The client library logs keys, values, headers and passwords at DEBUG: whatever a program sets, its loggers
  give nothing below INFO.
- In a program that runs for long the client is silent: while a broker is away it would tell every try and every
  connection as an error, ten lines a second. What matters of that reaches the program as an exception, and the program
  says when an outage begins and ends. Where DEBUG is asked for, all that the first rule leaves is told.
- Every connection of the project passes through `contracts.connection`, which calls this first.
"""

from __future__ import annotations

import logging
from typing import Final

LIBRARY: Final = "kafka"


def cap_kafka_logging() -> None:
    """Make every logger of the Kafka client refuse records below INFO; calling it again changes nothing."""
    library = logging.getLogger(LIBRARY)
    if library.getEffectiveLevel() < logging.INFO:
        library.setLevel(logging.INFO)
    for name in list(logging.root.manager.loggerDict):
        if name == LIBRARY or name.startswith(f"{LIBRARY}."):
            logging.getLogger(name).addFilter(_at_least_info)


def quiet_kafka_logging() -> None:
    """Let the Kafka client log nothing that it goes on after, unless the program logs at DEBUG."""
    if logging.getLogger().getEffectiveLevel() > logging.DEBUG:
        logging.getLogger(LIBRARY).setLevel(logging.CRITICAL)


def _at_least_info(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO
