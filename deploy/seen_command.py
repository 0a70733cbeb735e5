"""`hub case seen`: the disclosure log of a case: who could see what of it in a period, on which basis, by which rules.

Rules:
- Of the period: `--from` and `--to` are local civil times; what was told before and not taken back yet is in it.
- Fields are named and no value is told, so that the answer says no more about the citizen than the question needs.
- Programs get exact instants, with their offset.
- What is cited is resolved where it can be: agreements by their timeline, a rule set by its kept text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from contracts.categories import text_of
from contracts.civil_time import format_local, local_of
from contracts.failures import NotFound
from deploy.audited_case import AuditedCase, audited_case
from deploy.options import local_instant, world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.consent.agreements import digest_of
from hub.evidence.disclosures import ConsentVersion, Seen, seen_between, withheld_from_citizen
from hub.evidence.grounds import DIGEST_CHARACTERS
from hub.evidence.replay import replay
from hub.shard.reading import reader_for
from hub.store.records import Shown


@click.command("seen")
@click.argument("case_id", metavar="CASE")
@click.option("--from", "since", metavar="A", help="Only what was seen at or after this local time.")
@click.option("--to", "until", metavar="B", help="Only what was seen before this local time.")
@click.option("--party", help="Only what this party saw.")
@click.option("--for-citizen", is_flag=True, help="Leave out what the citizen is not told.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def seen(
    case_id: str,
    since: str | None,
    until: str | None,
    party: str | None,
    for_citizen: bool,
    as_json: bool,
    directory: Path,
) -> None:
    """Say who could see what of CASE, from when to when, on which basis, consent version and rule set."""
    world = World.open(directory)
    with opened_stores(world) as stores:
        audited = audited_case(world, stores, case_id)
    if party is not None and not audited.knew_party(party):
        raise NotFound("PARTY is not in the registry of this world, and never was")
    begin, end = (local_instant(text, audited.zone) if text else None for text in (since, until))
    reader = reader_for(audited.present)
    replayed = replay(audited.records, case_id, reader)
    left_out = withheld_from_citizen(replayed) if for_citizen else frozenset[str]()
    entries = [
        entry
        for entry in seen_between(replayed, reader, audited.grounds.policies_at, begin, end)
        if party in (None, entry.party) and entry.event_id not in left_out
    ]
    agreements = {entry.agreements: _agreement_ids(audited, entry) for entry in entries if entry.agreements}
    kin = sorted(replayed.case.kin)
    if as_json:
        values = {
            "case": case_id,
            "known_at": _exact(audited, audited.clock),
            "merged_with": kin,
            "seen": [_values(audited, entry, agreements) for entry in entries],
        }
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    for entry in entries:
        click.echo("\n".join(_lines(audited, entry, agreements)))
    for other in kin:
        click.echo(f"case {other} was merged with this one: ask for that one too")
    click.echo(f"{len(entries)} entries")


def shown_text(shown: Shown) -> str:
    """Return what is shown as people read it: `CU=S1 PL+RE=S2`."""
    return " ".join(f"{text_of(mask)}={basis}" for basis, mask in shown)


def _agreement_ids(audited: AuditedCase, entry: Seen) -> list[str] | None:
    """The agreements behind a digest, `None` where what stands on the timeline is not what was cited."""
    in_force = audited.agreements_at(entry.since).in_force(entry.since)
    return [one.agreement_id for one in in_force] if digest_of(in_force) == entry.agreements else None


def _is_confirmed(audited: AuditedCase, entry: Seen) -> bool | None:
    return entry.number <= audited.confirmed.get(entry.party, 0) if entry.number else None


def _lines(audited: AuditedCase, entry: Seen, agreements: Mapping[str, list[str] | None]) -> list[str]:
    zone = audited.zone
    until = f"until {format_local(entry.until, zone)}" if entry.until is not None else "and still"
    sent = {True: "", False: ", not confirmed", None: ", basis only"}[_is_confirmed(audited, entry)]
    rule_set = f"{entry.rule_set_id or 'a text that is not kept'} ({entry.rule_set[:DIGEST_CHARACTERS]})"
    lines = [
        f"{entry.party}  {entry.event_type} by {entry.stated_by}  "
        f"from {format_local(entry.since, zone)} {until}: {shown_text(entry.shown)}",
        f"    event {entry.event_id} (number {entry.number}{sent})",
        f"    fields {' '.join(entry.fields) or 'none'}",
        *(f"    consent {_consent_text(one)}" for one in entry.consents),
        f"    rule set {rule_set}, registry {entry.registry[:DIGEST_CHARACTERS]}",
    ]
    if entry.agreements:
        named = agreements[entry.agreements]
        lines.append(f"    agreements {' '.join(named) if named is not None else entry.agreements}")
    return lines


def _consent_text(consent: ConsentVersion) -> str:
    if consent.event_id is None:
        return f"{consent.consent_id}, of which no record was in force then"
    return f"{consent.consent_id} version {consent.version} (event {consent.event_id})"


def _values(audited: AuditedCase, entry: Seen, agreements: Mapping[str, list[str] | None]) -> dict[str, object]:
    return {
        "party": entry.party,
        "event_id": entry.event_id,
        "event_type": entry.event_type,
        "stated_by": entry.stated_by,
        "shown": shown_text(entry.shown),
        "fields": list(entry.fields),
        "from": _exact(audited, entry.since),
        "until": _exact(audited, entry.until) if entry.until is not None else None,
        "partition": audited.partition,
        "number": entry.number,
        "confirmed": _is_confirmed(audited, entry),
        "consents": [one._asdict() for one in entry.consents],
        "rule_set": entry.rule_set_id or None,
        "rule_set_digest": entry.rule_set,
        "registry": entry.registry,
        "agreements": entry.agreements or None,
        "agreement_ids": agreements.get(entry.agreements, []),
    }


def _exact(audited: AuditedCase, instant: int) -> str:
    return local_of(instant, audited.zone).isoformat(timespec="milliseconds")
