"""Puts a worker together: parts from settings, one shard from its parts.

Rules:
- The one place that knows every room; no rule and no decision is made here.
- `build_shard` takes ports, so the scenario player runs the very same shard on a simulated broker.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from contracts.catalogue import catalogue
from contracts.codec import codec
from contracts.failures import BadSetting
from contracts.parties import PartyRegistry
from contracts.registry_file import read_registry
from contracts.schema_ids import schema_ids
from contracts.topics import Names
from hub.broker.kafka_cluster import ClusterIdentity, identify_cluster
from hub.broker.kafka_control import KafkaControl
from hub.broker.kafka_inputs import KafkaInputs, input_topics
from hub.broker.kafka_outputs import KafkaOutputs
from hub.broker.ports import HubInput, Inputs, Outputs
from hub.case_timeline.timeline import Reader
from hub.consent.policies import Policies
from hub.consent.rule_reader import RULES_FOLDER
from hub.continuity.clock_terms import clock_terms
from hub.continuity.terms import terms
from hub.disclosure.envelope import Envelopes, earlier_versions_read
from hub.metrics import Metrics
from hub.settings import WorkerSettings, keys_path, read_secret, store_path
from hub.shard.admission import Admission
from hub.shard.batch import ShardState
from hub.shard.cases import Cases
from hub.shard.forwarding import MergeForwarding
from hub.shard.governance import Governance
from hub.shard.merging import Merging
from hub.shard.reminders import Reminders
from hub.shard.sending import Sending
from hub.shard.settling import Settling
from hub.shard.silence import Silence
from hub.shard.ticking import Ticker
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.store.ports import ShardStore, StoreIdentity
from hub.store.sqlite import create_store, open_store

IDLE_WRITE_MS = 60_000
STEP_WAIT_SECONDS = 0.1
COLLECT_AFTER_OBJECTS = 1_000_000
COLLECT_IDLE_SECONDS = 5.0

log = logging.getLogger(__name__)


def reader_for(policies: Policies) -> Reader:
    """How cases are read under `policies`."""
    gate_types = frozenset[str]().union(*(policy.gate_types for policy in policies))
    return Reader(catalogue(), codec(), gate_types, _code_digest(policies))


def _code_digest(policies: Policies) -> str:
    """Names the code, rules and parties that cases are folded and decided by."""
    digest = hashlib.sha256(catalogue().digest.encode())
    digest.update(policies.digest.encode())
    here = Path(__file__).parent
    for room in ("case_timeline", "consent", "disclosure"):
        for module in sorted((here / room).glob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def _settled_under(policies: Policies) -> str:
    """Names the rules, parties and clocks that cases are settled under: others make every case due."""
    return hashlib.sha256(f"{policies.digest} {clock_terms().digest}".encode()).hexdigest()


def build_shard(
    *,
    shard: int,
    partitions: int,
    registry: PartyRegistry,
    names: Names,
    secret: bytes,
    store: ShardStore,
    inputs: Inputs,
    outputs: Outputs,
    channel: HubInput,
    metrics: Metrics | None = None,
    idle_write_ms: int = IDLE_WRITE_MS,
    rules_folder: Path = RULES_FOLDER,
) -> Shard:
    """Return a shard ready to `start()`. `secret` is the hub's, 32 bytes; `idle_write_ms` 0 writes every tick."""
    policies = Policies.load(registry, rules_folder)
    reader = reader_for(policies)
    envelopes = Envelopes(
        reader, schema_ids(), policies, secret, shard, earlier_versions_read(registry, reader.catalogue)
    )
    cases = Cases(store, reader, policies, _settled_under(policies), secret, shard, partitions)
    governance = Governance(store, cases)
    state = ShardState.at(store.head())
    silence = Silence(registry, clock_terms())
    reminders = Reminders(reader, terms(), clock_terms(), silence)
    return Shard(
        store=store,
        inputs=inputs,
        cases=cases,
        admission=Admission(store, cases, registry, names, governance, Merging(store, cases, names)),
        governance=governance,
        settling=Settling(store, cases, envelopes, reminders, registry.digest, dict(store.open_reviews())),
        sending=Sending(store, outputs, envelopes, cases, dict(state.numbers)),
        forwarding=MergeForwarding(store, channel, reader.codec, shard),
        metrics=metrics or Metrics(),
        shard=shard,
        owner=secrets.token_hex(8),
        state=state,
        idle_write_ms=idle_write_ms,
    )


