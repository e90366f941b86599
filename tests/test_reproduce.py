"""`bench reproduce`: a record's run once more, its error held against the record's interval, clip by clip too."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from fitted_model import MODEL as FITTED
from moving_squares import FRAMES, MODEL, SIDE, build_squares
from synthetic_records import CLIP_IDS, LABELS, make_record

from benchmark import predictions, record, spec
from benchmark.comparison import between_sets
from benchmark.errors import RecordError
from benchmark.plan import Options, make_plan
from benchmark.predictions import Predictions
from benchmark.record import Record
from benchmark.reproduction import result
from benchmark.reproduction.command import reproduce
from benchmark.reproduction.rerun import Wishes
from benchmark.reproduction.rerun import reproduce as make_again
from benchmark.run import run_model
from dynamics_gen.config import BuildConfig
from dynamics_gen.console import Group
from dynamics_gen.errors import ConfigError, UnknownNameError
from dynamics_gen.files import file_sha256
from leaderboard.board import make_row
from leaderboard.entries import read_entry

RUN = "standard-tiny-5-per-class-pixels"
SHA256 = "0" * 64


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 80 / 20 / 30 clips. Never change it."""
    return build_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def entered(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An entry of two seeds, none of whose settings is the default; with its model's file. Never change it."""
    folder = tmp_path_factory.mktemp("entered")
    wishes = {
        "seeds": 2,
        "input": "pixels",
        "settings": {"strides": "2,1", "width": "3"},
        "training": {"epochs": 8, "batch_size": 10, "train_per_class": 5, "label_smoothing": 0.1},
    }
    return train(folder, squares, "tiny_net", MODEL, **wishes)


@pytest.fixture
def entry(entered: Path, tmp_path: Path) -> Path:
    """A copy of the entry, with the model's file two folders up."""
    (tmp_path / "tiny_net.py").write_text(MODEL)
    return Path(shutil.copytree(entered, tmp_path / "group" / "entry"))


def train(folder: Path, squares: Path, name: str, text: str, **wishes: object) -> Path:
    """Trains a model of one's own and keeps what an entry has: the record and its predictions."""
    (folder / f"{name}.py").write_text(text)
    options = Options(size="tiny", data=squares, runs=folder / "runs", workers=1, **wishes)  # type: ignore[arg-type]
    planned = make_plan(spec.find(str(folder / f"{name}.py")), options)
    run_model(planned, options, say=lambda line: None)
    kept = folder / "group" / "entry"
    kept.mkdir(parents=True)
    for path in [planned.folder.record, *planned.folder.path.glob("predictions-*.npz")]:
        shutil.copy(path, kept)
    return kept


def again(
    entry: Path, squares: Path, name: str = "tiny_net", say: Callable[[str], None] = lambda line: None, **wishes: object
) -> tuple[result.Reproduction, Path]:
    """Makes an entry again beside it."""
    top = entry.parents[1]
    wishes = {"data": squares, "runs": top / "reproduced", "model": top / f"{name}.py", "workers": 1, **wishes}
    return make_again(entry, Wishes(**wishes), say)  # type: ignore[arg-type]


def bench(entry: Path, squares: Path, *words: str) -> Result:
    """The command on the record's file, in this process, below a group as `bench` is one."""
    main, top = Group(commands=[reproduce]), entry.parents[1]
    places = ["--data", squares, "--runs", top / "reproduced", "--model", top / "tiny_net.py", "--workers", 1]
    typed = ["reproduce", entry / "record.json", *places, *words]
    return CliRunner().invoke(main, [str(word) for word in typed], prog_name="bench")


def edit(entry: Path, change: Callable[[Record], Record]) -> None:
    """Writes the entry's record with a change."""
    record.write(change(record.read(entry / "record.json")), entry / "record.json")


def test_same_machine_says_the_same_of_every_clip(entry: Path, squares: Path) -> None:
    """To the bit, with the record's own settings, in a folder of its own; the interval is the board's."""
    before = {path.name: path.read_bytes() for path in entry.iterdir()}
    old = record.read(entry / "record.json")
    said: list[str] = []
    made, file = again(entry, squares, say=said.append)
    assert file == entry.parents[1] / "reproduced" / "tiny_net" / RUN / "reproduction.json"
    assert result.read(file) == made
    new = record.read(file.parent / "record.json")
    assert (new.config, new.input, new.dataset) == (old.config, old.input, old.dataset)
    assert (new.config.model["strides"], new.config.training["label_smoothing"]) == ([2, 1], 0.1)
    for one, other in zip(new.seeds, old.seeds, strict=True):
        assert one.predictions_sha256 == other.predictions_sha256
        assert one.scores == other.scores
    row = make_row(read_entry(entry, "group", "entry"))
    assert (made.interval.low, made.interval.high) == (row.interval.low, row.interval.high)
    assert made.recorded.test_error == made.again.test_error == pytest.approx(row.test_error)
    assert made.recorded.environment == old.environment
    assert made.again.environment == new.environment
    assert made.recorded.seeds == made.again.seeds == (0, 1)
    assert made.agreement == result.Agreement(same_class=1.0, difference=0.0, low=0.0, high=0.0, p=1.0)
    assert made.within
    assert made.interval.high < 0.6  # or nothing would lie outside
    assert made.record_sha256 == file_sha256(entry / "record.json")
    assert {path.name: path.read_bytes() for path in entry.iterdir()} == before
    assert said[0].startswith(
        "tiny_net on standard tiny: 2 of the record's 2 seeds, each of which took a few seconds on"
    )


def test_command_takes_seeds_one_by_one(entry: Path, squares: Path) -> None:
    """The first seed alone, then the other one beside it; the first is not trained again."""
    first = bench(entry, squares, "--seeds", "1")
    assert first.exit_code == 0, first.output
    folder = entry.parents[1] / "reproduced" / "tiny_net" / RUN
    assert "made again with 1 of 2 seeds: " in first.stdout
    assert "lies within the record's 95 % interval" in first.stdout
    assert first.stdout.endswith(f"{folder / 'reproduction.json'}\n")
    assert result.read(folder / "reproduction.json").again.seeds == (0,)
    refused = bench(entry, squares)
    assert refused.exit_code == 1
    assert "holds an earlier run: use --resume" in refused.stderr
    kept = (folder / "seed-0" / "checkpoint.pt").stat().st_mtime_ns
    both = bench(entry, squares, "--resume")
    assert both.exit_code == 0, both.output
    assert "made again with 2 of 2 seeds: " in both.stdout
    assert (folder / "seed-0" / "checkpoint.pt").stat().st_mtime_ns == kept
    fewer = bench(entry, squares, "--resume", "--seeds", "1")  # what is there is taken
    assert result.read(folder / "reproduction.json").again.seeds == (0, 1)
    assert fewer.exit_code == 0


def test_error_outside_the_interval_is_a_failure(entry: Path, squares: Path) -> None:
    """A model that has forgotten how to learn: exit code 1, one sentence, and the file all the same."""
    model = entry.parents[1] / "tiny_net.py"
    model.write_text(MODEL.replace("nn.ReLU()", "nn.Threshold(1e9, 0.0)"))
    done = bench(entry, squares, "--seeds", "1")
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "lies outside the record's 95 % interval" in line
    made = result.read(entry.parents[1] / "reproduced" / "tiny_net" / RUN / "reproduction.json")
    assert not made.within
    assert made.again.test_error > made.interval.high
    assert made.agreement.same_class < 0.9
    assert made.agreement.low > 0
    model.write_text(MODEL)
    assert bench(entry, squares, "--seeds", "1", "--overwrite").exit_code == 0


def test_fitted_model_is_fitted_again(squares: Path, tmp_path: Path) -> None:
    """Its settings and seeds are the record's too."""
    entry = train(tmp_path, squares, "nearest", FITTED, seeds=2, settings={"sharpness": "0.002"})
    with pytest.raises(ConfigError, match="nearest is not trained step by step, so --precision would have no effect"):
        again(entry, squares, "nearest", precision="32-true")
    made, file = again(entry, squares, "nearest")
    assert (made.within, made.agreement.same_class, made.again.environment.precision) == (True, 1.0, "its own")
    assert json.loads((file.parent / "seed-0" / "configuration.json").read_text())["model"]["sharpness"] == 0.002


def test_precision_may_be_another(entry: Path, squares: Path) -> None:
    """A record's number format is its machine's choice; a machine that is slow in it may take its own."""
    in_bfloat16 = {**record.read(entry / "record.json").config.training, "precision": "bf16-mixed"}
    edit(entry, lambda old: dataclasses.replace(old, config=dataclasses.replace(old.config, training=in_bfloat16)))
    made, file = again(entry, squares, seeds=1, device="cpu", precision="32-true")
    assert made.again.environment.precision == "32-true"
    assert record.read(file.parent / "record.json").config.training == {**in_bfloat16, "precision": "32-true"}
    assert made.agreement.same_class == 1.0  # as it was trained, indeed
    with pytest.raises(UnknownNameError, match="unknown precision 'half'"):
        again(entry, squares, precision="half")


def test_other_clips_are_refused_before_anything_is_trained(entry: Path, squares: Path, tmp_path: Path) -> None:
    """Also where it is test alone that differs."""
    other = build_squares(tmp_path / "other", per_class=(1, 1, 4))
    for split in ("train", "valid"):
        shutil.rmtree(other / "dynamics-tiny" / split)
        shutil.copytree(squares / "dynamics-tiny" / split, other / "dynamics-tiny" / split)
    with pytest.raises(ConfigError, match=r"test has the fingerprint .*, that of the record; choose another --data"):
        again(entry, other)
    with pytest.raises(ConfigError, match=f"--image-size {SIDE} --frames {FRAMES} --out .*nowhere/dynamics-tiny`"):
        again(entry, tmp_path / "nowhere")
    assert not (tmp_path / "reproduced").exists()
    assert not (tmp_path / "nowhere").exists()


def test_missing_splits_are_built(entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the record's data were built with the defaults, after saying so."""
    edit(
        entry, lambda old: dataclasses.replace(old, dataset=dataclasses.replace(old.dataset, frames=32, image_size=64))
    )
    built = []

    def build(config: BuildConfig, directory: Path, workers: int, progress: object) -> None:
        built.append((config.release.name, config.split, config.per_class, directory, workers))
        raise KeyboardInterrupt

    monkeypatch.setattr("dynamics_gen.generate.build_split", build)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        again(entry, tmp_path / "data", say=said.append, workers=3)
    assert built == [("standard", "train", 10, tmp_path / "data" / "dynamics-tiny" / "train", 3)]
    assert "train is not there: building its 100 clips" in said[0]


def test_what_cannot_be_made_again_is_refused(entry: Path, squares: Path) -> None:
    """In one sentence, before anything is trained."""
    with pytest.raises(ConfigError, match=r"3 seeds were asked for, and .*record.json has 2: expected 1 to 2"):
        again(entry, squares, seeds=3)
    own = entry.parents[1] / "runs" / "tiny_net" / RUN
    shutil.copytree(entry, own)
    with pytest.raises(ConfigError, match=r"is the record's own folder: choose another one for the new run with"):
        make_again(own, Wishes(data=squares, runs=own.parents[1], model=entry.parents[1] / "tiny_net.py"), print)
    edit(own, lambda old: dataclasses.replace(old, seeds=old.seeds[1:]))
    with pytest.raises(ConfigError, match=r"begins with the seeds \[1\]: expected 0, 1, …"):
        again(own, squares)
    edit(own, lambda old: dataclasses.replace(old, dataset=dataclasses.replace(old.dataset, size="own")))
    with pytest.raises(ConfigError, match="of standard, data of somebody's own: expected a release of Dynamics"):
        again(own, squares)
    (entry / "predictions-seed1.npz").write_bytes((entry / "predictions-seed0.npz").read_bytes())
    with pytest.raises(RecordError, match=r"predictions-seed1.npz: its SHA-256 is"):
        again(entry, squares)
    (entry / "record.json").write_text('{"task": "generation"}')
    with pytest.raises(ConfigError, match=r"is a record of generation: expected one of classification"):
        again(entry, squares)
    assert not (entry.parents[1] / "reproduced").exists()


def test_help_says_what_every_flag_does() -> None:
    """With an example that starts with the command itself."""
    shown = CliRunner().invoke(Group(commands=[reproduce]), ["reproduce", "--help"], prog_name="bench")
    assert "bench reproduce" in shown.output.split("Example")[1]
    assert all(parameter.help for parameter in reproduce.params if isinstance(parameter, click.Option))


def stated(classes: np.ndarray, order: np.ndarray | None = None) -> Predictions:
    """Predictions that are sure of these classes, in an order of clips."""
    order = np.arange(len(LABELS)) if order is None else order
    sure = np.eye(10)[classes]
    return predictions.make([CLIP_IDS[clip] for clip in order], LABELS[order], sure[order])


def compared(before: list[Predictions], now: list[Predictions]) -> result.Reproduction:
    """Two made-up records compared."""
    old, new = (make_record(errors=(0.1,) * len(said))[0] for said in (before, now))
    return result.compare(old, new, before, now, SHA256)


def missed(*clips: int) -> np.ndarray:
    """The true classes, but the next one for some clips."""
    return (LABELS + np.isin(np.arange(len(LABELS)), clips)) % 10


def test_agreement_is_counted_seed_by_seed() -> None:
    """Over the seeds that both have; the order in which files list clips is no matter."""
    before = [stated(missed(*range(20))), stated(missed(*range(40))), stated(missed(*range(60)))]
    mixed = np.random.default_rng(0).permutation(len(LABELS))
    now = [stated(missed(*range(10)), mixed), stated(missed(*range(5, 45)), mixed[::-1])]
    made = compared(before, now)
    assert made.recorded.test_errors == (0.1, 0.2, 0.3)
    assert made.again.test_errors == (0.05, 0.2)
    assert made.agreement.same_class == pytest.approx(1 - (10 + 10) / 400)
    clips = np.arange(len(LABELS))
    expected = between_sets(
        np.stack([clips < 10, (clips >= 5) & (clips < 45)]), np.stack([clips < 20, clips < 40]), LABELS
    )
    found = made.agreement
    assert (found.difference, found.low, found.high, found.p) == (
        pytest.approx(-0.025),
        expected.low,
        expected.high,
        expected.p,
    )
    assert made.within == (made.interval.low <= 0.125 <= made.interval.high)


def test_interval_decides() -> None:
    """An error at its very end lies within, one that is a clip beyond does not, on both sides."""
    before = [stated(missed(*range(40)))]
    bounds = compared(before, before).interval
    low, high = int(np.ceil(bounds.low * 200)), int(np.floor(bounds.high * 200))
    assert [compared(before, [stated(missed(*range(wrong)))]).within for wrong in (low - 1, low, high, high + 1)] == [
        False,
        True,
        True,
        False,
    ]
    perfect = compared([stated(missed())], [stated(missed(7))])
    assert (perfect.interval.low, perfect.within) == (0.0, True)  # Wilson's
    assert "0.50 % test error lies within the record's 95 % interval, 0.00 to 1.88 % (mean 0.00 %)" in perfect.verdict


def test_other_clips_or_labels_are_not_compared() -> None:
    """Nothing pairs with them."""
    one = stated(missed())
    other = predictions.make(CLIP_IDS, (LABELS + 1) % 10, one.probabilities)
    with pytest.raises(RecordError, match="are of other clips or labels"):
        compared([one], [other])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"within": False}, "within is False: expected True, as again.test_errors and interval say"),
        ({"reproduction_version": 2}, "reproduction_version is 2: expected a whole number from 1 to 1"),
        ({"rank": 1}, "rank is no known field"),
        ({"record_sha256": "abc"}, 'record_sha256 is "abc": expected a SHA-256'),
    ],
)
def test_file_that_contradicts_itself_is_refused(tmp_path: Path, change: dict, sentence: str) -> None:
    """When it is read, with the field's name."""
    file = tmp_path / "reproduction.json"
    made = result.write(compared([stated(missed(1))], [stated(missed(2))]), file)
    assert result.read(file) == made
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(RecordError, match=sentence):
        result.read(file)


def test_seeds_that_do_not_pair_are_refused(tmp_path: Path) -> None:
    """A seed that the record has not, or one without an error; nothing is written."""
    made = compared([stated(missed(1))], [stated(missed(2))])
    foreign = dataclasses.replace(made, again=dataclasses.replace(made.again, seeds=(5,)))
    with pytest.raises(RecordError, match=r"again.seeds holds 5: expected seeds of recorded.seeds"):
        result.write(foreign, tmp_path / "reproduction.json")
    lone = dataclasses.replace(made, recorded=dataclasses.replace(made.recorded, seeds=(0, 1)))
    with pytest.raises(RecordError, match="recorded has 2 seeds and 1 test errors"):
        result.write(lone, tmp_path / "reproduction.json")
    assert not list(tmp_path.iterdir())
