"""How the cases of a shard are read: by its worker, and by commands beside it, under the same policies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from contracts.catalogue import catalogue
from contracts.codec import codec
from hub.case_timeline.timeline import Reader
from hub.consent.policies import Policies


def reader_for(policies: Policies) -> Reader:
    """How cases are read under `policies`."""
    gate_types = frozenset[str]().union(*(policy.gate_types for policy in policies))
    return Reader(catalogue(), codec(), gate_types, _code_digest(policies))


def _code_digest(policies: Policies) -> str:
    """Names the code, rules and parties that cases are folded and decided by."""
    digest = hashlib.sha256(catalogue().digest.encode())
    digest.update(policies.digest.encode())
    rooms = Path(__file__).parent.parent
    for room in ("case_timeline", "consent", "disclosure"):
        for module in sorted((rooms / room).glob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()
