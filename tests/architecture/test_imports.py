"""What a program does not load that it does not need: start-up is most of how long a shard stands still."""

from __future__ import annotations

import subprocess
import sys

import pytest

OPENED = """
import sys
from pathlib import Path
import hub.__main__
from hub.store.places import place_of
place = place_of(Path(sys.argv[1]), *sys.argv[2:4])
print(" ".join(sorted({"psycopg"} & sys.modules.keys())))
"""
LISTED = """
import sys
from deploy.command_line import run
sys.argv = ["hub", "contracts", "list"]
run()
print(" ".join(sorted({"psycopg", "kafka", "confluent_kafka", "pydantic_settings"} & sys.modules.keys())))
"""


def last_line(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("urls", "loaded"), [(("", ""), ""), (("postgresql://hub@h/shards", "postgresql://hub@h/keys"), "psycopg")]
)
def test_only_a_hub_in_databases_loads_their_driver(urls: tuple[str, str], loaded: str) -> None:
    assert last_line(OPENED, "state", *urls) == loaded


def test_a_command_loads_neither_the_others_nor_what_they_need() -> None:
    assert last_line(LISTED) == ""
