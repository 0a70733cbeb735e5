"""What begins at T has begun, what ends at T has ended, also where both are one instant (4.9.1, 4.9.3, 4.9.8)."""

from __future__ import annotations

from contracts.fact import Fact
from hub.consent.placements import placements_of
from hub.consent.standing import derive, next_change
from tests.consent.test_hostile_facts import ADULT, POLICY, at, consent, fact, standing_of

T = "2025-02-10T10:00"


def custody(custody_id: str, time: str = T) -> Fact:
    return fact(custody_id, "RemandStarted", "PRI", time, custodyId=custody_id, homeMunicipality="A")


def test_a_release_at_the_instant_of_the_start_ends_the_custody() -> None:
    released = fact("z", "ReleasedFromRemand", "PRI", T, custodyId="c1")
    assert standing_of([custody("c1")], T).custody.open
    assert not standing_of([custody("c1"), released], T).custody.open
    assert standing_of([custody("c1", "2025-02-10T10:01"), released], "2025-02-10T10:01").custody.open


def test_a_placement_runs_from_its_first_instant_and_not_at_its_last() -> None:
    started = fact("p1", "CarePlacementStarted", "A.ADD", T, placementId="p")
    ended = fact("p2", "CarePlacementEnded", "FAC", "2025-02-10T11:00", placementId="p")
    (placement,) = placements_of([started, ended])
    ran = [placement.ran_at(at(T) + ms) for ms in (-1, 0, 3_599_999, 3_600_000)]
    assert ran == [False, True, True, False]


def test_a_placement_that_ends_as_it_starts_never_ran() -> None:
    started = fact("p1", "CarePlacementStarted", "A.ADD", T, placementId="p")
    ended = fact("p2", "CarePlacementEnded", "FAC", T, placementId="p")
    (placement,) = placements_of([started, ended])
    assert not placement.ran_at(at(T))


def test_a_consent_that_ends_in_the_next_millisecond_is_looked_at_then() -> None:
    ends, nobody = at(T), frozenset[str]()
    for now, is_active in ((ends - 1, True), (ends, False)):
        standing = derive([consent(validUntil=ends)], {}, nobody, ADULT, now, POLICY)
        assert bool(standing.consents) is is_active
        assert (next_change(standing, now) == ends) is is_active
