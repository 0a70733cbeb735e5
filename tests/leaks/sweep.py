"""The sweep: every place where a canary could turn up, searched for all of them.

Rules:
- What an agency wrote may stand on its own input, and what is a fact of it on the outputs and in the stores of those
  who may be told of it. Nothing may stand anywhere else, nor anything else there.
- A place that is empty proves nothing: each channel says how much of it was searched.
- Of parts of a channel that are the same to the byte (tables that come with each database) the first is searched.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import psycopg

from consumers.store import store_path
from deploy.local_postgres import LocalPostgres
from tests.kafka.live_world import LiveWorld
from tests.leaks.canaries import Canaries, Leak
from tests.leaks.channels import Named, contents, descendants, names, processes, segments
from tests.leaks.planted_world import FACT, MAY_SEE, PUBLISHER, REFUSED, SECRET

_ZEROS: Final = re.compile(rb"\0{64,}")
"""What fills up pages and log segments; no canary has so many, however it is written."""
OF_ALL_WORLDS: Final = ("__consumer_offsets", "__cluster_metadata")


@dataclass(slots=True)
class Sweep:
    """What was searched, in bytes by channel, and what was found."""

    searched: Counter[str] = field(default_factory=Counter)
    leaks: list[Leak] = field(default_factory=list)

    def search(self, channel: str, parts: Iterable[Named], canaries: Canaries, kinds: Iterable[str] = ()) -> None:
        """Search the parts of one channel; canaries of these kinds may stand there."""
        allowed = [path for path in canaries.planted if path.partition(":")[0] in set(kinds)]
        known: set[bytes] = set()
        for name, content in parts:
            self.searched[channel] += len(content)
            digest = sha256(content).digest()
            if digest not in known:
                known.add(digest)
                self.leaks += canaries.leaks(f"{channel}, {name}", content, allowed)


def sweep(live: LiveWorld, kafka_directory: Path, canaries: Canaries, said: str) -> Sweep:
    """Search everything that a hub at work, its broker and its commands leave; `said` is what the commands said."""
    found, world = Sweep(), live.world
    own_stores = {store_path(world.directory, party).name for party in MAY_SEE}
    stored = list(contents(world.directory))
    theirs = [each for each in stored if Path(each[0]).name.split("-wal")[0].split("-shm")[0] in own_stores]
    found.search("files of the hub", (each for each in stored if each not in theirs), canaries)
    found.search("stores of receivers", theirs, canaries, (FACT,))
    found.search("names of files", names(world.directory), canaries)
    found.search("logs of the hub", [("worker.log", live.hub.log_file.read_bytes())], canaries)
    found.search("metrics", [("page", live.metrics_page().encode())], canaries)
    found.search("processes", processes(descendants(os.getpid())[1:]), canaries)
    found.search("what commands said", [("all", said.encode("utf-8", "surrogateescape"))], canaries)
    found.search("logs of the broker", _broker_logs(kafka_directory), canaries)
    for topic, content in segments(kafka_directory):
        if topic.startswith(world.names.prefix) or topic in OF_ALL_WORLDS:
            found.search(
                "segments", [(topic.removeprefix(world.names.prefix), content)], canaries, _kinds_on(topic, live)
            )
    return found


def sweep_server(server: LocalPostgres, canaries: Canaries, found: Sweep) -> None:
    """Search everything that the server of the stores has written: tables, write-ahead log, its own log."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        # The databases that come with the server are written by nobody, and large.
        untouched = connection.execute("SELECT oid FROM pg_database WHERE datistemplate OR datname = 'postgres'")
        of_the_server = {f"base/{oid}/" for (oid,) in untouched}
    log = str(server.log_file.relative_to(server.directory))
    written = [each for each in contents(server.directory) if not any(part in each[0] for part in of_the_server)]
    tables = ((name, _ZEROS.sub(b"\0", content)) for name, content in written if name != log)
    found.search("files of the database", tables, canaries)
    found.search("log of the database", (each for each in written if each[0] == log), canaries)


def _kinds_on(topic: str, live: LiveWorld) -> tuple[str, ...]:
    if topic == live.world.names.input(PUBLISHER):
        return FACT, REFUSED, SECRET
    return (FACT,) if topic in {live.world.names.output(party) for party in MAY_SEE} else ()


def _broker_logs(kafka_directory: Path) -> Iterator[Named]:
    return ((path.name, path.read_bytes()) for path in sorted(kafka_directory.glob("*.log")))
