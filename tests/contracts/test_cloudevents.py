"""Headers say exactly what they must, once, and nothing is filled in."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.cloudevents import (
    DISCLOSED,
    RETRACTED,
    Attributes,
    DisclosureAttributes,
    _usual_attributes,
    disclosed_headers,
    format_time,
    parse_attributes,
    parse_disclosed,
    parse_time,
    published_headers,
)
from contracts.failures import Refused
from contracts.limits import INSTANT_MAX, INSTANT_MIN
from contracts.reasons import Reason

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TYPE = "org.casehub.municipality.HousingSecured.v1"
SENT = Attributes(ID, "urn:party:A.SOC:case-system", TYPE, 1_757_494_800_123)
GOOD = dict(published_headers(SENT))

uuids = st.uuids().map(str)
links = st.none() | uuids
instants = st.integers(INSTANT_MIN, INSTANT_MAX)


def _refusal(headers: list[tuple[str, bytes]]) -> Refused:
    with pytest.raises(Refused) as refused:
        parse_attributes(headers)
    assert refused.value.reason == Reason.BAD_HEADER
    return refused.value


@given(st.builds(Attributes, uuids, st.just(SENT.source), st.just(TYPE), instants, links, links, links))
def test_published_headers_say_the_same_when_read(attributes: Attributes) -> None:
    assert parse_attributes(published_headers(attributes)) == attributes


@given(
    st.builds(
        DisclosureAttributes,
        uuids,
        st.just("A.SOC"),
        st.just(TYPE),
        instants,
        st.integers(1, 10**15),
        st.sampled_from([DISCLOSED, RETRACTED]),
        uuids,
        links,
        links,
        links,
    )
)
def test_disclosed_headers_say_the_same_when_read(attributes: DisclosureAttributes) -> None:
    assert parse_disclosed(disclosed_headers(attributes)) == attributes


mutations = st.sampled_from(
    [b"", b"\x00", b"\n", b"x", "\u00e6".encode(), b"1.0", b"application/avro", GOOD["ce_id"].upper(), b"a" * 300]
)


@given(st.permutations(list(GOOD.items())), st.sampled_from(sorted(GOOD)), mutations, st.booleans(), st.data())
def test_the_short_way_reads_what_the_long_way_reads(
    headers: list[tuple[str, bytes]], name: str, mutation: bytes, in_order: bool, data: st.DataObject
) -> None:
    """Headers of the usual look are read in one step; it must never read, or refuse, anything differently."""
    ordered = list(GOOD.items()) if in_order else headers
    cut = data.draw(st.integers(0, len(GOOD[name])))
    bad = GOOD[name][:cut] + mutation
    changed = [(key, bad if key == name else value) for key, value in ordered]
    # A header that is ignored leads past the short way and changes nothing else.
    long_way = [*changed, ("x-ignored", b"1")]
    assert _read_or_refused(changed) == _read_or_refused(long_way)


def _read_or_refused(headers: list[tuple[str, bytes]]) -> Attributes | str:
    try:
        return parse_attributes(headers)
    except Refused as refused:
        return refused.field


def test_what_a_publisher_sends_takes_the_short_way() -> None:
    assert _usual_attributes(published_headers(SENT)) == SENT


def test_a_source_names_party_and_system() -> None:
    parsed = parse_attributes(list(GOOD.items()))
    assert (parsed.party, parsed.system) == ("A.SOC", "case-system")


def test_the_hub_never_names_the_publishers_system() -> None:
    headers = disclosed_headers(DisclosureAttributes(ID, "A.SOC", TYPE, 0, 1, "disclosed", ID))
    assert dict(headers)["ce_source"] == b"urn:party:A.SOC"


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"])
def test_a_missing_header_is_named(name: str) -> None:
    assert _refusal([(key, value) for key, value in GOOD.items() if key != name]).field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_id", b"42"),
        ("ce_id", ID.upper().encode()),
        ("ce_id", ID.encode() + b"\n"),
        ("ce_id", b"{" + ID.encode() + b"}"),
        ("ce_source", b"urn:party:A.SOC"),
        ("ce_source", b"urn:party:A.SOC:"),
        ("ce_source", b"urn:party:A.SOC:a b"),
        ("ce_source", b"urn:party:A.SOC:" + b"x" * 41),
        ("ce_source", b"urn:party:A..SOC:x"),
        ("ce_source", b"https://example.org/A.SOC"),
        ("ce_type", b"HousingSecured"),
        ("ce_type", TYPE.encode() + b" "),
        ("ce_time", b"2025-03-07T09:00:00"),
        ("ce_time", b"2025-03-07T09:00:00+24:00"),
        ("ce_time", b"2025-03-07T09:00:00+01"),
        ("ce_time", b"2025-03-07T09:00:00.000+01:60"),
        ("ce_time", b"1900-01-01T00:30:00+01:00"),
        ("ce_time", b"2025-03-07 09:00:00Z"),
        ("ce_time", b"2025-02-30T09:00:00Z"),
        ("ce_time", b"2025-03-07T09:00:60Z"),
        ("ce_time", b"0001-01-01T00:00:00Z"),
        ("ce_time", b"2025-03-07T09:00:00.Z"),
        ("ce_corrects", b"e12"),
        ("ce_correlationid", b""),
        ("ce_causationid", b"\xff"),
        ("content-type", b"application/json"),
        ("ce_time", b"2" * 257),
    ],
)
def test_a_malformed_header_is_named_and_its_value_is_not_repeated(name: str, value: bytes) -> None:
    refusal = _refusal(list((GOOD | {name: value}).items()))
    assert refusal.field == name
    if len(value) > 3 and name != "ce_specversion":
        assert value.decode("latin-1") not in str(refusal)


@pytest.mark.parametrize("name", ["ce_id", "ce_time", "content-type"])
def test_a_header_stands_once(name: str) -> None:
    assert _refusal([*GOOD.items(), (name, GOOD[name])]).field == name


@pytest.mark.parametrize("name", ["ce_correct", "ce_subject", "CE_ID", "Ce_Corrects"])
def test_an_unknown_ce_header_is_refused(name: str) -> None:
    _refusal([*GOOD.items(), (name, ID.encode())])


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ce_corects", "ce_corrects"), ("CE_ID", "ce_id"), ("ce_0704881239", None), ("ce_" + "x" * 9_000, None)],
)
def test_of_an_unknown_header_the_known_one_is_named_and_never_its_own_name(name: str, meant: str | None) -> None:
    refused = _refusal([*GOOD.items(), (name, ID.encode())])
    assert refused.field == "ce_"
    assert name not in str(refused)
    assert (f"is `{meant}` meant?" in refused.fix) == (meant is not None)


def test_other_headers_are_ignored_but_not_without_end() -> None:
    assert parse_attributes([*GOOD.items(), ("traceparent", b"\xff")]) == SENT
    assert _refusal([*GOOD.items(), *[("x", b"")] * 40]).field == "headers"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hub_seq", b"0"),
        ("hub_seq", b"-1"),
        ("hub_seq", b"01"),
        ("hub_seq", None),
        ("hub_effect", b"hidden"),
        ("hub_effect", None),
        ("hub_decision", b"x"),
        ("hub_decision", None),
        ("ce_source", SENT.source.encode()),
        ("ce_time", None),
        ("content-type", b"application/json"),
    ],
)
def test_a_receiver_refuses_what_is_not_the_hubs(name: str, value: bytes | None) -> None:
    headers = dict(disclosed_headers(DisclosureAttributes(ID, "A.SOC", TYPE, 0, 1, "disclosed", ID)))
    headers.pop(name)
    with pytest.raises(Refused) as refused:
        parse_disclosed([*headers.items(), *([(name, value)] if value is not None else [])])
    assert refused.value.field == name


def test_a_retraction_has_no_content_type() -> None:
    headers = disclosed_headers(DisclosureAttributes(ID, "A.SOC", TYPE, 0, 1, "retracted", ID))
    assert "content-type" not in dict(headers)
    assert parse_disclosed(headers).effect == "retracted"


def test_times_are_utc_with_milliseconds() -> None:
    assert format_time(0) == "1970-01-01T00:00:00.000Z"
    assert parse_time("2025-09-10T09:00:00Z") == 1_757_494_800_000
    assert parse_time("2025-09-10T09:00:00.123999999Z") == 1_757_494_800_123
    assert format_time(-1) == "1969-12-31T23:59:59.999Z"


@given(instants, st.sampled_from("+-"), st.integers(0, 23 * 60 + 59))
def test_a_time_with_an_offset_is_the_same_instant(instant: int, sign: str, minutes: int) -> None:
    local = instant + minutes * 60_000 * (1 if sign == "+" else -1)
    assume(INSTANT_MIN <= local <= INSTANT_MAX)
    text = format_time(local).removesuffix("Z") + f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    assert parse_time(text) == instant
    assert parse_time(format_time(instant).lower()) == instant
