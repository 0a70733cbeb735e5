"""Works out the indicator values that `I` lines state, from the facts that the hub has stored, and compares them.

Rules:
- `I NAME=VALUE NAME(ARGUMENT)=VALUE ...; remark`: what stands after `;` is a remark and is not compared.
- A value is worked out as known at the end of the scenario; `NAME(asKnown DATE)` as known at 12:00 of that date,
  `NAME(asKnown TIME)` at that time.
- A name is the indicator's id and the word that section 6 has for the value. The id may be left out, or added, where
  the word is no other indicator's; `SAME_VALUE` lists the other words of section 6.
- Numbers are compared in as many decimals as the line shows. Words in brackets behind a value (`1/1(7d)`) are
  compared where the line has them.
- Of several custody episodes the latest counts; what asks for a release, the latest that has one. I18 asks for any.
- Text of another form refuses the scenario; a name or an argument that nothing is known by is a difference.

Formulas are those of `hub.continuity`; names and forms are those of the scenario files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from contracts.catalogue import catalogue
from contracts.civil_time import Period, day_date, day_number, moment_of, parse_local
from contracts.event_types import NEVER
from contracts.fact import Fact, event_id_of
from contracts.failures import BadScenario
from contracts.models import checked
from deploy.scenario.expansion import Playbook
from deploy.scenario.grammar import DATE, TIME
from hub.case_timeline.timeline import timeline_of
from hub.consent.policies import Policies
from hub.consent.standing import Person
from hub.continuity.activities import continuation
from hub.continuity.case import Known, KnownCase, Share, recorded_facts
from hub.continuity.children import child_hours, placed_without_visit
from hub.continuity.consent_health import consent_health
from hub.continuity.contact import first_contact_days
from hub.continuity.coordinators import caseloads, coordination, without_coordinator_before_release
from hub.continuity.deadlines import contact_deadline, decision_deadline, meeting_deadline, plan_deadline
from hub.continuity.efforts import overlaps
from hub.continuity.emergency import requests, reviewed_on_time
from hub.continuity.episodes import Episode, episodes_of
from hub.continuity.organisation import municipal_gap_days, vacancies
from hub.continuity.outreach import STEPS, anonymous_contacts, funnel
from hub.continuity.placements import cost_shift_day, placement_days
from hub.continuity.plans import goal_mismatch, mismatch, mismatch_days
from hub.continuity.readiness import (
    housing_gap_nights,
    kept_open,
    notice_lag_hours,
    without_housing,
    without_income,
    without_notice,
)
from hub.continuity.returning import returned_within
from hub.continuity.terms import terms
from hub.continuity.treatment import guarantees, handed_over_before_release, handover_days, host_cost_events
from hub.continuity.trials import CONVERTED, EXTENDED, LAPSED, PRESUMED_LAPSED, lapse_share, trials
from hub.shard.reading import reader_for
from hub.store.records import CaseRecord

_VALUE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\(([^()]*)\))?=([^\s()]+(?:\([^()]*\))?)(?:\s+|$)")
_AS_KNOWN: Final = "asKnown "
_ID: Final = re.compile(r"I\d+_")
_CENSORED: Final = "none(censored)"

Worked = bool | int | Fraction | Share | date | str | None
"""A value as worked out; `None` = censored."""


@dataclass(frozen=True, slots=True)
class StatedIndicator:
    """One value of an `I` line: `I11_housingGapNights(asKnown 2025-09-12)=0`."""

    name: str
    argument: str
    expected: str

    @property
    def label(self) -> str:
        """Name and argument as written."""
        return f"{self.name}({self.argument})" if self.argument else self.name


@dataclass(frozen=True, slots=True)
class IndicatorComparison:
    """One stated value and what the facts give."""

    stated: StatedIndicator
    got: str

    @property
    def is_equal(self) -> bool:
        """Whether the two agree; words in brackets that the line leaves out are not asked for."""
        expected = self.stated.expected
        return expected in (self.got, self.got if self.got == _CENSORED else self.got.partition("(")[0])


def stated_indicators(lines: Iterable[str], scenario_id: str) -> list[StatedIndicator]:
    """Return the values of `I` lines; raise `BadScenario` on anything else."""
    stated = []
    for line in lines:
        text = line.partition(";")[0].strip()
        place = 0
        while place < len(text):
            match = _VALUE.match(text, place)
            if match is None:
                raise BadScenario(
                    f"scenario `{scenario_id}`: indicator `{text[place : place + 40]}`: expected `NAME=VALUE` or "
                    "`NAME(ARGUMENT)=VALUE`, with a remark after `;` at most"
                )
            stated.append(StatedIndicator(match[1], match[2] or "", match[3]))
            place = match.end()
    return stated


def compared_indicators(playbook: Playbook, recorded: Sequence[Known]) -> tuple[IndicatorComparison, ...]:
    """Work out and compare every value that the scenario states, from all that was recorded of its citizen."""
    stated = stated_indicators(playbook.scenario.indicators, playbook.scenario.id)
    if not stated:
        return ()
    policies = Policies.load(playbook.registry)
    return tuple(IndicatorComparison(each, _worked_out(playbook, recorded, each, policies)) for each in stated)


def recorded_of(playbook: Playbook, records: Sequence[CaseRecord]) -> list[Known]:
    """Return the facts of the stored records of the scenario's case."""
    reader = reader_for(Policies.load(playbook.registry))
    return list(recorded_facts(timeline_of(playbook.scenario.id, records, reader), reader))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a formula is worked out from."""

    playbook: Playbook
    case: KnownCase
    episodes: Sequence[Episode]
    argument: str

    @property
    def last(self) -> Episode:
        return _latest(self.episodes)

    @property
    def released(self) -> Episode:
        """The latest episode that has ended: a return to custody does not hide it."""
        return _latest([episode for episode in self.episodes if episode.release is not None])

    @property
    def release(self) -> Fact:
        release = self.released.release
        if release is None:
            raise _NotGiven
        return release

    @property
    def released_at(self) -> int:
        return self.release.occurred_at


def _latest(episodes: Sequence[Episode]) -> Episode:
    if not episodes:
        raise _NotGiven
    return episodes[-1]


class _NotGiven(Exception):
    """The formula asks for something that the case does not have."""


def _worked_out(playbook: Playbook, recorded: Sequence[Known], stated: StatedIndicator, policies: Policies) -> str:
    scenario, argument, at = playbook.scenario, stated.argument, _end_of(playbook)
    if argument.startswith(_AS_KNOWN):
        at, argument = _instant(playbook, argument.removeprefix(_AS_KNOWN), stated), ""
    policy = policies.in_force(scenario.jurisdiction, at)
    case = KnownCase.of(recorded, Person(scenario.born, scenario.jurisdiction), at, policy, terms())
    formula = _formula(stated.name)
    if formula is None:
        return "unknown name"
    try:
        value = formula(_Asked(playbook, case, episodes_of(case), argument))
    except _NotGiven:
        return "none(no such episode)"
    except (ValueError, KeyError):
        return "unknown argument"
    return _text(value, stated.expected)


def _formula(name: str) -> Callable[[_Asked], Worked] | None:
    """Return the formula that a name stands for, its id written or not."""
    name = SAME_VALUE.get(name, name)
    if name in _FORMULAS:
        return _FORMULAS[name]
    word = _ID.sub("", name)
    same = [each for each in _FORMULAS if _ID.sub("", each) == word]
    return _FORMULAS[same[0]] if len(same) == 1 and (_ID.match(same[0]) is None or word == name) else None


def _end_of(playbook: Playbook) -> int:
    scenario = playbook.scenario
    return max([event.recorded_at for event in scenario.events] + [each.at for each in scenario.expectations])


def _instant(playbook: Playbook, text: str, stated: StatedIndicator) -> int:
    if not (DATE.fullmatch(text) or TIME.fullmatch(text)):
        raise BadScenario(f"scenario `{playbook.scenario.id}`: indicator `{stated.label}`: expected a date or time")
    return parse_local(text, playbook.scenario.zone)


def _text(value: Worked, expected: str) -> str:
    """Return a value as `I` lines write it, in as many decimals as `expected` has."""
    if value is None:
        return _CENSORED
    if isinstance(value, bool):
        return str(value).lower() if expected in ("true", "false") else str(int(value))
    if isinstance(value, Fraction):
        return _decimals(value, expected)
    return str(value)


def _decimals(value: Fraction, like: str) -> str:
    return f"{float(value):.{len(like.partition('(')[0].partition('.')[2])}f}"


# --- the formulas by name


def _continued(asked: _Asked, persons: bool) -> str:
    found = continuation(asked.case, asked.released.start, asked.released_at)
    within = found.within(asked.case, Period(days=int(asked.argument)))
    share = Share(int(within.part > 0), int(within.whole > 0)) if persons else within
    days = found.days(asked.case)
    return f"{share}({days}d)" if within.part else str(share)


def _noon(asked: _Asked) -> int:
    return asked.case.noon(day_number(date.fromisoformat(asked.argument)))


def _funnel(asked: _Asked) -> str:
    found = funnel(asked.case)
    return "none" if found is None else STEPS[found.steps - 1].replace(" ", "_")


def _guarantee_days(asked: _Asked) -> int | None:
    """Return the days of the treatment that the argument names, or without one of the first requested."""
    symbols = asked.playbook.symbols
    days = {symbols.get(each.treatment_id, each.treatment_id): each.days for each in guarantees(asked.case)}
    return days[asked.argument] if asked.argument else next(iter(days.values()), None)


def _trial_hours(asked: _Asked) -> Fraction:
    symbols = asked.playbook.symbols
    return {symbols.get(trial.trial_id, trial.trial_id): trial.hours for trial in trials(asked.case)}[asked.argument]


def _reviewed(asked: _Asked) -> str:
    found = requests(asked.case)
    days = [request.review_days for request in found if request.review_days is not None]
    share = str(reviewed_on_time(asked.case, found))
    return f"{share}({float(max(days)):.2f}d)" if days else share


def _notified(asked: _Asked) -> Fraction | None:
    return max((each.notified_days for each in requests(asked.case) if each.notified_days is not None), default=None)


def _anonymous(asked: _Asked) -> int:
    return anonymous_contacts(_facts_of_nobody(asked.playbook), asked.case.at)


def _facts_of_nobody(playbook: Playbook) -> Iterable[Fact]:
    """The facts about no citizen: no timeline holds them, so they are read from what was stated."""
    for statement in playbook.statements:
        event, contract = statement.event, catalogue().event_types[statement.event.type]
        if contract.anchor == NEVER:
            payload = checked(contract, {**statement.values, "occurredAt": moment_of(event.occurred_at)})
            event_id = event_id_of(event.party, event.id)
            yield Fact(event_id, event.type, event.party, event.occurred_at, event.recorded_at, payload)


def _cost_shift(asked: _Asked) -> date | None:
    day = cost_shift_day(asked.case)
    return None if day is None else day_date(day)


def _granted(asked: _Asked) -> int:
    return sum(request.granted_at is not None for request in requests(asked.case))


def _returned(asked: _Asked) -> bool:
    releases = [episode.end for episode in asked.episodes if episode.end is not None]
    if not releases:
        raise _NotGiven
    return any(returned_within(asked.case, at, Period(days=int(asked.argument))) for at in releases)


def _caseload(asked: _Asked) -> int:
    return {coordinator: load for (_, coordinator), load in caseloads(asked.case).items()}[asked.argument]


SAME_VALUE: Final[Mapping[str, str]] = {
    "I5_handoverQuality": "I5_jointHandovers",
    "I8": "I8_overlaps",
    "I8_pairs": "I8_overlaps",
    "I13_roleVacancies": "I13_vacancies",
    "I17": "I17_days",
    "I17_breaches": "I17_breached",
}
"""Other words that section 6 has for a value."""

_FORMULAS: Final[Mapping[str, Callable[[_Asked], Worked]]] = {
    "I1_activity": lambda asked: _continued(asked, persons=False),
    "I1_person": lambda asked: _continued(asked, persons=True),
    "I2": lambda asked: first_contact_days(asked.case, asked.released_at),
    "I3": lambda asked: mismatch(asked.case, _noon(asked)),
    "I3goal": lambda asked: goal_mismatch(asked.case, _noon(asked)),
    "I3_mismatchDays": lambda asked: mismatch_days(asked.case, asked.last.start, asked.last.end or asked.case.at),
    "I4_beforeRelease": lambda asked: handed_over_before_release(asked.case, asked.released_at),
    "I4_handoverDays": lambda asked: handover_days(asked.case, asked.released_at),
    "hostCostEventsAfterRelease": lambda asked: host_cost_events(asked.case, asked.released_at),
    "I5_changes": lambda asked: coordination(asked.case, asked.last).changes,
    "I5_gapDays": lambda asked: coordination(asked.case, asked.last).gap_days,
    "I5_jointHandovers": lambda asked: coordination(asked.case, asked.last).joint_handovers,
    "I5_caseload": _caseload,
    "I6": lambda asked: without_coordinator_before_release(asked.case, asked.released),
    "I7_plan": lambda asked: str(plan_deadline(asked.case, asked.last)),
    "I7_contact": lambda asked: str(contact_deadline(asked.case, asked.last)),
    "I7_meeting": lambda asked: str(meeting_deadline(asked.case, asked.last)),
    "I7_decision": lambda asked: str(decision_deadline(asked.case, asked.last)),
    "I8_overlaps": lambda asked: len(overlaps(asked.case)),
    "I9_hours": _trial_hours,
    "I9_extended": lambda asked: sum(trial.outcome == EXTENDED for trial in trials(asked.case)),
    "I9_converted": lambda asked: sum(trial.outcome == CONVERTED for trial in trials(asked.case)),
    "I9_lapsed": lambda asked: sum(trial.outcome == LAPSED for trial in trials(asked.case)),
    "I9_presumedLapsed": lambda asked: sum(trial.outcome == PRESUMED_LAPSED for trial in trials(asked.case)),
    "I9_lapseShare": lambda asked: lapse_share(trials(asked.case)),
    "I10": _funnel,
    "anonymousContacts": _anonymous,
    "I11_noticeLagHours": lambda asked: notice_lag_hours(asked.release),
    "I11_withoutNotice": lambda asked: without_notice(asked.case, asked.release),
    "I11_releasedWithoutHousing": lambda asked: without_housing(asked.case, asked.released_at),
    "I11_releasedWithoutIncome": lambda asked: without_income(asked.case, asked.released_at),
    "I11_housingGapNights": lambda asked: housing_gap_nights(asked.case, asked.last),
    "I12": lambda asked: kept_open(asked.case, asked.last).get(asked.argument, Fraction(0)),
    "I13_municipalGapDays": lambda asked: municipal_gap_days(asked.case),
    "I13_vacancies": lambda asked: vacancies(asked.case),
    "I14_childHours": lambda asked: child_hours(asked.case, asked.last),
    "I14_placedWithoutVisit": lambda asked: placed_without_visit(asked.case),
    "placementDays": lambda asked: placement_days(asked.case),
    "costShift": _cost_shift,
    "I15_active": lambda asked: consent_health(asked.case).active,
    "I15_lapsing": lambda asked: consent_health(asked.case).lapsing,
    "I15_given": lambda asked: consent_health(asked.case).given,
    "I15_refused": lambda asked: consent_health(asked.case).refused,
    "I15_withdrawn": lambda asked: consent_health(asked.case).withdrawn,
    "I15_lapsed": lambda asked: consent_health(asked.case).lapsed,
    "I15_void": lambda asked: consent_health(asked.case).void,
    "I15_exposureHours": lambda asked: consent_health(asked.case).exposure_hours,
    "I16_requested": lambda asked: len(requests(asked.case)),
    "I16_granted": _granted,
    "I16_denied": lambda asked: sum(request.denied for request in requests(asked.case)),
    "I16_ended": lambda asked: sum(request.ended for request in requests(asked.case)),
    "I16_reviewedOnTime": _reviewed,
    "I16_notifiedDays": _notified,
    "I17_days": _guarantee_days,
    "I17_breached": lambda asked: sum(each.breached for each in guarantees(asked.case)),
    "I18": _returned,
}
