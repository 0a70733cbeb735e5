"""Calls every command in every broken world, and gathers what is wrong with the outcomes.

Rules:
- The same seed makes the same calls. A fault is told with the call that shows it.
- No broker is there, and who asks for one is told so at once.
- In a broken world each command that needs one must fail; a call with an unknown option must fail everywhere.
"""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import click

from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure
from tests.command_line.broken_worlds import BROKEN, BrokenWorlds
from tests.command_line.calls import ENDLESS, call_of, commands, fault_of, outcome

WORLD_VARIABLE = "HUB_WORLD_DIRECTORY"
WITHOUT_ONE = ("nothing", "whole")
"""Where a command that needs no world is called."""


def faults(worlds: BrokenWorlds, seed: int, rounds: int, share: float = 1.0) -> tuple[int, list[str]]:
    """Make the calls of `seed`, a `share` of all; return how many were made, and each fault once."""
    with patch.object(KafkaConnection, "client_options", side_effect=TransportFailure("no broker is there: start one")):
        return _faults(worlds, seed, rounds, share)


def _faults(worlds: BrokenWorlds, seed: int, rounds: int, share: float) -> tuple[int, list[str]]:
    rng, made = Random(seed), 0
    found: dict[tuple[str, str], str] = {}
    for words, command in commands():
        name = " ".join(words)
        needs_a_world = _needs_a_world(words, command)
        for where, directory in worlds.directories.items():
            if not needs_a_world and where not in WITHOUT_ONE:
                continue
            for number in range(rounds):
                if rng.random() >= share:
                    continue
                arguments = call_of(command, rng, worlds.files, 0.0 if number == 0 else 0.5)
                if name in ENDLESS:
                    arguments.append("--nonsense")
                result = outcome([*words, *arguments], {WORLD_VARIABLE: directory, "HUB_KAFKA": "127.0.0.1:1"})
                must_fail = name in ENDLESS or (where in BROKEN and needs_a_world)
                made += 1
                if fault := fault_of(result, must_fail=must_fail):
                    shown = [word[:40] for word in arguments]
                    found.setdefault((fault, name), f"{fault}: hub {name} {shown} in {where} (seed {seed})")
    return made, list(found.values())


def _needs_a_world(words: tuple[str, ...], command: click.Command) -> bool:
    variables = [each.envvar for each in command.params if isinstance(each, click.Option)]
    return WORLD_VARIABLE in variables or words[0] == "identity"
