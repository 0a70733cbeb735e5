"""Reads rule sets: a TOML file of `contracts/rules/` -> `RuleSet`, or `BadRuleSet`.

Rules:
- A rule set is read whole or not at all: a table or key that this module does not know, a missing one, a category,
  role or period that does not exist refuses it, and the hub does not start.
- Of several rule sets of a jurisdiction the one in force from the latest date is taken.
- What narrows is named twice, so that a rule set with a narrowing line gone is refused instead of opening more: a
  grant's `limited_by` names its own narrowing keys, `restrictions` the tables that close.
- Names of conditions and relations are checked by `hub.consent.policy`, which knows them.

Source of a rule set: domain specification, 4. Goes to `hub.consent.policy.load_policy`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from contracts.categories import ALL_CATEGORIES
from contracts.failures import BadRuleSet
from contracts.toml_file import parse_toml, read_offered
from hub.consent.rule_set import (
    BreakGlassTerms,
    ConsentTerms,
    EpisodeKind,
    Exemption,
    Gate,
    Grant,
    HealthTerms,
    Never,
    Role,
    Rule,
    RuleSet,
    Side,
    WithheldField,
    WithheldKind,
)
from hub.consent.toml_table import Table, mask_named

NARROWING: Final = (
    *("events", "stated_by", "stated_by_except", "stated_by_who", "to", "to_except", "to_who"),
    *("while", "since", "facts", "named_by", "within", "between", "under"),
)
"""The keys of a grant that narrow what it opens, and of whom to whom."""
NO_CATEGORY_NAME: Final = "none"
ANY_RULE: Final = "any"

RULES_FOLDER: Final = Path(__file__).resolve().parents[2] / "contracts" / "rules"


def read_rule_sets(jurisdiction: str, folder: Path = RULES_FOLDER) -> list[RuleSet]:
    """Return the rule sets of `jurisdiction` in `folder`, oldest first; raise `BadRuleSet` for none or a bad one."""
    texts = read_offered(folder, f"{jurisdiction}-*.toml", BadRuleSet)
    found = [parse_rule_set(text, name) for name, text in texts.items()]
    if not found:
        raise BadRuleSet(f"no rule set for jurisdiction `{jurisdiction}` in the rules folder; add one")
    return sorted(found, key=lambda rule_set: (rule_set.in_force_from, rule_set.id))


def read_rule_set(jurisdiction: str, folder: Path = RULES_FOLDER) -> RuleSet:
    """Return the newest rule set of `jurisdiction` in `folder`; raise as `read_rule_sets`."""
    return read_rule_sets(jurisdiction, folder)[-1]


@lru_cache(maxsize=32)  # each shard that a worker takes asks for all of them: 40 ms, and the same bytes say the same
def parse_rule_set(content: bytes, name: str) -> RuleSet:
    """Return the rule set that `content` (a TOML file called `name`) says; raise `BadRuleSet`."""
    top = Table(parse_toml(content, name, BadRuleSet), name)
    periods, ages, responsibility = top.table("periods"), top.table("ages"), top.table("responsibility")
    restrictions = top.take("restrictions", list)
    roles = {role: _role(table, role) for role, table in top.table("roles").rest().items()}
    rule_set = RuleSet(
        id=top.take("id", str),
        title=top.take("title", str),
        jurisdiction=top.take("jurisdiction", str),
        in_force_from=top.take("in_force_from", date),
        text=content,
        digest=hashlib.sha256(content).hexdigest(),
        order=tuple(top.take("order", list)),
        rules=tuple(_rule(table) for table in top.tables("rule")),
        gates=tuple(_gate(table) for table in top.tables("gate")),
        never=tuple(_never(table) for table in top.tables("never", [])),
        withheld_fields=tuple(_withheld_field(table) for table in top.tables("withheld_field", [])),
        withheld_kinds=tuple(_withheld_kind(table) for table in top.tables("withheld_kind", [])),
        records=_records(top.tables("record")),
        roles=roles,
        consent=_consent(top.table("consent"), roles),
        health=_health(top.table("health")),
        break_glass=_break_glass(top.table("break_glass")),
        case_opened_by=responsibility.names("case_opened_by"),
        municipal_roles=responsibility.names("municipal_roles"),
        post_release_window=periods.period("post_release_window"),
        link_tail=periods.period("link_tail"),
        addressed=periods.period("addressed"),
        consent_max_age=periods.period("consent_max_age"),
        consent_alone_years=ages.take("consent_alone", int),
        adult_years=ages.take("adult", int),
    )
    for table in (top, periods, ages, responsibility):
        table.done()
    _check(rule_set, name)
    if sorted(map(str, restrictions)) != sorted(rule_set.restrictions):
        raise BadRuleSet(
            f"rule set `{name}`: `restrictions` names other never, withheld and gate tables than there are; "
            "restore the one that is missing, or mend the list"
        )
    return rule_set


def _check(rule_set: RuleSet, name: str) -> None:
    ids = [rule.id for rule in rule_set.rules]
    if sorted(ids) != sorted(rule_set.order):
        raise BadRuleSet(f"rule set `{name}`: `order` names other rules than there are; list each rule once")
    grants = [grant for rule in rule_set.rules for grant in rule.grants]
    sides = [side for grant in grants for side in (grant.stated_by, grant.to)]
    sides += [exemption.to for never in rule_set.never for exemption in never.exemptions]
    used: set[str] = set(rule_set.consent.implied)
    for roles in (side.roles for side in sides):
        used |= roles or frozenset()
    for side in sides:
        used |= side.roles_except
    for gate in rule_set.gates:
        used |= gate.roles
        if gate.rules is not None and not gate.rules <= set(ids):
            raise BadRuleSet(f"rule set `{name}`: gate `{gate.title}` names a rule that does not exist")
    for kind in rule_set.withheld_kinds:
        used |= kind.never_to
    for role, terms in rule_set.roles.items():
        if not (terms.only_by or frozenset()) <= set(ids):
            raise BadRuleSet(f"rule set `{name}`: role `{role}` is opened `only_by` a rule that does not exist")
        if not terms.only_records <= set(rule_set.records):
            raise BadRuleSet(f"rule set `{name}`: role `{role}` has `only_records` that no `record` table sends")
    unknown = used - set(rule_set.roles)
    if unknown:
        raise BadRuleSet(f"rule set `{name}`: role `{sorted(unknown)[0]}` is not in the table of roles")


def _side(table: Table, key: str) -> Side:
    return Side(table.names(key, None), table.names(f"{key}_except", frozenset()), table.take(f"{key}_who", str, None))


def _rule(table: Table) -> Rule:
    rule = Rule(
        table.take("id", str),
        table.take("title", str),
        table.take("law", str),
        table.take("confidence", str),
        tuple(_grant(grant) for grant in table.tables("grant")),
    )
    table.done()
    return rule


def _grant(table: Table) -> Grant:
    opened, left_out = table.mask("categories", None), table.mask("categories_except", None)
    if (opened is None) == (left_out is None):
        table.refuse("a grant has either `categories` or `categories_except`")
    named = table.names("limited_by")
    if unclear := sorted(named ^ table.present(NARROWING)):
        table.refuse(f"`{unclear[0]}` is either missing or not named in `limited_by`; restore it, or mend both")
    grant = Grant(
        events=table.names("events", None),
        stated_by=_side(table, "stated_by"),
        to=_side(table, "to"),
        categories=opened if opened is not None else ALL_CATEGORIES & ~left_out,
        conditions=tuple(table.take("while", list, ())),
        since=table.take("since", str, None),
        facts=tuple(table.take("facts", list, ())),
        named_by=table.take("named_by", str, None),
        within=table.take("within", str, None),
        between=table.take("between", str, None),
        under=table.take("under", str, None),
    )
    table.done()
    return grant


def _gate(table: Table) -> Gate:
    gate_id, title, roles = table.take("id", str), table.take("title", str), table.names("roles")
    rules = table.take("rules", object)
    if len(table.present(("while", "to_who"))) != 1:
        table.refuse("a gate has either `while` or `to_who`; restore the one that is missing, or make two gates of it")
    gate = Gate(
        gate_id,
        title,
        roles,
        None if rules == "all" else frozenset(rules),
        tuple(table.take("while", list, ())),
        table.take("to_who", str, None),
    )
    table.done()
    return gate


def _never(table: Table) -> Never:
    exemptions = []
    for line in table.tables("except", []):
        exemptions.append(Exemption(_side(line, "to"), tuple(line.take("while", list, ()))))
        line.done()
    never = Never(
        table.take("id", str),
        table.take("title", str),
        table.names("roles", None),
        table.mask("categories"),
        tuple(table.take("while", list)),
        tuple(exemptions),
    )
    table.done()
    return never


def _withheld_field(table: Table) -> WithheldField:
    table.take("title", str)
    withheld = WithheldField(
        table.take("id", str), table.take("field", str), table.names("events"), table.names("only_to")
    )
    table.done()
    return withheld


def _withheld_kind(table: Table) -> WithheldKind:
    table.take("title", str)
    withheld = WithheldKind(table.take("id", str), table.take("kind", str), table.names("never_to"))
    table.done()
    return withheld


def _records(tables: Iterable[Table]) -> Mapping[str, tuple[str, ...]]:
    records: dict[str, tuple[str, ...]] = {}
    for table in tables:
        named_by = tuple(table.take("named_by", list))
        records.update(dict.fromkeys(table.names("events"), named_by))
        table.done()
    return records


def _role(values: Any, role: str) -> Role:
    table = Table(values, f"roles, {role}")
    is_opened_by_any_rule = table.is_word("only_by", ANY_RULE)
    read = Role(
        table.take("purpose", str),
        table.mask("never"),
        table.mask("break_glass"),
        None if is_opened_by_any_rule else table.names("only_by"),
        table.names("only_records", frozenset()),
    )
    if read.only_records and read.only_by is None:
        raise BadRuleSet(f"rule set, roles, {role}: `only_records` belongs to `only_by`; add it, or remove both")
    table.done()
    return read


def _implied(table: Table, roles: Iterable[str]) -> Mapping[str, int]:
    """What the facts of a role give away by themselves; every role has a line, so that none is lost unnoticed."""
    written = table.take("implied", dict)
    if unsaid := sorted(set(roles) - written.keys()):
        table.refuse(f"`implied` says nothing of role `{unsaid[0]}`; add it, or `none`")
    if unread := sorted(role for role, name in written.items() if not isinstance(name, str)):
        table.refuse(f"`implied` of `{unread[0]}` is not the name of a category; mend it")
    said = {role: name for role, name in written.items() if name != NO_CATEGORY_NAME}
    return {role: mask_named([name], "consent.implied") for role, name in said.items()}


def _consent(table: Table, roles: Iterable[str]) -> ConsentTerms:
    terms = ConsentTerms(
        joint_planning_purpose=table.take("joint_planning_purpose", str),
        oral_form=table.take("oral_form", str),
        forms=table.names("forms"),
        oral_never=table.mask("oral_never"),
        oral_void_sources=table.names("oral_void_sources"),
        co_signed=table.take("co_signed", str),
        co_signed_of_a_minor=table.mask("co_signed_of_a_minor"),
        givers_under_consent_age=table.names("givers_under_consent_age"),
        givers_from_consent_age=table.names("givers_from_consent_age"),
        givers_adult=table.names("givers_adult"),
        implied=_implied(table, roles),
    )
    table.done()
    return terms


def _health(table: Table) -> HealthTerms:
    episodes = []
    for line in table.tables("episode"):
        episodes.append(
            EpisodeKind(line.take("kind", str), line.take("id", str), line.names("opened_by"), line.names("closed_by"))
        )
        line.done()
    terms = HealthTerms(
        parties=table.names("parties"),
        parties_if_provider=table.names("parties_if_provider"),
        involuntary_legal_forms=table.names("involuntary_legal_forms"),
        addressed_by=table.names("addressed_by"),
        episodes=tuple(episodes),
    )
    table.done()
    return terms


def _break_glass(table: Table) -> BreakGlassTerms:
    terms = BreakGlassTerms(
        granted_at_once=table.names("granted_at_once"),
        holders=table.names("holders"),
        justification_length_min=table.take("justification_length_min", int),
        limit_hours=table.take("limit_hours", int),
        limit_hours_during_admission=table.take("limit_hours_during_admission", int),
    )
    table.done()
    return terms
