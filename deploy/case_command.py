"""`hub case …` and `hub explain`: the timeline of one case replayed, and one decision explained.

Rules:
- Bitemporal: `--known-at` is what the hub knew, `--valid-at` what had happened; both local civil time.
- An auditor's tools: they show the whole fact. Nothing is written.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from consumers.rendering import plain_value
from contracts.catalogue import catalogue
from contracts.civil_time import format_local
from contracts.failures import NotFound
from contracts.printable import printable
from deploy.audited_case import AuditedCase, audited_case, batches_around
from deploy.options import DIFFERENT, local_instant, world_option
from deploy.seen_command import seen, shown_text
from deploy.stores import case_of, opened_stores
from deploy.world import World
from hub.case_timeline.timeline import CONFIRMED, JOINED, JOINING, LEAVING, LEFT, MERGED, REMOVED, REOPENED
from hub.disclosure.envelope import DecisionIds
from hub.evidence.explanation import Explanation
from hub.evidence.explanation import explain as explain_decision
from hub.evidence.grounds import ever_knew
from hub.evidence.replay import LIVE, ReplayedFact, Telling, replay
from hub.shard.reading import reader_for
from hub.store.records import MergeStepped


@click.group("case")
def case() -> None:
    """The timeline of a case, for auditors."""


case.add_command(seen)


@case.command("find")
@click.argument("party")
@click.argument("key")
@world_option
def find(party: str, key: str, directory: Path) -> None:
    """Print the case behind PARTY's own KEY of a citizen."""
    world = World.open(directory)
    with opened_stores(world) as stores:
        # One that has left is asked for by what the shards know: what it was told is still there.
        if party not in world.registry and not any(ever_knew(each.adoptions(), party) for each in stores):
            known = ", ".join(f"`{each.id}`" for each in world.registry)
            raise NotFound(f"PARTY is not in the registry of this world; expected {known}")
        click.echo(case_of(stores, party, key))


