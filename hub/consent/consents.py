"""Consents: which are active now, what each opens, from whom to whom.

Rules (domain specification, 4.4, 4.5, 4.9.10, 4.9.11, 4.9.20):
- A ConsentGiven that is not specific, informed and given by one who may give it opens nothing, ever.
- Active from `validFrom` until the first of `validUntil`, the local day of `validFrom` plus `consent_max_age`, the
  birthday from which the citizen consents alone (where guardians gave it), and a withdrawal.
- An amendment replaces the whole scope, and form; `dataFrom` and `validUntil` stay unless stated; giver and
  `validFrom` never change. One that is not specific or informed leaves nothing open. Once withdrawn, always withdrawn.
- An amendment by somebody who could not have given that scope on its day only takes away. So does one that may mean
  another consent: when it was recorded, this one did not bear its id, or not this one alone. What was recorded before
  the consent was first stated does not amend it.
- What ends a consent under any id that it ever bore ends it, whenever that was recorded: no correction reopens it.
- A municipal recipient loses it when its municipality was responsible at the consent's start, as known then, and no
  longer is. An oral consent opens none of `oral_never` and nothing stated by `oral_void_sources`.
- Of two ConsentGiven with one id the first (in the order of facts) counts. One of a time at which that is in force no
  more (it lapsed, or was void) gives the consent anew, unless it was ended: what is withdrawn stays withdrawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from contracts.categories import known_mask_of
from contracts.civil_time import add_to_date, birthday, day_date, day_number, day_of, start_of_day
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.corrections import Superseded, first_recorded, revisions, superseded_by_id
from hub.consent.moment import Moment
from hub.consent.responsibility import READS as RESPONSIBILITY
from hub.consent.responsibility import responsible_as_known_at

SCOPED: Final = frozenset({"ConsentGiven", "ConsentAmended"})
ENDED: Final = frozenset({"ConsentWithdrawn", "ConsentExpired", "ConsentInvalidated"})
READS: Final = SCOPED | ENDED
_KINDS: Final = {"ConsentGiven": "given", "ConsentAmended": "amended", **dict.fromkeys(ENDED, "ended")}
_SCOPE_LISTS: Final = ("categories", "sources", "recipients", "purposes")


@dataclass(frozen=True, slots=True)
class ActiveConsent:
    """A consent that is in force. Masks of categories; `data_from` and `given_at` in milliseconds.

    `listed` is what the citizen's consent names, `opens` what of it the law lets it open.
    """

    consent_id: str
    given_at: int
    listed: int
    opens: int
    sources: frozenset[str]
    recipients: frozenset[str]
    purposes: frozenset[str]
    oral: bool
    data_from: int
    void_sources: frozenset[str] = field(default=frozenset(), compare=False)
    """Sources that it names and from which it opens nothing, being oral; for explanations alone."""
    lost_to: frozenset[str] = field(default=frozenset(), compare=False)
    """Recipients that it names and that lost it by a move; for explanations alone."""


@dataclass(slots=True)
class _Consent:
    """One consent as its records tell it; `stated_at`: when it was first recorded, corrected since or not."""

    given: Fact
    stated_at: int
    scope: dict[str, Any]
    sound: bool
    amended_by: Fact | None = None
    ended_by: Fact | None = None

    def amend(self, fact: Fact) -> None:
        """Replace the scope; what may stay unless stated stays."""
        self.scope = {**self.scope, **_scope(fact.payload), **_stated_days(fact.payload)}
        self.sound, self.amended_by = _is_sound(fact.payload), fact

    def narrow(self, fact: Fact, written_forms: frozenset[str]) -> None:
        """Take away what `fact` leaves out, and add nothing."""
        stated, days, scope = _scope(fact.payload), _stated_days(fact.payload), self.scope
        narrowed = {name: scope[name] & stated[name] for name in _SCOPE_LISTS}
        if scope["form"] in written_forms:
            narrowed["form"] = stated["form"]
        if "dataFrom" in days:
            narrowed["dataFrom"] = max(scope["dataFrom"], days["dataFrom"])
        if "validUntil" in days and scope["validUntil"] is not None:
            narrowed["validUntil"] = min(scope["validUntil"], days["validUntil"])
        self.scope = {**scope, **days, **narrowed}
        self.sound, self.amended_by = self.sound and _is_sound(fact.payload), fact


def consents_of(
    facts: Sequence[Fact], superseded: Sequence[Superseded], born: date, responsible: str | None, moment: Moment
) -> tuple[ActiveConsent, ...]:
    """Return the consents active now, the one first given first. `facts` are ordered and have occurred by now."""
    stated = [fact for fact in facts if fact.event_type in RESPONSIBILITY]
    gone = [each for each in superseded if each.fact.event_type in RESPONSIBILITY]
    in_force = [
        (consent, starts)
        for consent in _fold(facts, superseded, born, moment)
        if _is_active(consent, starts := consent.given.payload["validFrom"], born, moment)
    ]
    responsible_at = responsible_as_known_at((starts for _, starts in in_force), stated, gone, moment)
    active = []
    for consent, starts in in_force:
        then = responsible_at[starts]
        moment.note(f"C:{consent.given.payload['consentId']}", consent.given, consent.amended_by)
        active.append(_active_consent(consent, then if then != responsible else None, born, moment))
    return tuple(sorted(active, key=lambda consent: (consent.given_at, consent.consent_id)))


def parties_of_consents(facts: Sequence[Fact], superseded: Iterable[Superseded]) -> frozenset[tuple[str, str]]:
    """Return (consent id, party) of every party that collected the consent or was ever named in it.

    Under every id that the consent ever bore: what ends it under an old one ends it for those parties too.
    """
    earlier = superseded_by_id(superseded, {"ConsentGiven"})
    same: dict[str, set[str]] = {}
    for fact in facts:
        if fact.event_type == "ConsentGiven":
            ids = {_consent_id(revision) for revision in revisions(fact, earlier)}
            for consent_id in ids:
                same.setdefault(consent_id, set()).update(ids)
    return frozenset(
        (consent_id, party)
        for fact in facts
        if fact.event_type in SCOPED
        for consent_id in same.get(_consent_id(fact), {_consent_id(fact)})
        for party in (
            fact.payload.get("collectedBy"),
            *(fact.payload.get("sources") or ()),
            *(fact.payload.get("recipients") or ()),
        )
        if party is not None
    )


def _fold(facts: Iterable[Fact], superseded: Iterable[Superseded], born: date, moment: Moment) -> list[_Consent]:
    gone = {each.fact.event_id: each for each in superseded if each.fact.event_type == "ConsentGiven"}
    earlier = {event_id: each.fact for event_id, each in gone.items()}
    by_id: dict[str, dict[str, list[Fact]]] = {kind: {} for kind in ("given", "amended", "ended")}
    for fact in facts:
        if kind := _KINDS.get(fact.event_type):
            by_id[kind].setdefault(_consent_id(fact), []).append(fact)
    stated = {consent_id: list(given) for consent_id, given in by_id["given"].items()}
    for fact in earlier.values():
        stated.setdefault(_consent_id(fact), []).append(fact)
    live = {consent_id: _live_of(stated.get(consent_id, ()), gone) for consent_id in by_id["amended"]}
    consents: list[_Consent] = []
    for given in by_id["given"].values():
        same = {each.event_id: revisions(each, earlier) for each in given}
        ids = sorted({_consent_id(revision) for each in same.values() for revision in each})
        amendments = deque(sorted((fact for each in ids for fact in by_id["amended"].get(each, ())), key=_order))
        consent: _Consent | None = None
        for each, following in zip(given, [*given[1:], None], strict=True):
            if consent is None or _is_over(consent, each.occurred_at, born, moment):
                consent = _consent(each, same[each.event_id], moment)
                own = _live_by_id(same[each.event_id], gone)
                ends = (by_id["ended"].get(consent_id) for consent_id in sorted(own))
                consent.ended_by = next((ended[0] for ended in ends if ended), None)
                consents.append(consent)
            while amendments and (following is None or amendments[0].order < following.order):
                fact = amendments.popleft()
                consent_id = _consent_id(fact)
                if consent_id in own:
                    is_meant = 0 < own[consent_id](fact.recorded_at) == live[consent_id](fact.recorded_at)
                    _amend(consent, fact, is_meant, born, moment)
    return consents


def _order(fact: Fact) -> tuple[int, int, str]:
    return fact.order


def _live_by_id(same: Iterable[Fact], gone: Mapping[str, Superseded]) -> dict[str, Callable[[int], int]]:
    """How many revisions of one ConsentGiven were live at an instant, by each id that it ever bore."""
    by_id: dict[str, list[Fact]] = {}
    for revision in same:
        by_id.setdefault(_consent_id(revision), []).append(revision)
    return {consent_id: _live_of(given, gone) for consent_id, given in by_id.items()}


def _live_of(given: Iterable[Fact], gone: Mapping[str, Superseded]) -> Callable[[int], int]:
    """How many of these ConsentGiven were live at an instant; looked up for each amendment."""
    spans = [(fact.recorded_at, gone[fact.event_id].until if fact.event_id in gone else None) for fact in given]
    since = sorted(begun for begun, _ in spans)
    until = sorted(max(begun, ended) for begun, ended in spans if ended is not None)
    return lambda instant: bisect_right(since, instant) - bisect_right(until, instant)


def _consent(given: Fact, same: Iterable[Fact], moment: Moment) -> _Consent:
    """A consent as it was given; `same` are its revisions."""
    days = {"dataFrom": day_of(given.occurred_at, moment.zone), "validUntil": None, **_stated_days(given.payload)}
    return _Consent(
        given,
        first_recorded(same),
        {**_scope(given.payload), **days},
        _is_sound(given.payload),
    )


def _amend(consent: _Consent, fact: Fact, is_meant: bool, born: date, moment: Moment) -> None:
    """Let an amendment count; `is_meant`: this consent, and no other, bore its id when it was recorded."""
    if fact.recorded_at < consent.stated_at:
        return
    if is_meant and _could_be_given(consent, fact, born, moment):
        consent.amend(fact)
    else:
        terms = moment.policy.rules.consent
        consent.narrow(fact, terms.forms - {terms.oral_form})


def _could_be_given(consent: _Consent, amendment: Fact, born: date, moment: Moment) -> bool:
    """Whether who states an amendment could have given its scope that day; an amendment need not say who does."""
    terms, first_giver = moment.policy.rules.consent, consent.given.payload.get("givenBy")
    giver = amendment.payload.get("givenBy") or first_giver
    # What is amended was there: an earlier date does not make it an amendment by who might speak for a younger citizen.
    at = max(amendment.occurred_at, consent.given.occurred_at)
    if giver not in _givers(at, born, moment):
        return False
    # Of a consent that was not co-signed itself these categories are never open: whoever lists them adds nothing.
    is_co_signed = giver == terms.co_signed or first_giver != terms.co_signed
    listed = known_mask_of(amendment.payload.get("categories") or ())
    return is_co_signed or not _is_minor(at, born, moment) or not listed & terms.co_signed_of_a_minor


def _scope(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"form": payload.get("form"), **{name: frozenset(payload.get(name) or ()) for name in _SCOPE_LISTS}}


def _stated_days(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: payload[name] for name in ("dataFrom", "validUntil") if payload.get(name) is not None}


def _consent_id(fact: Fact) -> str:
    return str(fact.payload.get("consentId"))


def _is_sound(payload: Mapping[str, Any]) -> bool:
    """Specific, informed, evidenced: everything enumerated, withdrawal explained, capacity confirmed."""
    return (
        all(payload.get(name) for name in _SCOPE_LISTS)
        and payload.get("withdrawalExplained") is True
        and payload.get("capacityConfirmed") is True
        and bool(payload.get("evidenceRef"))
    )


def _is_active(consent: _Consent, starts: int, born: date, moment: Moment) -> bool:
    ends = _end_of(consent, born, moment)
    return consent.ended_by is None and ends is not None and moment.has_come(starts) and not moment.has_come(ends)


def _is_over(consent: _Consent, at: int, born: date, moment: Moment) -> bool:
    """Whether a consent had lapsed by itself at `at`, or could open nothing."""
    ends = _end_of(consent, born, moment)
    return ends is None or ends <= at


def _end_of(consent: _Consent, born: date, moment: Moment) -> int | None:
    """When a consent lapses by itself; `None` for one that can open nothing."""
    rules, zone, given = moment.policy.rules, moment.zone, consent.given
    if not consent.sound or consent.scope["form"] not in rules.consent.forms:
        return None
    if not _is_sound(given.payload):  # arrival refuses it, and no amendment makes it one
        return None
    if given.payload.get("givenBy") not in _givers(given.occurred_at, born, moment):
        return None
    ends = [_age_limit(given.payload["validFrom"], moment)]
    if consent.scope["validUntil"] is not None:
        ends.append(consent.scope["validUntil"])
    alone_from = birthday(born, rules.consent_alone_years, zone)
    if _day_starts(given.occurred_at, moment) < alone_from:
        ends.append(alone_from)
    return min(ends)


def _givers(at: int, born: date, moment: Moment) -> frozenset[str]:
    """Who may give a consent on the local day of `at`."""
    rules, day = moment.policy.rules, _day_starts(at, moment)
    if day < birthday(born, rules.consent_alone_years, moment.zone):
        return rules.consent.givers_under_consent_age
    return rules.consent.givers_from_consent_age if _is_minor(at, born, moment) else rules.consent.givers_adult


def _is_minor(at: int, born: date, moment: Moment) -> bool:
    return _day_starts(at, moment) < birthday(born, moment.policy.rules.adult_years, moment.zone)


def _day_starts(at: int, moment: Moment) -> int:
    return start_of_day(day_of(at, moment.zone), moment.zone)


def _age_limit(starts: int, moment: Moment) -> int:
    last_day = add_to_date(day_date(day_of(starts, moment.zone)), moment.policy.rules.consent_max_age)
    return start_of_day(day_number(last_day), moment.zone)


def _active_consent(consent: _Consent, lost_by: str | None, born: date, moment: Moment) -> ActiveConsent:
    terms, zone, scope = moment.policy.rules.consent, moment.zone, consent.scope
    listed = known_mask_of(scope["categories"])
    opens, void_sources = listed, frozenset[str]()
    oral = scope["form"] == terms.oral_form
    if oral:
        opens &= ~terms.oral_never
        void_sources = frozenset(each for each in scope["sources"] if Party(each).role in terms.oral_void_sources)
    minor_then = _is_minor(consent.given.occurred_at, born, moment)
    if minor_then and consent.given.payload.get("givenBy") != terms.co_signed:
        opens &= ~terms.co_signed_of_a_minor
    lost_to = frozenset(
        each for each in scope["recipients"] if lost_by is not None and Party(each).municipality == lost_by
    )
    return ActiveConsent(
        consent_id=str(consent.given.payload["consentId"]),
        given_at=consent.given.occurred_at,
        listed=listed,
        opens=opens,
        sources=scope["sources"] - void_sources,
        recipients=scope["recipients"] - lost_to,
        purposes=scope["purposes"],
        oral=oral,
        data_from=start_of_day(scope["dataFrom"], zone),
        void_sources=void_sources,
        lost_to=lost_to,
    )
