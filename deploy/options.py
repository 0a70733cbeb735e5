"""What several commands share: options, how a local time given with one is read, exit codes."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from contracts.civil_time import format_local, parse_local
from contracts.failures import CallerFailure
from deploy.world import World

DEFAULT_WORLD = Path(".state/demo/world")
DIFFERENT = 1
"""The exit code of a command that compares, where it finds a difference."""

world_option = click.option(
    "--world",
    "directory",
    envvar="HUB_WORLD_DIRECTORY",
    default=DEFAULT_WORLD,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The world's directory.",
)
"""`--world`, or `HUB_WORLD_DIRECTORY`, or where the demo leaves its world; gives the command a `directory`."""


def chosen_world() -> World:
    """The world that `HUB_WORLD_DIRECTORY` names, else the demo's; for commands without the option."""
    return World.open(Path(os.environ.get("HUB_WORLD_DIRECTORY") or DEFAULT_WORLD))


def local_instant(text: str, zone: ZoneInfo) -> int:
    """Return the instant of the local time `text`; raise `CallerFailure` for what is none."""
    try:
        return parse_local(text, zone)
    except ValueError as wrong:
        expected = "expected local civil time as `2025-01-25T09:00`, of the years 1900 to 2199"
        raise CallerFailure(f"time `{text}`: {expected}") from wrong


def instant_known(text: str, zone: ZoneInfo, clock: int) -> int:
    """Return the instant of the local time `text`; raise `CallerFailure` where `clock` (milliseconds) is before it."""
    at = local_instant(text, zone)
    if at > clock:
        last = format_local(clock, zone)
        raise CallerFailure(f"time `{text}`: the hub has come as far as {last}; give that or an earlier time")
    return at
