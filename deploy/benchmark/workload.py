"""The work that the benchmark measures: 200 imprisoned citizens, and plain events about them, one disclosure each.

Rules:
- Each citizen is in prison under sentence with plan duty, so the prison's release dates go to the responsible
  social services by law: one disclosure per event, besides the prison's own copy.
- Seven parties take part; the other six are candidates for every event.
- The events change no right: the standing stays as it was. The same bytes are given to everything measured.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.civil_time import day_number, day_of, moment_of, zone_of
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.parties import Party, PartyRegistry
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey, signed_headers
from contracts.topics import Names
from hub.identity.pseudonyms import pseudonym

CITIZENS: Final = 200
PUBLISHER: Final = "PRI"
PARTIES: Final = ("PRI", "PHE", "A.SOC", "A.JOB", "A.BEN", "A.HSG", "A.ADD")
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """One record to publish."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    partition: int


def registry() -> PartyRegistry:
    """The parties of the benchmark."""
    return PartyRegistry.of(Party(party) for party in PARTIES)


@dataclass(frozen=True, slots=True)
class Workload:
    """The records of one run, for a hub with `secret`, stated a little before `now` (ms).

    Citizens are spread over the `partitions` in turn.
    """

    names: Names
    secret: bytes
    now: int
    citizens: int = CITIZENS
    partitions: int = 1
    signing_keys: Mapping[str, SigningKey] = field(default_factory=dict)
    """With which keys parties sign; who has none does not sign."""

    def shard_of(self, citizen: int) -> int:
        """The shard of one citizen's case."""
        return citizen % self.partitions

    def enrolments(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The control records (type, payload) that enrol everybody and issue the publishers' keys."""
        for citizen in range(self.citizens):
            yield from self.enrolment(citizen)

    def enrolment(self, citizen: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Those of one citizen, for the shard of the case."""
        case_id = self.case_id(citizen)
        yield "CitizenEnrolled", {"caseId": case_id, "birthDate": 7_000, "jurisdiction": "DK"}
        for party in (*PARTIES,):
            yield "KeyIssued", {"caseId": case_id, "party": party, "key": self._key(citizen, party)}

    def setting(self) -> Iterator[WorkRecord]:
        """What makes every other party a candidate: the sentence, a case of each municipal party."""
        at = self.now - 60 * DAY_MS
        for citizen in range(self.citizens):
            case_id = self.case_id(citizen)
            yield self._record(citizen, PUBLISHER, "ImprisonmentStarted", at, _imprisonment(case_id, at))
            for party in ("A.SOC", "A.JOB", "A.BEN", "A.HSG", "A.ADD"):
                yield self._record(citizen, party, "CaseOpened", at + DAY_MS, {"caseNo": "x", "at": at + DAY_MS})
            handed = {"episodeId": _id("episode", case_id), "at": at + DAY_MS, "atcGroup": "N05A", "prescriber": "PHE"}
            yield self._record(
                citizen, "PHE", "MedicationAgreementMade", at + DAY_MS, {**handed, "substitution": False}
            )

    def events(self, count: int, first: int = 0) -> Iterator[WorkRecord]:
        """`count` changes of a release date from number `first` on, in turn over the citizens."""
        return (self.event(number % self.citizens, number) for number in range(first, first + count))

    def event(self, citizen: int, number: int) -> WorkRecord:
        """Change of a release date `number`, of citizen `citizen`."""
        case_id = self.case_id(citizen)
        day = day_number(moment_of(self.now).date()) + 90
        payload = {
            "custodyId": _id("custody", case_id),
            "releaseDate": day + number % 60,
            "kind": "PAROLE",
            "previousDate": day,
            "reason": "RECALCULATED",
        }
        at = self.now - 30 * DAY_MS + number
        return self._record(citizen, PUBLISHER, "ReleaseDateChanged", at, payload, f"event-{number}")

    def changed_standing(self, citizen: int) -> WorkRecord:
        """A risk cooperation of prison and social services about one citizen: it changes who may see what."""
        at = self.now - DAY_MS
        ends_on = day_number(moment_of(self.now).date()) + 30
        payload = {"at": at, "ground": "OTHER", "necessity": "x", "radicalisation": False, "endsOn": ends_on}
        return self._record(citizen, PUBLISHER, "KspActivated", at, payload)

    def case_id(self, citizen: int) -> str:
        """The case of one citizen."""
        return _id("case", str(citizen))

    def _key(self, citizen: int, party: str) -> str:
        return pseudonym(self.secret, self.case_id(citizen), party, self.shard_of(citizen), self.partitions)

    def _record(
        self, citizen: int, party: str, name: str, at: int, payload: dict[str, Any], reference: str = ""
    ) -> WorkRecord:
        case_id = self.case_id(citizen)
        ce_id = _id(party, name, case_id, reference)
        attributes = Attributes(
            id=ce_id,
            source=f"urn:party:{party}:benchmark",
            type=catalogue().event_types[name].ce_type,
            time=at,
            corrects=None,
            correlation=None,
            causation=None,
        )
        value = codec().encode(schema_ids().published(name), {"occurredAt": at, **payload})
        key = self._key(citizen, party).encode("ascii")
        topic, headers = self.names.input(party), published_headers(attributes)
        if signing_key := self.signing_keys.get(party):
            headers = signed_headers(signing_key, topic, key, headers, value)
        return WorkRecord(topic, key, value, headers, self.shard_of(citizen))


def _imprisonment(case_id: str, at: int) -> dict[str, Any]:
    return {
        "custodyId": _id("custody", case_id),
        "startedAt": at,
        "institution": PUBLISHER,
        "legalStatus": "CONVICTED",
        "planDuty": True,
        "sentenceDays": 480,
        "offenceGroup": "PROPERTY",
        "endOfSentence": day_of(at, zone_of("DK")) + 480,
        "homeMunicipality": "A",
    }


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("benchmark", *parts))))
