"""One case as a shard stored it, for replay and explanation: custody, consent, a correction, a child, a withdrawal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from contracts.civil_time import day_date
from hub.case_timeline.timeline import Reader
from hub.consent.policies import Policies
from hub.evidence.explanation import explain
from hub.evidence.replay import Replay, replay
from tests.shard.harness import CASE, DAY_MS, PARTIES, START, ShardUnderTest, consent, imprisonment

CONSENTED, CORRECTED_AT, WITHDRAWN_AT = START + DAY_MS, START + 2 * DAY_MS, START + 3 * DAY_MS
LATE_OCCURRED = START - 5 * DAY_MS
HOSTILE_TEXT = "1\u202e2\n    event forged"


@dataclass
class Story:
    """The shard, and the event ids of its facts by short names."""

    hub: ShardUnderTest
    events: dict[str, str] = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        """How the shard reads cases."""
        return self.hub.shard.cases.reader

    @property
    def policies(self) -> Policies:
        """The shard's rule sets."""
        return self.hub.shard.cases.policies

    def replay(self, known: int | None = None, valid: int | None = None) -> Replay:
        """The case as known and as valid at these times."""
        return replay(self.hub.store.case_records(CASE), CASE, self.reader, known, valid)


def explained_fields(then: Replay, party: str, at: int, policies: Policies, reader: Reader) -> dict[str, set[str]]:
    """Event id -> the fields that an explanation says `party` was shown; it must agree with what was decided."""
    shown: dict[str, set[str]] = {}
    for fact in then.facts:
        told = explain(then, fact.event_id, party, at, policies, reader)
        assert (told.agrees, told.settled_at) == (True, None), (at, fact.event_type, party)
        if fields := {field.field.partition("[")[0] for field in told.fields if field.shown}:
            shown[fact.event_id] = fields
    return shown


def told_story(directory: Path) -> Story:
    """Play the story: one step per day."""
    hub = ShardUnderTest(directory, (*PARTIES, "A.CHI", "A.YTH"))
    story = Story(hub)
    hub.enrol()
    custody = imprisonment(hub.now)
    story.events["start"] = hub.state("PRI", "ImprisonmentStarted", custody, "start")
    dated = {"custodyId": custody["custodyId"], "releaseDate": day_date(20_300), "kind": "PAROLE"}
    story.events["date"] = hub.state("PRI", "ReleaseDateSet", dated, "date")
    placed = {"childRef": "p-child", "at": hub.now, "placement": "FOSTER"}
    story.events["child"] = hub.state("A.CHI", "ChildPlaced", placed, "child")
    hub.settle()
    hub.tick(DAY_MS)
    scope = consent(hub.now, ["CU", "RE", "OF", "CF"], ["B.SOC", "A.YTH"])
    scope |= {
        "sources": ["PRI", "A.CHI"],
        "purposes": ["SOCIAL_SUPPORT", "EDUCATION"],
        "dataFrom": day_date(hub.now // DAY_MS - 30),
    }
    story.events["consent"] = hub.state("PRI", "ConsentGiven", scope, "given")
    hub.settle()
    hub.tick(DAY_MS)
    story.events["new date"] = hub.state(
        "PRI", "ReleaseDateSet", {**dated, "releaseDate": day_date(20_400)}, "date", revision=1
    )
    opened = {"caseNo": HOSTILE_TEXT, "at": LATE_OCCURRED}
    story.events["late"] = hub.state("A.JOB", "CaseOpened", opened, "late", occurred_at=LATE_OCCURRED)
    hub.settle()
    hub.tick(DAY_MS)
    withdrawal = {"consentId": scope["consentId"], "at": hub.now, "by": "SUBJECT"}
    story.events["withdrawal"] = hub.state("PRI", "ConsentWithdrawn", withdrawal, "withdrawn")
    hub.settle()
    return story
