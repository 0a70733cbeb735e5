"""The policy: a rule set joined with the party registry, checked once, read by every decision.

Rules:
- Every name that the rule set uses for a condition or relation must exist here, else `BadRuleSet`.
- A party that the registry does not know, or whose role the rule set does not know, receives nothing. Nor does one
  of another country: no law of this jurisdiction binds it. What it states goes by law only to whom the fact names.
- Who has left receives nothing either. What it stated goes on as stated by that party as it was: the sets of parties
  below hold it too.
- Nothing in a policy depends on a case or on time.

A rule set comes from `contracts/rules/`; the policy goes to `standing.derive` and `decision.Decider`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from contracts.catalogue import catalogue
from contracts.civil_time import zone_of
from contracts.event_types import EventType, Kind
from contracts.fact import Fact
from contracts.failures import BadRuleSet
from contracts.parties import PartyRegistry, country_of_id, role_of_id
from hub.consent import (
    agreements,
    consents,
    coordination,
    custody,
    emergency,
    health,
    placements,
    protection,
    responsibility,
)
from hub.consent.agreements import UNDER
from hub.consent.conditions import CONDITIONS, FACT_CONDITIONS, SINCE
from hub.consent.relations import BETWEEN, NAMED_BY, WHO, WITHIN
from hub.consent.rule_reader import RULES_FOLDER, read_rule_set
from hub.consent.rule_set import Grant, Role, Rule, RuleSet

Line = tuple[Rule, Grant]
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Policy:
    """The rules of one jurisdiction for the parties of one registry."""

    rules: RuleSet
    registry: PartyRegistry

    @property
    def rule_set(self) -> str:
        """The id of the rule set, `DK-1`."""
        return self.rules.id

    @property
    def digest(self) -> str:
        """The SHA-256 of the rule set's file, in hex; the registry has a digest of its own."""
        return self.rules.digest

    @cached_property
    def zone(self) -> ZoneInfo:
        """The civil time zone in which the rules' dates and periods are meant."""
        return zone_of(self.rules.jurisdiction)

    @cached_property
    def gate_types(self) -> frozenset[str]:
        """The event types from whose facts a standing is derived."""
        reads = (custody, responsibility, coordination, protection, placements, consents, emergency, agreements)
        return frozenset[str]().union(
            *(module.READS for module in reads), health.reads(self.rules.health), _citing_types()
        )

    @cached_property
    def asks_for_agreements(self) -> bool:
        """Whether some line of the rules opens only under an agreement; else agreements change nothing."""
        return any(grant.under is not None for _, grant in self.lines)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every grant with its rule, in the rule set's order."""
        rules = {rule.id: rule for rule in self.rules.rules}
        return tuple((rules[rule_id], grant) for rule_id in self.rules.order for grant in rules[rule_id].grants)

    def lines_between(self, event_type: str, stated_by: str, receiver: str) -> tuple[Line, ...]:
        """The lines on events of this type whose roles fit publisher and receiver; what else they ask is open."""
        receiver_role = role_of_id(receiver)
        key = (event_type, role_of_id(stated_by), self.is_abroad(stated_by), receiver_role)
        found = self._lines_between.get(key)
        if found is None:
            found = self._lines_between[key] = tuple(
                (rule, grant)
                for rule, grant in self.lines_from(event_type, stated_by)
                if grant.to.has_role(receiver_role) and self.may_rest_on(receiver_role, rule.id)
            )
        return found

    def may_rest_on(self, role: str, rule_id: str) -> bool:
        """Whether this rule is one that may open something to `role` at all."""
        terms = self.rules.roles.get(role)
        return terms is None or terms.only_by is None or rule_id in terms.only_by

    def lines_from(self, event_type: str, stated_by: str) -> tuple[Line, ...]:
        """The lines on events of this type whose roles fit the publisher."""
        key = (event_type, role_of_id(stated_by), self.is_abroad(stated_by))
        found = self._lines_from.get(key)
        if found is None:
            found = self._lines_from[key] = tuple(
                (rule, grant)
                for rule, grant in self.lines
                if (grant.events is None or event_type in grant.events)
                and grant.stated_by.has_role(key[1])
                and (grant.named_by is not None or not key[2])
            )
        return found

    @cached_property
    def _lines_between(self) -> dict[tuple[str, str, bool, str], tuple[Line, ...]]:
        return {}

    @cached_property
    def _lines_from(self) -> dict[tuple[str, str, bool], tuple[Line, ...]]:
        return {}

    @cached_property
    def health_parties(self) -> frozenset[str]:
        """The parties that count as health parties."""
        terms = self.rules.health
        return frozenset(
            party.id
            for party in self.registry.with_left
            if party.role in terms.parties or (party.role in terms.parties_if_provider and party.healthcare_provider)
        )

    @cached_property
    def municipal(self) -> frozenset[str]:
        """The parties of municipalities, in a municipal role."""
        return frozenset(
            party.id
            for party in self.registry.with_left
            if party.municipality is not None and party.role in self.rules.municipal_roles
        )

    @cached_property
    def without_municipality(self) -> frozenset[str]:
        """The parties of the state and of regions."""
        return frozenset(party.id for party in self.registry.with_left if party.municipality is None)

    @cached_property
    def _by_municipality(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for party in self.registry.with_left:
            if party.municipality is not None:
                found.setdefault(party.municipality, set()).add(party.id)
        return {municipality: frozenset(members) for municipality, members in found.items()}

    @cached_property
    def by_role(self) -> Mapping[str, frozenset[str]]:
        """The ids of the parties of each role."""
        return {role: frozenset(party.id for party in members) for role, members in self.registry.by_role.items()}

    def of_municipality(self, municipality: str | None) -> frozenset[str]:
        """The parties of `municipality`; of an unknown one, none."""
        return self._by_municipality.get(municipality, frozenset()) if municipality is not None else frozenset()

    @cached_property
    def _roles(self) -> Mapping[str, str]:
        return {party.id: party.role for party in self.registry if not self.is_abroad(party.id)}

    def role_of(self, party: str) -> str | None:
        """The role of a registered party, `None` for any other and for one of another country."""
        return self._roles.get(party)

    def role_stating(self, party: str) -> str | None:
        """The role in which a party speaks, registered still or not; `None` for one of another country."""
        return None if self.is_abroad(party) else role_of_id(party)

    def is_abroad(self, party: str) -> bool:
        """Whether a party belongs to another country than this policy: two prison services are not one authority."""
        return country_of_id(party) not in (None, self.rules.jurisdiction)

    def is_custody_abroad(self, fact: Fact) -> bool:
        """Whether a fact tells of custody in another country: no standing of a case of this one rests on it."""
        return fact.event_type in custody.READS and self.is_abroad(fact.party)

    def terms_of(self, party: str) -> Role | None:
        """What the rule set says of a registered party's role; `None` where it receives nothing."""
        return self.terms_of_role(party) if party in self._roles else None

    def terms_of_role(self, party: str) -> Role | None:
        """What the rule set says of a party's role, registered still or not; `None` for one of another country."""
        role = self.role_stating(party)
        return self.rules.roles.get(role) if role is not None else None

    def withheld_fields(self, event_type: str, receiver: str) -> frozenset[str]:
        """The fields of `event_type` that `receiver` never gets, even where their category is open to it (N3, N4).

        Disclosure cuts them like a closed field. A publisher's own facts come back whole.
        """
        return self._withheld(event_type, receiver)[1]

    def withholding_rules(self, event_type: str, receiver: str) -> Mapping[str, str]:
        """Each field of `withheld_fields` with the id of the rule that withholds it."""
        return self._withheld(event_type, receiver)[0]

    def _withheld(self, event_type: str, receiver: str) -> tuple[Mapping[str, str], frozenset[str]]:
        key = (event_type, receiver)
        found = self._withheld_from.get(key)
        if found is None:
            rules = dict(self._withheld_of(event_type, self.role_of(receiver))) or _NOTHING
            found = self._withheld_from[key] = (rules, frozenset(rules))
        return found

    def _withheld_of(self, event_type: str, role: str | None) -> Iterator[tuple[str, str]]:
        for line in self.rules.withheld_fields:
            if event_type in line.events and (role is None or role not in line.only_to):
                yield line.field, line.id
        contract = catalogue().event_types.get(event_type)
        for kind in self.rules.withheld_kinds:
            if contract is not None and (role is None or role in kind.never_to):
                for name in fields_holding(contract, Kind(kind.kind)):
                    yield name, kind.id

    @cached_property
    def _withheld_from(self) -> dict[tuple[str, str], tuple[Mapping[str, str], frozenset[str]]]:
        return {}

    def __post_init__(self) -> None:
        """Raise `BadRuleSet` where the rule set uses a name that nobody explains."""
        for rule in self.rules.rules:
            for grant in rule.grants:
                _check_grant(rule, grant)
        for gate in self.rules.gates:
            _check_names(gate.title, "while", gate.conditions, CONDITIONS)
            _check_names(gate.title, "to_who", _given(gate.who), WHO)
        for never in self.rules.never:
            _check_names(never.id, "while", never.conditions, CONDITIONS)
            for exemption in never.exemptions:
                _check_names(never.id, "while", exemption.conditions, CONDITIONS)
                _check_names(never.id, "to_who", _given(exemption.to.who), WHO)
        for event, names in self.rules.records.items():
            _check_names(f"record {event}", "named_by", names, NAMED_BY)
        for kind in self.rules.withheld_kinds:
            _check_names(kind.id, "kind", (kind.kind,), {each.value: each for each in Kind})


def load_policy(jurisdiction: str, registry: PartyRegistry, folder: Path = RULES_FOLDER) -> Policy:
    """Return the policy of `jurisdiction` (`DK`, `SE`) for the parties of `registry`; raise `BadRuleSet`."""
    return Policy(read_rule_set(jurisdiction, folder), registry)


def _check_grant(rule: Rule, grant: Grant) -> None:
    _check_names(rule.id, "while", grant.conditions, CONDITIONS)
    _check_names(rule.id, "facts", grant.facts, FACT_CONDITIONS)
    _check_names(rule.id, "since", _given(grant.since), SINCE)
    _check_names(rule.id, "who", (*_given(grant.stated_by.who), *_given(grant.to.who)), WHO)
    _check_names(rule.id, "named_by", _given(grant.named_by), NAMED_BY)
    _check_names(rule.id, "within", _given(grant.within), WITHIN)
    _check_names(rule.id, "between", _given(grant.between), BETWEEN)
    _check_names(rule.id, "under", _given(grant.under), UNDER)


def _citing_types() -> frozenset[str]:
    """The event types whose facts may rest on an agreement."""
    field = agreements.CITED_BY_FIELD
    return frozenset(
        each.name for each in catalogue().event_types.values() if field in each.field and not each.without_subject
    )


def fields_holding(contract: EventType, kind: Kind) -> Iterator[str]:
    """The fields of an event that are of `kind`, or are records with something of it in them: an item is whole."""
    records = catalogue().records
    for field in contract.fields:
        in_record = field.kind is Kind.RECORD and any(part.kind is kind for part in records[field.type_name].fields)
        if field.kind is kind or in_record:
            yield field.name


def _given(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _check_names(where: str, key: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise BadRuleSet(f"rule set, `{where}`: `{key}` names `{name}`, which nobody explains; use a known name")
