"""The `hub_decision` of a number: the same on every sending, and no two alike."""

from __future__ import annotations

from hub.disclosure.envelope import DecisionIds

SECRET = b"\x07" * 32


def test_no_two_numbers_parties_shards_or_hubs_have_one_and_every_sending_the_same() -> None:
    drawn = {
        DecisionIds(secret, shard).of(party, number)
        for secret in (SECRET, b"\x08" * 32)
        for shard in (0, 1)
        for party in ("A.SOC", "B.SOC")
        for number in (1, 2)
    }
    assert len(drawn) == 2**4
    assert DecisionIds(SECRET, 1).of("B.SOC", 2) == DecisionIds(SECRET, 1).of("B.SOC", 2)
