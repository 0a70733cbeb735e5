"""What programs are started with is taken by a shell as it was meant, or refused before anything is made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.failures import BadSetting
from contracts.parties import Party, PartyRegistry
from contracts.registry_file import write_registry
from deploy import world_command
from deploy.env_files import require_plain, require_plain_path, write_consumer_file, write_worker_file
from deploy.world import HUB_KEY, OPERATOR_KEY, World
from deploy.world_command import world_group

PLAIN = "[::1]:9092,kafka-1.example:9093"
HOSTILE = ["a b", "$(id)", "`id`", "a;b", "a&b", "a|b", "'", '"', "\\", "a\nb", "#a", "~/a", "a>b", "(a)", "!a", "ø"]


def sourced(file: Path) -> dict[str, str]:
    """What a program is given whose shell reads `file`."""
    script = 'set -a; . "$1"; exec env -0'
    read = subprocess.run(["sh", "-c", script, "sh", file], env={}, capture_output=True, text=True, check=True)
    assert read.stderr == ""
    return dict(line.split("=", 1) for line in read.stdout.split("\0") if line)


def world_at(directory: Path, **changes: str) -> World:
    keys = dict.fromkeys([HUB_KEY, OPERATOR_KEY, "A.SOC"], b"k" * 32)
    passwords = dict.fromkeys(["a-soc", "hub-reader", "hub-sender"], "w-_9")
    registry = PartyRegistry.of([Party("A.SOC")])
    return World(
        directory, registry, "", PLAIN, "SASL_PLAINTEXT", None, 1, False, passwords, b"s" * 32, b"m" * 32,
        signing_keys=keys, **changes,
    )  # fmt: skip


def test_a_shell_takes_every_value_as_it_was_meant(tmp_path: Path) -> None:
    url = "postgresql://hub@db.example:5432/shards?passfile=/etc/hub/pg_pass%20word"
    world = world_at(tmp_path / "w+1.x", store_url=url, keys_url=url)
    party, worker = sourced(write_consumer_file(world, "A.SOC")), sourced(write_worker_file(world))
    assert party["HUB_CONSUMER_STORE"] == str(tmp_path / "w+1.x" / "consumers" / "a-soc.db")
    assert (party["HUB_CONSUMER_BOOTSTRAP"], party["HUB_CONSUMER_PASSWORD"]) == (PLAIN, "w-_9")
    assert (worker["HUB_KAFKA"], worker["HUB_STORE_URL"]) == (PLAIN, url)
    assert worker["HUB_STATE_DIRECTORY"] == str(tmp_path / "w+1.x" / "hub")


@pytest.mark.parametrize("value", HOSTILE)
def test_what_a_shell_would_take_otherwise_is_refused_and_not_written(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadSetting, match=r"only letters A to Z") as caught:
        require_plain("HUB_CONSUMER_PASSWORD", value)
    assert value not in str(caught.value).replace("`", "") or len(value) == 1
    with pytest.raises(BadSetting, match="or a link to it"):
        require_plain_path("world directory", Path("/srv") / value)
    world = world_at(tmp_path / f"w{value.replace('/', '')}")
    with pytest.raises(BadSetting):
        write_consumer_file(world, "A.SOC")
    with pytest.raises(BadSetting):
        write_worker_file(world)
    assert not list(tmp_path.rglob("*.env"))


@settings(max_examples=30)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_what_is_let_pass_is_read_as_it_stands(value: str) -> None:
    try:
        require_plain("VALUE", value)
    except BadSetting:
        return
    script = f'VALUE={value}\nprintf %s "$VALUE"'
    read = subprocess.run(["sh", "-c", script], env={"HOME": "/home"}, capture_output=True, text=True, check=True)
    assert (read.stdout, read.stderr) == (value, "")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"--world": "my $(touch owned) hub"}, "world directory"),
        ({"--store-url": "postgresql://hub@db/shards?passfile=/p&sslmode=verify-full"}, "--store-url"),
        ({"HUB_KAFKA_CA_FILE": "/etc/our ca.pem"}, "HUB_KAFKA_CA_FILE"),
        ({"HUB_KAFKA": "kafka:9092;reboot"}, "HUB_KAFKA"),
    ],
)
def test_a_world_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], named: str
) -> None:
    write_registry(tmp_path / "registry.toml", PartyRegistry.of([Party("A.SOC")]))
    (tmp_path / "password").write_text("secret")
    environment = {"HUB_KAFKA": "kafka:9092", "HUB_DEPLOYER_PASSWORD_FILE": str(tmp_path / "password")}
    options = {"--registry": str(tmp_path / "registry.toml"), "--world": "hub"}
    for name, value in changed.items():
        (options if name.startswith("--") else environment)[name] = value
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(world_command, "create_world", lambda *_, **__: pytest.fail("nothing may be made"))
    monkeypatch.setattr(world_command, "_owner", lambda *_: None)
    words = ["make", *(word for pair in options.items() for word in pair)]
    done = CliRunner().invoke(world_group, words, env=environment)
    assert isinstance(done.exception, BadSetting)
    assert named in str(done.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"registry.toml", "password"}
