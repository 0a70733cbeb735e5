"""Drawn histories: asked afterwards, evidence says of every moment what each receiver held at that moment.

Late facts, corrections, retractions, amendments, backdated consents, withdrawals, resyncs, restarts and a cache that
holds one case: whatever came, in whatever order.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from contracts.civil_time import day_date
from hub.evidence.disclosures import seen_between
from hub.evidence.replay import replay
from tests.evidence.story import explained_fields
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, START, ShardUnderTest, consent, imprisonment

PARTIES = ("PRI", "KIF", "A.SOC", "A.JOB", "A.BEN", "A.ADD", "B.SOC")
CATEGORIES = ("CU", "RE", "OF", "PL", "HO", "SU", "CA")
CUSTODY = imprisonment(0)["custodyId"]
Held = dict[str, dict[str, set[str]]]
"""Party -> event id -> the fields that it holds."""


class History:
    """A hub on which something drawn happens, again and again, and what was held after each."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.hub = ShardUnderTest(directory, PARTIES, facts_max=1)
        self.chance = Random(seed)
        self.stated: list[tuple[str, str, dict[str, Any], str, int]] = []
        self.moments: list[tuple[int, Held]] = []
        self.hub.enrol()
        self.hub.enrol(OTHER_CASE)
        self.hub.settle()

    def happens(self) -> None:
        """Let some things happen, and look at what is held then."""
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice((self._fact, self._fact, self._consent, self._ends, self._again, self._disturbs))()
        self.hub.settle()
        self.moments.append((self.hub.now, self._held()))
        self.hub.tick(self.chance.choice((1, HOUR_MS, DAY_MS, 40 * DAY_MS)))
        self.hub.settle()
        self.moments.append((self.hub.now, self._held()))
        self.hub.tick(1)

    def _state(self, party: str, event_type: str, values: dict[str, Any], occurred_at: int) -> None:
        reference = f"{event_type} {len(self.stated)}"
        self.hub.state(party, event_type, values, reference, occurred_at=occurred_at)
        self.stated.append((party, event_type, values, reference, 0))

    def _when(self) -> int:
        return max(START - 30 * DAY_MS, self.hub.now - self.chance.choice((0, 0, HOUR_MS, DAY_MS, 20 * DAY_MS)))

    def _fact(self) -> None:
        at = self._when()
        released = {"custodyId": CUSTODY, "releasedAt": at, "supervision": True}
        party, event_type, values = self.chance.choice((
            ("PRI", "ImprisonmentStarted", imprisonment(at)),
            ("PRI", "ReleaseDateSet", {"custodyId": CUSTODY, "releaseDate": day_date(20_300), "kind": "PAROLE"}),
            ("PRI", "ReleasedOnParole", released),
            ("KIF", "PlanOfficerAssigned", {"staff": "s1", "at": at}),
            ("A.SOC", "CaseOpened", {"caseNo": "1", "at": at}),
            ("A.JOB", "CaseOpened", {"caseNo": "2", "at": at}),
        ))  # fmt: skip
        self._state(party, event_type, values, at)

    def _consent(self) -> None:
        at = self._when()
        categories = self.chance.sample(CATEGORIES, 3)
        values = consent(at, categories, self.chance.sample(("A.SOC", "B.SOC", "A.ADD", "KIF"), 2))
        self._state("PRI", self.chance.choice(("ConsentGiven", "ConsentAmended")), values, at)

    def _ends(self) -> None:
        at = self._when()
        values = {"consentId": consent(0, (), ())["consentId"], "at": at, "by": "SUBJECT"}
        self._state("PRI", "ConsentWithdrawn", values, at)

    def _again(self) -> None:
        """Correct or take back something."""
        if not self.stated:
            return
        place = self.chance.randrange(len(self.stated))
        party, event_type, values, reference, revision = self.stated[place]
        if self.chance.random() < 0.5:
            self.hub.state(party, event_type, values, reference, revision=revision + 1, occurred_at=self._when())
            self.stated[place] = (party, event_type, values, reference, revision + 1)
        else:
            target = self.hub.publisher(party).event_id(event_type, reference, revision)
            taken_back = {"targetEventId": target, "at": self.hub.now, "reason": "NOT_OCCURRED"}
            self.hub.state(party, "EventRetracted", taken_back, f"back {reference} {revision} {self.hub.now}")

    def _disturbs(self) -> None:
        if self.chance.random() < 0.5:
            self.hub.settle()
            self.hub.restart()
        else:
            request = f"a0000000-0000-4000-8000-{len(self.moments):012}"
            self.hub.control.publish(0, "ResyncRequested", {"party": "B.SOC", "requestId": request})

    def _held(self) -> Held:
        found: Held = {}
        for party in PARTIES:
            mine = (f"{party}/", "HUB/")
            found[party] = {
                event: set(fields) for event, fields in self.hub.held(party).items() if not event.startswith(mine)
            }
        return found


@pytest.mark.parametrize("seed", range(12))
def test_every_moment_is_replayed_explained_and_listed_as_it_was(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, seed)
    for _ in range(8):
        history.happens()
    hub = history.hub
    reader, policies = hub.shard.cases.reader, hub.shard.cases.policies
    records = list(hub.store.case_records(CASE))
    log = seen_between(replay(records, CASE, reader), reader, lambda _: policies)
    assert sum(len(events) for _, held in history.moments for events in held.values()) > 5
    for at, held in history.moments:
        then = replay(records, CASE, reader, at)
        listed: Held = {party: {} for party in PARTIES}
        for each in log:
            if each.since <= at and (each.until is None or each.until > at) and each.stated_by != "HUB":
                listed[each.party][each.event_id] = set(each.fields)
        assert listed == held, (seed, at)
        for party in PARTIES:
            shown = explained_fields(then, party, at, policies, reader)
            others = {event: fields for event, fields in shown.items() if not event.startswith((f"{party}/", "HUB/"))}
            assert others == held[party], (seed, at, party)