@case.command("timeline")
@click.argument("case_id", metavar="CASE")
@click.option("--known-at", metavar="T", help="Only what the hub knew at this local time.")
@click.option("--valid-at", metavar="V", help="Only what had happened by this local time.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def timeline(case_id: str, known_at: str | None, valid_at: str | None, as_json: bool, directory: Path) -> None:
    """Replay CASE: every fact, and who was told what of it, when."""
    world = World.open(directory)
    with opened_stores(world) as stores:
        audited = audited_case(world, stores, case_id)
    zone = audited.zone
    known, valid = audited.instant(known_at), local_instant(valid_at, zone) if valid_at else None
    replayed = replay(audited.records, case_id, reader_for(audited.present), known, valid)
    if as_json:
        ids = DecisionIds(world.hub_secret, audited.partition)
        values = {
            "facts": [_fact_values(fact, zone, audited.partition, ids) for fact in replayed.facts],
            "merges": [_merge_values(step, zone) for step in replayed.merges],
        }
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    for fact in replayed.facts:
        click.echo("\n".join(_fact_lines(fact, zone)))
    for step in replayed.merges:
        click.echo(_merge_text(step, zone))


@click.command("explain")
@click.argument("case_id", metavar="CASE")
@click.argument("event")
@click.argument("party")
@click.option("--known-at", metavar="T", help="Explain the decision as of this local time.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def explain(case_id: str, event: str, party: str, known_at: str | None, as_json: bool, directory: Path) -> None:
    """Say what PARTY sees of EVENT in CASE, field by field, and why.

    EVENT is `<party>/<ce_id>`, or the ce_id alone. The decision is derived anew; exit 1 where what is stored differs.
    """
    explained, zone = explanation_of(World.open(directory), case_id, event, party, known_at)
    if as_json:
        click.echo(json.dumps(explanation_values(explained, zone), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(explanation_lines(explained, zone)))
    if not explained.agrees:
        raise click.exceptions.Exit(DIFFERENT)


def explanation_of(
    world: World, case_id: str, event: str, party: str, known_at: str | None = None
) -> tuple[Explanation, ZoneInfo]:
    """Explain what `party` sees of `event`, as of local time `known_at` or as of now; with the case's time zone."""
    with opened_stores(world) as stores:
        audited = audited_case(world, stores, case_id)
        at = audited.instant(known_at)
        before, after = batches_around(stores[audited.partition], at)
    if not audited.knew_party(party):
        raise NotFound(f"party `{party}` is not in the registry of this world, and never was")
    explained = _explained_at(audited, event, party, at)
    if not explained.agrees and after is not None:
        explained = replace(explained, settled_at=_settled_next(audited, event, party, before, after))
    return explained, audited.zone


def _settled_next(audited: AuditedCase, event: str, party: str, before: int, after: int) -> int | None:
    """When that was settled which came between two batches; `None` where something else was stored at either."""
    try:
        if not _explained_at(audited, event, party, before).agrees:
            return None
    except NotFound:  # not known yet: nobody was told of it
        pass
    # The one that follows must have told what was derived for it: else a wrong one would pass for late.
    settled = _explained_at(audited, event, party, after)
    return (settled.settled_at or after) if settled.agrees else None


def _explained_at(audited: AuditedCase, event: str, party: str, at: int) -> Explanation:
    policies = audited.grounds.policies_at(at)
    reader = reader_for(policies)
    replayed = replay(audited.records, audited.case_id, reader, at)
    agreements = audited.agreements_at(at)
    return explain_decision(
        replayed, event, party, at, policies, reader, agreements, is_told_elsewhere=audited.is_told_elsewhere
    )


def _fact_lines(fact: ReplayedFact, zone: ZoneInfo) -> list[str]:
    state = "" if fact.state == LIVE else f"  [{fact.state}]"
    late = f"  (recorded late, {format_local(fact.first_recorded_at, zone)})" if fact.is_late else ""
    lines = [f"{format_local(fact.occurred_at, zone)}  {fact.event_type}  by {fact.party}{state}{late}"]
    lines.append(f"    event {fact.event_id}")
    if fact.from_case:
        first, here = (format_local(each, zone) for each in (fact.first_recorded_at, fact.recorded_at))
        lines.append(f"    from case {fact.from_case}: recorded there {first}, here {here}")
    lines += [f"    {name}: {_value_text(value)}" for name, value in _field_values(fact, zone).items()]
    lines += [f"    {_telling_text(telling, zone)}" for telling in fact.tellings]
    return lines


_MERGE_TEXTS = {
    MERGED: "merged into case {}: closed from now on",
    LEAVING: "leaves case {} again, closed until that has given back what is its own",
    REOPENED: "open again, apart from case {}",
    JOINING: "facts of case {} come in: nothing new is told before all of them are here",
    JOINED: "all facts of case {} are here",
    LEFT: "case {} left, with what is its own",
    REMOVED: "all that was taken back in the merge with case {} is confirmed stored for every receiver",
    CONFIRMED: "case {} says the same of itself: no withdrawal waits for it any more",
}


def _merge_text(step: MergeStepped, zone: ZoneInfo) -> str:
    return f"{format_local(step.recorded_at, zone)}  {_MERGE_TEXTS[step.step].format(step.other)}"


def _merge_values(step: MergeStepped, zone: ZoneInfo) -> dict[str, object]:
    return {
        "at": format_local(step.recorded_at, zone),
        "step": step.step,
        "other": step.other,
        "other_partition": step.other_shard,
        "event_ids": list(step.event_ids),
    }


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_value_text(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value_text(part)}" for name, part in value.items())
    return printable(str(value))


def _telling_text(telling: Telling, zone: ZoneInfo) -> str:
    when = format_local(telling.clock, zone)
    if not telling.shown:
        return f"{when} taken back from {telling.party} (number {telling.number})"
    how = f"number {telling.number}" if telling.number else "basis only, not sent"
    told = "told again, for a resync," if telling.again else "told"
    return f"{when} {told} {telling.party}: {shown_text(telling.shown)} ({how})"


def _field_values(fact: ReplayedFact, zone: ZoneInfo) -> dict[str, object]:
    event_type = catalogue().event_types[fact.event_type]
    return {
        name: plain_value(event_type.field[name], value, zone)
        for name, value in fact.payload.items()
        if value is not None
    }


def _fact_values(fact: ReplayedFact, zone: ZoneInfo, partition: int, ids: DecisionIds) -> dict[str, object]:
    return {
        "event_id": fact.event_id,
        "event_type": fact.event_type,
        "party": fact.party,
        "occurred_at": format_local(fact.occurred_at, zone),
        "recorded_at": format_local(fact.recorded_at, zone),
        "first_recorded_at": format_local(fact.first_recorded_at, zone),
        "from_case": fact.from_case,
        "late": fact.is_late,
        "state": fact.state,
        "corrects": fact.corrects,
        "fields": _field_values(fact, zone),
        "told": [
            {
                "party": telling.party,
                "at": format_local(telling.clock, zone),
                "shown": shown_text(telling.shown),
                "partition": partition,
                "number": telling.number,
                "hub_decision": ids.of(telling.party, telling.number) if telling.number else None,
                "again": telling.again,
                "rule_set": telling.rule_set,
                "registry": telling.registry,
                "agreements": telling.agreements or None,
            }
            for telling in fact.tellings
        ],
    }


def explanation_lines(explained: Explanation, zone: ZoneInfo) -> list[str]:
    """Return an explanation as people read it."""
    what = shown_text(explained.decided) or "nothing"
    verb = "sees" if explained.settled_at is None else "is to see"
    lines = [
        f"{explained.event_type} ({explained.event_id})",
        f"{explained.party} {verb} {what} at {format_local(explained.at, zone)}, by rule set {explained.rule_set}",
    ]
    width = max((len(field.field) for field in explained.fields), default=0)
    for field in explained.fields:
        mark = "shown " if field.shown else "hidden"
        basis = f"[{field.basis}] " if field.basis else ""
        lines.append(f"  {mark}  {field.field:<{width}}  {field.category:<2}  {basis}{field.why}")
    told = f"{explained.party} was last told {shown_text(explained.recorded) or 'nothing'} of it"
    if explained.settled_at is not None:
        lines.append(f"  not settled at that time: {told}; settled at {format_local(explained.settled_at, zone)}")
    if not explained.agrees:
        lines += [
            f"  DIFFERS: {told}; derived anew from the stored facts it is {what}",
            "  to do: where rules, parties or a deadline changed moments before, ask again once the case is settled; "
            "where it stays so, report it as a fault of the hub",
        ]
    if explained.told_under_it is False:
        lines.append("  note: the newest stored decision was made under another text of the rules")
    return lines


def explanation_values(explained: Explanation, zone: ZoneInfo) -> dict[str, object]:
    """Return an explanation as plain values."""
    return {
        "event_id": explained.event_id,
        "event_type": explained.event_type,
        "party": explained.party,
        "at": format_local(explained.at, zone),
        "state": explained.state,
        "decided": shown_text(explained.decided),
        "stored": shown_text(explained.recorded),
        "agrees": explained.agrees,
        "settled_at": format_local(explained.settled_at, zone) if explained.settled_at is not None else None,
        "rule_set": explained.rule_set,
        "rule_set_digest": explained.rule_set_digest,
        "told_under_it": explained.told_under_it,
        "fields": [
            {
                "field": field.field,
                "category": field.category,
                "shown": field.shown,
                "basis": field.basis,
                "why": field.why,
                "law": field.law,
                "events": list(field.events),
            }
            for field in explained.fields
        ],
    }
