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
import signal
import struct
import sys
from collections.abc import Sequence
from typing import BinaryIO, Final

from contracts.signatures import SigningKey, holds

Question = tuple[bytes, Sequence[tuple[bytes, ...]]]
"""The private key to sign with and messages, or no key and (public key, message, signature) to check."""

_LENGTH: Final = struct.Struct(">I")


def answer_to(question: Question) -> list[bytes]:
    """Return the signature of each message; of each signature to check, a byte where it holds and none where not."""
    private, items = question
    if private:
        key = SigningKey(private)
        return [key.sign(message) for (message,) in items]
    return [b"\1" if holds(public, message, signature) else b"" for public, message, signature in items]


def write_frame(stream: BinaryIO, content: object) -> None:
    """Write one question or answer; raises `OSError` where the other side is gone."""
    data = marshal.dumps(content)  # type: ignore[arg-type]
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
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
    while True:
        try:
            question = read_frame(sys.stdin.buffer)
            write_frame(sys.stdout.buffer, answer_to(question))  # type: ignore[arg-type]
        except (EOFError, BrokenPipeError):
            return


if __name__ == "__main__":
    main()
