"""Whether a received record is the hub's: its signature, under a key that the operator has given this party.

Rules:
- A record without a signature, under another key, or changed after it was signed stops its partition, as a gap does.
- Several keys may be known, while the hub goes over from one to the next.
- Records that were signed together lie together: what held for the record before is not worked out again.

From `consumers.subscription`, before a record is looked at otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from consumers.source import ReceivedRecord
from contracts.failures import BadSetting, ForgedRecord, Refused
from contracts.signatures import disclosed_message, holds, key_id_of, public_key_of, signature_of
from contracts.signed_together import signed_with


class HubSignatures:
    """Checks the records of `topic` by the hub's `public_keys`."""

    def __init__(self, topic: str, public_keys: Iterable[bytes]) -> None:
        self._topic = topic
        self._keys = {key_id_of(public): public for public in public_keys}
        self._held: dict[int, tuple[bytes, bytes, bytes]] = {}
        """By partition: the key, what it signed and the signature that held last."""

    @classmethod
    def read(cls, topic: str, file: Path) -> HubSignatures:
        """Return what checks by the public keys in `file`, one a line; raise `BadSetting` on anything else."""
        try:
            lines = file.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"file `{file}`: cannot be read ({type(error).__name__})") from None
        if not lines:
            raise BadSetting(f"file `{file}`: expected the hub's public key, as its operator gives it")
        return cls(topic, [public_key_of(line) for line in lines])

    def check(self, record: ReceivedRecord) -> None:
        """Raise `ForgedRecord` unless the record is the hub's, as it signed it."""
        if not self._holds(record):
            raise ForgedRecord(
                f"partition `{record.partition}` offset `{record.offset}`: the hub's signature does not hold; apply "
                "nothing of it and ask the operator whether the key is the present one; with another key, start again"
            )

    def _holds(self, record: ReceivedRecord) -> bool:
        message = disclosed_message(self._topic, record.key, record.headers, record.value)
        try:
            signature, signed = signature_of(record.headers), signed_with(record.headers, message)
        except Refused:
            return False
        public = self._keys.get(signature.key_id) if signature else None
        if signature is None or public is None:
            return False
        asked = (public, signed, signature.value)
        if asked != self._held.get(record.partition):
            if not holds(*asked):
                return False
            self._held[record.partition] = asked
        return True
