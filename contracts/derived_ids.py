"""Ids that are computed under a secret: the same parts give the same id, and nobody without the secret can link two.

Rules:
- An id is a UUIDv8 (RFC 9562) from the first 128 bits of HMAC-SHA256.
- Each part goes in with its length before it, so no two lists of parts meet in one message.
- A secret has at least 32 bytes.

A publisher derives its `ce_id`s with it (`producers.event_ids`), the hub its parties' keys (`hub.identity`). Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from contracts.failures import BadSetting

SECRET_BYTES_MIN: Final = 32


def require_secret(secret: bytes, name: str) -> None:
    """Raise `BadSetting` naming `name` where `secret` is too short to be one."""
    if len(secret) < SECRET_BYTES_MIN:
        raise BadSetting(
            f"{name} has `{len(secret)}` bytes, expected at least `{SECRET_BYTES_MIN}`: "
            "draw one with `secrets.token_bytes` and keep it"
        )


def derived_id(secret: bytes, *parts: str) -> str:
    """Return the UUIDv8 of `parts` under `secret`, as lower-case text."""
    message = b"".join(len(data).to_bytes(4, "big") + data for data in (part.encode() for part in parts))
    return uuid_of(hmac.digest(secret, message, hashlib.sha256).hex())


def uuid_of(digits: str) -> str:
    """Return 32 or more hexadecimal `digits` of a keyed hash as a UUIDv8, lower case."""
    variant = _VARIANT_DIGIT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


_VARIANT_DIGIT: Final = {digit: "89ab"[number % 4] for number, digit in enumerate("0123456789abcdef")}
"""RFC 9562: the two highest bits of the 17th digit are 1 and 0."""
