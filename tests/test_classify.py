"""`bench classify`: what a run says of clips that have no labels, as it would be sent to a hidden test set's host."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from fitted_model import MODEL as FITTED
from moving_squares import FRAMES, MODEL, build_hidden_squares, build_squares
from safetensors.torch import load_file
from submitted import ABOUT

import dynamics_gen
from benchmark import predictions, record, spec
from benchmark.classify import Unlabelled, Wishes, classify_run
from benchmark.classify_command import classify
from benchmark.cli import main
from benchmark.errors import RecordError
from benchmark.flow import open_flow
from benchmark.flow_maker import farneback
from benchmark.parts import PartOfSplit
from benchmark.plan import Options, make_plan
from benchmark.run import run_model
from benchmark.submission import said
from dynamics_gen.errors import ConfigError, DynamicsError, ShardError


@dataclasses.dataclass(frozen=True)
class Made:
    """Data, a hidden test set of as long and of twice as long clips, and two finished runs of two seeds. Read only."""

    root: Path

    @property
    def data(self) -> Path:
        """The datasets' folders."""
        return self.root / "data"

    def run(self, model: str) -> Path:
        """A run's folder."""
        return self.root / "runs" / model / "standard-tiny"

    def classified(self, model: str, clips: Path, **wishes: object) -> dict[int, said.Said]:
        """What the run says."""
        given = {"data": self.data, "workers": 1, "model": self.root / f"{model}.py", **wishes}
        return classify_run(self.run(model), Wishes(clips=clips, **given), lambda line: None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Everything that the tests share, made once."""
    root = tmp_path_factory.mktemp("classify")
    build_squares(root / "data")
    build_hidden_squares(root / "hidden")
    build_hidden_squares(root / "long", frames=2 * FRAMES)
    for name, text in (("tiny_net", MODEL), ("nearest", FITTED)):
        (root / f"{name}.py").write_text(text)
        options = Options(size="tiny", data=root / "data", runs=root / "runs", seeds=2, workers=1, device="cpu")
        run_model(make_plan(spec.find(str(root / f"{name}.py")), options), options, say=lambda line: None)
    return Made(root)


def network(weights: Path) -> torch.nn.Module:
    """The model's network, written out."""
    layers = torch.nn.Sequential(
        torch.nn.Conv3d(3, 4, 3, stride=2, padding=1),
        torch.nn.BatchNorm3d(4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool3d((1, 4, 4)),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(64, 10),
    ).eval()
    layers.load_state_dict({name.removeprefix("network/"): value for name, value in load_file(weights).items()})
    return layers


@pytest.mark.parametrize(("name", "windows"), [("hidden", 1), ("long", 2)])
def test_hidden_clips_get_what_a_forward_pass_says(made: Made, name: str, windows: int) -> None:
    """Every seed, every clip, in the split's order: standardised, and averaged over windows of train's length."""
    public = made.root / name / "public" / "test"
    split = dynamics_gen.open(public)
    assert "label" not in split.columns
    videos = torch.from_numpy(split.read_videos(slice(None))).double()
    for seed, answers in made.classified("tiny_net", public).items():
        layers, expected = network(made.run("tiny_net") / f"seed-{seed}" / "chosen.safetensors"), 0
        for window in videos.split(FRAMES, dim=1):
            mean, deviation = window.mean((1, 2, 3), keepdim=True), window.std((1, 2, 3), keepdim=True, correction=0)
            with torch.no_grad():
                clips = ((window - mean) / deviation).permute(0, 4, 1, 2, 3).float()
                expected = expected + layers(clips).softmax(1) / windows
        assert answers.clip_id.tolist() == [name.encode() for name in split.clip_ids]
        np.testing.assert_allclose(answers.probabilities, expected, atol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["tiny_net", "nearest"])
def test_clips_of_test_get_what_the_run_said_of_them(made: Made, model: str) -> None:
    """To the bit, by weights and by a model that is fitted anew, whose labels are not looked at."""
    answers = made.classified(model, made.data / "dynamics-tiny" / "test")
    for seed in record.read(made.run(model) / "record.json").seeds:
        before = predictions.read(made.run(model) / seed.predictions)
        assert np.array_equal(answers[seed.seed].probabilities, before.probabilities)
        assert np.array_equal(answers[seed.seed].clip_id, before.clip_id)


def test_labels_are_not_there_to_be_looked_at(made: Made) -> None:
    """A split that has some says 0 of every clip, and has no columns of them."""
    split = Unlabelled(dynamics_gen.open(made.data / "dynamics-tiny" / "test"))
    assert split.labels.tolist() == [0] * len(split)
    assert not {"label", "path", "speed"} & set(split.columns)
    with pytest.raises(KeyError, match="no column 'label'"):
        split.column("label")
    assert split.column("position").shape == (len(split), FRAMES, 3)


@pytest.mark.parametrize("model", ["tiny_net", "nearest"])
def test_answers_enter_a_hidden_board(made: Made, model: str, tmp_path: Path) -> None:
    """The command's files make an entry in order, and the host finds the error that the private labels give."""
    public, private = made.root / "hidden" / "public", made.root / "hidden" / "private"
    where = ["--data", made.data, "--model", made.root / f"{model}.py", "--workers", 1]
    done = bench(classify, made.run(model), "--clips", public / "test", "--out", tmp_path / "said", *where)
    assert done.exit_code == 0, done.output
    files = [tmp_path / "said" / f"predictions-seed{seed}.npz" for seed in (0, 1)]
    assert done.stdout.splitlines() == [str(path) for path in files]
    (tmp_path / "about.json").write_text(json.dumps(ABOUT))
    entry = tmp_path / "entries" / ABOUT["group"] / ABOUT["entry"]
    words = ["--data", public / "test", "--about", tmp_path / "about.json", "--entries", tmp_path / "entries"]
    done = bench(main, "submit", "prepare", "--predictions", *files, *words)
    assert done.exit_code == 0, done.output
    done = bench(main, "submit", "score", entry, "--data", public / "test", "--labels", private / "labels.csv")
    assert done.exit_code == 0, done.output
    truth = dynamics_gen.open(private / "test")
    scored = json.loads((entry / "result.json").read_text())
    for one, answers in zip(scored["seeds"], made.classified(model, public / "test").values(), strict=True):
        assert one["scores"]["error"] == np.mean(answers.probabilities.argmax(axis=1) != truth.labels)
        assert one["scores"]["error"] < 0.5


def bench(command: object, *words: object) -> Result:
    """A command, in this process."""
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


def test_flow_is_made_of_the_frames(made: Made) -> None:
    """What Farnebäck's method says of hidden frames, in windows as of any split."""
    split = dynamics_gen.open(made.root / "hidden" / "public" / "test")
    flow = open_flow(PartOfSplit(Unlabelled(split), frames=(2, 6)), "flow_farneback", 1, lambda line: None)
    assert flow is not None
    expected = [farneback(video[2:6]) for video in split.read_videos(slice(None))]
    np.testing.assert_allclose(flow, expected, rtol=1e-3, atol=1e-3)


def changed(run: Path, folder: Path, **changes: object) -> Path:
    """The run's record in a folder of its own, with other fields."""
    document = json.loads((run / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(document | changes))
    return folder


def test_what_cannot_be_classified_is_refused(made: Made, tmp_path: Path) -> None:
    """In one sentence, before anything is computed: what frames do not tell, other clips, runs of another task."""
    public, run = made.root / "hidden" / "public" / "test", made.run("tiny_net")
    sentence = (
        r"on {}, which only the simulator knows, and .*test tells frames alone: take a run on frames, or on flow_"
    )
    for form in ("flow_exact", "rgb+flow_exact", "trajectory"):
        with pytest.raises(ConfigError, match=sentence.format(form.replace("+", r"\+"))):
            classify_run(changed(run, tmp_path, input=form), Wishes(clips=public), print)
    with pytest.raises(RecordError, match="task is generation: expected a run of a classifier"):
        classify_run(changed(run, tmp_path, task="generation"), Wishes(clips=public), print)
    dataset = json.loads((run / "record.json").read_text())["dataset"]
    for name, value, expected in (
        ("frames", 9, "clips of 8 frames: expected at least the 9"),
        ("image_size", 32, "has frames of 16×16 pixels: expected 32, as tiny_net"),
    ):
        with pytest.raises(ConfigError, match=expected):
            classify_run(changed(run, tmp_path, dataset=dataset | {name: value}), Wishes(clips=public), print)
    with pytest.raises(ShardError, match="holds several splits"):
        made.classified("tiny_net", public.parent)
    with pytest.raises(DynamicsError, match="no such file"):
        classify_run(made.root, Wishes(clips=public), print)


def test_a_runs_own_predictions_are_not_overwritten(made: Made) -> None:
    """Its folder, or any with predictions, is no place for answers."""
    before = (made.run("tiny_net") / "predictions-seed0.npz").read_bytes()
    public = made.root / "hidden" / "public" / "test"
    done = bench(classify, made.run("tiny_net"), "--clips", public, "--out", made.run("tiny_net"))
    assert done.exit_code != 0
    assert "has predictions-seed0.npz already: choose another folder with --out" in str(done.exception)
    assert (made.run("tiny_net") / "predictions-seed0.npz").read_bytes() == before
