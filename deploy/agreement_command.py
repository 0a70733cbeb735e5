"""`hub agreement register|end|list`: the agreements on which exchange, evaluation and payment rest.

Rules:
- A registration is a file in the words of the contract (`AgreementRegistered`), TOML or JSON. It holds as a whole: an
  extension is a registration of the same `agreementId` with other dates.
- Every shard is told, since every shard decides by it; the parties named in it are told once. A command that stopped
  after some of them is given again and completes what it began: every shard is asked what it has.
- What is registered changes what may be seen only where a line of the rules asks for an agreement; then every case
  is settled anew, some hundred per batch.
- Only parties of the registry and cost rules that `contracts/rules/costs.toml` knows may be named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from contracts.catalogue import catalogue
from contracts.civil_time import ZONE_OF_JURISDICTION, day_date, moment_of, zone_of
from contracts.derived_ids import derived_id
from contracts.event_types import Kind
from contracts.fact import Fact
from contracts.failures import CallerFailure, NotFound
from contracts.models import checked
from contracts.toml_file import read_toml
from deploy.hub_statements import hub_publisher, state
from deploy.options import local_instant, world_option
from deploy.stores import governance_records, opened_stores, policies_of
from deploy.world import World
from hub.case_timeline.known import known_at
from hub.case_timeline.timeline import CaseTimeline, timeline_of
from hub.consent.agreements import ENDED, REGISTERED
from hub.continuity.costs import cost_rules
from hub.shard.cases import agreements_of
from hub.shard.reading import reader_for
from hub.store.reader import ShardReader

_LEFT_TO_THE_HUB: Final = frozenset({"occurredAt", "lateReason", "legalBasisCode"})

jurisdiction_option = click.option(
    "--jurisdiction",
    type=click.Choice(sorted(ZONE_OF_JURISDICTION)),
    default="DK",
    show_default=True,
    help="Whose citizens it is about, and whose civil time its days are in.",
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One agreement as its last record says it; `state` is `in force`, `to come`, `over` or `ended`."""

    state: str
    values: Mapping[str, Any]


@click.group("agreement")
def agreement() -> None:
    """Agreements between parties: registered, extended, ended."""


@agreement.command("register")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@jurisdiction_option
@world_option
def register(file: Path, jurisdiction: str, directory: Path) -> None:
    """Register the agreement that FILE says, or extend it; print its id. Without an `agreementId` it gets one."""
    world = World.open(directory)
    given = read_agreement(file)
    # Without an id of its own it gets the one that follows from its words: given again, it is the same agreement.
    words = json.dumps(given, sort_keys=True, default=str)
    values = {"agreementId": derived_id(world.hub_secret, "agreement", jurisdiction, words), **given}
    _check(world, values)
    with opened_stores(world) as stores:
        told = told_to_shards(world, stores, jurisdiction, values["agreementId"])
    if half_told(told):
        raise CallerFailure(
            f"agreement `{values['agreementId']}`: some shards have its end and others have not: "
            "give `hub agreement end` again first"
        )
    _state(world, jurisdiction, REGISTERED, values, told)
    click.echo(values["agreementId"])


@agreement.command("end")
@click.argument("agreement_id", metavar="AGREEMENT")
@jurisdiction_option
@world_option
def end(agreement_id: str, jurisdiction: str, directory: Path) -> None:
    """End AGREEMENT now, before its time."""
    world = World.open(directory)
    with opened_stores(world) as stores:
        told = told_to_shards(world, stores, jurisdiction, agreement_id)
    if not any(told):
        raise NotFound(f"agreement `{agreement_id}` is not registered: see `hub agreement list`")
    if all(facts and facts[-1].event_type == ENDED for facts in told):
        raise CallerFailure(f"agreement `{agreement_id}` is ended already: see `hub agreement list`")
    # An end that not every shard has is told to the others in its own words: it is no second one.
    last = half_told(told) or max((facts[-1] for facts in told if facts), key=lambda fact: fact.order)
    _state(world, jurisdiction, ENDED, _values(last), told)
    click.echo(f"{agreement_id} has ended")


