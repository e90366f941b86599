"""A small board of made-up entries, and how to read its pages, for the tests of the site. Never a result."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from submitted import ABOUT
from synthetic_records import CLIP_IDS, LABELS, make_predictions, make_record, write_run

from benchmark.record import Record
from benchmark.submission import result, said
from benchmark.submission.schema import EvaluationSplit
from benchmark.submission.score import score
from benchmark.submission.split import OpenedSplit

BOARD = Path(__file__).parent.parent / "leaderboard"

ENTRIES = {
    "near": (0.1, 0.12, 0.08),
    "middle": (0.35, 0.3, 0.33),
    "far": (0.6, 0.62, 0.58),
    "once": (0.2,),
}
"""Names and about the errors of their seeds."""

GENERATORS = ("ali-mini", "gan-mini")

HOSTILE = (
    "<img src=x onerror=window.evil=1>",
    "</td></tr></table><script>window.evil=1</script>",
    '" onmouseover="window.evil=1" x="',
    "' autofocus onfocus='window.evil=1",
    "javascript:window.evil=1",
    '=HYPERLINK("https://evil.example","x")',
    "<svg onload=window.evil=1><style>*{display:none}</style>",
    "&lt;b&gt; &#60;i> --><!-- ]]> %3Cb%3E",
    "arXiv 1234.56789<a href=javascript:alert(1)>",
)
"""Texts that would be more than text on a careless page."""


class Parsed(HTMLParser):
    """What a parser makes of markup: elements with their attributes, and the text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def made(name: str) -> tuple[Record, dict]:
    """The record of one of `ENTRIES` and its predictions; they differ in every column that is sorted by."""
    place = list(ENTRIES).index(name)
    record, files = make_record(
        name, errors=ENTRIES[name], rng_seed=place, shifted=("camera",) if name != "once" else ()
    )
    return (
        replace(
            record,
            input="rgb" if name != "far" else "flow_farneback",
            parameters=(2_000_000, 300, 45_000, 45_000)[place],
            flops_per_clip=(10**9, None, 5 * 10**6, 7 * 10**7)[place],
            tags=replace(record.tags, verified=name == "near"),
        ),
        files,
    )


def make_board(root: Path) -> Path:
    """A board's folder with `ENTRIES`, the thesis's figures and two generators."""
    shutil.copytree(BOARD / "reference", root / "reference")
    for name in GENERATORS:
        shutil.copytree(BOARD / "generators" / name, root / "generators" / name)
    for name in ENTRIES:
        write_run(root / "entries" / "ours" / f"{name}-mini", *made(name))
    return root


def submit(root: Path, error: float = 0.5) -> None:
    """Adds `my-group/mine` to the board, an entry of predictions alone on the clips of the others, and its result."""
    folder, split = root / "entries" / "my-group" / "mine", made("near")[0].dataset.splits.test
    folder.mkdir(parents=True)
    test = EvaluationSplit(release="standard", size="mini", clips=split.clips, fingerprint=split.fingerprint)
    seeds = []
    for seed in range(3):
        guessed = make_predictions(np.random.default_rng(seed), error)
        name = f"predictions-seed{seed}.npz"
        answers = said.Said(clip_id=guessed.clip_id, probabilities=guessed.probabilities)
        seeds.append({"seed": seed, "predictions": name, "sha256": said.write(answers, folder / name)})
    document = {
        "submission_version": 1,
        "task": "classification",
        "about": ABOUT | {"input": "difference", "extra_data": "Kinetics"},
        "test": asdict(test),
        "seeds": seeds,
    }
    (folder / "submission.json").write_text(json.dumps(document))
    opened = OpenedSplit(folder=root, test=test, clip_id=np.array(CLIP_IDS, dtype=np.bytes_), labels=LABELS)
    result.write(score(folder, opened), folder / result.FILE)
