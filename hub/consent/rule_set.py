"""The rule set as values: what a dated file under `contracts/rules/` says, frozen.

Rules:
- Every rule, code and period stands in the file; nothing of them stands in program logic.
- Masks are sets of categories (`contracts.categories`); a name refers to `hub.consent.conditions` or `relations`.

Made by `hub.consent.rule_reader`; joined with the party registry in `hub.consent.policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from contracts.civil_time import Period


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a grant: parties in `roles` (`None`: any) but not in `roles_except`, narrowed by relation `who`."""

    roles: frozenset[str] | None = None
    roles_except: frozenset[str] = frozenset()
    who: str | None = None

    def has_role(self, role: str) -> bool:
        """Whether `role` is among this side's roles."""
        return role not in self.roles_except and (self.roles is None or role in self.roles)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one rule opens: `categories` (mask) of facts of `events` (`None`: any) from one side to the other.

    `under` names what it asks of an agreement (`hub.consent.agreements`); `None`: it asks for none.
    """

    events: frozenset[str] | None
    stated_by: Side
    to: Side
    categories: int
    conditions: tuple[str, ...]
    since: str | None
    facts: tuple[str, ...]
    named_by: str | None
    within: str | None
    between: str | None
    under: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One statutory rule with its law and its grants."""

    id: str
    title: str
    law: str
    confidence: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """What roles may receive at all; `rules` is `None` where it holds for everything."""

    id: str
    title: str
    roles: frozenset[str]
    rules: frozenset[str] | None
    conditions: tuple[str, ...]
    who: str | None


@dataclass(frozen=True, slots=True)
class Exemption:
    """Parties to which a never-rule does not apply, while `conditions` hold."""

    to: Side
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """Categories closed to `roles` (`None`: everyone) while `conditions` hold, whatever else opens them."""

    id: str
    title: str
    roles: frozenset[str] | None
    categories: int
    conditions: tuple[str, ...]
    exemptions: tuple[Exemption, ...]


@dataclass(frozen=True, slots=True)
class WithheldField:
    """A single field that only some roles get, whatever opens its category."""

    id: str
    field: str
    events: frozenset[str]
    only_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class WithheldKind:
    """A kind of field (`string`: free text) that some roles never get, in any event, whatever opens its category."""

    id: str
    kind: str
    never_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Role:
    """A role's one default purpose, the categories never shown to it, those that break-glass may open.

    Where `only_by` is given, no rule but these opens anything to the role, and no consent and no break-glass does;
    of records (category CO) it then gets those of `only_records`.
    """

    purpose: str
    never: int
    break_glass: int
    only_by: frozenset[str] | None = None
    only_records: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """When a consent is valid and what it opens (domain specification, 4.4 and 4.5)."""

    joint_planning_purpose: str
    oral_form: str
    forms: frozenset[str]
    oral_never: int
    oral_void_sources: frozenset[str]
    co_signed: str
    co_signed_of_a_minor: int
    givers_under_consent_age: frozenset[str]
    givers_from_consent_age: frozenset[str]
    givers_adult: frozenset[str]
    implied: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EpisodeKind:
    """A kind of treatment episode: the field that carries its id, the events that open and close it."""

    kind: str
    id: str
    opened_by: frozenset[str]
    closed_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class HealthTerms:
    """Who is a health party and what links two of them (S6, S7)."""

    parties: frozenset[str]
    parties_if_provider: frozenset[str]
    involuntary_legal_forms: frozenset[str]
    addressed_by: frozenset[str]
    episodes: tuple[EpisodeKind, ...]


@dataclass(frozen=True, slots=True)
class BreakGlassTerms:
    """What a break-glass request needs and how long it lasts."""

    granted_at_once: frozenset[str]
    holders: frozenset[str]
    justification_length_min: int
    limit_hours: int
    limit_hours_during_admission: int


@dataclass(frozen=True)
class RuleSet:
    """One whole rule set. `text` is the file, `digest` its SHA-256; decisions cite it."""

    id: str
    title: str
    jurisdiction: str
    in_force_from: date
    text: bytes = field(repr=False)
    digest: str
    order: tuple[str, ...]
    rules: tuple[Rule, ...]
    gates: tuple[Gate, ...]
    never: tuple[Never, ...]
    withheld_fields: tuple[WithheldField, ...]
    withheld_kinds: tuple[WithheldKind, ...]
    records: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, Role]
    consent: ConsentTerms
    health: HealthTerms
    break_glass: BreakGlassTerms
    case_opened_by: frozenset[str]
    municipal_roles: frozenset[str]
    post_release_window: Period
    link_tail: Period
    addressed: Period
    consent_max_age: Period
    consent_alone_years: int
    adult_years: int

    @property
    def restrictions(self) -> tuple[str, ...]:
        """The ids of all that closes: never-rules, withheld fields and kinds, gates."""
        return (
            *(never.id for never in self.never),
            *(field.id for field in self.withheld_fields),
            *(kind.id for kind in self.withheld_kinds),
            *(gate.id for gate in self.gates),
        )
