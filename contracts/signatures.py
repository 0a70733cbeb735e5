"""Signatures on records: which bytes are signed, under which key, and whether a signature holds.

Rules:
- Ed25519 (RFC 8032). What is signed begins with what it is for, and each part stands with its length before it: no
  signature of one kind can pass for one of another kind, and no two records have the same bytes.
- A publisher signs topic, key, every `ce_` header and value as they lie in the record. The hub signs the same of what
  it sends, and its own three headers, one by one or several together
  (`signed_together`). Headers that are not named here are not covered.
- `sig_key` names the key, `sig` is the signature, both in hexadecimal digits: every header of a record is text. Both or
  none; each once.
- The id of a key follows from the key, so it can never come to mean another one.
- A private key is a file of 32 bytes in hex; no message and no `repr` shows one.

From here: producers (sign), arrival (check), the hub's sender (sign), consumers (check). `contracts/WIRE.md` has an
example to check another language by.
"""

from __future__ import annotations

import hashlib
import re
from binascii import hexlify, unhexlify
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from contracts.cloudevents import HUB_HEADERS, SIG, SIG_KEY, STATED_HEADERS, Headers
from contracts.failures import BadSetting, Refused
from contracts.reasons import Reason

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_ID: Final = re.compile(r"[0-9a-f]{32}")
_KEY_ID: Final = re.compile(KEY_ID.pattern.encode())
_SIGNATURE: Final = re.compile(rb"[0-9a-f]{128}")
STATED: Final = b"org.casehub.stated.v1"
DISCLOSED: Final = b"org.casehub.disclosed.v1"
ROTATED: Final = b"org.casehub.rotated.v1"

