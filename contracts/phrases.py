"""Small things that messages in English have in common: a number with its noun, another's words inside a sentence."""

from __future__ import annotations


def number_of(count: int, noun: str) -> str:
    """Return `1 shard`, or `0 shards`, `8 shards`: of a noun whose plural ends in `s`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def lower_first(text: str) -> str:
    """Return `text` with a small first letter. No other one changes: it may quote values, which are to be exact."""
    return text[:1].lower() + text[1:]
