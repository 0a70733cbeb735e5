"""One signature for several records: the tree written a second time, ways that are forged, and the words of WIRE.md."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from contracts.cloudevents import SIG, SIG_KEY, SIG_PATH, parse_disclosed
from contracts.failures import Refused
from contracts.reasons import Reason
from contracts.signatures import SigningKey, disclosed_message, holds, key_id_of, signature_of
from contracts.signed_together import TOGETHER_MAX, proof_headers, signed_together, signed_with

KEY = SigningKey(bytes(range(32)))
BEGINNING = b"\x00\x00\x00\x21org.casehub.disclosed-together.v1\x00\x00\x00\x20"
STEP = b"l" + b"0" * 64
WIRE = Path(contracts.__file__ or "").with_name("WIRE.md").read_text(encoding="utf-8")

MESSAGES = st.lists(st.binary(max_size=80), min_size=2, max_size=TOGETHER_MAX, unique=True)


def root_by_hand(nodes: Sequence[bytes]) -> bytes:
    """The root as WIRE.md has it, written a second time."""
    if len(nodes) == 1:
        return nodes[0]
    pairs = [nodes[place : place + 2] for place in range(0, len(nodes), 2)]
    return root_by_hand([hashlib.sha256(b"\x01" + b"".join(each)).digest() if each[1:] else each[0] for each in pairs])


def leaf(message: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + message).digest()


@given(MESSAGES)
def test_each_record_shows_its_way_to_the_root_that_is_signed(messages: Sequence[bytes]) -> None:
    root = BEGINNING + root_by_hand([leaf(message) for message in messages])
    proofs = signed_together(KEY, messages)
    assert proofs == signed_together(KEY, messages)
    for message, proof in zip(messages, proofs, strict=True):
        headers = proof_headers(KEY.id, proof)
        signature = signature_of(headers)
        assert signature is not None
        assert signed_with(headers, message) == root
        assert holds(KEY.public, root, signature.value)


@given(MESSAGES, st.data())
def test_no_other_record_and_no_other_way_leads_to_a_root_that_is_signed(
    messages: Sequence[bytes], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(messages) - 1))
    signature, path = signed_together(KEY, messages)[place]
    spoilt = bytearray(path)
    at = data.draw(st.integers(0, len(path) - 1))
    choice = b"lr" if at % 65 == 0 else b"0123456789abcdef"
    spoilt[at] = data.draw(st.sampled_from([each for each in choice if each != path[at]]))
    others = [(message, path) for message in [*messages, b"another"] if message != messages[place]]
    shorter = [(messages[place], path[65 * steps :]) for steps in range(1, len(path) // 65 + 1)]
    for message, way in [*others, (messages[place], bytes(spoilt)), *shorter]:
        assert not holds(KEY.public, signed_with(proof_headers(KEY.id, (signature, way)), message), signature)


@given(MESSAGES)
def test_no_node_of_the_tree_passes_for_a_record(messages: Sequence[bytes]) -> None:
    """Both children of a node, given out as what is signed of a record, with the way from that node on."""
    proofs = signed_together(KEY, messages)
    signature, path = proofs[0]
    for beginning in (b"", b"\x01"):
        forged = beginning + leaf(messages[0]) + leaf(messages[1])
        assert not holds(KEY.public, signed_with(proof_headers(KEY.id, (signature, path[65:])), forged), signature)


def test_one_record_is_signed_as_it_is() -> None:
    (proof,) = signed_together(KEY, [b"one"])
    assert proof == (KEY.sign(b"one"), b"")
    headers = proof_headers(KEY.id, proof)
    assert [name for name, _ in headers] == [SIG_KEY, SIG]
    assert signed_with(headers, b"one") == b"one"


@pytest.mark.parametrize("count", [0, TOGETHER_MAX + 1])
def test_no_more_are_signed_together_than_a_receiver_takes(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} records cannot be signed together"):
        signed_together(KEY, [b"one"] * count)


@pytest.mark.parametrize(
    "paths",
    [[each] for each in (b"", b"l", STEP[:-1], STEP + b"0", STEP * 5, STEP.upper(), b"x" + STEP[1:], STEP + b"\n")]
    + [[STEP, STEP]],
)
def test_a_way_of_another_form_is_refused(paths: Sequence[bytes]) -> None:
    with pytest.raises(Refused) as refused:
        signed_with([(SIG_PATH, path) for path in paths], b"one")
    assert (refused.value.reason, refused.value.field) == (Reason.BAD_HEADER, SIG_PATH)


def test_the_example_of_the_wire_document_is_right() -> None:
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", WIRE, re.DOTALL)]
    (example,) = (block for block in blocks if "sig_path" in block.get("headers", ()))
    headers = [(name, value.encode()) for name, value in example["headers"].items()]
    message = disclosed_message(example["topic"], example["key"].encode(), headers, None)
    assert parse_disclosed(headers).effect == "retracted"
    assert hashlib.sha256(message).hexdigest() == example["signed_bytes_sha256"]
    signed, signature = signed_with(headers, message), signature_of(headers)
    assert leaf(message).hex() == example["leaf"]
    assert signed == BEGINNING + bytes.fromhex(example["root"])
    assert signature is not None
    public = bytes.fromhex(example["public_key"])
    assert (key_id_of(public), holds(public, signed, signature.value)) == (signature.key_id, True)
