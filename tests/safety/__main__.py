"""The long search for interference: `python -m tests.safety --pairs 20000 --seed 0`; exits 1 where any is found.

`--only ROUND/PLACE` plays one story of that search again, as a difference was named, and tells what differs in full.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.safety.interference import STORIES_PER_ROUND, search
from tests.safety.replay import replay
from tests.safety.stories import PARTIES


def main() -> int:
    """Search and print the figures, or play one story again and print what differs."""
    options = argparse.ArgumentParser(prog="python -m tests.safety", description=__doc__)
    options.add_argument("--pairs", type=int, default=20_000, help="how many pairs to compare, over all parties")
    options.add_argument("--seed", type=int, default=0, help="where the stories begin")
    options.add_argument(
        "--only", type=_place, metavar="ROUND/PLACE", help="play the round of this story again, and tell of it"
    )
    options.add_argument("--party", choices=PARTIES, help="with --only: for this party alone")
    given = options.parse_args()
    if given.party and not given.only:
        options.error("`--party` goes with `--only`: name the round and the place, or leave the party out")
    with tempfile.TemporaryDirectory(prefix="safety-") as directory:
        if given.only is None:
            lines, differ = _searched(Path(directory), given.pairs, given.seed)
        else:
            number, place = given.only
            parties = (given.party,) if given.party else PARTIES
            lines = [*replay(Path(directory), given.seed, number, place, parties)]
            differ = bool(lines)
            lines = lines or ["0 differences"]
    print("\n".join(lines))  # noqa: T201 - a command's answer
    return 1 if differ else 0


def _searched(directory: Path, pairs: int, seed: int) -> tuple[list[str], bool]:
    """The figures of a search, and whether it found any difference."""
    started = time.monotonic()
    found = search(directory, pairs, seed)
    seconds = time.monotonic() - started
    lines = [
        f"{found.pairs} pairs in {seconds:.0f} s, {found.discarded} of {found.tried} twins discarded",
        f"{found.records} records compared, {found.refused} hidden records refused by the hub",
        "changes: " + ", ".join(f"{name} {times}" for name, times in sorted(found.changes.items())),
        "pairs: " + ", ".join(f"{party} {times}" for party, times in sorted(found.pairs_of.items())),
        *found.interference,
        f"{len(found.interference)} differences",
        f"{found.reordered} transcripts differ only in the order between citizens",
    ]
    return lines, bool(found.interference)


def _place(text: str) -> tuple[int, int]:
    number, _, place = text.partition("/")
    if not (number.isdecimal() and place.isdecimal() and int(place) < STORIES_PER_ROUND):
        raise argparse.ArgumentTypeError(
            f"`{text}` names no story: give ROUND/PLACE, the place from 0 to {STORIES_PER_ROUND - 1}"
        )
    return int(number), int(place)


if __name__ == "__main__":
    raise SystemExit(main())
