"""A small board of made-up entries of every task, and how to read its pages, for tests of the site. Never a result."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import test_predictors_page
from PIL import Image
from submitted import ABOUT
from synthetic_records import CLIP_IDS, LABELS, make_predictions, make_record, write_run

from benchmark.prediction import record as prediction_record
from benchmark.prediction.record import Record as PredictorRecord
from benchmark.record import Record, Settings
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

GENERATORS = ("ali-mini", "gan-mini", "vae-mini")

PREDICTORS: dict[str, tuple[float, ...]] = {
    "copy_last": (0.02,),
    "simvp": (0.004, 0.005, 0.006),
    "cdna": (0.01, 0.012),
    "feature_flow": (0.015,),
}
"""Names, and the squared error of each seed in its first frame, which rises by as much with every frame."""
COSTS = {
    "copy_last": (0, 90_000.0),
    "simvp": (1_200_000, 2_500.0),
    "cdna": (950_000, 300.0),
    "feature_flow": (10**7, 0.5),
}
"""Of each, parameters and predicted frames/s."""
FILMS = ("filmstrips-seed0.png", "filmstrips-seed0.gif")

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


def predictor(name: str, size: int = 32) -> PredictorRecord:
    """The record of one of `PREDICTORS`; they differ in every column that is sorted by."""
    drawn = (0.01, 0.012) if name == "feature_flow" else None
    ones = [test_predictors_page.made(name, mse, drawn=drawn, size=size) for mse in PREDICTORS[name]]
    parameters, speed = COSTS[name]
    learnt = [{"epoch": k + 1.0, "train_loss": 0.5 / (k + 1), "valid_mse": 0.25 / (k + 1)} for k in range(3)]
    seeds = [
        replace(
            one.seeds[0],
            seed=seed,
            history=tuple(learnt) if parameters else one.seeds[0].history,
            predicted_frames_per_s=speed,
            test=replace(one.seeds[0].test, frechet=100 / (1 + len(name) + seed)),
        )
        for seed, one in enumerate(ones)
    ]
    settings = Settings(model={"image_size": size}, training={"epochs": 3} if parameters else {})
    return replace(
        ones[0], seeds=tuple(seeds), parameters=parameters, flops_per_frame=100 * parameters, config=settings
    )


def write_predictor(folder: Path, made: PredictorRecord) -> None:
    """Writes a run of a predictor: the record, and filmstrips of a few pixels, one still and one moving."""
    folder.mkdir(parents=True)
    prediction_record.write(made, folder / "record.json")
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue")]
    frames[0].save(folder / FILMS[0])
    frames[0].save(folder / FILMS[1], save_all=True, append_images=frames[1:], duration=100, loop=0)


def make_board(root: Path) -> Path:
    """A board's folder with the thesis's figures, `ENTRIES`, `GENERATORS`, and `PREDICTORS`, of which one twice."""
    shutil.copytree(BOARD / "reference", root / "reference")
    for name in GENERATORS:
        shutil.copytree(BOARD / "generators" / name, root / "generators" / name)
    for name in PREDICTORS:
        write_predictor(root / "predictors" / f"{name}-mini", predictor(name))
    write_predictor(root / "predictors" / "copy_last-64", predictor("copy_last", 64))
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
