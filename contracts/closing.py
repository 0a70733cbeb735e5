"""Closing a client of kafka-python for good, whatever is still on its way.

Rule (the answer to a trap that was reproduced with kafka-python 3.0.12): `KafkaProducer.close` raises where a record
has not left within the time, and leaves its thread and connection behind, once for each try at a broker that is away.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def close_producer(producer: Any, seconds: float, timed_out: type[Exception]) -> None:
    """Wait at most `seconds` for what was sent, give up the rest, and release thread and connection.

    `timed_out` is the client's error where something has not left; it is not raised. What was given up fails for
    whoever waits for it; whether the broker has it is unknown. This module imports no Kafka client.
    """
    try:
        producer.flush(timeout=seconds)
    except timed_out:
        producer._sender.force_close()
    with suppress(timed_out):
        producer.close(timeout=seconds)
