"""Facts that decide who may see what, stated in an older version: custody and consent decide as if stated today."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts.avro_schemas import Form
from contracts.catalogue import catalogue
from contracts.civil_time import moment_of
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.models import checked
from contracts.schema_ids import schema_ids
from hub.broker.ports import InputRecord
from hub.store.records import FactRecorded
from tests.contracts.second_version import RENAMED, in_force, with_invented_past
from tests.shard.harness import CASE, DAY_MS, ShardUnderTest, consent, imprisonment, in_moments

PARTIES = ("PRI", "KIF", "A.SOC", "A.JOB", "A.BEN", "A.ADD", "A.CHI", "B.SOC", "PSY")
NAMES_THEN = {now: then for renamed in RENAMED.values() for now, then in renamed.items()}
Told = dict[str, list[tuple[bytes | None, list[tuple[str, bytes]]]]]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_invented_past(tmp_path_factory.mktemp("past"))


def _state(hub: ShardUnderTest, party: str, name: str, values: Mapping[str, Any], number: int, version: int) -> None:
    """State a fact in one version of its event type, under an id that does not depend on the version."""
    newest, stated_type = catalogue().event_types[name], catalogue().versions(name)[version - 1]
    wire = checked(newest, {**in_moments(name, values), "occurredAt": moment_of(hub.now)})
    if version < newest.version:
        wire = {NAMES_THEN.get(key, key): value for key, value in wire.items()}
    ce_id = f"a0000000-0000-8000-8000-0000000000{number:02}"
    headers = published_headers(Attributes(ce_id, f"urn:party:{party}:s", stated_type.ce_type, hub.now))
    value = codec().encode(schema_ids().of_version(name, version, Form.PUBLISHED), wire)
    key = hub.key(party).encode("ascii")
    hub.append(party, InputRecord(hub.names.input(party), 0, 0, hub.now, key, value, headers))


def _play(directory: Path, version: int, facts_max: int) -> Told:
    """A custody, a consent and what both open, told with the two gate facts in one version; a restart in between."""
    hub = ShardUnderTest(directory, PARTIES, facts_max=facts_max)
    hub.enrol()
    _state(hub, "PRI", "ImprisonmentStarted", imprisonment(hub.now), 1, version)
    hub.settle()
    hub.tick(DAY_MS)
    scope = consent(hub.now, ["CU", "OF", "HO", "SU"], ["A.JOB", "B.SOC"]) | {
        "purposes": ["SOCIAL_SUPPORT", "EMPLOYMENT"]
    }
    _state(hub, "A.SOC", "ConsentGiven", scope | {"collectedBy": "A.SOC"}, 2, version)
    hub.settle()
    hub.restart()
    hub.tick(DAY_MS)
    talk = {"talkId": CASE, "at": hub.now, "setting": "PRISON", "topics": ["HOUSING"], "nextStep": "NONE"}
    _state(hub, "A.ADD", "MotivationTalkHeld", talk, 3, 1)
    dated = {"custodyId": imprisonment(0)["custodyId"], "releaseDate": moment_of(hub.now).date(), "kind": "PAROLE"}
    _state(hub, "PRI", "ReleaseDateSet", dated, 4, 1)
    hub.settle()
    hub.tick(400 * DAY_MS)  # the consent has lapsed by then
    hub.settle()
    assert hub.parked() == []
    stored = {record.event_type: record for record in hub.store.case_records(CASE) if isinstance(record, FactRecorded)}
    for name in ("ImprisonmentStarted", "ConsentGiven"):
        assert stored[name].schema_id == schema_ids().of_version(name, version, Form.PUBLISHED)
    told = {party: hub.broker.log(hub.names.output(party), 0) for party in PARTIES}
    hub.store.close()
    return {party: [(record.value, list(record.headers)) for record in log] for party, log in told.items()}


@pytest.mark.parametrize("facts_max", [200_000, 1])
def test_custody_and_consent_of_an_older_version_decide_as_if_stated_today(
    past: Path, tmp_path: Path, facts_max: int
) -> None:
    told: list[Told] = []
    with in_force(past):
        for version in (1, 2):
            directory = tmp_path / str(version)
            directory.mkdir()
            told.append(_play(directory, version, facts_max))
    assert told[0] == told[1]
    # By law to the responsible municipality, by consent to two, with what lapsed taken back; psychiatry hears nothing.
    lengths = {party: len(log) for party, log in told[0].items()}
    assert lengths["A.SOC"] >= 2
    assert min(lengths["A.JOB"], lengths["B.SOC"]) >= 3
    assert lengths["PSY"] == 0
    assert any(value is None for value, _ in told[0]["B.SOC"])
