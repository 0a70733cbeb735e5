"""Puts a shard together: its parts from settings, the shard from its parts.

Rules:
- The one place that knows every room; no rule and no decision is made here.
- `build_shard` takes ports, so the scenario player runs the very same shard on a simulated broker.
"""

from __future__ import annotations

import gc
import hashlib
import secrets
from collections.abc import Iterable
from contextlib import ExitStack, closing
from functools import reduce
from pathlib import Path

from contracts.parties import Party, PartyRegistry
from contracts.principals_file import read_principals
from contracts.registry_file import read_registry
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey
from contracts.topics import Names
from hub.arrival.keyring import Keyring, Principals
from hub.arrival.principals import MERGES, TICKER
from hub.broker.kafka_cluster import ClusterIdentity, identify_cluster, log_starts
from hub.broker.kafka_control import KafkaControl
from hub.broker.kafka_inputs import KafkaInputs, input_topics
from hub.broker.kafka_outputs import KafkaOutputs
from hub.broker.ports import HubInput, Inputs, Outputs
from hub.broker.signature_pool import SignaturePool
from hub.broker.signed_outputs import SignedOutputs
from hub.broker.verified_inputs import VerifiedInputs
from hub.consent.policies import Policies
from hub.consent.rule_reader import RULES_FOLDER
from hub.continuity.clock_terms import clock_terms
from hub.continuity.terms import terms
from hub.disclosure.envelope import Envelopes, earlier_versions_read
from hub.metrics import Metrics
from hub.settings import WorkerSettings, read_secret
from hub.shard.admission import Admission
from hub.shard.batch import ShardState
from hub.shard.cases import Cases
from hub.shard.forwarding import MergeForwarding
from hub.shard.governance import Governance
from hub.shard.merging import Merging
from hub.shard.older_store import Skipped, skip_what_was_told
from hub.shard.parking import Parking
from hub.shard.parking_notices import ParkingNotices
from hub.shard.promises import Promises
from hub.shard.reading import reader_for
from hub.shard.receipts import Receipts
from hub.shard.reminders import Reminders
from hub.shard.resyncing import Resyncs
from hub.shard.sending import Sending
from hub.shard.settling import Settling
from hub.shard.silence import Silence
from hub.shard.worker import Shard
from hub.store.identity import require_identity, require_unbroken
from hub.store.keys import KeyStore
from hub.store.places import DatabaseOwner, StorePlace, place_of
from hub.store.ports import ShardStore, StoreIdentity

IDLE_WRITE_MS = 60_000
CHANNEL_SECONDS = 5.0
"""How long a shard waits for its own word to be stored: meanwhile no other shard of its worker goes on."""
WORKER_PRINCIPALS = frozenset({TICKER, MERGES})
"""As whom the worker signs on the hub's own input."""
COLLECT_AFTER_OBJECTS = 1_000_000
SETTLEMENT = 9
"""Counts the changes of what a settlement notes beside its decisions: where it notes more, every case is due once."""


def settled_under(policies: Policies) -> str:
    """Names the rules, parties and clocks that cases are settled under: others make every case due."""
    return hashlib.sha256(f"{SETTLEMENT} {policies.digest} {clock_terms().digest}".encode()).hexdigest()


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
    principals: Principals | None = None,
    signing_key: SigningKey | None = None,
    pool: SignaturePool | None = None,
) -> Shard:
    """Return a shard ready to `start()`. `secret` is the hub's, 32 bytes; `idle_write_ms` 0 writes every tick.

    `principals`: who signs what stands on the hub's own input; without any, it is taken on the broker's word alone.
    `signing_key`: the hub's, with which it signs what it sends; `pool`: where signatures are made and checked.
    """
    if signing_key is not None:
        outputs = SignedOutputs(outputs, names, pool or SignaturePool(0), signing_key)
    if pool is not None:
        inputs = VerifiedInputs(inputs, names.hub_input, pool, lambda: built.state.keyring.public_keys)
    # First of all: what another owner commits while the rest is read is caught by the fence, for it is after this head.
    head = store.head()
    policies = Policies.load(registry, rules_folder)
    reader = reader_for(policies)
    envelopes = Envelopes(
        reader, schema_ids(), policies, secret, shard, earlier_versions_read(registry, reader.catalogue)
    )
    cases = Cases(store, reader, policies, settled_under(policies), secret, shard, partitions)
    governance = Governance(store, cases)
    keyring = reduce(Keyring.after, store.signing_keys(), Keyring()).with_principals(principals or {})
    state = ShardState.at(head, keyring, store.resyncs())
    silence = Silence(registry, clock_terms())
    parking = Parking(store, reader.codec, secret, clock_terms().parked_for_seconds * 1000, ParkingNotices(cases))
    promises = Promises(store, channel, shard)
    receipt_within_ms = clock_terms().receipt_within_seconds * 1000
    receipts = Receipts(store, promises, receipt_within_ms)
    merging = Merging(store, cases, names, parking, promises, receipt_within_ms)
    resyncs = Resyncs(store, cases, registry)
    reminders = Reminders(reader, terms(), clock_terms(), silence)
    built = Shard(
        store=store,
        inputs=inputs,
        cases=cases,
        admission=Admission(store, cases, registry, names, governance, merging, parking, resyncs),
        governance=governance,
        parking=parking,
        settling=Settling(
            store,
            cases,
            envelopes,
            reminders,
            resyncs,
            registry.digest,
            dict(store.open_reviews()),
            promises,
            receipts,
        ),
        sending=Sending(store, outputs, envelopes, cases, dict(state.numbers)),
        forwarding=MergeForwarding(store, channel, cases, shard),
        promises=promises,
        receipts=receipts,
        metrics=metrics or Metrics(),
        shard=shard,
        owner=secrets.token_hex(8),
        state=state,
        idle_write_ms=idle_write_ms,
    )
    return built


