"""`hub rules matrix|diff|rehearse|adopted|cited`: the rules as lawyers read, compare, try and look them up again.

Rules:
- A rule set is named by its id (`DK-1`), by its jurisdiction (`DK`: the newest one), or by the path of a file.
- Nothing is written and nothing is put in force; a rehearsal only reads the stores of a world.
- What decisions cite is read from the shards that kept it, not from the files of today.
- `diff` ends like the command of that name: 0 where nothing differs, 1 where something does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from contracts.catalogue import catalogue
from contracts.civil_time import ZONE_OF_JURISDICTION, moment_of, zone_of
from contracts.codec import codec
from contracts.failures import BadRuleSet, NotFound
from contracts.toml_file import beginning_of
from deploy.options import local_instant, world_option
from deploy.rules.differences import differences
from deploy.rules.rehearsal import CASES_MIN, Rehearsal, counted
from deploy.rules.tables import events_csv, events_lines, summary_csv, summary_lines
from deploy.stores import known_agreements, opened_stores, policies_of
from deploy.world import World
from hub.case_timeline.timeline import CaseTimeline, Reader, timeline_of
from hub.consent.matrix import MatrixReader
from hub.consent.policy import Policy
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set, read_rule_set
from hub.consent.rule_set import RuleSet
from hub.evidence.grounds import DIGEST_CHARACTERS, Cited, cited_texts
from hub.store.ports import Erased
from hub.store.reader import ShardReader
from hub.store.records import CitizenEnrolled, FactRecorded

CASES_PER_WORD = 200
TIME_NOT_KNOWN = f"{'time not known':<29}"
"""As wide as a time, so that what follows stands in one column."""


@click.group("rules")
def rules() -> None:
    """Who may see what: as a table, compared, rehearsed."""


@rules.command("matrix")
@click.argument("rule_set", default="DK")
@click.option("--by-event", is_flag=True, help="Event type by event type, single-event rules included.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV for a spreadsheet.")
def matrix(rule_set: str, by_event: bool, as_csv: bool) -> None:
    """Say which role may see which category by RULE_SET: by which rules, by consent, by break-glass, or never."""
    reader = MatrixReader(rule_set_of(rule_set))
    if as_csv:
        click.echo(events_csv(reader, catalogue()) if by_event else summary_csv(reader), nl=False)
    else:
        click.echo("\n".join(events_lines(reader, catalogue()) if by_event else summary_lines(reader)))


@rules.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say in words what differs from rule set OLD to NEW; exit 1 where something does."""
    found = differences(rule_set_of(old), rule_set_of(new))
    if as_json:
        values = [{"where": difference.where, "what": difference.what} for difference in found]
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(str(difference) for difference in found) or "both say the same")
    if found:
        sys.exit(1)


