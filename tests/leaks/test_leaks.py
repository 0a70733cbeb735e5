"""The leak sweep: canaries on every path, found nowhere that they may not be, and the proof that they would be."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local_kafka import LocalKafka
from deploy.local_postgres import LocalPostgres
from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, LiveWorld
from tests.leaks.canaries import Canaries
from tests.leaks.channels import contents, descendants, names, processes, segments
from tests.leaks.planted_world import FACT, PERSON, REFUSED, REGISTRY, SECRET
from tests.leaks.run import ENDING, LOUD, loud_postgres, swept
from tests.leaks.sweep import Sweep

WRITTEN: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "UTF-16": lambda text: text.encode("utf-16"),
    "Latin-1": lambda text: text.encode("latin-1"),
    "JSON": lambda text: json.dumps({"name": text}).encode(),
    "URL": lambda text: urllib.parse.quote(text).encode(),
    "form": lambda text: urllib.parse.urlencode({"a": text}).encode(),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "repr of bytes": lambda text: repr(b"x" + text.encode()).encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, one byte on": lambda text: base64.b64encode(b"a" + text.encode() + b"zz"),
    "base64, two bytes on": lambda text: base64.urlsafe_b64encode(b"ab" + text.encode() + b"z"),
    "gzip within other bytes": lambda text: b"abc" + gzip.compress(text.encode()) + b"def",
    "JSON within gzip": lambda text: gzip.compress(json.dumps([text]).encode()),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_canary_is_found_however_it_is_written(how: str) -> None:
    canaries = Canaries()
    for text in (canaries.text("text"), canaries.address("address"), canaries.danish_id("id"), canaries.code("code")):
        found = canaries.leaks("here", b"before " + WRITTEN[how](text) + b" after")
        assert len({leak.canary for leak in found}) == 1, (how, found)
        assert text not in str(found[0])


def test_other_canaries_and_other_runs_are_not_found() -> None:
    one, other = Canaries(), Canaries()
    for number in range(50):
        one.text(f"text {number}")
        one.danish_id(f"id {number}")
        other.text(f"text {number}")
    assert one.leaks("here", "\n".join(other.planted.values()).encode()) == []
    assert len(set(one.planted.values())) == 100
    assert one.leaks("here", one.text("text 1").encode(), allowed=["text 1"]) == []


def test_each_channel_gives_what_is_planted_in_it(tmp_path: Path) -> None:
    canaries = Canaries()
    text, code = canaries.text("text"), canaries.code("code")
    (tmp_path / "in.a-soc.v1-0").mkdir()
    (tmp_path / "in.a-soc.v1-0" / "00000000000000000000.log").write_bytes(b"batch" + text.encode())
    (tmp_path / "store.db-wal").write_bytes(b"\x00" + text.encode())
    (tmp_path / f"{code}.txt").touch()
    found = Sweep()
    found.search("files", contents(tmp_path), canaries)
    found.search("names", names(tmp_path), canaries)
    found.search("segments", segments(tmp_path), canaries)
    program = [sys.executable, "-c", "input()", code]
    with subprocess.Popen(program, stdin=subprocess.PIPE, env=os.environ | {"X": text}) as process:
        assert process.stdin is not None
        found.search("processes", processes(descendants(os.getpid())[1:]), canaries)
        process.stdin.close()
    told = {(leak.place.partition(",")[0], leak.place.partition(", ")[2], leak.canary) for leak in found.leaks}
    assert told == {
        ("files", "in.a-soc.v1-0/00000000000000000000.log", "text"),
        ("files", "store.db-wal", "text"),
        ("names", "name of a file", "code"),
        ("segments", "in.a-soc.v1", "text"),
        ("processes", "process cmdline", "code"),
        ("processes", "process environ", "text"),
    }


@pytest.fixture
def loud(make_world: MakeWorld) -> Iterator[LiveWorld]:
    live = LiveWorld(make_world(REGISTRY, partitions=PARTITIONS, played=False), module=LOUD)
    yield live
    live.close()


@pytest.mark.kafka
def test_nothing_leaks_from_a_hub_on_postgres_that_logs_every_statement(
    make_world: MakeWorld, local_kafka: LocalKafka, local_postgres: LocalPostgres, tmp_path: Path
) -> None:
    with loud_postgres(local_postgres) as (urls, owner):
        live = LiveWorld(make_world(REGISTRY, partitions=PARTITIONS, played=False, **urls), owner, module=LOUD)
        try:
            found, _ = swept(live, local_kafka.log_file.parent, tmp_path, ["committing"], local_postgres)
        finally:
            live.close()
    assert [str(leak) for leak in found.leaks] == []
    assert all(size > 100 for size in found.searched.values()), found.searched
    assert len(found.searched) == 11
    log = local_postgres.log_file.read_text(encoding="utf-8")
    assert "COPY stored_events" in log


@pytest.mark.kafka
def test_nothing_leaks_from_a_hub_whose_every_logger_is_loud(
    loud: LiveWorld, local_kafka: LocalKafka, tmp_path: Path
) -> None:
    kafka_directory = local_kafka.log_file.parent
    found, canaries = swept(loud, kafka_directory, tmp_path, crashes=["deciding", ENDING])
    assert [str(leak) for leak in found.leaks] == []
    # The sweep had something to search, on every channel, and the planted was really there.
    assert all(size > 100 for size in found.searched.values()), found.searched
    assert len(found.searched) == 9
    log = loud.hub.log_file.read_text(encoding="utf-8")
    assert "DEBUG:" in log
    assert "INFO:kafka" in log
    assert "DEBUG:kafka" not in log
    assert "RuntimeError" in log
    own = [content for topic, content in segments(kafka_directory) if topic == loud.world.names.input("A.SOC")]
    on_its_input = {leak.canary for content in own for leak in canaries.leaks("input", content)}
    written = {path for path in canaries.planted if path.partition(":")[0] in (FACT, REFUSED, SECRET)}
    assert written - on_its_input == set()
    assert {path.partition(":")[0] for path in canaries.planted} == {FACT, REFUSED, SECRET, PERSON, "call"}
    prison = [content for topic, content in segments(kafka_directory) if topic == loud.world.names.output("PRI")]
    assert any(canaries.leaks("output", content) for content in prison)
