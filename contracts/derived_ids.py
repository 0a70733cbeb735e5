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
import uuid
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
    number = int.from_bytes(hmac.digest(secret, message, hashlib.sha256)[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))
