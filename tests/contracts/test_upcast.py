"""How an old version is read as the new: what is carried over, what never is made up, and which rules are refused.

A small catalogue of one event type in two versions, which can be spoilt line by line.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts.avro_schemas import Form, schema_of
from contracts.catalogue import Catalogue, read_catalogue
from contracts.codec import Codec
from contracts.failures import BadContract
from contracts.lint import lint
from contracts.schema_ids import IDS_FILE, read_schema_ids, write_schemas
from producers.generation import generated_files

CODES = """
[code_list.Kind]
doc = "Kinds of thing."
symbols = ["ONE", "TWO", "OTHER"]

[code_list."Kind@1"]
doc = "Kinds of thing."
symbols = ["ONE", "BOTH", "OTHER"]

[code_list.Side]
doc = "Sides of a thing."
symbols = ["LEFT", "RIGHT", "OTHER"]

[code_list.Purpose]
doc = "What a consent is for."
symbols = ["SUPPORT", "TREATMENT", "OTHER"]

[code_list."Purpose@1"]
doc = "What a consent is for."
symbols = ["SUPPORT", "OTHER"]

[code_list.Domain]
doc = "Domains of a thing."
symbols = ["HOUSING", "OTHER"]

[record.Item]
doc = "One part of a thing."

[record.Item.fields]
domain = { type = "Domain", category = "domain", mandatory = true, doc = "What the part is about." }
title = { type = "string", category = "domain", mandatory = true, doc = "What it is called." }
remark = { type = "string", category = "domain", doc = "What else there is to say." }

[record."Item@1"]
doc = "One part of a thing."

[record."Item@1".fields]
domain = { type = "Domain", category = "domain", mandatory = true, doc = "What the part is about." }
name = { type = "string", category = "domain", mandatory = true, doc = "What it is called." }
"""
AREA = """
[area]
name = "trial"
owner = "Nobody"
doc = "For trial only."
"""
NEWEST = """
[[family]]
stated_by = ["SOC"]
anchor = "HO"
version = 2

[family.events]
Thing = "Something has happened."

[family.fields]
kind = { type = "Kind", category = "HO", mandatory = true, doc = "What kind it is." }
side = { type = "Side", category = "HO", doc = "On which side it is." }
note = { type = "string", category = "HO", doc = "What there is to say." }
items = { type = "Item", list = true, category = "domain", doc = "Its parts, in order." }
purposes = { type = "Purpose", list = true, category = "HO", doc = "What it is for." }
"""
EARLIER = """
[[earlier]]
stated_by = ["SOC"]
anchor = "HO"
version = 1

[earlier.events]
Thing = "Something has happened."

[earlier.fields]
kind = { type = "Kind@1", category = "HO", mandatory = true, doc = "What kind it is." }
remark = { type = "string", category = "HO", doc = "What there is to say." }
length = { type = "int", category = "HO", doc = "How long it is." }
items = { type = "Item@1", list = true, category = "domain", doc = "Its parts, in order." }
purposes = { type = "Purpose@1", list = true, category = "HO", doc = "What it is for." }

[earlier.upcast]
renamed = { note = "remark" }
dropped = ["length"]

[earlier.upcast.codes.kind]
BOTH = { kind = "OTHER", side = "LEFT" }

