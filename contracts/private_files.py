"""Files that are their owner's alone, and there whole or not at all, whatever stops program or machine meanwhile.

Rules:
- What is written stands beside its place until it is complete and on the disk; then it takes the place in one step. The
  directory reaches the disk too, else a power cut could bring back what was there before.
- Names beside are drawn, so two writers never share one. A stop leaves such a name behind, and nobody reads it.

From here: whoever keeps secrets, and whoever makes a store.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write `text` to `file`, in the place of what was there; durable on return.

    Only its owner may read it, from the first byte on. Where it cannot be written (`OSError`), `file` is as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".new", dir=file.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _reach_the_disk(file.parent)


@contextmanager
def made_once(file: Path) -> Iterator[Path]:
    """Yield an empty file to be filled and closed; when the block has succeeded, it is `file`, durably.

    Raises `FileExistsError` where `file` is there already, and leaves it as it is. Files that a database adds beside
    the one that it was given vanish with the directory in which all of this happens.
    """
    if os.path.lexists(file):
        raise FileExistsError(f"`{file}` is there already")
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", suffix=".new", dir=file.parent) as room:
        unfinished = Path(room) / file.name
        unfinished.touch(mode=0o600)
        yield unfinished
        _reach_the_disk(unfinished)
        os.link(unfinished, file)  # refuses an existing file, unlike a rename
    _reach_the_disk(file.parent)


def _reach_the_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
