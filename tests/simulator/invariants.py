"""The promises of the hub that every history is held to; the checkers name them when one is broken."""

from __future__ import annotations

from typing import Final

ACCOUNTED: Final = "every record is in exactly one timeline, parked, or a repeat"
ONCE: Final = "no event id twice"
DENSE: Final = "versions and numbers are dense"
ONWARD: Final = "the shard's clock and its positions never go back"
CITED: Final = "every disclosure cites its decision, rule set and consent version"
COUNTED: Final = "accepted + duplicate + parked = received"
STORED_FIRST: Final = "nothing is sent before it is stored"
WITHDRAWN: Final = "nothing new is sent that rests on what was withdrawn"
ACKNOWLEDGED: Final = "a withdrawal is acknowledged when all that it takes back lies on the topics"
CONFIRMED: Final = "a number counts as sent once it lies on its topic"
VIEWED: Final = "a view equals the fold of its topic"
FRESH: Final = "a topic equals the timelines, filtered by the rules"
TOLD_ONCE: Final = "nothing is told again but in a resync"
DELIVERED: Final = "after the last fault everything is delivered within 30 s"
SOUND: Final = "no part fails where nothing was wrong"

ALL: Final = (
    ACCOUNTED, ONCE, DENSE, ONWARD, CITED, COUNTED, STORED_FIRST, WITHDRAWN, ACKNOWLEDGED, CONFIRMED, VIEWED, FRESH,
    TOLD_ONCE, DELIVERED, SOUND,
)  # fmt: skip
