"""What is signed, and when a signature holds: a second writing of the bytes, hostile keys, and the words of WIRE.md."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

import contracts
from contracts.cloudevents import SIG, SIG_KEY, Attributes, Headers, parse_attributes, published_headers
from contracts.failures import BadSetting, Refused
from contracts.principals_file import principals_text, read_principals
from contracts.reasons import Reason
from contracts.signatures import (
    SigningKey,
    disclosed_message,
    holds,
    key_id_of,
    public_key_of,
    rotation_message,
    signature_of,
    signed_headers,
    stated_message,
)

KEY = SigningKey(bytes(range(32)))
OTHER = SigningKey(b"\x07" * 32)
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
TOPIC = "in.a-soc.v1"
PSEUDONYM = b"0f8fad5b-d9cb-469f-a165-70867728950e"
ATTRIBUTES = Attributes(PSEUDONYM.decode(), "urn:party:A.SOC:journal", "org.casehub.municipality.CaseOpened.v1", 0)
HEADERS = published_headers(ATTRIBUTES)
WIRE = Path(contracts.__file__ or "").with_name("WIRE.md").read_text(encoding="utf-8")

_PARTS = st.tuples(
    st.text("abc.", max_size=4),
    st.binary(max_size=4),
    st.lists(st.tuples(st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_corrects"]), st.binary(min_size=1))),
    st.binary(max_size=4),
)


def by_hand(topic: str, key: bytes, headers: Headers, value: bytes) -> bytes:
    """The bytes as WIRE.md has them, written a second time."""
    found = dict(headers)
    names = ["specversion", "id", "source", "type", "time", "corrects", "correlationid", "causationid"]
    parts = [b"org.casehub.stated.v1", topic.encode(), key, *(found.get(f"ce_{name}", b"") for name in names), value]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@given(_PARTS)
def test_the_signed_bytes_are_those_of_the_wire_document(record: tuple[str, bytes, Headers, bytes]) -> None:
    assert stated_message(*record) == by_hand(*record)


@given(_PARTS, _PARTS)
def test_two_records_never_have_the_same_signed_bytes(
    one: tuple[str, bytes, Headers, bytes], two: tuple[str, bytes, Headers, bytes]
) -> None:
    same = (one[0], one[1], dict(one[2]), one[3]) == (two[0], two[1], dict(two[2]), two[3])
    assert (stated_message(*one) == stated_message(*two)) == same
    assert stated_message(*one) != disclosed_message(*two)


def test_the_example_of_the_wire_document_is_right() -> None:
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", WIRE, re.DOTALL)]
    (example,) = (block for block in blocks if "signed_bytes_begin" in block)
    key = SigningKey(bytes.fromhex(example["private_key"]))
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    value = bytes.fromhex(example["value"])
    message = stated_message(example["topic"], example["key"].encode(), headers, value)
    assert (key.public.hex(), key.id) == (example["public_key"], example["sig_key"])
    assert hashlib.sha256(message).hexdigest() == example["signed_bytes_sha256"]
    assert message[:40].hex() == example["signed_bytes_begin"]
    assert key.sign(message).hex() == example["sig"]


@pytest.mark.parametrize("place", ["topic", "key", "value", *(name for name, _ in HEADERS if name.startswith("ce_"))])
def test_a_signature_holds_for_its_record_alone(place: str) -> None:
    signed = signed_headers(KEY, TOPIC, PSEUDONYM, HEADERS, b"value")
    signature = signature_of(signed)
    assert signature is not None
    assert signature.key_id == KEY.id
    assert holds(KEY.public, stated_message(TOPIC, PSEUDONYM, signed, b"value"), signature.value)
    assert not holds(OTHER.public, stated_message(TOPIC, PSEUDONYM, signed, b"value"), signature.value)
    changed = [(name, value + b"x" if name == place else value) for name, value in signed]
    topic, key, value = TOPIC, PSEUDONYM, b"value"
    match place:
        case "topic":
            topic += "x"
        case "key":
            key += b"x"
        case "value":
            value += b"x"
    message = stated_message(topic, key, changed, value)
    assert not holds(KEY.public, message, signature.value)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511))
def test_another_implementation_signs_and_checks_the_same(private: bytes, message: bytes, bit: int) -> None:
    ours, theirs = SigningKey(private), Ed25519PrivateKey.from_private_bytes(private)
    assert ours.public == theirs.public_key().public_bytes_raw()
    signature = theirs.sign(message)
    assert ours.sign(message) == signature
    assert holds(ours.public, message, signature)
    spoilt = bytearray(signature)
    spoilt[bit // 8] ^= 1 << bit % 8
    assert not holds(ours.public, message, bytes(spoilt))
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(ours.public).verify(bytes(spoilt), message)


def test_a_signature_has_one_form_only() -> None:
    """RFC 8032, 5.1.7: the second half is below the order of the group, or anybody could make a second signature."""
    signature = KEY.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert not holds(KEY.public, b"message", signature[:32] + scalar.to_bytes(32, "little"))


def test_a_signed_record_reads_like_an_unsigned_one() -> None:
    signed = signed_headers(KEY, TOPIC, PSEUDONYM, HEADERS, b"value")
    assert parse_attributes(signed) == parse_attributes(HEADERS) == ATTRIBUTES
    assert parse_attributes([signed[-1], *signed[:-1]]) == ATTRIBUTES
    assert signature_of(HEADERS) is None


@pytest.mark.parametrize(
    ("spoilt", "field"),
    [
        ([(SIG, b"0" * 128)], SIG_KEY),
        ([(SIG_KEY, b"0" * 32)], SIG),
        ([(SIG_KEY, b"0" * 32), (SIG, b"0" * 127)], SIG),
        ([(SIG_KEY, b"0" * 32), (SIG, b"F" * 128)], SIG),
        ([(SIG_KEY, b"0" * 31), (SIG, b"0" * 128)], SIG_KEY),
        ([(SIG_KEY, b"G" * 32), (SIG, b"0" * 128)], SIG_KEY),
        ([(SIG_KEY, b"\xff" * 32), (SIG, b"0" * 128)], SIG_KEY),
        ([(SIG_KEY, b"0" * 32), (SIG, b"0" * 128), (SIG, b"0" * 128)], SIG),
        ([(SIG_KEY, b"0" * 32), (SIG_KEY, b"0" * 32), (SIG, b"0" * 128)], SIG_KEY),
    ],
)
def test_a_signature_of_another_form_is_refused(spoilt: Headers, field: str) -> None:
    with pytest.raises(Refused) as refused:
        signature_of([*HEADERS, *spoilt])
    assert (refused.value.reason, refused.value.field) == (Reason.BAD_HEADER, field)


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_what_is_no_key_or_no_signature_never_holds(public: bytes, signature: bytes) -> None:
    assert not holds(public, b"message", signature) or public_key_is_weak(public)


def public_key_is_weak(public: bytes) -> bool:
    try:
        public_key_of(public.hex())
    except BadSetting:
        return True
    return False


@pytest.mark.parametrize("sign_bit", [0, 0x80])
@pytest.mark.parametrize(
    "point",
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_a_key_under_which_anybody_can_sign_is_no_key(point: str, sign_bit: int) -> None:
    public = bytearray.fromhex(point)
    public[31] |= sign_bit
    with pytest.raises(BadSetting, match="weak"):
        public_key_of(public.hex())


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, KEY.public.hex() + "00"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="expected 32 bytes in hex"):
        public_key_of(text)


def test_a_key_file_is_read_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.private.hex() + "\n", encoding="ascii")
    assert SigningKey.read(file).id == KEY.id == key_id_of(KEY.public)
    assert KEY.private.hex() not in repr(KEY)
    file.write_text("abc", encoding="ascii")
    with pytest.raises(BadSetting, match="expected 32 bytes in hex"):
        SigningKey.read(file)
    with pytest.raises(BadSetting, match="FileNotFoundError"):
        SigningKey.read(tmp_path / "none")


def test_a_rotation_names_party_and_both_keys() -> None:
    messages = {
        rotation_message(party, old, public)
        for party in ("A.SOC", "B.SOC")
        for old in (KEY.id, OTHER.id)
        for public in (KEY.public, OTHER.public)
    }
    assert len(messages) == 8


def test_principals_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "principals.toml"
    keys = {KEY.public: frozenset({"operator", "identity"}), OTHER.public: frozenset({"operator"})}
    file.write_text(principals_text(keys), encoding="utf-8")
    assert read_principals(file) == keys
    for text in ("", "x = 1", "[[principal]]\nname = 'operator'", "[[principal]]\nname = 1\npublic_key = ''", "["):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BadSetting, match=r"principals\.toml"):
            read_principals(file)
