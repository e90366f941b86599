"""Strict JSON: what is accepted comes back equal, what is not gets one sentence with the path to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import RecordError
from benchmark.schema import LARGEST, MAX_DEPTH, Number, Setting, Text, Whole, build, dump, parse


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: Annotated[float, Number(0, 1)]


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: Annotated[int, Whole(1)]
    name: Annotated[str, Text("[a-z]+", "lower-case letters", 5)]
    right: bool
    inner: tuple[Inner, ...]
    maybe: Annotated[float, Number()] | None
    versions: dict[str, Annotated[str, Text()]]
    free: Setting


GOOD = {
    "count": 3,
    "name": "abc",
    "right": True,
    "inner": [{"share": 0.5}, {"share": 1}],
    "maybe": None,
    "versions": {"torch": "2.1"},
    "free": {"a": [1, 2.5, None, "x", {"b": False}]},
}


def refusal(**changes: object) -> str:
    """What `GOOD` with `changes` is refused with."""
    with pytest.raises(RecordError) as caught:
        build(Outer, {**GOOD, **changes}, "file.json")
    return str(caught.value)


def test_accepted_values_become_the_dataclass() -> None:
    """Lists become tuples and whole numbers floats where the schema says so."""
    outer = parse(Outer, json.dumps(GOOD), "file.json")
    assert outer.inner == (Inner(share=0.5), Inner(share=1.0))
    assert isinstance(outer.inner[1].share, float)
    assert outer.free == GOOD["free"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": 0}, "file.json: count is 0: expected a whole number, 1 or more"),
        ({"count": 3.0}, "file.json: count is 3.0: expected a whole number, 1 or more"),
        ({"count": True}, "file.json: count is true: expected a whole number, 1 or more"),
        ({"count": 2**63}, f"file.json: count is {2**63}: expected a whole number, 1 or more"),
        ({"name": "Abc"}, 'file.json: name is "Abc": expected lower-case letters of at most 5 characters'),
        ({"name": "abcdef"}, 'file.json: name is "abcdef": expected lower-case letters of at most 5 characters'),
        ({"right": 1}, "file.json: right is 1: expected true or false"),
        ({"inner": {}}, "file.json: inner is an object: expected a list"),
        (
            {"inner": [{"share": 0}, {"share": "0.31"}]},
            'file.json: inner[1].share is "0.31": expected a number from 0 to 1',
        ),
        ({"inner": [{"share": 1.01}]}, "file.json: inner[0].share is 1.01: expected a number from 0 to 1"),
        ({"inner": [3]}, "file.json: inner[0] is 3: expected an object"),
        ({"inner": [{}]}, "file.json: inner[0].share is missing"),
        ({"inner": [{"share": 0, "more": 1}]}, "file.json: inner[0].more is no known field: expected share"),
        ({"maybe": "1"}, 'file.json: maybe is "1": expected a number'),
        (
            {"versions": {"torch": 2}},
            "file.json: versions.torch is 2: expected a line of text of at most 500 characters",
        ),
    ],
)
def test_refusal_says_where_what_and_what_was_expected(changes: dict, sentence: str) -> None:
    """One sentence: the file, the path of the field, what was got, what was expected."""
    assert refusal(**changes) == sentence


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "\u202eabc", "\ud800", "\x1b[31m"])
def test_text_that_does_not_print_is_refused(text: str) -> None:
    """Control characters, text direction overrides and lone surrogates get into no table."""
    assert "versions.torch is " in refusal(versions={"torch": text})
    assert refusal(free={"deep": [text]}).startswith("file.json: free.deep[0] is ")
    assert "expected a short name" in refusal(free={text: 1})


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_no_numbers_are_refused(constant: str) -> None:
    """JSON has no NaN and no infinity."""
    with pytest.raises(RecordError, match=rf"^file.json: {constant} is no JSON number"):
        parse(Inner, f'{{"share": {constant}}}', "file.json")


def test_number_that_overflows_to_infinity_is_refused() -> None:
    """1e999 is valid JSON and no float."""
    text = json.dumps(GOOD).replace('"maybe": null', '"maybe": 1e999')
    with pytest.raises(RecordError, match=r"^file.json: maybe is Infinity: expected a number$"):
        parse(Outer, text, "file.json")
    with pytest.raises(RecordError, match=r"^file.json: free.a\[1\] is -Infinity"):
        parse(Outer, json.dumps(GOOD).replace("2.5", "-1e999"), "file.json")


@pytest.mark.parametrize("digits", [400, 5_000])
def test_integer_of_many_digits_is_refused(digits: int) -> None:
    """Neither a float nor Python's own limit on digits is overrun."""
    with pytest.raises(RecordError, match=r"^file.json: "):
        parse(Inner, '{"share": ' + "9" * digits + "}", "file.json")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"share": 1, "share": 1}', "share"),
        (json.dumps(GOOD).replace('"b": false', '"b": 1, "c": 2, "b": 1'), r"free.a\[4\].b"),
        (json.dumps(GOOD).replace('"torch": "2.1"', '"torch": "1", "torch": "2"'), "versions.torch"),
    ],
)
def test_repeated_key_is_refused_with_its_path(text: str, path: str) -> None:
    """No value wins silently over another."""
    with pytest.raises(RecordError, match=rf"^file.json: {path} stands twice: expected every key once$"):
        parse(Inner if text.startswith('{"share"') else Outer, text, "file.json")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    """Neither the parser nor the schema overruns its stack."""
    text = json.dumps(GOOD).replace("2.5", "[" * depth + "]" * depth)
    with pytest.raises(RecordError, match="nested too deeply"):
        parse(Outer, text, "file.json")


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"share": 01}', "nul", "\ufeff{}"])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    """The place of the mistake is in the sentence."""
    with pytest.raises(RecordError, match=r"^file.json: not valid JSON \(.+"):
        parse(Inner, text, "file.json")


@given(st.text(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_other_text_is_refused(text: str) -> None:
    """Nothing but RecordError comes out, and its text is one line."""
    with pytest.raises(RecordError, match=r"\Afile.json: .+\Z"):
        parse(Outer, text, "file.json")


PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)
SETTINGS = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(-1e18, 1e18, allow_nan=False) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE.filter(bool), inner, max_size=4),
    max_leaves=20,
)


@given(SETTINGS, st.floats(0, 1), PRINTABLE.filter(bool))
def test_what_is_written_is_read_back_equal(setting: object, share: float, version: str) -> None:
    """A round trip keeps every bit, also of text outside ASCII."""
    outer = build(Outer, {**GOOD, "free": setting, "maybe": share, "versions": {"x": version}}, "file.json")
    assert parse(Outer, dump(outer), "file.json") == outer
