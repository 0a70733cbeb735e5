"""A publisher's values are checked strictly; what arrives is checked again. Values are never repeated in errors."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.failures import InvalidFact
from contracts.limits import DAY_MAX, DAY_MIN, INSTANT_MAX, INSTANT_MIN, INT_MAX, LIST_ITEMS_MAX
from contracts.models import checked, fault_in
from tests.contracts.values import event_types, payloads

MOMENT = datetime(2025, 9, 10, 11, tzinfo=timezone(timedelta(hours=2)))
INSTANT = 1_757_494_800_000
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"

HOUSING: dict[str, Any] = {
    "occurredAt": MOMENT,
    "housingId": UUID(ID),
    "kind": "OWN_TENANCY",
    "at": MOMENT,
    "startsOn": date(2025, 11, 1),
    "address": "Somewhere 1",
}
BENEFIT: dict[str, Any] = {
    "occurredAt": MOMENT,
    "benefitId": ID,
    "kind": "RELEASE_GRANT",
    "at": MOMENT,
    "monthlyAmount": Decimal("1234.50"),
}
PLAN: dict[str, Any] = {
    "occurredAt": MOMENT,
    "planId": ID,
    "version": 1,
    "agreedAt": MOMENT,
    "citizenAgrees": True,
    "items": [
        {
            "itemId": ID,
            "domain": "HOUSING",
            "goal": "a home",
            "activityType": "SEARCH",
            "responsible": "A.SOC",
            "status": "PLANNED",
        }
    ],
}
CONSENT: dict[str, Any] = {
    "occurredAt": MOMENT,
    "consentId": ID,
    "version": 1,
    "at": MOMENT,
    "collectedBy": "PRI",
    "collector": "s-1",
    "givenBy": "SUBJECT",
    "form": "WRITTEN",
    "evidenceRef": "file 1",
    "noticeVersion": "1",
    "language": "da",
    "withdrawalExplained": True,
    "capacityConfirmed": True,
    "categories": ["HO"],
    "sources": ["PRI"],
    "recipients": ["A.SOC"],
    "purposes": ["SOCIAL_SUPPORT"],
    "validFrom": MOMENT,
}
EXAMPLES = {
    "HousingSecured": HOUSING,
    "BenefitGranted": BENEFIT,
    "SentencePlanAgreed": PLAN,
    "ConsentGiven": CONSENT,
}


def _check(name: str, **changes: Any) -> dict[str, Any]:
    return checked(catalogue().event_types[name], EXAMPLES[name] | changes)


def _fault(name: str, **changes: Any) -> tuple[str, str] | None:
    return fault_in(catalogue().event_types[name], _check(name) | changes)


def _wire_fault(name: str, field: str, value: object) -> tuple[str, str] | None:
    return fault_in(catalogue().event_types[name], _check(name) | {field: value})


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_good_wire_values_have_no_fault(data: st.DataObject) -> None:
    event_type = data.draw(event_types())
    assert fault_in(event_type, data.draw(payloads(event_type))) is None


@pytest.mark.parametrize(
    ("event_type", "field", "value", "rule"),
    [
        ("HousingSecured", "housingId", "7B0F", "is a UUID in lower case, with hyphens"),
        ("HousingSecured", "housingId", "7" * 40, "is a UUID in lower case, with hyphens"),
        ("HousingSecured", "address", "a\x00", "is text of 1 to 2000 characters, without control characters"),
        ("HousingSecured", "address", "a" * 2001, "is text of 1 to 2000 characters, without control characters"),
        ("HousingSecured", "at", -5_364_662_400_000, "is an instant of the years 1900 to 2199"),
        ("HousingSecured", "at", 10**15, "is an instant of the years 1900 to 2199"),
        ("HousingSecured", "startsOn", -62_000, "is a day of the years 1900 to 2199"),
        ("ConsentGiven", "collector", "010190-0005", "is a pseudonym of 1 to 80 letters"),
        ("ConsentGiven", "collectedBy", "A..SOC", "is a party id: 1 to 4 parts"),
        ("ConsentGiven", "version", -1, "is a whole number from 0 to 2147483647"),
        ("BenefitGranted", "reason", "no code", "is a code of 1 to 64 letters"),
    ],
)
def test_a_broken_form_or_range_is_said_by_what_its_kind_asks_for(
    event_type: str, field: str, value: object, rule: str
) -> None:
    found = _wire_fault(event_type, field, value)
    assert found is not None
    assert (found[0], found[1][: len(rule)]) == (field, rule)
    assert "input should" not in found[1]


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_mandatory_field_is_missed(data: st.DataObject) -> None:
    event_type = data.draw(event_types())
    payload = data.draw(payloads(event_type))
    name = data.draw(st.sampled_from([field.name for field in event_type.fields if field.mandatory]))
    fault = fault_in(event_type, payload | {name: None})
    assert fault is not None
    assert fault[0] == name
    del payload[name]
    assert fault_in(event_type, payload) == (name, "is mandatory")


def test_python_values_become_wire_values() -> None:
    assert _check("HousingSecured") == {
        "occurredAt": INSTANT,
        "housingId": ID,
        "kind": "OWN_TENANCY",
        "at": INSTANT,
        "startsOn": 20393,
        "address": "Somewhere 1",
    }
    assert _check("SentencePlanAgreed")["items"][0]["domain"] == "HOUSING"


@pytest.mark.parametrize(
    ("amount", "wire"),
    [
        ("0", b"\x00"),
        ("0.01", b"\x01"),
        ("1.27", b"\x7f"),
        ("1.28", b"\x00\x80"),
        ("-1.28", b"\x80"),
        ("-1.29", b"\xff\x7f"),
        ("99999999.99", b"\x02\x54\x0b\xe3\xff"),
        ("-99999999.99", b"\xfd\xab\xf4\x1c\x01"),
        ("-0", b"\x00"),
        ("0E+999999999999", b"\x00"),
        ("0E-999999999999", b"\x00"),
        ("1E+1", b"\x03\xe8"),
        ("0.01000000000000000000000000000000000000", b"\x01"),
        ("12345678.9" + "0" * 60, b"\x49\x96\x02\xd2"),
    ],
)
def test_an_amount_is_the_shortest_twos_complement(amount: str, wire: bytes) -> None:
    assert _check("BenefitGranted", monthlyAmount=Decimal(amount))["monthlyAmount"] == wire


def test_an_amount_is_exact_whatever_the_callers_context() -> None:
    with localcontext(prec=3):
        assert _check("BenefitGranted", monthlyAmount=Decimal("12345678.91"))["monthlyAmount"] == b"\x49\x96\x02\xd3"


@pytest.mark.parametrize(
    ("event", "field", "value", "rule"),
    [
        ("HousingSecured", "occurredAt", datetime(2025, 1, 1), "zone"),
        ("HousingSecured", "occurredAt", INSTANT, "instant"),
        ("HousingSecured", "occurredAt", None, "mandatory"),
        ("HousingSecured", "at", datetime(1850, 1, 1, tzinfo=UTC), "years 1900 to 2199"),
        ("HousingSecured", "startsOn", MOMENT, "day"),
        ("HousingSecured", "startsOn", "2025-11-01", "day"),
        ("HousingSecured", "housingId", "h1", "UUID"),
        ("HousingSecured", "housingId", ID.upper(), "UUID"),
        ("HousingSecured", "kind", "CASTLE", "HousingKind"),
        ("HousingSecured", "kind", 1, "HousingKind"),
        ("HousingSecured", "address", 5, "text"),
        ("HousingSecured", "address", "", "text of 1 to 2000"),
        ("HousingSecured", "address", "a\x00b", "text of 1 to 2000"),
        ("HousingSecured", "address", "x" * 2001, "2000"),
        ("HousingSecured", "reason", "no spaces", "a code of 1 to 64"),
        ("HousingSecured", "diagnosis", "x", "not in the contract"),
        ("BenefitGranted", "monthlyAmount", 12.5, "decimal"),
        ("BenefitGranted", "monthlyAmount", Decimal("0.001"), "2 decimals"),
        ("BenefitGranted", "monthlyAmount", Decimal("12345678.9" + "0" * 30 + "1"), "2 decimals"),
        ("BenefitGranted", "monthlyAmount", Decimal("1E-999999"), "2 decimals"),
        ("BenefitGranted", "monthlyAmount", Decimal("1E+999999"), "10 digits"),
        ("BenefitGranted", "monthlyAmount", Decimal("-1E+8"), "10 digits"),
        ("BenefitGranted", "monthlyAmount", Decimal("sNaN"), "decimal"),
        ("BenefitGranted", "monthlyAmount", Decimal("100000000"), "10 digits"),
        ("BenefitGranted", "monthlyAmount", Decimal("NaN"), "decimal"),
        ("SentencePlanAgreed", "version", True, "whole number"),
        ("SentencePlanAgreed", "version", 1.0, "whole number"),
        ("SentencePlanAgreed", "version", -1, "number from 0 to"),
        ("SentencePlanAgreed", "version", 2**31, "number from 0 to"),
        ("SentencePlanAgreed", "citizenAgrees", "false", "true or false"),
        ("SentencePlanAgreed", "citizenAgrees", 1, "true or false"),
        ("SentencePlanAgreed", "items", {}, "list"),
        ("ConsentGiven", "categories", "HO", "list"),
        ("ConsentGiven", "categories", [], "empty"),
        ("ConsentGiven", "withdrawalExplained", False, "must be true"),
        ("ConsentGiven", "capacityConfirmed", None, "mandatory"),
        ("ConsentGiven", "sources", ["PRI"] * (LIST_ITEMS_MAX + 1), "at most"),
        ("ConsentGiven", "collector", "0101901234", "a pseudonym"),
        ("ConsentGiven", "collector", "010190-1234", "a pseudonym"),
        ("ConsentGiven", "collector", "19900101-1234", "a pseudonym"),
    ],
)
def test_a_wrong_value_is_refused_naming_field_rule_and_fix(event: str, field: str, value: Any, rule: str) -> None:
    with pytest.raises(InvalidFact) as refused:
        _check(event, **{field: value})
    assert refused.value.field == field
    assert rule in refused.value.rule
    assert refused.value.fix


@pytest.mark.parametrize(
    ("item", "place"),
    [({"goal": None}, "goal"), ({"domain": "HOME"}, "domain"), ({"note": "x"}, "note"), ({"itemId": 4}, "itemId")],
)
def test_an_items_fault_names_its_place(item: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidFact) as refused:
        _check("SentencePlanAgreed", items=[PLAN["items"][0], PLAN["items"][0] | item])
    assert refused.value.field == f"items[1].{place}"


@pytest.mark.parametrize(
    ("event", "changes", "field"),
    [
        ("HousingSecured", {"occurredAt": INSTANT_MAX + 1}, "occurredAt"),
        ("HousingSecured", {"occurredAt": INSTANT_MIN - 1}, "occurredAt"),
        ("HousingSecured", {"occurredAt": True}, "occurredAt"),
        ("HousingSecured", {"startsOn": DAY_MAX + 1}, "startsOn"),
        ("HousingSecured", {"startsOn": DAY_MIN - 1}, "startsOn"),
        ("HousingSecured", {"housingId": ID + "\n"}, "housingId"),
        ("HousingSecured", {"housingId": UUID(ID)}, "housingId"),
        ("HousingSecured", {"kind": "CASTLE"}, "kind"),
        ("HousingSecured", {"address": "x\x1b[2J"}, "address"),
        ("HousingSecured", {"address": "x\x9b31m"}, "address"),
        ("HousingSecured", {"reason": "x" * 65}, "reason"),
        ("BenefitGranted", {"monthlyAmount": b""}, "monthlyAmount"),
        ("BenefitGranted", {"monthlyAmount": b"\x00\x01"}, "monthlyAmount"),
        ("BenefitGranted", {"monthlyAmount": b"\xff\xff"}, "monthlyAmount"),
        ("BenefitGranted", {"monthlyAmount": (10**10).to_bytes(5, "big")}, "monthlyAmount"),
        ("BenefitGranted", {"monthlyAmount": b"\x01" * 6}, "monthlyAmount"),
        ("SentencePlanAgreed", {"version": INT_MAX + 1}, "version"),
        ("SentencePlanAgreed", {"citizenAgrees": 1}, "citizenAgrees"),
        ("SentencePlanAgreed", {"items": [{}]}, "items[0].itemId"),
        ("ConsentGiven", {"categories": []}, "categories"),
        ("ConsentGiven", {"withdrawalExplained": False}, "withdrawalExplained"),
        ("ConsentGiven", {"collector": "010190-1234"}, "collector"),
        ("ConsentGiven", {"collectedBy": "../PRI"}, "collectedBy"),
        ("ConsentGiven", {"sources": ["PRI", "A..SOC"]}, "sources[1]"),
        ("ConsentGiven", {"sources": ["PRI"] * (LIST_ITEMS_MAX + 1)}, "sources"),
    ],
)
def test_a_hostile_wire_value_is_found(event: str, changes: dict[str, Any], field: str) -> None:
    assert _fault(event) is None
    fault = _fault(event, **changes)
    assert fault is not None
    assert fault[0] == field


def test_text_has_no_control_character_but_tab_and_line_breaks() -> None:
    for each in map(chr, range(0x2100)):
        is_refused = _fault("HousingSecured", address=f"a{each}b") is not None
        assert is_refused == (unicodedata.category(each) == "Cc" and each not in "\t\n\r"), hex(ord(each))


def test_no_error_repeats_a_value_or_a_strangers_field_name() -> None:
    fault = _fault("HousingSecured", **{"Jens Hansen, 010190-1234": 1})
    assert fault == ("(no field name)", "is not in the contract")
    for field, value in (("address", "secret\x00"), ("housingId", "secret"), ("kind", "secret"), ("at", "secret")):
        with pytest.raises(InvalidFact) as refused:
            _check("HousingSecured", **{field: value})
        assert "secret" not in str(refused.value)
        assert "secret" not in str(_fault("HousingSecured", **{field: value}))