@agreement.command("list")
@click.option("--known-at", metavar="T", help="As the hub knew it at this local time.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@jurisdiction_option
@world_option
def list_agreements(known_at: str | None, as_json: bool, jurisdiction: str, directory: Path) -> None:
    """List every agreement as it was last registered, and whether it is in force."""
    world = World.open(directory)
    known = local_instant(known_at, zone_of(jurisdiction)) if known_at is not None else None
    with opened_stores(world) as stores:
        found = agreements_listed(world, stores, jurisdiction, known)
    if as_json:
        click.echo(json.dumps([{"state": one.state, **one.values} for one in found], indent=2, default=str))
        return
    for one in found:
        values = one.values
        until = f" to {values['endsOn']}" if values.get("endsOn") else " on"
        click.echo(f"{values['agreementId']}  {one.state}  {values['kind']} from {values['startsOn']}{until}")
        click.echo(f"    parties {' '.join(values['parties'])}; categories {' '.join(values['categories'])}")
        if values.get("costRule"):
            click.echo(f"    costs by rule {values['costRule']}")
    click.echo(f"{len(found)} agreements")


def read_agreement(file: Path) -> dict[str, Any]:
    """Return what `file` says, in the contract's own names; raise `CallerFailure` naming what it does not know."""
    document = _json(file) if file.suffix == ".json" else read_toml(file, CallerFailure)
    fields = catalogue().event_types[REGISTERED].field
    if not isinstance(document, dict) or (unknown := document.keys() - (fields.keys() - _LEFT_TO_THE_HUB)):
        known = ", ".join(sorted(fields.keys() - _LEFT_TO_THE_HUB))
        what = f"its key number {[*document].index(min(unknown)) + 1}" if isinstance(document, dict) else "a list"
        raise CallerFailure(f"`{file.name}`: {what} is no field of an agreement; give {known}")
    return {name: _read(file, name, fields[name].kind, value) for name, value in document.items()}


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CallerFailure(f"`{file.name}` cannot be read ({type(error).__name__}): give TOML or JSON") from error


def _read(file: Path, name: str, kind: Kind, value: Any) -> Any:
    if kind is not Kind.DATE or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise CallerFailure(f"`{file.name}`: `{name}` is no day; give it as `2025-01-31`") from error


def agreements_listed(
    world: World, stores: list[ShardReader], jurisdiction: str, known: int | None = None
) -> list[Listed]:
    """Every agreement by its last record, as known at `known` (default: now), by id."""
    policies = policies_of(world)
    records = governance_records(world, stores, jurisdiction)
    at = stores[0].head().clock if known is None else known
    timeline = timeline_of("governance", known_at(records, at), reader_for(policies))
    in_force = {one.agreement_id for one in agreements_of(timeline, policies).in_force(at)}
    today = moment_of(at).astimezone(zone_of(jurisdiction)).date()
    return [
        Listed(_state_of(event_type, values, in_force, today), values) for event_type, values in _last_records(timeline)
    ]


def told_to_shards(world: World, stores: list[ShardReader], jurisdiction: str, agreement_id: str) -> list[list[Fact]]:
    """What each shard has recorded of an agreement, in order: one of them may have been told what others were not."""
    reader = reader_for(policies_of(world))
    timelines = (
        timeline_of("governance", governance_records(world, stores, jurisdiction, shard), reader)
        for shard in range(world.partitions)
    )
    return [[fact for fact in _facts(each) if fact.payload["agreementId"] == agreement_id] for each in timelines]


def half_told(told: list[list[Fact]]) -> Fact | None:
    """The end of an agreement that some shards have and others have not, if there is one."""
    ends = [fact for facts in told for fact in facts if fact.event_type == ENDED]
    everywhere = _told_everywhere(told)
    return next((fact for fact in ends if fact.event_id not in everywhere), None)


def _told_everywhere(told: list[list[Fact]]) -> set[str]:
    return set.intersection(*({fact.event_id for fact in facts} for facts in told))


def _facts(timeline: CaseTimeline) -> list[Fact]:
    found = (fact for fact in timeline.live_gate_facts() if fact.event_type in (REGISTERED, ENDED))
    return sorted(found, key=lambda fact: fact.order)


def _values(fact: Fact) -> Mapping[str, Any]:
    contract = catalogue().event_types[REGISTERED]
    return {
        name: day_date(value) if contract.field[name].kind is Kind.DATE else value
        for name, value in fact.payload.items()
        if value is not None and name not in _LEFT_TO_THE_HUB
    }


def _last_records(timeline: CaseTimeline) -> Iterator[tuple[str, Mapping[str, Any]]]:
    last = {str(fact.payload["agreementId"]): fact for fact in _facts(timeline)}
    return ((fact.event_type, _values(fact)) for _, fact in sorted(last.items()))


def _state_of(event_type: str, values: Mapping[str, Any], in_force: set[str], today: date) -> str:
    if event_type == ENDED:
        return "ended"
    if values["agreementId"] in in_force:
        return "in force"
    return "to come" if values["startsOn"] > today else "over"


def _check(world: World, values: Mapping[str, Any]) -> None:
    # The contract first: only what has its types can be looked up. The time that the fact will get is of no account.
    checked(catalogue().event_types[REGISTERED], {**values, "occurredAt": moment_of(0)})
    strangers = [party for party in values["parties"] if party not in world.registry]
    if strangers:
        raise CallerFailure(
            f"field `parties`: `{strangers[0]}` is not in the registry of this world; mend or leave out"
        )
    rule = values.get("costRule")
    if rule is not None and rule not in cost_rules():
        known = ", ".join(sorted(cost_rules()))
        raise CallerFailure(f"field `costRule`: `{rule}` is no rule of `contracts/rules/costs.toml`; give {known}")


def _state(world: World, jurisdiction: str, event_type: str, values: Mapping[str, Any], told: list[list[Fact]]) -> None:
    content = json.dumps(values, sort_keys=True, default=str).encode()
    # The same words again are the same statement, unless it was ended everywhere in between.
    everywhere = _told_everywhere(told)
    ended = sum(fact.event_type == ENDED and fact.event_id in everywhere for fact in told[0])
    reference = f"agreement/{values['agreementId']}/{ended}/{hashlib.sha256(content).hexdigest()[:16]}"
    with hub_publisher(world) as publisher:
        state(world, publisher, jurisdiction, event_type, values, reference, range(world.partitions))
