"""Keep what a Kafka client carries out of the log.

Rules:
- The client library logs keys, values, headers and passwords at DEBUG: whatever a program sets, its loggers
  give nothing below INFO.
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


def _at_least_info(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO
