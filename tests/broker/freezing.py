"""A broker that holds its connections and says nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local_kafka import LocalKafka


@contextmanager
def frozen(kafka: LocalKafka) -> Iterator[None]:
    """Freeze the broker meanwhile."""
    assert kafka.process_id is not None
    os.kill(kafka.process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(kafka.process_id, signal.SIGCONT)
