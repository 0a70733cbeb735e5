"""Seeds that once failed, and why; each is played again in every run of the tests.

A seed means another history as soon as the drawing of histories changes. What its failure showed is then held by a
test in the room that was at fault; the seed stays for as long as it is the history that it was.
"""

from __future__ import annotations

from typing import Final

SEEDS: Final = {
    150: "the first look of a fresh reader brought nothing: what was left over went out before a withdrawal was read",
    444: "the broker was out of reach for long: what was left over went out before a withdrawal was read",
    4183: "a record was held back, a withdrawal behind it: what was left over went out before that was read",
    13599: "the same, after an outage",
    52655: "a fault of the checker: it expected what a receiver had lost and was about to read again",
    541: "an owner sent what another had given out and stored nothing: that one went on, and took it for never sent",
    27397: "an owner that was replaced unawares met its successor's decisions, on facts that its own cases had not got",
}
