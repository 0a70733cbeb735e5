"""Keep what a Kafka client carries out of the log.

Rules:
- The client library logs keys, values, headers and passwords at DEBUG: whatever a program sets, its loggers
  give nothing below INFO.
- A program that runs for long lets the client tell errors only: while a broker is away it would repeat every try and
  every login, some lines a second, and the program itself says when an outage begins and ends. Where DEBUG is asked
  for, all that the first rule leaves is told.
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
    """Let the Kafka client log errors only, unless the program logs at DEBUG."""
    if logging.getLogger().getEffectiveLevel() > logging.DEBUG:
        logging.getLogger(LIBRARY).setLevel(logging.ERROR)


def _at_least_info(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO
