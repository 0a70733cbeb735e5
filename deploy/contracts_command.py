"""`hub contracts lint|list|generate|check|record|diff`: the contracts as agencies and reviewers meet them.

Rules:
- `lint` judges today's contracts by themselves, `check` against all that was ever recorded of them; both also judge a
  directory of contracts that somebody offers.
- `generate` gives ids to what is new, `record` puts it into the history; neither changes what is there.
- `diff` ends like the command of that name: 0 where nothing differs, 1 where something does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from contracts.avro_schemas import Form, Schema
from contracts.catalogue import Catalogue, catalogue, read_catalogue
from contracts.compatibility import check
from contracts.event_types import ANY_ROLE, EventType
from contracts.failures import CallerFailure
from contracts.history.changes import differences
from contracts.history.recorded import (
    SchemaKey,
    accepted_breaks,
    given_ids,
    record,
    recorded_schemas,
    schemas_in,
    todays_schemas,
)
from contracts.lint import lint
from contracts.phrases import number_of
from contracts.schema_ids import schema_ids, write_schemas

HISTORY: Final = "history"
TODAY: Final = "today"
ROLES: Final = tuple(
    sorted({role for contract in catalogue().event_types.values() for role in contract.stated_by} - {ANY_ROLE})
)
"""The roles that state anything of their own."""


@click.group("contracts")
def contracts() -> None:
    """What may be stated: event types, fields, categories, who."""


@contracts.command("list")
@click.argument("event_type", required=False)
@click.option("--role", type=click.Choice(ROLES), metavar="ROLE", help="Only what a party in this role may state.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
def list_contracts(event_type: str | None, role: str | None, as_json: bool) -> None:
    """List the event types, or show one of them field by field."""
    chosen = [
        contract
        for name, contract in catalogue().event_types.items()
        if not contract.control and event_type in (None, name) and (role is None or contract.may_state(role))
    ]
    if not chosen:
        raise click.UsageError("no event type of that name or role; `hub contracts list` shows all")
    if as_json:
        click.echo(json.dumps([_values(contract) for contract in chosen], indent=2, ensure_ascii=False))
        return
    for contract in chosen:
        roles = " ".join(contract.stated_by)
        click.echo(
            f"{contract.name}  v{contract.version}  schema {schema_ids().published(contract.name)}"
            f"  anchor {contract.anchor}  {roles}{_earlier_words(contract.name)}"
        )
        if event_type:
            click.echo(f"  {contract.doc}")
            for field in contract.fields:
                mark = "*" if field.mandatory else " "
                kind = f"{field.kind} {field.type_name}".strip() + (" list" if field.repeated else "")
                click.echo(f"  {mark} {field.name}: {kind}  @{field.category}  {field.doc}")
    if not event_type:
        click.echo(number_of(len(chosen), "event type"))


candidate_argument = click.argument(
    "directory", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
"""A catalogue that is not the program's own yet: what somebody offers is judged before it is taken over."""


@contracts.command("lint")
@candidate_argument
def lint_contracts(directory: Path | None) -> None:
    """Check every contract against the rules that keep data safe; exit 1 where one is broken.

    DIRECTORY holds the catalogue to judge, as TOML files; by default it is the program's own.
    """
    judged = _judged(directory)
    findings = lint(judged)
    for finding in findings:
        click.echo(f"{finding.rule}  {finding.where}: {finding.message}", err=True)
    types, versions = len(judged.event_types), len(judged.every_version)
    counted = number_of(types, "event type") + (f" in {versions} versions" if versions > types else "")
    click.echo(f"{counted}, {number_of(len(findings), 'finding')}")
    if findings:
        sys.exit(1)


@contracts.command("generate")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def generate(directory: Path) -> None:
    """Write the `.avsc` files and their ids, derived from the catalogue, into DIRECTORY."""
    try:
        write_schemas(directory)
    except OSError as error:
        raise CallerFailure(
            f"nothing or not all was written ({error.strerror}): give a directory of one's own"
        ) from None
    click.echo(f"schemas written to {click.format_filename(directory)}")


@contracts.command("check")
@candidate_argument
def check_contracts(directory: Path | None) -> None:
    """Compare every version with all that were ever recorded of it, FULL_TRANSITIVE; exit 1 where one breaks.

    DIRECTORY holds the catalogue to judge, as TOML files; by default it is the program's own.
    """
    recorded = recorded_schemas()
    findings = check(todays_schemas(_judged(directory)), recorded, given_ids(), accepted_breaks())
    for finding in findings:
        click.echo(f"{finding.rule}  {finding.where}: {finding.message}", err=True)
    click.echo(f"{number_of(len(recorded), 'recorded schema')}, {number_of(len(findings), 'finding')}")
    if findings:
        sys.exit(1)


@contracts.command("record")
def record_contracts() -> None:
    """Add the schemas that got an id since to the recorded history."""
    click.echo(f"{number_of(len(record(catalogue())), 'schema')} recorded")


@contracts.command("diff")
@click.argument("old", default=HISTORY)
@click.argument("new", default=TODAY)
def diff_contracts(old: str, new: str) -> None:
    """Say in words what differs from OLD to NEW; exit 1 where something does.

    Each is `history`, `today`, or a directory that `hub contracts generate` wrote.
    """
    found = differences(_schemas_of(old), _schemas_of(new))
    click.echo("\n".join(found) or "nothing differs")
    if found:
        sys.exit(1)


def _judged(directory: Path | None) -> Catalogue:
    return catalogue() if directory is None else read_catalogue(directory)


def _earlier_words(name: str) -> str:
    """The versions that are taken beside the newest, each with its id and the day on which it ends, if it does."""
    words = [
        f"v{earlier.version} schema {schema_ids().of_version(name, earlier.version, Form.PUBLISHED)}"
        + (f" until {earlier.ends_on}" if earlier.ends_on else "")
        for earlier in catalogue().versions(name)[:-1]
    ]
    return f"  (also {', '.join(words)})" if words else ""


def _schemas_of(name: str) -> Mapping[SchemaKey, Schema]:
    if name == HISTORY:
        return recorded_schemas()
    return todays_schemas(catalogue()) if name == TODAY else schemas_in(Path(name))


def _values(contract: EventType) -> dict[str, object]:
    return {
        "name": contract.name,
        "version": contract.version,
        "ce_type": contract.ce_type,
        "earlier": [
            {
                "version": earlier.version,
                "ce_type": earlier.ce_type,
                "schema_id": schema_ids().of_version(contract.name, earlier.version, Form.PUBLISHED),
                "ends_on": earlier.ends_on.isoformat() if earlier.ends_on else None,
            }
            for earlier in catalogue().versions(contract.name)[:-1]
        ],
        "schema_id": schema_ids().published(contract.name),
        "disclosed_schema_id": schema_ids().by_key.get((contract.name, Form.DISCLOSED)),
        "stated_by": list(contract.stated_by),
        "anchor": contract.anchor,
        "about_no_citizen": contract.without_subject,
        "doc": contract.doc,
        "fields": [
            {
                "name": field.name,
                "type": str(field.kind),
                "of": field.type_name,
                "list": field.repeated,
                "category": field.category,
                "mandatory": field.mandatory,
                "doc": field.doc,
            }
            for field in contract.fields
        ],
    }
