"""One process that signs and checks signatures for a worker: `python -m hub.broker.signature_process`.

Rules:
- Questions come on standard input, answers go to standard output, each with its length before it; it ends with its
  input, so it never outlives its worker.
- A key comes in the question, never by argument or environment.
- The answer to a question is the same here and in the worker itself (`answer_to`).

From and to `hub.broker.signature_pool`.
"""

from __future__ import annotations

import marshal
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final

from contracts.cloudevents import Headers
from contracts.failures import Refused
from contracts.signatures import SigningKey, disclosed_message, holds, signature_of
from contracts.signed_together import TOGETHER_MAX, Proof, signed_together
from hub.broker.hub_messages import input_message

Said = tuple[str, bytes | None, Headers, bytes | None]
"""Topic, key, headers and value of a record."""
Question = tuple[bytes, Mapping[str, bytes], str, Sequence[Said]]
"""The private key to sign with, or no key, and the public keys by their ids and the hub's own topic to check by."""
Answer = Proof | bool | None

STEPS_BACK: Final = 10
"""How far a signing process stands back where processors are few: its worker handles a batch meanwhile."""
_LENGTH: Final = struct.Struct(">I")


def answer_to(question: Question) -> list[Answer]:
    """Return the proof of each record to send (`proofs_of`), or the verdict on each that came (`verdict_on`)."""
    private, public_keys, hub_input, records = question
    if private:
        return [*proofs_of(records, SigningKey(private))]
    return [verdict_on(record, public_keys, hub_input) for record in records]


def proofs_of(records: Sequence[Said], key: SigningKey) -> list[Proof]:
    """Sign what the hub sends, together what one receiver gets; return each record's signature and its way to it."""
    proofs: dict[int, Proof] = {}
    places_of: dict[str, list[int]] = {}
    for place, (topic, *_) in enumerate(records):
        places_of.setdefault(topic, []).append(place)
    for places in places_of.values():
        for start in range(0, len(places), TOGETHER_MAX):
            together = places[start : start + TOGETHER_MAX]
            messages = [disclosed_message(*records[place]) for place in together]
            proofs.update(zip(together, signed_together(key, messages), strict=True))
    return [proofs[place] for place in range(len(records))]


def verdict_on(record: Said, public_keys: Mapping[str, bytes], hub_input: str) -> bool | None:
    """Return whether the signature of `record` holds under the key that it names.

    `None` where it has none, or one of another form, or its key is none of `public_keys`.
    """
    try:
        signature = signature_of(record[2])
    except Refused:
        return None
    public = public_keys.get(signature.key_id) if signature else None
    if signature is None or public is None:
        return None
    return holds(public, input_message(hub_input, *record), signature.value)


def write_frame(stream: BinaryIO, content: object) -> None:
    """Write one question or answer; raises `OSError` where the other side is gone."""
    data = marshal.dumps(content)  # type: ignore[arg-type]
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> object:
    """Read one question or answer; raises `EOFError` where the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return marshal.loads(data)


def main() -> None:
    """Answer until the input ends; what ends the worker ends this one by that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(STEPS_BACK)
    questions: queue.SimpleQueue[object] = queue.SimpleQueue()
    threading.Thread(target=_read_ahead, args=(questions,), daemon=True).start()
    while (question := questions.get()) is not None:
        try:
            write_frame(sys.stdout.buffer, answer_to(question))  # type: ignore[arg-type]
        except BrokenPipeError:
            return


def _read_ahead(questions: queue.SimpleQueue[object]) -> None:
    """Read questions as they come, whatever is being worked on: a worker that writes never waits for an answer."""
    try:
        while True:
            questions.put(read_frame(sys.stdin.buffer))
    except EOFError:
        pass
    finally:
        questions.put(None)


if __name__ == "__main__":
    main()
