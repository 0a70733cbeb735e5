"""Defects to plant: small slips in the rules and gates, each of which would show somebody something.

Rules:
- A defect changes one function's text, or one line of the rule sets, while it is planted, and nothing afterwards.
- The text that it changes must be there exactly once (in each rule set that has it): where the code has moved on,
  planting fails loudly and the defect is written anew.

`test_planted_defects` plants them one by one and asks `checks` which of them notices.
"""

from __future__ import annotations
import __future__

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Final

import pytest

from contracts.parties import PartyRegistry
from hub.case_timeline.timeline import CaseTimeline
from hub.consent import (
    conditions,
    consents,
    coordination,
    custody,
    emergency,
    health,
    protection,
    relations,
    responsibility,
    standing,
)
from hub.consent.decision import Decider
from hub.consent.moment import Moment
from hub.consent.placements import Placement
from hub.consent.policy import Policy
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set
from hub.consent.rule_set import RuleSet
from hub.disclosure import cutter, settlement
from tests.consent import scenario_cases

RULE_SETS: Final = {"DK": "DK-1.toml", "SE": "SE-1.toml"}


@dataclass(frozen=True, slots=True)
class Defect:
    """A slip: in `where` (a function, or `None` for the rule sets; then within `rule`, if named) `old` is `new`."""

    name: str
    where: Callable[..., object] | None
    old: str
    new: str
    rule: str = ""
    likely: str = ""
    """The check that is tried first; all the others follow."""
    also: tuple[str, str] = ("", "")
    """What else is replaced in the rule sets: a line that narrows is written twice."""


@contextmanager
def planted(defect: Defect) -> Iterator[None]:
    """Let the defect be there for a while."""
    with pytest.MonkeyPatch.context() as patch:
        if defect.where is None:
            _plant_in_rule_sets(defect, patch)
        else:
            function = defect.where
            assert isinstance(function, FunctionType)
            patch.setattr(function, "__code__", _changed(function, defect).__code__)
        yield


def _changed(function: FunctionType, defect: Defect) -> FunctionType:
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(defect.old) == 1, f"`{defect.name}`: plant it anew, `{function.__qualname__}` has changed"
    flags = __future__.annotations.compiler_flag
    compiled = compile(source.replace(defect.old, defect.new), "<planted>", "exec", flags, dont_inherit=True)
    names = dict(function.__globals__)
    exec(compiled, names)
    changed = names[function.__name__]
    assert isinstance(changed, FunctionType)
    return changed


def _plant_in_rule_sets(defect: Defect, patch: pytest.MonkeyPatch) -> None:
    texts = {name: (RULES_FOLDER / file).read_text(encoding="utf-8") for name, file in RULE_SETS.items()}
    wrong = {name: _replaced(text, defect) for name, text in texts.items()}
    assert wrong != texts, f"`{defect.name}`: plant it anew, the rule sets have changed"
    patch.setattr(scenario_cases, "load_policy", lambda name, registry: _policy(wrong[name], registry))


def _replaced(text: str, defect: Defect) -> str:
    if not defect.rule:
        return _slipped(text, defect)
    parts = re.split(r"(?m)^(?=\[\[(?:rule|gate|never|record)\]\]|\[consent\])", text)
    heading = f'id = "{defect.rule}"'
    return "".join(_slipped(part, defect) if heading in part else part for part in parts)


def _slipped(text: str, defect: Defect) -> str:
    text = text.replace(defect.old, defect.new)
    old, new = defect.also
    return text.replace(old, new) if old else text


@lru_cache(maxsize=64)
def _rule_set(text: str) -> RuleSet:
    return parse_rule_set(text.encode(), "planted")


def _policy(text: str, registry: PartyRegistry) -> Policy:
    return Policy(_rule_set(text), registry)


_consent_lines = Decider._consent_openings

