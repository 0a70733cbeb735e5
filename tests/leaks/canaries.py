"""Canaries: names, texts, addresses and national ids that stand nowhere else, and the search for them in any bytes.

Rules:
- Each is unique to its run and to the path on which it is planted; national ids are well-formed, of both countries.
- The search knows what programs make of a text: UTF-8, UTF-16, Latin-1, hexadecimal, base64 at each alignment, JSON
  and URL escapes; and it looks into what is compressed.
- Some letters of each text are not ASCII, so that one encoding cannot be mistaken for another.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Final

_COMPRESSED: Final = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_INFLATED_BYTES_MAX: Final = 4 * 1024 * 1024
_SKIPPED: Final = (0, 2, 3)
"""How many characters of base64 also hold bits of the 0, 1 or 2 bytes before."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary that was found: where, which, and in which encoding. Never the canary itself."""

    place: str
    canary: str
    encoding: str

    def __str__(self) -> str:
        return f"{self.place}: canary `{self.canary}` as {self.encoding}"


@dataclass(slots=True)
class Canaries:
    """The canaries of one run, by the name of the path on which each is planted."""

    run: str = field(default_factory=lambda: secrets.token_hex(4))
    planted: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """A free text for `path`."""
        return self._note(path, f"Kanarie Ægir Åström {self.run} {secrets.token_hex(4)}")

    def code(self, path: str) -> str:
        """A text of letters and digits, where a field or a header takes no other."""
        return self._note(path, f"KANARIE{self.run}{secrets.token_hex(6)}".upper())

    def address(self, path: str) -> str:
        """An address for `path`."""
        return self._note(path, f"Kanariegården {secrets.token_hex(4)}, 8000 Århus")

    def danish_id(self, path: str) -> str:
        """A CPR number for `path`, of a day long past."""
        return self._note(path, f"{_day():%d%m%y}{_digits(1, 3)}{_digits(3)}")

    def swedish_id(self, path: str) -> str:
        """A personnummer for `path`."""
        return self._note(path, f"{_day():%Y%m%d}{_digits(4)}")

    def _note(self, path: str, text: str) -> str:
        if path in self.planted:
            return self.planted[path]
        self.planted[path] = text
        return text

    def leaks(self, place: str, content: bytes, allowed: Iterable[str] = ()) -> list[Leak]:
        """Every canary in `content`, but those of the paths that are `allowed` there."""
        free = set(allowed)
        found = []
        for part in _parts(content):
            for path, text in self.planted.items():
                if path not in free:
                    found += [Leak(place, path, name) for name, needle in encodings(text) if needle in part]
        return list(dict.fromkeys(found))


@cache
def encodings(text: str) -> tuple[tuple[str, bytes], ...]:
    """What `text` may look like in a file: (name of the encoding, bytes). Each text is looked for in many files."""
    plain = text.encode()
    forms = [
        ("UTF-8", plain),
        ("UTF-16, little end", text.encode("utf-16-le")),
        ("UTF-16, big end", text.encode("utf-16-be")),
        ("Latin-1", text.encode("latin-1", "replace")),
        ("JSON", json.dumps(text)[1:-1].encode()),
        ("URL", urllib.parse.quote(text, safe="").encode()),
        ("form", urllib.parse.quote_plus(text).encode()),
        ("hexadecimal", plain.hex().encode()),
        ("hexadecimal, capitals", plain.hex().upper().encode()),
        ("Python's repr", repr(plain)[2:-1].encode()),
        *(("base64", each) for each in _base64(plain)),
    ]
    seen: dict[bytes, str] = {}
    for name, needle in forms:
        seen.setdefault(needle, name)
    return tuple((name, needle) for needle, name in seen.items())


def _base64(plain: bytes) -> Iterator[bytes]:
    """The characters that depend on `plain` alone, for each place at which it may begin, in both alphabets."""
    for before in range(3):
        written = base64.b64encode(bytes(before) + plain)
        whole = (before + len(plain)) // 3 * 4
        certain = written[_SKIPPED[before] : whole]
        yield from {certain, certain.replace(b"+", b"-").replace(b"/", b"_")}


def _parts(content: bytes) -> Iterator[bytes]:
    """The bytes themselves, and what each compressed member in them holds."""
    yield content
    whole = memoryview(content)  # a slice of it copies nothing
    for member in _COMPRESSED.finditer(content):
        inflater = zlib.decompressobj(wbits=47)
        try:
            inflated = inflater.decompress(whole[member.start() :], _INFLATED_BYTES_MAX)
        except zlib.error:
            continue
        if len(inflated) > 8:
            yield inflated


def _day() -> date:
    # Before 1960: no Danish number of it can be a Swede's ten digits.
    return date(1940, 1, 1) + timedelta(days=secrets.randbelow(7_300))


def _digits(count: int, below: int = 10) -> str:
    return "".join(str(secrets.randbelow(below)) for _ in range(count))
