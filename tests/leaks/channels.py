"""The places in which a canary could turn up, each as named bytes: files and their names, processes, Kafka's segments.

Rules:
- A channel only collects; what may stand where is the sweep's business.
- Files are read whole, with what databases keep beside them (write-ahead logs, journals).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

Named = tuple[str, bytes]


def contents(directory: Path) -> Iterator[Named]:
    """Every file below `directory`: its path below it, and its bytes."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(directory)), path.read_bytes()


def names(directory: Path) -> Iterator[Named]:
    """The names of everything below `directory`."""
    for path in sorted(directory.rglob("*")):
        yield "name of a file", os.fsencode(path.relative_to(directory))


def processes(ids: Iterable[int]) -> Iterator[Named]:
    """Command line and environment of each process that still lives."""
    for number in ids:
        for what in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{number}/{what}").read_bytes()
            except OSError:
                continue
            yield f"process {what}", content


def descendants(of: int) -> list[int]:
    """The ids of a process and of all that it started, as far as they live now."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    found = [of]
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


def segments(kafka_directory: Path) -> Iterator[Named]:
    """The log segments of every topic: the topic's name (without its partition), and all of them."""
    for path in sorted(kafka_directory.rglob("*.log")):
        topic, _, partition = path.parent.name.rpartition("-")
        if topic and partition.isdecimal():
            yield topic, path.read_bytes()
