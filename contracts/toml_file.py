"""Reads TOML that comes from outside: bounded before it is parsed, and whatever is wrong told as one failure.

Rules:
- The parser of the standard library is quadratic in the parts of a dotted key and recursive in nested values: size and
  length of a line are limited first.
- The failure names the file, the rule that it breaks and what to do; never its content.

From here: contracts, rules, registries and agreements.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from contracts.failures import CallerFailure

FILE_BYTES_MAX: Final = 1024 * 1024
LINE_BYTES_MAX: Final = 4_000


def read_toml(path: Path, failure: type[CallerFailure]) -> dict[str, Any]:
    """Return what the file at `path` says; raise `failure` where it cannot be read."""
    return parse_toml(read_content(path, failure), path.name, failure)


def read_content(path: Path, failure: type[CallerFailure]) -> bytes:
    """Return the bytes of a file, no more than `parse_toml` refuses; raise `failure` where it cannot be read."""
    try:
        return beginning_of(path)
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({type(error).__name__}): give a file that this user may read"
        raise failure(f"`{path.name}`: toml-file: {problem}") from error


def beginning_of(path: Path) -> bytes:
    """Return the bytes of a file, no more than `parse_toml` refuses; raise what the system says."""
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


def read_offered(folder: Path, pattern: str, failure: type[CallerFailure]) -> dict[str, bytes]:
    """Return the bytes of every file of `folder` that is called so, by name; raise `failure` for what is no file.

    Somebody offers the folder: what lies there under such a name may wait for ever, or never end.
    """
    paths = sorted(folder.glob(pattern))
    for path in paths:
        if not path.is_file():
            raise failure(f"`{path.name}`: toml-file: is no file that can be read: take it out of the folder")
    return {path.name: read_content(path, failure) for path in paths}


def parse_toml(content: bytes, name: str, failure: type[CallerFailure]) -> dict[str, Any]:
    """Return what `content`, of the file `name`, says; raise `failure` where it is no TOML, or more than is read."""
    if len(content) > FILE_BYTES_MAX:
        raise failure(f"`{name}`: toml-size: has more than {FILE_BYTES_MAX} bytes: split it")
    if any(len(line) > LINE_BYTES_MAX for line in content.splitlines()):
        raise failure(f"`{name}`: toml-line: a line has more than {LINE_BYTES_MAX} bytes: break it")
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        raise failure(f"`{name}`: toml-nesting: values lie too deep in each other: flatten them") from None
    except ValueError as error:  # that it is no text, no TOML, or a number that nobody can count to
        raise failure(f"`{name}`: toml-form: is not TOML{_place(error)}: mend it") from None


def _place(error: ValueError) -> str:
    """Where the parser stopped, as far as it says so; its own words may quote the file."""
    words = str(error)
    at = words.rfind("(at line ")
    return f" {words[at:]}" if isinstance(error, tomllib.TOMLDecodeError) and at >= 0 else ""
