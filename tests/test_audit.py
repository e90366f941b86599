"""Probes find leaks that are planted, find none where there is none, and read the class off the motion."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmark.audit import differences, networks, probes, tables, trees
from benchmark.audit.material import Material
from benchmark.cli import main
from dynamics_gen.clip import Clip
from dynamics_gen.config import BuildConfig
from dynamics_gen.generate import build_split
from dynamics_gen.render import Renderer, render_clips

SIZES = {"train": 20, "valid": 5, "test": 5}


def leaky_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Clips whose first frame has a white dot where the label says, and whose radius grows with it."""
    for clip in render_clips(config, indices):
        y, x = divmod(clip.label, 4)
        clip.video[0, 4 * y + 2 : 4 * y + 5, 4 * x + 1 : 4 * x + 4] = 255
        clip.parameters["radius"] = np.float32(0.1 + 0.02 * clip.label)
        yield clip


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset with a leak in the first frame and one in the radius."""
    root = tmp_path_factory.mktemp("leaky")
    for split, count in SIZES.items():
        config = BuildConfig(split=split, per_class=count, image_size=16, frames=8)
        build_split(config, root / split, 1, source=leaky_clips)
    return root


def columns_of(scenes: list) -> dict[str, np.ndarray]:
    """The stored trajectory columns of simulated scenes."""
    names = ("position", "linear_velocity", "angular_velocity", "arc_length")
    return {name: np.array([getattr(scene.trajectory, name) for scene in scenes], np.float32) for name in names}


@pytest.fixture(scope="module")
def simulated() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Trajectories of a thousand clips, and their labels."""
    scenes = Renderer(BuildConfig(split="train", per_class=100)).scenes(range(1000))
    return columns_of(scenes), np.array([scene.label for scene in scenes])


def test_trajectories_tell_the_class(simulated: tuple) -> None:
    """Trees on what a thousand trajectories are like miss at most 1 %."""
    columns, labels = simulated
    predicted = trees.cross_validated(tables.trajectory_table(columns), labels, seed=0)
    assert (predicted != labels).mean() <= 0.01


def test_bags_do_not_know_the_order(simulated: tuple) -> None:
    """Shuffling the frames of each clip changes nothing in its row."""
    place = simulated[0]["position"][:50]
    rng = np.random.default_rng(0)
    shuffled = np.stack([points[rng.permutation(len(points))] for points in place])
    np.testing.assert_allclose(tables.bag_table(shuffled), tables.bag_table(place), atol=1e-9)


def test_places_of_single_frames_tell_little(simulated: tuple) -> None:
    """Trees on one place err nearly as chance does; told the label in disguise, they hardly err."""
    columns, labels = simulated
    rng = np.random.default_rng(1)
    place = columns["position"][:, 16, :2].astype(float)
    assert (trees.cross_validated(place, labels, seed=0) != labels).mean() >= 0.84
    disguised = np.column_stack([place, labels + rng.normal(0, 0.1, len(labels))])
    assert (trees.cross_validated(disguised, labels, seed=0) != labels).mean() <= 0.03


def test_a_leak_in_a_frame_is_found_there_alone(leaky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network that sees first frames learns the dots; those that see others learn nothing."""
    monkeypatch.setattr(probes, "PICTURE_EPOCHS", 40)
    found = probes.run_probes(Material(leaky), probes.chosen_probes("frame_first,frame_last"), 0, lambda finding: None)
    first, last = found
    assert first.error < 0.3
    assert not first.passed
    assert last.error > 0.8
    assert first.clips == last.clips == 300


def test_a_leak_in_the_looks_fails_the_command(leaky: Path, tmp_path: Path) -> None:
    """Exit 1, the probe named; table, JSON, plot and page say so; the other probe is not blamed."""
    options = ["--probes", "appearance,backdrop", "--out", str(tmp_path), "--page", str(tmp_path / "A.md")]
    result = CliRunner().invoke(main, ["audit", str(leaky), *options])
    assert result.exit_code == 1
    assert "1 of 2 probes fail: appearance; see" in result.stderr
    assert "FAILS" in result.stdout
    described = json.loads((tmp_path / "audit.json").read_text())
    passed = {one["probe"]["name"]: one["passed"] for one in described["probes"]}
    assert passed == {"appearance": False, "backdrop": True}
    radius = next(one for one in described["differences"] if one["name"] == "radius")
    assert radius["size"] > 0.99
    assert (tmp_path / "audit.png").read_bytes().startswith(b"\x89PNG")
    assert "Result: appearance fail" in (tmp_path / "A.md").read_text()


def test_differences_are_measured(leaky: Path) -> None:
    """The planted one is total; the others of the looks are no larger than chance makes them."""
    found = {one.name: one for one in differences.differences(Material(leaky)) if one.group == "appearance"}
    assert found.pop("radius").p < 1e-6
    assert all(one.p > 0.01 for one in found.values())


def test_order_is_what_clip_networks_are_shown(leaky: Path) -> None:
    """Reversed and shuffled clips hold the same frames as the clip; the standardised ones have mean 0, deviation 1."""
    material = Material(leaky)
    some = np.array([0, 250, 299])
    videos = material.videos(some)
    np.testing.assert_array_equal(videos[0], material.videos(np.array([0]))[0])
    values = networks.standardised(videos)
    assert values.shape == (3, 3, 8, 16, 16)
    np.testing.assert_allclose(values.mean((2, 3, 4)), 0, atol=1e-5)
    np.testing.assert_allclose(values.std((2, 3, 4)), 1, atol=1e-3)


def test_fewer_clips_of_train_may_be_taken(leaky: Path) -> None:
    """`--clips` cuts train and leaves valid and test whole."""
    material = Material(leaky, 40)
    assert len(material) == 40 + 50 + 50
    np.testing.assert_array_equal(material.labels[40:90], Material(leaky).labels[200:250])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere has no train: an audit needs train, valid, test"),
        (["nowhere", "--probes", "colour"], "colour"),
    ],
)
def test_bad_requests_are_one_sentence(arguments: list[str], sentence: str) -> None:
    """Missing data and unknown probes are named, without a traceback."""
    result = CliRunner().invoke(main, ["audit", *arguments])
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