DEFECTS: Final = (
    # instants
    Defect(
        "the custody window ends a second late", custody.custody_of,
        "not moment.has_come(window_end)", "not moment.has_come(window_end + 1_000)", likely="views SC22",
    ),
    Defect(
        "a consent ends a second late", consents._is_active,
        "not moment.has_come(ends)", "not moment.has_come(ends + 1_000)", likely="views SC26",
    ),
    Defect(
        "the health link ends a second late", health._in_treatment,
        "add_period(closed.occurred_at, tail, moment.zone)",
        "add_period(closed.occurred_at, tail, moment.zone) + 1_000", likely="views SC34",
    ),
    Defect(
        "of age a second late", standing.derive,
        "birthday(person.birth_date, policy.rules.adult_years, policy.zone)",
        "birthday(person.birth_date, policy.rules.adult_years, policy.zone) + 1_000", likely="views SC28",
    ),
    Defect(
        "a placement still runs at the instant of its end", Placement.ran_at,
        "instant < self.ended", "instant <= self.ended", likely="views SC32",
    ),
    Defect(
        "a change by time is not foretold", Moment.has_come,
        "self.turning_points.add(instant)", "pass", likely="time SC21",
    ),
    # consents
    Defect(
        "expiry of consents ignored", consents._is_active,
        " and not moment.has_come(ends)", "", likely="views SC26",
    ),
    Defect(
        "the year of a consent ignored", consents._end_of,
        'ends = [_age_limit(given.payload["validFrom"], moment)]', "ends = [moment.at + 1]", likely="views SC30",
    ),
    Defect(
        "an amendment moves the year", consents._end_of,
        'ends = [_age_limit(given.payload["validFrom"], moment)]',
        'ends = [_age_limit((consent.amended_by or given).payload["validFrom"], moment)]', likely="views SC26",
    ),
    Defect(
        "a withdrawn consent amended back", consents._Consent.amend,
        "self.sound, self.amended_by = _is_sound(fact.payload), fact",
        "self.sound, self.amended_by, self.ended_by = _is_sound(fact.payload), fact, None", likely="views V13",
    ),
    Defect(
        "withdrawal ignored", consents._is_active,
        "consent.ended_by is None and ", "", likely="views SC4",
    ),
    Defect("L2 skipped", _consent_lines, "and not implied & ~consent.listed", "", likely="views SC26"),
    Defect(
        "purpose not asked", _consent_lines,
        "and terms.purpose in consent.purposes", "", likely="views SC26",
    ),
    Defect("sources not asked", _consent_lines, "and stated_by in consent.sources", "", likely="views SC1"),
    Defect("recipients not asked", _consent_lines, "and receiver in consent.recipients", "", likely="views SC2"),
    Defect("dataFrom ignored", _consent_lines, "consent.data_from)", "0)", likely="views SC30"),
    Defect(
        "a municipality that is no longer responsible keeps its consent", consents.consents_of,
        "then if then != responsible else None", "None", likely="views V14",
    ),
    Defect(
        "CF of a minor without the guardian", consents._active_consent,
        "if minor_then and", "if False and", likely="views SC6",
    ),
    Defect(
        "guardian consent accepted at 15", None,
        'givers_from_consent_age = ["SUBJECT",', 'givers_from_consent_age = ["GUARDIAN", "SUBJECT",',
        likely="views SC6",
    ),
    Defect(
        "a guardian's consent outlives the 15th birthday", consents._end_of,
        "ends.append(alone_from)", "pass", likely="views V12",
    ),
    Defect(
        "an oral consent opens SU", None,
        'oral_never = ["CU", "RE", "OF", "SU",', 'oral_never = ["CU", "RE", "OF",', likely="views SC25",
    ),
    Defect(
        "an oral consent makes a joint plan", relations._plan_consent,
        " and not consent.oral", "", likely="views SC27",
    ),
    # the decision
    Defect(
        "L1 skipped", Decider.shown,
        "if not any(mask & outline.anchor for mask in found.values()):", "if False:", likely="views SC27",
    ),
    Defect(
        "never-rules of the case skipped", Decider._never,
        "mask |= NO_CATEGORY if exempt else never.categories", "pass", likely="views V15",
    ),
    Defect(
        "never-table of the role skipped", Decider._never,
        "terms.never, role_of_id", "0, role_of_id", likely="views V9",
    ),
    Defect(
        "remand restrictions ignored (N7)", None,
        'roles = ["MNT", "VOL", "HSG", "FAC"]', "roles = []", rule="N7", likely="views V15",
    ),
    Defect(
        "address protection ignored (N8)", protection.address_protected,
        "return until is None or", "return False and", likely="views SC33",
    ),
    Defect(
        "a withheld field shown (N4)", Policy.withheld_fields,
        "return self._withheld(event_type, receiver)[1]", "return frozenset()", likely="fields G3",
    ),
    Defect("items of a list not cut", cutter.cut, "if _item_bit(item) & mask", "if True", likely="fields SC1"),
    # gates and rules
    Defect(
        "the prison receives after release", None,
        'while = ["custody_open"]', "while = []", likely="views SC1",
    ),
    Defect(
        "probation receives before it is active", coordination.probation_active,
        "return any(", "return True or any(", likely="views SC23",
    ),
    Defect(
        "probation active by a release without supervision", coordination.probation_active,
        ' and fact.payload.get("supervision") is True', "", likely="views G1",
    ),
    Defect(
        "participant by a consent record", CaseTimeline._count,
        "if event_type.anchor != Category.CO:", "if True:", likely="case SC23",
    ),
    Defect(
        "S10 across municipalities", None,
        'stated_by_who = "in_responsible_municipality"', "", rule="S10", likely="views SC28",
        also=('"stated_by_who", ', ""),
    ),
    Defect(
        "S1 to social services of any municipality", relations.acting_as_social_services,
        "acting = policy.of_municipality(standing.responsible)", "acting = policy.municipal", likely="views SC21",
    ),
    Defect(
        "the coordinator acts wherever it is", relations.acting_as_social_services,
        "{standing.coordinator} & acting & policy.municipal", "{standing.coordinator}", likely="views V2",
    ),
    Defect(
        "responsible is the municipality of the latest custody start", responsibility._claims,
        "for fact in facts:\n        municipality", "for fact in reversed(facts):\n        municipality",
        likely="views SC7",
    ),
    Defect(
        "a transfer is in force before its day", responsibility._claims,
        'start_of_day(fact.payload["effectiveDate"], moment.zone)', "fact.occurred_at", likely="views SC29",
    ),
    Defect(
        "every imprisonment belongs to the episode before it", custody._last_episode,
        " or prior not in episode.custody_ids", "", likely="views SC24",
    ),
    Defect(
        "what happened before the custody is shown as well", conditions.custody_start,
        "return standing.custody.window_start", "return 0", likely="views V18",
    ),
    Defect(
        "plan duty not asked (S2)", None,
        'while = ["in_custody_window", "convicted", "plan_duty"]', 'while = ["in_custody_window", "convicted"]',
        rule="S2", likely="views V3",
    ),
    Defect(
        "the end of a KSP ignored", protection.risk_cooperation,
        'if moment.has_come(start_of_day(latest.payload["endsOn"], moment.zone)):', "if False:", likely="views SC21",
    ),
    Defect(
        "KspEnded ignored", protection.risk_cooperation,
        'latest.event_type == "KspEnded" or ', "", likely="views V4",
    ),
    Defect(
        "an objection ignored", relations.health_parties_without_objection,
        " - standing.health.objected_sources", "", likely="views V5",
    ),
    Defect(
        "a discharge agreement opens every admission's end", relations.parties_to_discharge,
        '.get((outline.party, outline.references.get("admissionId")), frozenset())',
        " and frozenset().union(*standing.named_at_discharge.values())", likely="views V9",
    ),
    # emergency
    Defect(
        "break-glass never ends", emergency.open_glass,
        "limit is None or moment.has_come(limit) or", "limit is None or", likely="views SC5",
    ),
    Defect(
        "a denied break-glass opens", emergency._granting,
        'answer.event_type == "BreakGlassGranted"', "True", likely="views SC5",
    ),
    Defect(
        "break-glass opens what was not asked for", emergency.openable,
        "_listed(request) & role.break_glass", "role.break_glass", likely="views G2",
    ),
    Defect(
        "break-glass opens what its role may not open", emergency.openable,
        "_listed(request) & role.break_glass", "_listed(request)", likely="views SC5",
    ),
    Defect(
        "break-glass in another's name", emergency._is_request,
        'and fact.party in (fact.payload.get("party"), HUB)', "", likely="views V11",
    ),
    # timeline and settlement
    Defect(
        "a corrected fact is still shown", settlement.decisions_on,
        "if death is None:", "if death is None or death.how == CORRECTED:", likely="case SC1",
    ),
    Defect(
        "a retracted fact is still shown", settlement.decisions_on,
        "if death is None:", "if death is None or death.how != CORRECTED:", likely="case SC2",
    ),
)  # fmt: skip
