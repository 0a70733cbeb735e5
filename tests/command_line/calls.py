"""Hostile calls of the `hub` command line, made from the commands themselves: a new command is called without a word.

Rules:
- `commands` walks the click tree; `call_of` gives each parameter a value that fits its type, or a hostile one.
- What starts programs of its own or waits for a broker is called wrongly only: it must refuse before it begins.
- A call's outcome is judged by `fault_of`: a traceback, an exit code 0 on nonsense, a message that steers the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import click
from click.testing import CliRunner, Result

from contracts.failures import Failure
from deploy.command_line import hub

TEXTS: Final = (
    "", " ", "-", "--", "-1", "0", "x" * 20_000, "../../../etc/passwd", "/dev/null", "/proc/self/mem", "~", "%s%n",
    "{0}",
    "ÅØÆ", "\u202e0101900005", "\x1b[2J\x1b]0;x\x07", "a\nb", "\udcff\udcfe", "' OR 1=1 --", "$(id)", "A.SOC", "a.soc",
    "DK",
    "5f0c7d1e-0000-4000-8000-000000000001", "99999999-9999-9999-9999-999999999999", "2025-01-25T09:00", "2025-13-40",
    "9999-12-31T23:59:59", "0001-01-01", "nan", "inf", "1e999", "null", "[]", "9" * 5_000,
)  # fmt: skip
NUMBERS: Final = (
    "-1",
    "0",
    "1",
    "2147483648",
    "-9223372036854775809",
    "9" * 5_000,
    "1.5",
    "x",
    "",
    "٣",
    "0x10",
    "1_000",
)
ENDLESS: Final = frozenset({"bench", "demo", "dev kafka"})
"""What would run for long, or until it is stopped, where it was called rightly."""
INPUT: Final = "not a number\n\x00\n\ufffd\n" + "y" * 5_000 + "\n"


def commands(group: click.Group = hub, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that lead to it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        elif command is not None:
            yield (*before, name), command


def call_of(command: click.Command, rng: Random, files: Mapping[str, Path], hostile: float) -> list[str]:
    """The arguments of one call; each parameter is a hostile one with this probability."""
    words: list[str] = []
    for parameter in command.params:
        is_hostile = rng.random() < hostile
        if isinstance(parameter, click.Option):
            if not parameter.required and rng.random() < 0.6:
                continue
            words.append(rng.choice(parameter.opts))
            if not parameter.is_flag:
                words.append(_value(parameter.type, rng, files, is_hostile))
        elif parameter.required or rng.random() < 0.5:
            value = _value(parameter.type, rng, files, is_hostile)
            words.append(value if not value.startswith("-") else f"./{value}")
    if hostile and rng.random() < 0.1:
        words.insert(rng.randrange(len(words) + 1), rng.choice(("--nonsense", "--json=1", "-Z", "surplus")))
    return words


def _value(kind: Any, rng: Random, files: Mapping[str, Path], is_hostile: bool) -> str:
    if isinstance(kind, click.Path):
        return (
            str(rng.choice(list(files.values()))) if not is_hostile else rng.choice((*TEXTS, *map(str, files.values())))
        )
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        return rng.choice(NUMBERS) if is_hostile else "1"
    if isinstance(kind, click.Choice):
        return rng.choice(TEXTS) if is_hostile else str(rng.choice(list(kind.choices)))
    return rng.choice(TEXTS)


def outcome(words: list[str], environment: Mapping[str, str | None]) -> Result:
    """Call `hub` in this process; what it raises is in the result."""
    return CliRunner().invoke(hub, words, env=environment, input=INPUT)


def fault_of(result: Result, *, must_fail: bool) -> str:
    """What is wrong with an outcome; empty where nothing is."""
    error = result.exception
    if error is not None and not isinstance(error, SystemExit | Failure):
        return f"a traceback of {type(error).__name__}"
    if must_fail and result.exit_code == 0:
        return "exit code 0 on nonsense"
    if isinstance(error, Failure) and not str(error).strip():
        return "a failure without a word"
    return ""
