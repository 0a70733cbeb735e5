"""Options that several commands share, said once."""

from __future__ import annotations

import os
from pathlib import Path

import click

from deploy.world import World

DEFAULT_WORLD = Path(".state/demo/world")

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
