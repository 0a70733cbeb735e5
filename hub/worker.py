"""One worker: the shards that the group gives it, stepped in turn, with their ticks and metrics.

Rules:
- Which shards are its own it is told between two batches, never inside of one. It opens what it gains where the
  store stands, and closes what it loses before another worker is given it.
- A worker that cannot reach the cluster waits for it; one whose name another has taken, or that has no right to join,
  ends.
- A registry that has changed is taken up by opening every shard anew, one hub-wide restart less; the group is not left.
- Where nothing is to do anywhere, it waits, briefly.

Ownership comes from `hub.broker`; what a shard does is in `hub.shard`.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable

from contracts.failures import BadSetting, Failure
from contracts.parties import PartyRegistry
from contracts.private_files import write_private
from contracts.registry_file import read_registry
from contracts.signatures import SigningKey
from hub.arrival.principals import TICKER
from hub.broker.kafka_cluster import ClusterIdentity
from hub.broker.kafka_control import KafkaControl
from hub.broker.kafka_ownership import KafkaOwnership
from hub.broker.ports import Ownership
from hub.broker.signature_pool import SignaturePool
from hub.held_shards import HeldShards, RunningShard
from hub.metrics import Metrics
from hub.registry_watch import RegistryWatch
from hub.settings import WorkerSettings, read_secret
from hub.shard.ticking import Ticker
from hub.store.keys import KeyStore
from hub.wiring import look_at_cluster, open_shard, require_inputs, store_place

STEP_WAIT_SECONDS = 0.1
JOIN_RETRY_SECONDS = 1.0
COLLECT_IDLE_SECONDS = 5.0
CLUSTER_LOOK_SECONDS = 2.0
"""How long an answer of the cluster holds: as long as the shards that are gained together take to be opened."""

log = logging.getLogger(__name__)


class Worker:
    """One process of a hub. `ownership` says which shards are its own."""

    def __init__(self, settings: WorkerSettings, keys: KeyStore, registry: PartyRegistry, ownership: Ownership) -> None:
        self._settings = settings
        self._keys = keys
        self._pool = SignaturePool(settings.signature_processes)
        self._registry = registry
        self._ownership = ownership
        self._metrics = Metrics()
        self._shards = HeldShards(self._open_one, self._metrics, settings.partitions)
        self._registry_watch = RegistryWatch(settings.registry_file, registry, self._check, self._metrics)
        self._cluster_lock = threading.Lock()
        self._cluster: tuple[float, PartyRegistry, ClusterIdentity] | None = None
        self._collected_at = 0.0
        self._ticker: Ticker | None = None
        self._control: KafkaControl | None = None
        self._metrics_at = ""
        self._announced: list[int] | None = None

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

    def join(self, stop: threading.Event) -> None:
        """Ask for shards, once the cluster answers; raise what waiting cannot help."""
        outage = ""
        while not stop.is_set():
            try:
                self._look_at(self._registry)
                break
            except Failure as failure:
                if not failure.retriable:
                    raise
                if str(failure) != outage:
                    outage = str(failure)
                    log.warning("trying again until it goes: %s", failure)
                stop.wait(JOIN_RETRY_SECONDS)
        if outage:
            log.info("the cluster answers")
        self._ownership.start(self._shards.give_up)
        if self._settings.tick_seconds:
            self._control = self._ticking_channel()
            self._ticker = Ticker(self._control, self._settings.tick_seconds)
            self._ticker.start()

    def _ticking_channel(self) -> KafkaControl:
        return KafkaControl(
            self._settings.connection("reader"),
            self._settings.names,
            TICKER,
            lambda: time.time_ns() // 1_000_000,
            signing_key=SigningKey.read(self._settings.signing_key_file),
        )

    def step(self) -> None:
        """Learn what is owned, and step every shard at work once; where nothing is to do anywhere, wait, briefly."""
        owned = self._ownership.look(0.0 if self._shards.at_work else STEP_WAIT_SECONDS)
        self._metrics.observe_group(self._ownership.rebuilds)
        if registry := self._registry_watch.changed():
            log.info("the party registry has changed: every shard is opened anew under it")
            self._registry = registry
            self._shards.open_anew()
        self._shards.hold(owned)
        if self._ticker:
            self._ticker.serve(owned)
        if not self._shards.step(STEP_WAIT_SECONDS):
            self._collect_when_idle()
        self._announce_when_settled()

    def close(self) -> None:
        """Close every shard, then leave the group: others have the shards at once, and none is at work twice."""
        if self._ticker:
            self._ticker.stop()
        if self._control:
            self._control.close()
        self._registry_watch.close()
        self._shards.close()
        self._ownership.close()
        self._pool.close()
        self._keys.close()

    def _open_one(self, number: int) -> RunningShard:
        registry = self._registry
        cluster = self._cluster_for(registry)
        return open_shard(self._settings, self._keys, registry, cluster, number, self._metrics, self._pool)

    def _cluster_for(self, registry: PartyRegistry) -> ClusterIdentity:
        """What the cluster is; asked once for all shards that are opened at about the same time."""
        with self._cluster_lock:
            known = self._cluster
            if known and known[1] == registry and time.monotonic() - known[0] < CLUSTER_LOOK_SECONDS:
                return known[2]
            return self._look_at(registry)

    def _look_at(self, registry: PartyRegistry) -> ClusterIdentity:
        cluster = look_at_cluster(self._settings, registry)
        self._cluster = (time.monotonic(), registry, cluster)
        return cluster

    def _check(self, registry: PartyRegistry) -> None:
        """Raise a `Failure` where no shard could be opened under `registry`: all of them would be closed for it."""
        registry.require_all_of(self._registry)
        cluster = self._look_at(registry)
        if joining := [party for party in registry if party.id not in self._registry]:
            require_inputs(self._settings, self._keys, cluster, joining)

    def _announce_when_settled(self) -> None:
        """Say which shards are at work, and the first time also in the state directory, with where `/metrics` is."""
        at_work = self._shards.at_work
        if at_work == self._announced or not (self._ownership.was_told and self._shards.is_settled):
            return
        log.info("at work: %d of %d shards", len(at_work), self._settings.partitions)
        if self._announced is None:
            write_private(self._settings.metrics_address_file, self._metrics_at)
        self._announced = at_work

    def _collect_when_idle(self) -> None:
        """Let the collector look at what is young, once in a while.

        While a broker is down, the client library leaves the socket of every attempt to reach it in a cycle, and
        nothing else is made that would bring the collector on: the process would run out of files.
        """
        now = time.monotonic()
        if now - self._collected_at >= COLLECT_IDLE_SECONDS:
            gc.collect(1)
            self._collected_at = now


def open_worker(settings: WorkerSettings, new_ownership: Callable[[WorkerSettings], Ownership] | None = None) -> Worker:
    """Return a worker for `settings`; nothing is read from Kafka yet. The group says what it owns, unless told."""
    keys = store_place(settings).open_keys(read_secret(settings.master_key_file))
    ownership = (new_ownership or by_group)(settings)
    return Worker(settings, keys, read_registry(settings.registry_file), ownership)


def by_group(settings: WorkerSettings) -> KafkaOwnership:
    """The consumer group of the hub's workers."""
    return KafkaOwnership(settings.connection("reader"), settings.names, settings.worker_name, settings.session_seconds)
