"""Seeds that once failed, and why; each is played again in every run of the tests.

A seed means another history as soon as the drawing of histories changes. What its failure showed is then held by a
test in the room that was at fault; the seed stays for as long as it is the history that it was.
"""

from __future__ import annotations

from typing import Final

SEEDS: Final = {
    97: "two workers held one shard in the quiet phase and fenced each other off in turn: the group tells them by then",
    247: "a record admitted by a retry came once more: the accounts took the repeat for its first arrival",
    465: "a case postponed in an outage got a cache row when it was only looked at: its facts were never told",
}