[earlier.upcast.records.Item]
renamed = { title = "name" }
"""


def _small(directory: Path, area: str = AREA + NEWEST + EARLIER, codes: str = CODES) -> Catalogue:
    (directory / "code_lists.toml").write_text(codes, encoding="utf-8")
    (directory / "trial.toml").write_text(area, encoding="utf-8")
    return read_catalogue(directory)


def test_an_old_value_is_read_by_the_rules_and_the_way_back_loses_rather_than_guesses(tmp_path: Path) -> None:
    (step,) = _small(tmp_path).earlier["Thing"]
    old = {
        "occurredAt": 5,
        "kind": "BOTH",
        "remark": "said",
        "length": 7,
        "items": [{"domain": "HOUSING", "name": "door"}],
        "purposes": ["SUPPORT"],
    }
    assert step.to_next.up(old) == {
        "occurredAt": 5,
        "lateReason": None,
        "legalBasisCode": None,
        "kind": "OTHER",
        "side": "LEFT",
        "note": "said",
        "items": [{"domain": "HOUSING", "title": "door", "remark": None}],
        "purposes": ["SUPPORT"],
    }
    new = {
        "occurredAt": 5,
        "kind": "TWO",
        "side": "RIGHT",
        "note": "said",
        "items": [{"domain": "HOUSING", "title": "door", "remark": "oak"}, {"domain": "HOUSING", "title": None}],
        "purposes": ["SUPPORT", "TREATMENT"],
    }
    assert step.to_next.down(new) == {
        "occurredAt": 5,
        "lateReason": None,
        "legalBasisCode": None,
        "kind": "OTHER",  # a code that the older version does not have
        "remark": "said",
        "length": None,
        "items": [{"domain": "HOUSING", "name": "door"}],  # an item without a name is no item there
        "purposes": None,  # a purpose that it lacks: nothing is said of any, rather than another purpose
    }
    assert step.to_next.down({"purposes": ["SUPPORT"]})["purposes"] == ["SUPPORT"]


GONE = 'length = { type = "int", category = "HO", doc = "How long it is." }\n'


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('dropped = ["length"]', "", "`length`: is gone"),
        ('renamed = { note = "remark" }', "", "`remark`: is gone"),
        ('BOTH = { kind = "OTHER", side = "LEFT" }', "", "no `BOTH`"),
        ('kind = "OTHER", side', "side", "no `BOTH`"),
        ('side = "LEFT" }', 'side = "UP" }', "no code `UP`"),
        ('side = "LEFT" }', 'note = "LEFT" }', "`note`: codes become codes"),
        ('side = "LEFT" }', 'purposes = "SUPPORT" }', "`purposes`: codes become codes"),
        ("BOTH = {", "NEITHER = {", "no code `NEITHER`"),
        ('dropped = ["length"]', 'dropped = ["length", "purposes"]', "`purposes`: is dropped and carried over"),
        ('dropped = ["length"]', 'dropped = ["length", "colour"]', "`colour`: the older version has no such field"),
        ('note = "remark"', 'note = "remark", colour = "length"', "`colour`: the newer version has no such field"),
        ('note = "remark"', 'note = "remark", side = "remark"', "two fields are renamed from one"),
        (
            'note = "remark" }\ndropped = ["length"]',
            'note = "length" }\ndropped = ["remark"]',
            "`note`: has another type",
        ),
        ('renamed = { note = "remark" }', "renamed = { note = 3 }", "`upcast`: expected"),
        ('dropped = ["length"]', "dropped = [3]", "`upcast`: expected"),
        ('side = "LEFT" }', "side = 3 }", "`upcast.codes`: expected"),
        ("[earlier.upcast.codes.kind]\nBOTH", "[earlier.upcast.codes.purposes]\nSUPPORT", "outside consents only"),
        ('[earlier.upcast.records.Item]\nrenamed = { title = "name" }', "", "`name`: is gone"),
        (
            'side = { type = "Side", category = "HO"',
            'side = { type = "Side", category = "HO", mandatory = true',
            "`side`",
        ),
        ('note = { type = "string", category = "HO"', 'note = { type = "string", category = "MH"', "another category"),
        ('note = { type = "string"', 'note = { type = "string", mandatory = true', "`note`: is `mandatory` now"),
        ('"Purpose", list = true', '"Purpose", list = true, non_empty = true', "`purposes`: is `non_empty` now"),
        ('purposes = { type = "Purpose", list = true', 'purposes = { type = "Purpose"', "`purposes`: has another type"),
        ("version = 2", "version = 3", "version 3: expected as `[[earlier]]` every version"),
        ("version = 2", "version = 1", "version 1: expected as `[[earlier]]`"),
        ("version = 2", 'version = "2"', "`version` is a whole number"),
        ("version = 1", "version = 1\nends_on = 2031", "`ends_on` is a day"),
        ("version = 1", "version = 1\nends_on = 2031-01-01T00:00:00Z", "`ends_on` is a day"),
        ("version = 2", "version = 2\nends_on = 2031-01-01", "unknown key `ends_on`"),
        ("[earlier.upcast]", '[earlier.upcast]\nfilled = { side = "LEFT" }', "`upcast`: expected"),
        (
            '[earlier.upcast.codes.kind]\nBOTH = { kind = "OTHER", side = "LEFT" }',
            "[earlier.upcast.codes]\nkind = 3",
            "a table of codes",
        ),
        ("[earlier.events]\nThing", "[earlier.events]\nThings", "stands in the file of the newest"),
    ],
)
def test_what_would_be_lost_or_made_up_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    area = AREA + NEWEST + EARLIER
    assert old in area
    with pytest.raises(BadContract, match=re.escape(problem)):
        _small(tmp_path, area.replace(old, new))


def test_a_new_field_that_takes_the_name_of_a_renamed_one_is_empty(tmp_path: Path) -> None:
    again = NEWEST + 'remark = { type = "string", category = "HO", doc = "What else there is to say." }\n'
    (step,) = _small(tmp_path, AREA + again + EARLIER).earlier["Thing"]
    read = step.to_next.up({"kind": "ONE", "remark": "said"})
    assert (read["note"], read["remark"]) == ("said", None)
    assert step.to_next.down({"note": "said", "remark": "more"})["remark"] == "said"


def test_an_earlier_code_list_of_a_scope_has_no_default_either(tmp_path: Path) -> None:
    contracts = _small(tmp_path)
    for event_type in contracts.every_version:
        fields = {field["name"]: field for field in schema_of(event_type, Form.PUBLISHED, contracts)["fields"]}
        assert "default" not in fields["purposes"]
        assert fields["items"]["default"] is None
    assert lint(contracts) == []


def test_a_version_stands_once(tmp_path: Path) -> None:
    with pytest.raises(BadContract, match="version 1 stands twice"):
        _small(tmp_path, AREA + NEWEST + EARLIER + EARLIER)


def test_a_list_of_codes_is_not_split_over_fields(tmp_path: Path) -> None:
    lists = AREA + NEWEST + EARLIER
    for name in ('"Kind"', '"Kind@1"'):
        lists = lists.replace(f"{name}, ", f"{name}, list = true, ")
    with pytest.raises(BadContract, match="a list is not split over fields"):
        _small(tmp_path, lists)


def test_a_field_may_become_the_codes_of_another_if_every_code_is_told(tmp_path: Path) -> None:
    line = 'kind = { type = "Kind", category = "HO", mandatory = true, doc = "What kind it is." }\n'
    assert line in NEWEST
    gone = AREA + NEWEST.replace(line, "").replace('"Side", ', '"Side", mandatory = true, ') + EARLIER
    told = 'BOTH = { kind = "OTHER", side = "LEFT" }'
    with pytest.raises(BadContract, match="`kind`: is gone, and nothing tells what `ONE` is now"):
        _small(tmp_path, gone.replace(told, 'BOTH = { side = "LEFT" }'))
    every = 'ONE = { side = "RIGHT" }\nBOTH = { side = "LEFT" }\nOTHER = { side = "OTHER" }'
    (step,) = _small(tmp_path, gone.replace(told, every)).earlier["Thing"]
    assert [step.to_next.up({"kind": code})["side"] for code in ("ONE", "BOTH", "OTHER")] == ["RIGHT", "LEFT", "OTHER"]
    unsaid = gone.replace(told, every).replace(
        '"Kind@1", category = "HO", mandatory = true', '"Kind@1", category = "HO"'
    )
    with pytest.raises(BadContract, match="`side`: is new and mandatory"):
        _small(tmp_path, unsaid)
    back = [step.to_next.down({"side": code})["kind"] for code in ("RIGHT", "LEFT", "OTHER")]
    assert back == ["ONE", "BOTH", "OTHER"]
    assert step.to_next.down({})["kind"] is None


@pytest.mark.parametrize("name", ["Kind@0", "Kind@", "Kind@one", "a kind"])
@pytest.mark.parametrize("table", ["code_list", "record"])
def test_an_earlier_code_list_is_named_by_its_number(tmp_path: Path, table: str, name: str) -> None:
    codes = f'[{table}."{name}"]\ndoc = "Kinds of thing."\n' + ('symbols = ["OTHER"]\n' if table == "code_list" else "")
    with pytest.raises(BadContract, match="for an earlier version with `@` and its number"):
        _small(tmp_path, codes=CODES + codes)


def test_a_purpose_that_is_gone_cannot_be_told_as_another(tmp_path: Path) -> None:
    codes = CODES.replace('symbols = ["SUPPORT", "OTHER"]', 'symbols = ["SUPPORT", "CARE", "OTHER"]')
    with pytest.raises(BadContract, match="no `CARE`"):
        _small(tmp_path, codes=codes)
    told = AREA + NEWEST + EARLIER + '\n[earlier.upcast.codes.purposes]\nCARE = "SUPPORT"\n'
    with pytest.raises(BadContract, match="outside consents only"):
        _small(tmp_path, told, codes)


def test_a_consent_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "code_lists.toml").write_text(CODES, encoding="utf-8")
    area = (AREA + NEWEST + EARLIER).replace('name = "trial"', 'name = "consent"')
    (tmp_path / "consent.toml").write_text(area, encoding="utf-8")
    with pytest.raises(BadContract, match="outside consents only"):
        read_catalogue(tmp_path)
    without_codes = area.replace("[earlier.upcast.codes.kind]", "").replace(
        'BOTH = { kind = "OTHER", side = "LEFT" }', ""
    )
    without_codes = without_codes.replace('"Kind@1"', '"Kind"')
    (tmp_path / "consent.toml").write_text(without_codes, encoding="utf-8")
    with pytest.raises(BadContract, match="`length`: nothing of a consent may be dropped"):
        read_catalogue(tmp_path)
    kept = without_codes.replace('dropped = ["length"]', "").replace(GONE, "")
    (tmp_path / "consent.toml").write_text(kept, encoding="utf-8")
    assert read_catalogue(tmp_path).earlier["Thing"][0].to_next.up({"remark": "said"})["note"] == "said"


def test_two_versions_of_one_code_list_never_meet_in_one_schema(tmp_path: Path) -> None:
    twice = NEWEST + 'other = { type = "Kind@1", category = "HO", doc = "What else it is." }\n'
    with pytest.raises(BadContract, match="another version of `Kind`"):
        _small(tmp_path, AREA + twice + EARLIER)


def test_a_code_list_may_grow_for_one_event_type_alone(tmp_path: Path) -> None:
    alone = NEWEST.replace("version = 2", "version = 1").replace('"Kind"', '"Kind@1"')
    contracts = _small(tmp_path, AREA + alone)
    assert contracts.earlier == {}
    files = generated_files(contracts)
    assert "KindV1 = Literal[" in files["statements/codes.py"]
    assert "kind: codes.KindV1," in files["statements/housing.py"]


def test_three_versions_are_read_step_by_step(tmp_path: Path) -> None:
    third = NEWEST.replace("version = 2", "version = 3").replace("note =", "words =")
    second = NEWEST.replace("[[family]]", "[[earlier]]").replace("[family.", "[earlier.")
    second += '\n[earlier.upcast]\nrenamed = { words = "note" }\n'
    area = AREA + third + EARLIER + second
    contracts = _small(tmp_path, area)
    assert [version.version for version in contracts.versions("Thing")] == [1, 2, 3]
    write_schemas(tmp_path / "schemas", contracts)
    ids = read_schema_ids(tmp_path / "schemas" / IDS_FILE, contracts)
    both = Codec(ids, contracts)
    first = ids.of_version("Thing", 1, Form.PUBLISHED)
    body = both.encode(first, {"occurredAt": 5, "kind": "BOTH", "remark": "said", "length": 3})[5:]
    read = both.decode_body(first, body)
    assert {name: value for name, value in read.items() if value is not None} == {
        "occurredAt": 5,
        "kind": "OTHER",
        "side": "LEFT",
        "words": "said",
    }
    assert both.older(first, {"words": "said"})["remark"] == "said"
    assert both.decode_body(ids.published("Thing"), both.encode(ids.published("Thing"), read)[5:]) == read