@rules.command("rehearse")
@click.argument("new")
@click.option("--since", metavar="T", help="Only cases of which a fact was recorded since this local time.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def rehearse(new: str, since: str | None, as_json: bool, directory: Path) -> None:
    """Decide every recorded case under rule set NEW and under the one in force, and sum up what would change."""
    proposed = rule_set_of(new)
    since_ms = local_instant(since, zone_of(proposed.jurisdiction)) if since else None
    rehearsal = _rehearsed(World.open(directory), proposed, since_ms)
    if as_json:
        click.echo(json.dumps(_values(rehearsal), indent=2, ensure_ascii=False))
        return
    rows = [("receiver", "event", "category", "fields gained", "fields lost", "cases")]
    rows += [(*place, *counted(sums)) for place, sums in rehearsal.sums()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows if len(rows) > 1 else ():
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    click.echo(f"{_few(rehearsal.decided)} cases decided, {_few(rehearsal.changed)} would change")


@rules.command("adopted")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def adopted(as_json: bool, directory: Path) -> None:
    """List every rule set and registry by which cases were decided: what decisions cite, and since when."""
    found = _kept(World.open(directory)).values()
    if as_json:
        values = [
            {"kind": one.kind, "id": one.name or None, "digest": one.digest, "adopted_at": _utc(one.adopted_at)}
            for one in found
        ]
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    for one in found:
        since = _utc(one.adopted_at) or TIME_NOT_KNOWN
        click.echo(f"{one.digest}  {since}  {one.kind} {one.name}".rstrip())
    click.echo(f"{len(found)} texts")


@rules.command("cited")
@click.argument("digest")
@world_option
def cited(digest: str, directory: Path) -> None:
    """Print the text that decisions cite by DIGEST, or by 16 or more of its first characters, as it was kept."""
    kept = _kept(World.open(directory))
    found = [one for known, one in kept.items() if len(digest) >= DIGEST_CHARACTERS and known.startswith(digest)]
    if len(found) != 1:
        raise NotFound("no text of this digest is kept: see `hub rules adopted`")
    click.echo(found[0].text, nl=False)


def _kept(world: World) -> Mapping[str, Cited]:
    with opened_stores(world) as stores:
        return cited_texts(adoption for store in stores for adoption in store.adoptions())


def _utc(instant: int | None) -> str | None:
    return None if instant is None else moment_of(instant).isoformat(timespec="milliseconds")


def rule_set_of(name: str) -> RuleSet:
    """The rule set of that id, of that jurisdiction (the newest), or in that file; raise `BadRuleSet`."""
    if name in ZONE_OF_JURISDICTION:
        return read_rule_set(name)
    path = Path(name)
    if not path.suffix and path.name == name:
        path = RULES_FOLDER / f"{name}.toml"
    try:
        return parse_rule_set(beginning_of(path), path.name)
    except OSError as failure:
        known = ", ".join(sorted(file.stem for file in RULES_FOLDER.glob("*-*.toml")))
        what = f"rule set `{name}` cannot be read ({failure.strerror})"
        places = ", ".join(sorted(ZONE_OF_JURISDICTION))
        raise BadRuleSet(
            f"{what}: give a jurisdiction ({places}), a rule set ({known}), or the path of a file"
        ) from failure


def _rehearsed(world: World, proposed: RuleSet, since: int | None) -> Rehearsal:
    """Decide the cases of the proposed rule set's jurisdiction, each as known now at its shard's clock."""
    policies = policies_of(world)
    new = Policy(proposed, world.registry)
    gate_types = new.gate_types.union(*(policy.gate_types for policy in policies))
    reader = Reader(catalogue(), codec(), gate_types, "rehearsal")
    rehearsal = Rehearsal(reader)
    with opened_stores(world) as stores:
        for shard, store in enumerate(stores):
            clock = store.head().clock
            agreements = known_agreements(world, stores, proposed.jurisdiction, policies, clock, shard)
            in_force = policies.in_force(proposed.jurisdiction, clock)
            for seen, case in enumerate(_cases_of(store, reader, since), 1):
                if isinstance(case.enrolled, CitizenEnrolled) and case.enrolled.jurisdiction == proposed.jurisdiction:
                    rehearsal.take(case, clock, in_force, new, agreements)
                if seen % CASES_PER_WORD == 0:
                    click.echo(f"shard {shard}: {seen} cases read", err=True)
            click.echo(f"shard {shard} of {len(stores)} done", err=True)
    return rehearsal


def _cases_of(store: ShardReader, reader: Reader, since: int | None) -> Iterator[CaseTimeline]:
    for case_id in store.cases():
        try:
            records = list(store.case_records(case_id))
        except Erased:
            continue
        recorded = (record.recorded_at for record in records if isinstance(record, FactRecorded))
        if since is None or max(recorded, default=-1) >= since:
            yield timeline_of(case_id, records, reader)


def _values(rehearsal: Rehearsal) -> dict[str, object]:
    rows = []
    for (party, event_type, category), sums in rehearsal.sums():
        gained, lost, cases = counted(sums)
        place = {"party": party, "event_type": event_type, "category": category.value}
        rows.append({**place, "fields_gained": gained, "fields_lost": lost, "cases": cases})
    return {"cases_decided": _few(rehearsal.decided), "cases_changed": _few(rehearsal.changed), "changes": rows}


def _few(cases: int) -> str:
    return f"<{CASES_MIN}" if 0 < cases < CASES_MIN else str(cases)