_SIGNATURE_HEADERS: Final = (SIG_KEY, SIG)
_DISCLOSED_HEADERS: Final = (*STATED_HEADERS, *HUB_HEADERS)
_USUAL_BYTES: Final = 512
_LENGTHS: Final = tuple(size.to_bytes(4, "big") for size in range(_USUAL_BYTES))
"""The lengths of what is usually signed, made once."""
_PRIME: Final = 2**255 - 19
_WEAK_HEIGHTS: Final = frozenset(
    {
        0, 1, _PRIME - 1, _PRIME, _PRIME + 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)  # fmt: skip
"""The y of every point whose order is 8 or less, in each of its encodings: under such a key anybody can sign."""


class Signature(NamedTuple):
    """What a record carries: the id of the key and the 64 bytes."""

    key_id: str
    value: bytes


class SigningKey:
    """A private key, made of its 32 bytes."""

    def __init__(self, private: bytes) -> None:
        if len(private) != KEY_BYTES:
            raise BadSetting(
                f"a signing key has `{len(private)}` bytes, expected `{KEY_BYTES}`: make one with `hub keys make`"
            )
        self.private: Final = private
        public, self._secret = crypto_sign_seed_keypair(private)
        self.public: Final = public
        self.id: Final = key_id_of(self.public)

    @classmethod
    def read(cls, file: Path) -> SigningKey:
        """Return the key that `file` holds in hex; raise `BadSetting` on anything else."""
        try:
            return cls(bytes.fromhex(file.read_text(encoding="ascii").strip()))
        except (OSError, ValueError) as error:
            kind = type(error).__name__
            raise BadSetting(f"file `{file}`: not a signing key ({kind}); expected {KEY_BYTES} bytes in hex") from None

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`, 64 bytes; the same each time."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]


def key_id_of(public: bytes) -> str:
    """Return the id of a public key: the first 16 bytes of its SHA-256, in hex."""
    return hashlib.sha256(public).hexdigest()[:32]


def public_key_of(text: str) -> bytes:
    """Return the public key that 64 hexadecimal digits say; raise `BadSetting` for all else, and for a weak key."""
    try:
        public = bytes.fromhex(text)
    except ValueError:
        public = b""
    if len(public) != KEY_BYTES:
        raise BadSetting(f"not a public key: expected {KEY_BYTES} bytes in hex, as `hub keys make` prints them")
    if int.from_bytes(public, "little") & (2**255 - 1) in _WEAK_HEIGHTS:
        raise BadSetting("a weak public key, under which anybody can sign: make another one")
    return public


def stated_message(topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bytes:
    """Return what a publisher signs of one record."""
    return signed_message(STATED, STATED_HEADERS, topic, key, headers, value)


def disclosed_message(topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bytes:
    """Return what the hub signs of one record of an output topic."""
    return signed_message(DISCLOSED, _DISCLOSED_HEADERS, topic, key, headers, value)


def signed_message(
    kind: bytes, names: Sequence[str], topic: str, key: bytes | None, headers: Headers, value: bytes | None
) -> bytes:
    """Return what is signed of a record: its kind, topic, key, the headers of these `names`, value.

    A header, key or value that is not there counts as empty: none that is there may be empty.
    """
    found = dict(headers)
    return _beginning(kind, topic) + framed((key, *map(found.get, names), value))


def rotation_message(party: str, old_key_id: str, new_public: bytes) -> bytes:
    """Return what a party signs with its old key to put a new one in its place."""
    return framed((ROTATED, party.encode(), old_key_id.encode(), new_public))


def signature_headers(key_id: str, signature: bytes) -> list[tuple[str, bytes]]:
    """Return the two headers that carry a signature."""
    return [(SIG_KEY, key_id.encode("ascii")), (SIG, hexlify(signature))]


def signed_headers(
    signing_key: SigningKey, topic: str, key: bytes | None, headers: Headers, value: bytes | None
) -> list[tuple[str, bytes]]:
    """Return a publisher's `headers` with the signature of its record."""
    message = stated_message(topic, key, headers, value)
    return [*headers, *signature_headers(signing_key.id, signing_key.sign(message))]


def is_signed(headers: Headers) -> bool:
    """Whether `headers` carry a signature, of whatever form."""
    return SIG in dict(headers)


def signature_of(headers: Headers) -> Signature | None:
    """Return the signature that `headers` carry, `None` where there is none.

    Raises `Refused(bad_header)` for half a signature, for one that stands twice, and for one of another form.
    """
    found = [header for header in headers if header[0] in _SIGNATURE_HEADERS]
    if not found:
        return None
    key_id = _only(SIG_KEY, found)
    if not _KEY_ID.fullmatch(key_id):
        raise Refused(Reason.BAD_HEADER, SIG_KEY, "expected the id of a key, 32 hexadecimal digits in lower case")
    value = _only(SIG, found)
    if not _SIGNATURE.fullmatch(value):
        raise Refused(Reason.BAD_HEADER, SIG, "expected an Ed25519 signature, 128 hexadecimal digits in lower case")
    return Signature(key_id.decode("ascii"), unhexlify(value))


def holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message` under the key `public`; `False` also where that is no key."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def _only(name: str, found: Headers) -> bytes:
    values = [value for each, value in found if each == name]
    if len(values) != 1 or not isinstance(values[0], bytes):
        raise Refused(Reason.BAD_HEADER, name, f"send `{SIG_KEY}` and `{SIG}` once each, or neither")
    return values[0]


@lru_cache(maxsize=1_024)
def _beginning(kind: bytes, topic: str) -> bytes:
    return framed((kind, topic.encode()))


def framed(parts: Iterable[bytes | None]) -> bytes:
    """Return `parts`, each with its length before it, 4 bytes; one that is not there has the length 0."""
    joined: list[bytes] = []
    for part in parts:
        if part:
            size = len(part)
            joined.append(_LENGTHS[size] if size < _USUAL_BYTES else size.to_bytes(4, "big"))
            joined.append(part)
        else:
            joined.append(_LENGTHS[0])
    return b"".join(joined)
