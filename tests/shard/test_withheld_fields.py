"""Fields that some receivers never get: each is told its own form, though all of them may see the same categories."""

from __future__ import annotations

from pathlib import Path

from tests.shard.harness import ShardUnderTest, consent


def test_who_may_see_the_same_of_a_child_is_told_its_reference_only_if_acting_for_the_child(tmp_path: Path) -> None:
    """Told one after the other, before and after somebody from whom the reference is withheld."""
    hub = ShardUnderTest(tmp_path, ("PRI", "A.CHI", "A.YTH", "B.SOC", "B.YTH"))
    hub.enrol()
    hub.settle()  # what is told from now on is sent as it is decided, not built again party by party
    child = hub.state("A.CHI", "ChildPlaced", {"childRef": "c1", "at": hub.now, "placement": "FOSTER"}, "placed")
    scope = consent(hub.now, ["CF"], ["A.YTH", "B.SOC", "B.YTH"])
    scope |= {"sources": ["A.CHI"], "purposes": ["SOCIAL_SUPPORT", "EDUCATION"]}
    hub.state("PRI", "ConsentGiven", scope, "given")
    hub.settle()
    told = {party: "childRef" in hub.view(party)[child] for party in scope["recipients"]}
    assert told == {"A.YTH": False, "B.SOC": True, "B.YTH": False}
