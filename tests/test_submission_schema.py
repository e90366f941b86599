"""submission.json: what is in order is read, and everything else is named at once, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from submitted import ABOUT

from benchmark.schema import dump
from benchmark.submission.problems import every_problem
from benchmark.submission.schema import About, parse

GOOD: dict[str, Any] = {
    "submission_version": 1,
    "task": "classification",
    "about": ABOUT,
    "test": {"release": "standard", "size": "mini", "clips": 500, "fingerprint": "ab" * 32},
    "seeds": [{"seed": k, "predictions": f"predictions-seed{k}.npz", "sha256": f"{k:064x}"} for k in range(3)],
}


def problems_of(**about: Any) -> list[str]:
    """What is wrong with a submission whose `about` is changed so; a field that is ... is left out."""
    fields = {name: value for name, value in (ABOUT | about).items() if value is not ...}
    return parse(json.dumps(GOOD | {"about": fields}))[1]


def test_what_is_written_is_read_back() -> None:
    """A submission in order has no problem, and is the same after a round trip."""
    made, problems = parse(json.dumps(GOOD))
    assert problems == []
    assert made is not None
    assert parse(dump(made)) == (made, [])
    assert made.about.authors == ("Ada Lovelace", "José Ñuñez")


def test_a_submission_of_version_1_reads_as_one_of_version_2() -> None:
    """Classification alone, which has no view; nothing else of an older version is taken, nor any of a newer one."""
    made, _ = parse(json.dumps(GOOD))
    newer, problems = parse(json.dumps(GOOD | {"submission_version": 2, "view": None}))
    assert problems == []
    assert made == newer
    assert made is not None
    assert (made.submission_version, made.task, made.view) == (2, "classification", None)
    for changes, sentence in (
        ({"view": None}, "submission_version is 1: expected"),
        ({"task": "prediction"}, "view is null: expected 10 frames of 64×64 pixels, or"),
        ({"submission_version": 3, "view": None}, "submission_version is 3: expected"),
        ({"submission_version": True}, "submission_version is true: expected"),
        ({"submission_version": 2}, "view is missing"),
    ):
        assert any(one.startswith(f"submission.json: {sentence}") for one in parse(json.dumps(GOOD | changes))[1])


def test_every_problem_is_named_in_one_pass() -> None:
    """Seven mistakes in four places give seven sentences, each with the path of its field."""
    about = {name: value for name, value in ABOUT.items() if name != "contact"} | {
        "parameters": -1,
        "mood": "good",
        "authors": ["Ada", ""],
    }
    seeds = [*GOOD["seeds"], {"seed": "3", "predictions": "../x.npz", "sha256": "12"}]
    made, problems = parse(json.dumps(GOOD | {"about": about, "seeds": seeds}))
    assert made is None
    starts = ("about.mood is", "about.authors[1] is", "about.contact is missing", "about.parameters is -1: expected")
    starts += ("seeds[3].seed is", "seeds[3].predictions is", "seeds[3].sha256 is")
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(f"submission.json: {start}")
        assert "\n" not in problem


@pytest.mark.parametrize("name", sorted(ABOUT))
def test_every_field_must_be_there(name: str) -> None:
    """Null stands where there is nothing to say; silence does not."""
    assert problems_of(**{name: ...}) == [f"submission.json: about.{name} is missing"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group", ".."),
        ("group", "a/b"),
        ("group", "grüppe"),
        ("group", "x" * 65),
        ("entry", "-rf"),
        ("entry", "a b"),
        ("method", "<script>alert(1)</script>"),
        ("method", "a | b"),
        ("method", "`code`"),
        ("method", "[click](javascript:alert(1))"),
        ("method", "see [this](javascript:alert(1))"),
        ("method", "=1+1"),
        ("method", "+cmd"),
        ("method", "-2"),
        ("method", "@SUM(A1)"),
        ("method", "two\nlines"),
        ("method", "red\x1b[31m"),
        ("method", "right\u202eto left"),
        ("method", "no\u200bwidth"),
        ("method", "\u3164"),
        ("method", "o\u0308 is not composed"),
        ("method", "z\u0301\u0301\u0301\u0301algo"),
        ("method", " padded"),
        ("method", "nul\x00"),
        ("method", "x" * 65),
        ("method", ""),
        ("description", "\ud800"),
        ("description", "=HYPERLINK(1)"),
        ("description", "x" * 1_001),
        ("contact", "nobody"),
        ("contact", "javascript:alert(1)"),
        ("contact", "a@b.org\nBcc: c@d.org"),
        ("paper", "javascript:alert(1)"),
        ("paper", "https://x.org/'onclick='"),
        ("paper", "https://x.org/)](evil"),
        ("paper", "data:text/html,x"),
        ("code", "https://user@x.org"),
        ("input", "rgb|flow"),
        ("parameters", 1.5),
        ("parameters", True),
        ("parameters", 2**63),
        ("training_hours", -1),
        ("training_hours", "1"),
        ("training_hours", 1e300),
        ("tuning_trials", None),
    ],
)
def test_fields_that_could_do_harm_or_are_none_are_refused(name: str, value: object) -> None:
    """Tags, links, formulas, control and unseen characters, odd addresses, numbers out of range: one sentence each."""
    (problem,) = problems_of(**{name: value})
    assert problem.startswith(f"submission.json: about.{name} is ")
    assert "expected" in problem
    assert problem.isprintable()


@pytest.mark.parametrize(
    "value", ["R(2+1)D, ours", "ConvLSTM – 3 layers", "方法", "L'Éclair & co.", "(unnamed)", "50 %"]
)
def test_plain_names_pass(value: str) -> None:
    """What people really call things."""
    assert problems_of(method=value) == []


def test_bracketed_links_never_start_a_text_alone() -> None:
    """Square brackets may stand within; whoever shows a text escapes them."""
    assert problems_of(method="net [1]") == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"about": 1, "about": 2}', "submission.json: about stands twice: expected every key once"),
        ("[" * 100_000 + "]" * 100_000, "submission.json: nested too deeply: expected at most 32 levels"),
        ('{"a": NaN}', "submission.json: NaN is no JSON number: expected finite numbers only"),
        ("{", "submission.json: not valid JSON ("),
        ("[]", "submission.json: the document is a list of 0: expected an object"),
        ("1" * 5_000, "submission.json: not valid JSON ("),
    ],
)
def test_documents_that_are_none_are_refused(text: str, sentence: str) -> None:
    """Keys that stand twice, deep nesting, numbers that are none, and what is no JSON."""
    made, problems = parse(text)
    assert made is None
    assert problems[0].startswith(sentence)


def test_a_key_that_stands_twice_within_is_named() -> None:
    """The later one would win in silence."""
    text = json.dumps(GOOD).replace('"group": "my-group"', '"group": "theirs", "group": "my-group"')
    assert parse(text)[1] == ["submission.json: about.group stands twice: expected every key once"]


def test_ten_thousand_unknown_fields_are_one_sentence() -> None:
    """However many there are, and whatever they are called."""
    (problem,) = every_problem(About, ABOUT | {f"\x1b{k}": k for k in range(10_000)}, "x.json")
    assert problem.startswith('x.json: "\\u001b0" and 9999 more are no known fields: expected group, entry, authors')


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        ([], "seeds is a list of 0: expected 1 to 20"),
        (GOOD["seeds"] * 7, "seeds is a list of 21: expected 1 to 20"),
        (GOOD["seeds"][:1] * 2, "seeds holds the seeds [0, 0]: expected every seed once"),
        (
            [GOOD["seeds"][0] | {"predictions": "predictions-seed1.npz"}],
            "seeds[0].predictions is predictions-seed1.npz: expected predictions-seed0.npz or predictions-seed0.csv",
        ),
        ([{}] * 1_001, "seeds is a list of 1001: expected a list of at most 1000"),
    ],
)
def test_seeds_that_contradict_each_other_are_refused(seeds: list[Any], sentence: str) -> None:
    """None, too many, one twice, or another's file."""
    assert f"submission.json: {sentence}" in parse(json.dumps(GOOD | {"seeds": seeds}))[1]


def test_a_score_is_no_field() -> None:
    """Nobody reports an error of their own."""
    (problem,) = parse(json.dumps(GOOD | {"error": 0.01}))[1]
    assert problem.startswith("submission.json: error is no known field")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(value=JSON, place=st.sampled_from(["about", "test", "seeds", "task", "about.authors", "about.paper", "extra"]))
def test_any_value_in_any_place_is_read_or_named(value: Any, place: str) -> None:
    """Never another exception; sentences are printable; what has none is a submission."""
    name, _, inner = place.partition(".")
    document = GOOD | ({name: ABOUT | {inner: value}} if inner else {name: value})
    made, problems = parse(json.dumps(document))
    assert (made is None) == bool(problems)
    assert all(one.isprintable() and len(one) < 2_000 for one in problems)
