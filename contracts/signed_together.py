"""One signature for several records: over the root of a tree of hashes, with each record's own way to that root.

Rules:
- A leaf is the SHA-256 of a zero byte and what is signed of a record; a node that of a byte 1 and its two children. So
  no node passes for a leaf, and no leaf for a node (RFC 9162, section 2.1).
- Each level pairs neighbours from the left; the last of an odd number goes up as it is.
- What is signed is the root, behind what it is for: no signature of a root passes for one of a record.
- A record that is signed alone is signed as it is, and has no way to show.
- Records are signed together only where one receiver gets all of them: nothing of another one's lies in a way.

A signature costs 25 microseconds, a record's part in a tree of sixteen about 5: what the hub sends is signed so.
From here: the hub's sender (sign), consumers (check). `contracts/WIRE.md` has an example.
"""

from __future__ import annotations

import re
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from contracts.cloudevents import SIG_PATH, Headers
from contracts.failures import Refused
from contracts.reasons import Reason
from contracts.signatures import SigningKey, framed, signature_headers

TOGETHER_MAX: Final = 16
"""How many records are signed together at most: each step of a way costs its record 65 bytes."""
TOGETHER: Final = b"org.casehub.disclosed-together.v1"
_STEP_BYTES: Final = 65
_STEPS_MAX: Final = (TOGETHER_MAX - 1).bit_length()
_PATH: Final = re.compile(rb"(?:[lr][0-9a-f]{64}){1,%d}" % _STEPS_MAX)
_LEAF, _NODE = b"\x00", b"\x01"

Proof = tuple[bytes, bytes]
"""A signature, 64 bytes, and the record's way to what it signs: steps of 65 bytes, none where it was signed alone."""


def signed_together(key: SigningKey, messages: Sequence[bytes]) -> list[Proof]:
    """Sign 1 to `TOGETHER_MAX` messages, what is signed of each record; the same answer each time.

    Raises `ValueError` for more or none: no receiver would take a longer way.
    """
    if not 1 <= len(messages) <= TOGETHER_MAX:
        raise ValueError(f"{len(messages)} records cannot be signed together: 1 to {TOGETHER_MAX} can")
    if len(messages) == 1:
        return [(key.sign(messages[0]), b"")]
    level = [sha256(_LEAF + message).digest() for message in messages]
    steps: list[list[bytes]] = []
    while len(level) > 1:
        steps.append([(b"l", b"r")[place % 2] + hexlify(node) for place, node in enumerate(level)])
        above = [sha256(_NODE + level[left] + level[left + 1]).digest() for left in range(0, len(level) - 1, 2)]
        level = above + level[2 * len(above) :]
    signature = key.sign(framed((TOGETHER, level[0])))
    return [(signature, _path_of(place, steps)) for place in range(len(messages))]


def _path_of(place: int, steps: Sequence[Sequence[bytes]]) -> bytes:
    path = []
    for level in steps:
        neighbour = place ^ 1
        if neighbour < len(level):
            path.append(level[neighbour])
        place >>= 1
    return b"".join(path)


def proof_headers(key_id: str, proof: Proof) -> list[tuple[str, bytes]]:
    """Return the headers that carry a record's signature and its way to what that signs."""
    signature, path = proof
    headers = signature_headers(key_id, signature)
    return [*headers, (SIG_PATH, path)] if path else headers


def signed_with(headers: Headers, message: bytes) -> bytes:
    """Return what was signed of a record of which `message` is to be shown: the record, or a root above it.

    Raises `Refused(bad_header)` for a way that stands twice, or is none.
    """
    paths = [value for name, value in headers if name == SIG_PATH]
    if not paths:
        return message
    if len(paths) > 1 or not isinstance(paths[0], bytes) or not _PATH.fullmatch(paths[0]):
        fix = f"expected once, 1 to {_STEPS_MAX} steps, each `l` or `r` and 64 hexadecimal digits in lower case"
        raise Refused(Reason.BAD_HEADER, SIG_PATH, fix)
    node, path = sha256(_LEAF + message).digest(), paths[0]
    for start in range(0, len(path), _STEP_BYTES):
        neighbour = unhexlify(path[start + 1 : start + _STEP_BYTES])
        children = neighbour + node if path[start : start + 1] == b"l" else node + neighbour
        node = sha256(_NODE + children).digest()
    return framed((TOGETHER, node))
