"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_WORLD = Path(".state/demo/world")

world_option = click.option(
    "--world",
    "directory",
    envvar="HUB_WORLD",
    default=DEFAULT_WORLD,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The world's directory.",
)
"""`--world`, or `HUB_WORLD`, or where the demo leaves its world; gives the command a `directory`."""
