"""Closing a client of kafka-python for good, whatever is still on its way.

Rule (the answer to a trap that was reproduced with kafka-python 3.0.12): `KafkaProducer.close` raises where a record
has not left within the time, and leaves its thread and connection behind, once for each try at a broker that is away.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def close_producer(producer: Any, seconds: float) -> None:
    """Wait at most `seconds` for what was sent, give up the rest, and release thread and connection; never raises.

    What was given up fails for whoever waits for it; whether the broker has it is unknown.
    """
    from kafka.errors import KafkaTimeoutError  # only who has a producer has loaded the client

    try:
        producer.flush(timeout=seconds)
    except KafkaTimeoutError:
        producer._sender.force_close()
    with suppress(KafkaTimeoutError):
        producer.close(timeout=seconds)