def spare_the_collector() -> None:
    """Tell the garbage collector that what is loaded by now stays, and to look at the rest seldom.

    A batch leaves tens of thousands of new objects in the cache and no cycles; with the default thresholds the
    collector walks all of them several times per batch, for a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 50, 100)


def open_shard(
    settings: WorkerSettings,
    keys: KeyStore,
    registry: PartyRegistry,
    cluster: ClusterIdentity,
    number: int,
    metrics: Metrics,
    pool: SignaturePool,
) -> Shard:
    """Open shard `number` and begin to read from where its store stands; on any failure all is released again."""
    with ExitStack() as opened:
        store = store_place(settings).open_store(_identity(settings, cluster, number), keys)
        opened.callback(store.close)
        reader, sender = settings.connection("reader"), settings.connection("sender")
        count_unstamped = None if settings.played else metrics.unstamped.labels(number).inc
        inputs = KafkaInputs(reader, settings.names, registry, number, count_unstamped)
        opened.callback(inputs.close)
        signing_key = SigningKey.read(settings.signing_key_file)
        shard = build_shard(
            shard=number,
            partitions=settings.partitions,
            registry=registry,
            names=settings.names,
            secret=read_secret(settings.secret_file),
            store=store,
            inputs=inputs,
            outputs=KafkaOutputs(sender, settings.names, number),
            # What a shard tells itself and others bears its own clock: in a played world that counts.
            channel=KafkaControl(
                reader,
                settings.names,
                MERGES,
                lambda: shard.state.clock,
                signing_key=signing_key,
                timeout_seconds=CHANNEL_SECONDS,
            ),
            metrics=metrics,
            idle_write_ms=int(settings.idle_write_seconds * 1000),
            rules_folder=settings.rules_directory or RULES_FOLDER,
            principals=read_principals(settings.principals_file) | {signing_key.public: WORKER_PRINCIPALS},
            signing_key=signing_key,
            pool=pool,
        )
        shard.start()
        opened.pop_all()
        return shard


def look_at_cluster(settings: WorkerSettings, registry: PartyRegistry) -> ClusterIdentity:
    """Ask the cluster for its id and the ids of its input topics; raises as `identify_cluster`."""
    topics = input_topics(settings.names, registry)
    return identify_cluster(settings.connection("reader"), topics, settings.partitions)


def require_inputs(
    settings: WorkerSettings, keys: KeyStore, cluster: ClusterIdentity, joining: Iterable[Party]
) -> None:
    """Raise `ForeignStore` where a shard could not read the inputs of `joining` from where its store stands."""
    topics = [settings.names.input(party.id) for party in joining]
    starts = log_starts(settings.connection("reader"), topics, settings.partitions)
    for number in range(settings.partitions):
        with closing(store_place(settings).open_for_reading(number, keys)) as store:
            stored, positions = store.identity(), store.head().positions
        require_identity(stored, _identity(settings, cluster, number))
        require_unbroken(number, positions, starts[number])


def store_place(settings: WorkerSettings) -> StorePlace:
    """Where the stores of this hub are."""
    return place_of(settings.state_directory, settings.store_url, settings.keys_url)


def create_stores(settings: WorkerSettings, owner: DatabaseOwner | None = None) -> None:
    """Make the key store and the store of every shard, bound to the cluster and its topics.

    `owner` makes them where they lie in databases; raises `BadSetting` where it is missing then.
    """
    cluster = look_at_cluster(settings, read_registry(settings.registry_file))
    identities = [_identity(settings, cluster, number) for number in range(settings.partitions)]
    store_place(settings).create(read_secret(settings.master_key_file), identities, owner)


def skip_told_numbers(settings: WorkerSettings) -> list[Skipped]:
    """Skip on every shard what was told and parked by a later state of its store, which is lost; the hub is stopped.

    Returns, by shard, what was skipped. Raises as opening a shard does.
    """
    registry = read_registry(settings.registry_file)
    cluster = look_at_cluster(settings, registry)
    place, sender = store_place(settings), settings.connection("sender")
    skipped: list[Skipped] = []
    with closing(place.open_keys(read_secret(settings.master_key_file))) as keys:
        for number in range(settings.partitions):
            with closing(place.open_store(_identity(settings, cluster, number), keys)) as store:
                outputs = KafkaOutputs(sender, settings.names, number)
                skipped.append(skip_what_was_told(outputs, store, registry))
    return skipped


def _identity(settings: WorkerSettings, cluster: ClusterIdentity, number: int) -> StoreIdentity:
    return StoreIdentity(cluster.cluster_id, settings.world, number, settings.partitions, cluster.topic_ids)
