"""Seeds that once failed, and why; each is played again in every run of the tests.

A seed means another history as soon as the drawing of histories changes. What its failure showed is then held by a
test in the room that was at fault; the seed stays for as long as it is the history that it was.
"""

from __future__ import annotations

from typing import Final

SEEDS: Final = {
    251: "a withdrawal that changed nothing was told, and forgotten as told: its correction did not take it back",
    1018: "the newest tick was hidden from every reader: the checkers must not ask for what no worker can know",
    1161: "a withdrawal was hidden from every reader: the checkers must not ask for what no worker can know",
}