def spare_the_collector() -> None:
    """Tell the garbage collector that what is loaded by now stays, and to look at the rest seldom.

    A batch leaves tens of thousands of new objects in the cache and no cycles; with the default thresholds the
    collector walks all of them several times per batch, for a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 50, 100)


class Worker:
    """All shards of one process, stepped in turn, with their ticks and metrics."""

    def __init__(self, settings: WorkerSettings, keys: KeyStore, registry: PartyRegistry) -> None:
        self._settings = settings
        self._keys = keys
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
        facts = _identify(settings, self._registry)
        for number in range(settings.partitions):
            identity = StoreIdentity(facts.cluster_id, settings.world, number, settings.partitions, facts.topic_ids)
            store = open_store(settings.store_path(number), identity, self._keys)
            shard = build_shard(
                shard=number,
                partitions=settings.partitions,
                registry=self._registry,
                names=settings.names,
                secret=read_secret(settings.secret_file),
                store=store,
                inputs=KafkaInputs(settings.connection("reader"), settings.names, self._registry, number),
                outputs=KafkaOutputs(settings.connection("sender"), settings.names, number),
                channel=self._merges_channel(number),
                metrics=self._metrics,
                idle_write_ms=int(settings.idle_write_seconds * 1000),
                rules_folder=settings.rules_directory or RULES_FOLDER,
            )
            self._shards.append(shard)
            shard.start()
        if settings.tick_seconds:
            self._control = self._ticking_channel()
            self._ticker = Ticker(self._control, range(settings.partitions), settings.tick_seconds)
            self._ticker.start()
        log.info("at work: %d of %d shards", len(self._shards), settings.partitions)

    def _ticking_channel(self) -> KafkaControl:
        return KafkaControl(
            self._settings.connection("reader"), self._settings.names, "ticker", lambda: time.time_ns() // 1_000_000
        )

    def _merges_channel(self, shard: int) -> KafkaControl:
        """How a shard tells others of merges, at its own clock: in a played world that counts."""
        return KafkaControl(
            self._settings.connection("reader"),
            self._settings.names,
            "merges",
            lambda: self._shards[shard].state.clock,
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
        self._keys.close()


def open_worker(settings: WorkerSettings) -> Worker:
    """Return a worker for `settings`; nothing is read from Kafka yet."""
    keys = KeyStore(keys_path(settings.state_directory), read_secret(settings.master_key_file))
    return Worker(settings, keys, read_registry(settings.registry_file))


def _identify(settings: WorkerSettings, registry: PartyRegistry) -> ClusterIdentity:
    topics = input_topics(settings.names, registry)
    return identify_cluster(settings.connection("reader"), topics, settings.partitions)


def create_stores(settings: WorkerSettings) -> None:
    """Make the key store and the store of every shard, bound to the cluster and its topics."""
    registry = read_registry(settings.registry_file)
    facts = _identify(settings, registry)
    create_stores_for(
        settings.state_directory,
        read_secret(settings.master_key_file),
        [
            StoreIdentity(facts.cluster_id, settings.world, number, settings.partitions, facts.topic_ids)
            for number in range(settings.partitions)
        ],
    )


def create_stores_for(state_directory: Path, master_key: bytes, identities: Sequence[StoreIdentity]) -> None:
    """Make the key store and one store per identity below `state_directory`."""
    keys_file = keys_path(state_directory)
    keys_file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    keys = KeyStore.create(keys_file, master_key)
    try:
        for identity in identities:
            create_store(store_path(state_directory, identity.shard), identity, keys).close()
    finally:
        keys.close()
