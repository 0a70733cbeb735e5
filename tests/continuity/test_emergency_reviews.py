"""I16: what counts as granted, and what as a review of it."""

from __future__ import annotations

import pytest

from tests.continuity.cases import differing
from tests.continuity.test_boundaries import REQUEST

GRANTED = "g 2025-05-01T12:00 PHE BreakGlassGranted(requestId=b party=KIF)"


@pytest.mark.parametrize(
    "said",
    [
        (GRANTED.replace("party=KIF", "party=PSY"),),
        (GRANTED.replace("party=KIF", "party=KIF expiresAt=2025-05-01T12:00"),),
        (GRANTED.replace("05-01T12:00", "05-02T10:00"),),
        (GRANTED.replace("party=KIF", "party=KIF categories=[RI]"),),
        (GRANTED, "z 2025-05-01T11:00 PSY BreakGlassEnded(requestId=b party=PSY)"),
    ],
)
def test_a_grant_that_opened_nothing_is_none(said: tuple[str, ...]) -> None:
    asked = REQUEST.replace("PSY", "KIF")
    assert differing(" ;; ".join((f"E {asked}", GRANTED)), "I I16_granted=1 I16_reviewedOnTime=0/1") == []
    assert differing(" ;; ".join((f"E {asked}", *said)), "I I16_granted=0 I16_reviewedOnTime=0/0") == []


@pytest.mark.parametrize(
    "flaw", [("[MH]", "[OF]"), ("reason=OVERDOSE ", ""), (" expiresAt=2025-05-02T10:00", ""), ("05-02T10", "05-01T10")]
)
def test_a_request_that_can_open_nothing_is_not_granted(flaw: tuple[str, str]) -> None:
    asked = REQUEST.replace("PSY", "KIF")
    for request in (REQUEST, f"{asked} ;; {GRANTED}"):
        assert differing(f"E {request}", "I I16_requested=1 I16_granted=1") == []
        assert differing(f"E {request.replace(*flaw)}", "I I16_requested=1 I16_granted=0") == []


@pytest.mark.parametrize(
    ("review", "counts"),
    [
        ("v 2025-05-01T11:59 HUB BreakGlassReviewed(requestId=b party=KIF outcome=JUSTIFIED)", 0),
        ("v 2025-05-01T12:00 HUB BreakGlassReviewed(requestId=b party=KIF outcome=JUSTIFIED)", 1),
        ("v 2025-05-02T12:00 HUB BreakGlassReviewed(requestId=b party=PSY outcome=JUSTIFIED)", 0),
        ("v 2025-05-02T12:00 KIF BreakGlassReviewed(requestId=b party=KIF user=u1 outcome=JUSTIFIED)", 0),
        ("v 2025-05-02T12:00 KIF BreakGlassReviewed(requestId=b party=KIF user=u2 outcome=JUSTIFIED)", 1),
        ("v 2025-05-02T12:00 PHE BreakGlassReviewed(requestId=b party=KIF user=u1 outcome=JUSTIFIED)", 1),
    ],
)
def test_what_counts_as_a_review(review: str, counts: int) -> None:
    asked = REQUEST.replace("PSY", "KIF").replace("reason", "user=u1 reason")
    assert differing(f"E {asked} ;; {GRANTED} ;; {review}", f"I I16_reviewedOnTime={counts}/1") == []
