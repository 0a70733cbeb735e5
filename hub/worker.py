"""One worker: all shards of one process, stepped in turn, with their ticks and metrics.

Rules:
- A shard is opened where its store stands, never from anything that was kept in memory.
- Where nothing is to do anywhere, it waits, briefly.
"""

from __future__ import annotations

import gc
import logging
import time

from contracts.failures import BadSetting
from contracts.parties import PartyRegistry
from contracts.registry_file import read_registry
from contracts.signatures import SigningKey
from hub.broker.kafka_control import KafkaControl
from hub.broker.signature_pool import SignaturePool
from hub.metrics import Metrics
from hub.settings import WorkerSettings, read_secret
from hub.shard.ticking import Ticker
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.wiring import TICKER, look_at_cluster, open_shard, store_place

STEP_WAIT_SECONDS = 0.1
COLLECT_IDLE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Worker:
    """All shards of one process, stepped in turn, with their ticks and metrics."""

    def __init__(self, settings: WorkerSettings, keys: KeyStore, registry: PartyRegistry) -> None:
        self._settings = settings
        self._keys = keys
        self._pool = SignaturePool(settings.signature_processes)
        self._registry = registry
        self._metrics = Metrics()
        self._shards: list[Shard] = []
        self._collected_at = 0.0
        self._ticker: Ticker | None = None
        self._metrics_at = ""
        self._control: KafkaControl | None = None

    def serve_metrics(self) -> None:
        """Serve `/metrics`, from the beginning: a worker that waits for Kafka can be watched waiting."""
        address, port = self._settings.metrics_address, self._settings.metrics_port
        try:
            server = self._metrics.serve(address, port)
        except OSError as error:
            what = f"`HUB_METRICS_ADDRESS`, `HUB_METRICS_PORT`: cannot listen on `{address}:{port}` ({error.strerror})"
            raise BadSetting(f"{what}; choose a free one") from error
        self._metrics_at = f"{address}:{server.server_port}"
        log.info("metrics on http://%s/metrics", self._metrics_at)

    def announce(self) -> None:
        """Say in the state directory that the shards are at work, and where `/metrics` is."""
        file = self._settings.state_directory / "metrics-address"
        # Whoever waits for the file must never read half of it.
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(self._metrics_at, encoding="ascii")
        unfinished.replace(file)

    def start(self) -> None:
        """Open every shard at the position that its store holds."""
        settings = self._settings
        cluster = look_at_cluster(settings, self._registry)
        for number in range(settings.partitions):
            self._shards.append(
                open_shard(settings, self._keys, self._registry, cluster, number, self._metrics, self._pool)
            )
        if settings.tick_seconds:
            self._control = self._ticking_channel()
            self._ticker = Ticker(self._control, range(settings.partitions), settings.tick_seconds)
            self._ticker.start()
        log.info("at work: %d of %d shards", len(self._shards), settings.partitions)

    def _ticking_channel(self) -> KafkaControl:
        return KafkaControl(
            self._settings.connection("reader"),
            self._settings.names,
            TICKER,
            lambda: time.time_ns() // 1_000_000,
            signing_key=SigningKey.read(self._settings.signing_key_file),
        )

    def step(self) -> None:
        """Step every shard once; only where nothing is to do anywhere does it wait, briefly."""
        wait_seconds = STEP_WAIT_SECONDS / max(1, len(self._shards))
        worked = [shard.step(wait_seconds) for shard in self._shards]
        if not any(worked):
            self._collect_when_idle()

    def _collect_when_idle(self) -> None:
        """Let the collector look at what is young, once in a while.

        While a broker is down, the client library leaves the socket of every attempt to reach it in a cycle, and
        nothing else is made that would bring the collector on: the process would run out of files.
        """
        now = time.monotonic()
        if now - self._collected_at >= COLLECT_IDLE_SECONDS:
            gc.collect(1)
            self._collected_at = now

    def rest(self) -> None:
        """Close every shard; `start` opens them again from what is stored."""
        if self._ticker:
            self._ticker.stop()
            self._ticker = None
        if self._control:
            self._control.close()
            self._control = None
        while self._shards:
            self._shards.pop().close()

    def close(self) -> None:
        """Close everything."""
        self.rest()
        self._pool.close()
        self._keys.close()


def open_worker(settings: WorkerSettings) -> Worker:
    """Return a worker for `settings`; nothing is read from Kafka yet."""
    keys = store_place(settings).open_keys(read_secret(settings.master_key_file))
    return Worker(settings, keys, read_registry(settings.registry_file))
