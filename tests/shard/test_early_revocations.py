"""A shard may be told that a key is revoked before it is told that there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reasons import Reason
from contracts.signatures import SigningKey
from hub.shard.signing_keys import REGISTRATION, REVOCATION
from tests.shard.harness import START, ShardUnderTest

KEY = SigningKey(b"\x01" * 32)


@pytest.mark.parametrize("party", ["A.SOC", "C.SOC"])
def test_a_key_that_is_revoked_before_its_registration_comes_never_counts(tmp_path: Path, party: str) -> None:
    """As on a shard that `hub keys register` did not reach, and that is told again after the revocation."""
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.control.publish(0, REVOCATION, {"party": party, "keyId": KEY.id})
    hub.settle()
    hub.restart()
    hub.control.publish(0, REGISTRATION, {"party": party, "publicKey": KEY.public.hex()})
    hub.settle()
    assert [record.reason for record in hub.parked()] == [Reason.VALUE_OUTSIDE_MODEL]
    if party == "C.SOC":
        hub.join(party)
        hub.restart()
    for number, key in enumerate((KEY, None)):
        hub.tick(1)
        hub.sign(party, key)
        hub.state(party, "CaseOpened", {"caseNo": "1", "at": START}, str(number), occurred_at=START)
    hub.settle()
    parked = [record.reason for record, _ in hub.store.parked(party)]
    assert parked == [Reason.UNKNOWN_SIGNING_KEY, Reason.UNSIGNED]
