"""Why arrival parks a record: the closed list of reason codes, stable on the wire and in the store.

Rule: a code depends only on the record, its contract and what its publisher may already know, so a refusal
never tells a publisher anything about the records of others.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One reason code; the docstring of each says when it is given."""

    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    BAD_FRAME = "bad_frame"
    UNKNOWN_SCHEMA = "unknown_schema"
    BAD_AVRO = "bad_avro"
    """Truncated, trailing or non-canonical Avro: decoding and encoding again does not give the same bytes."""
    VALUE_OUTSIDE_MODEL = "value_outside_model"
    BAD_HEADER = "bad_header"
    """A `ce_` header is missing or malformed, or one of a signature is."""
    UNSIGNED = "unsigned"
    """There is no signature, and this party has registered a key."""
    UNKNOWN_SIGNING_KEY = "unknown_signing_key"
    """The key that signed is none of this party's, or was superseded or revoked by then."""
    BAD_SIGNATURE = "bad_signature"
    """The signature is not that of this record under the key that it names."""
    SOURCE_NOT_TOPICS_PARTY = "source_not_topics_party"
    TYPE_NOT_SCHEMAS = "type_not_schemas"
    MAY_NOT_STATE = "may_not_state"
    """A party in this role may not state this kind of event."""
    UNKNOWN_KEY = "unknown_key"
    WRONG_PARTITION = "wrong_partition"
    SAME_ID_OTHER_BYTES = "same_id_other_bytes"
    IN_THE_FUTURE = "in_the_future"
    CORRECTS_NOTHING = "corrects_nothing"
    """`ce_corrects` (or `targetEventId`) names no event of this publisher, type and case."""
    ANSWERS_NOTHING = "answers_nothing"
    """A receipt (`targetEventId`) names no notice that its publisher was sent about this citizen."""
    UNKNOWN_CONSENT = "unknown_consent"
    """An amendment of a consent that its publisher neither collected nor is named in."""
    WAITS_FOR_PARKED = "waits_for_parked"
    """An amendment of a consent that its publisher has parked; or that consent, while such an amendment is refused."""
