"""Consents: which are active now, what each opens, from whom to whom.

Rules (domain specification, 4.4, 4.5, 4.9.10, 4.9.11, 4.9.20):
- A ConsentGiven that is not specific, informed and given by one who may give it opens nothing, ever.
- Active from `validFrom` until the first of `validUntil`, the local day of `validFrom` plus `consent_max_age`, the
  birthday from which the citizen consents alone (where guardians gave it), and a withdrawal.
- An amendment replaces the whole scope, and form; `dataFrom` and `validUntil` stay unless stated; giver and
  `validFrom` never change. One that is not specific or informed leaves nothing open. Once withdrawn, always withdrawn.
- A municipal recipient loses it when its municipality was responsible at the consent's start, as known then, and no
  longer is. An oral consent opens none of `oral_never` and nothing stated by `oral_void_sources`.
- Of two ConsentGiven with one id the first (in the order of facts) counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from contracts.categories import BIT, Category
from contracts.civil_time import add_to_date, birthday, day_date, day_number, day_of, start_of_day
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.moment import Moment
from hub.consent.responsibility import READS as RESPONSIBILITY
from hub.consent.responsibility import Superseded, responsible_as_known_at

SCOPED: Final = frozenset({"ConsentGiven", "ConsentAmended"})
ENDED: Final = frozenset({"ConsentWithdrawn", "ConsentExpired", "ConsentInvalidated"})
READS: Final = SCOPED | ENDED
_SCOPE_LISTS: Final = ("categories", "sources", "recipients", "purposes")
_CATEGORY_NAMES: Final = frozenset(category.value for category in Category)


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


@dataclass(slots=True)
class _Consent:
    """One consent as its records tell it."""

    given: Fact
    scope: dict[str, Any]
    sound: bool
    amended_by: Fact | None = None
    ended_by: Fact | None = None

    def amend(self, fact: Fact) -> None:
        """Replace the scope; what may stay unless stated stays."""
        stated = {name: fact.payload[name] for name in ("dataFrom", "validUntil") if fact.payload.get(name) is not None}
        self.scope = {**self.scope, **_scope(fact.payload), **stated}
        self.sound, self.amended_by = _is_sound(fact.payload), fact


def consents_of(
    facts: Sequence[Fact], superseded: Iterable[Superseded], born: date, responsible: str | None, moment: Moment
) -> tuple[ActiveConsent, ...]:
    """Return the consents active now, the one first given first. `facts` are ordered and have occurred by now."""
    # Read again for each consent: only what says who is responsible, not all that was ever stated.
    stated = [fact for fact in facts if fact.event_type in RESPONSIBILITY]
    gone = [each for each in superseded if each.fact.event_type in RESPONSIBILITY]
    active = []
    for consent in _fold(facts).values():
        starts = consent.given.payload["validFrom"]
        if not _is_active(consent, starts, born, moment):
            continue
        then = responsible_as_known_at(starts, stated, gone, moment)
        moment.note(f"C:{consent.given.payload['consentId']}", consent.given, consent.amended_by)
        active.append(_active_consent(consent, then if then != responsible else None, born, moment))
    return tuple(sorted(active, key=lambda consent: (consent.given_at, consent.consent_id)))


def parties_of_consents(facts: Sequence[Fact]) -> frozenset[tuple[str, str]]:
    """Return (consent id, party) of every party that collected a consent or was ever named in it."""
    return frozenset(
        (fact.payload["consentId"], party)
        for fact in facts
        if fact.event_type in SCOPED
        for party in (
            fact.payload.get("collectedBy"),
            *(fact.payload.get("sources") or ()),
            *(fact.payload.get("recipients") or ()),
        )
        if party is not None
    )


def _fold(facts: Sequence[Fact]) -> dict[str, _Consent]:
    consents: dict[str, _Consent] = {}
    for fact in facts:
        consent_id = fact.payload.get("consentId")
        if fact.event_type == "ConsentGiven" and consent_id not in consents:
            scope = {
                **_scope(fact.payload),
                "dataFrom": fact.payload.get("dataFrom"),
                "validUntil": fact.payload.get("validUntil"),
            }
            consents[str(consent_id)] = _Consent(fact, scope, _is_sound(fact.payload))
    # Amendments and ends in a second pass: a clock that runs behind may date one before its ConsentGiven.
    for fact in facts:
        consent = consents.get(str(fact.payload.get("consentId")))
        if consent is None:
            continue
        if fact.event_type == "ConsentAmended":
            consent.amend(fact)
        elif fact.event_type in ENDED:
            consent.ended_by = consent.ended_by or fact
    return consents


def _scope(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"form": payload.get("form"), **{name: frozenset(payload.get(name) or ()) for name in _SCOPE_LISTS}}


def _is_sound(payload: Mapping[str, Any]) -> bool:
    """Specific, informed, evidenced: everything enumerated, withdrawal explained, capacity confirmed."""
    return (
        all(payload.get(name) for name in _SCOPE_LISTS)
        and payload.get("withdrawalExplained") is True
        and payload.get("capacityConfirmed") is True
        and bool(payload.get("evidenceRef"))
    )


def _is_active(consent: _Consent, starts: int, born: date, moment: Moment) -> bool:
    rules, zone = moment.policy.rules, moment.zone
    if consent.ended_by is not None or not consent.sound or consent.scope["form"] not in rules.consent.forms:
        return False
    if not _is_sound(consent.given.payload):  # arrival refuses it, and no amendment makes it one
        return False
    given_on = start_of_day(day_of(consent.given.occurred_at, zone), zone)
    alone_from = birthday(born, rules.consent_alone_years, zone)
    adult_from = birthday(born, rules.adult_years, zone)
    ends = [_age_limit(starts, moment)]
    if consent.scope["validUntil"] is not None:
        ends.append(consent.scope["validUntil"])
    if given_on < alone_from:
        givers = rules.consent.givers_under_consent_age
        ends.append(alone_from)
    elif given_on < adult_from:
        givers = rules.consent.givers_from_consent_age
    else:
        givers = rules.consent.givers_adult
    if consent.given.payload.get("givenBy") not in givers:
        return False
    return moment.has_come(starts) and not moment.has_come(min(ends))


def _age_limit(starts: int, moment: Moment) -> int:
    last_day = add_to_date(day_date(day_of(starts, moment.zone)), moment.policy.rules.consent_max_age)
    return start_of_day(day_number(last_day), moment.zone)


def _active_consent(consent: _Consent, lost_by: str | None, born: date, moment: Moment) -> ActiveConsent:
    terms, zone, scope = moment.policy.rules.consent, moment.zone, consent.scope
    given_day = day_of(consent.given.occurred_at, zone)
    listed = 0
    for name in scope["categories"] & _CATEGORY_NAMES:
        listed |= BIT[Category(name)]
    opens, sources = listed, scope["sources"]
    oral = scope["form"] == terms.oral_form
    if oral:
        opens &= ~terms.oral_never
        sources = frozenset(source for source in sources if Party(source).role not in terms.oral_void_sources)
    minor_then = start_of_day(given_day, zone) < birthday(born, moment.policy.rules.adult_years, zone)
    if minor_then and consent.given.payload.get("givenBy") != terms.co_signed:
        opens &= ~terms.co_signed_of_a_minor
    data_from_day = scope["dataFrom"] if scope["dataFrom"] is not None else given_day
    return ActiveConsent(
        consent_id=str(consent.given.payload["consentId"]),
        given_at=consent.given.occurred_at,
        listed=listed,
        opens=opens,
        sources=sources,
        recipients=frozenset(
            recipient
            for recipient in scope["recipients"]
            if lost_by is None or Party(recipient).municipality != lost_by
        ),
        purposes=scope["purposes"],
        oral=oral,
        data_from=start_of_day(data_from_day, zone),
    )
