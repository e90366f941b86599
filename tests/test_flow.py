"""Flow of a split: what it says, how it is turned, and that it is made once, whole or not at all."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_clips import fake_clips, small_config

import dynamics_gen
from benchmark import flow, inputs
from benchmark.flow import flow_path, open_flow
from benchmark.flow_maker import farneback
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.generate import build_split
from dynamics_gen.lock import locked

INSIDE = (slice(None), slice(16, -16), slice(16, -16))


def texture(side: int = 96) -> np.ndarray:
    """A smooth random picture, [side, side] in 0..255."""
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    smooth = np.fft.ifft2(spectrum * np.exp(-((frequency / 0.08) ** 2))).real
    return 255 * (smooth - smooth.min()) / np.ptp(smooth)


def moving(right: int, down: int, frames: int = 4, side: int = 64) -> np.ndarray:
    """A clip of the texture, uint8 [T, side, side, 3], that goes by whole pixels."""
    whole = texture()
    shown = [np.roll(whole, (t * down, t * right), (0, 1))[:side, :side] for t in range(frames)]
    return np.repeat(np.stack(shown)[..., None], 3, -1).astype(np.uint8)


@pytest.fixture
def split(fake_split: Path, tmp_path: Path) -> ClipDataset:
    """30 clips of 4 frames of 16×16 in a folder of their own."""
    return dynamics_gen.open(shutil.copytree(fake_split, tmp_path / "train"))


@pytest.fixture
def simulated(tiny_data: Path, tmp_path: Path) -> ClipDataset:
    """50 rendered clips in a folder of their own, without annotations."""
    return dynamics_gen.open(shutil.copytree(tiny_data / "dynamics-tiny" / "valid", tmp_path / "valid"))


def silent(line: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (-2, 1)])
def test_flow_of_a_moving_texture_is_its_movement(right: int, down: int) -> None:
    """(right, down) in pixels a frame, the same everywhere away from the border."""
    found = farneback(moving(right, down))
    assert found.shape == (3, 64, 64, 2)
    np.testing.assert_allclose(found[INSIDE], np.broadcast_to([right, down], found[INSIDE].shape), atol=0.3)
    np.testing.assert_allclose(found[INSIDE].mean((0, 1, 2)), [right, down], atol=0.03)


def test_flow_is_zero_where_nothing_moves() -> None:
    """Between equal frames, and further than a window from what changes."""
    still = moving(0, 0)
    assert not farneback(still).any()
    still[:, 20:30, 20:30] = moving(1, 0)[:, 20:30, 20:30]
    found = farneback(still)
    assert np.abs(found[:, 22:28, 22:28, 0]).mean() > 0.3
    found[:, 16:34, 16:34] = 0
    assert not found.any()


@pytest.mark.parametrize("code", range(inputs.SYMMETRIES))
def test_flow_of_a_turned_clip_is_the_turned_flow(code: int) -> None:
    """For each symmetry of the square: places and vectors; only the places would be wrong."""
    clip, codes = moving(2, 1), torch.tensor([code])
    turned = inputs.turn(torch.from_numpy(clip)[None], codes)[0].numpy()
    before = torch.from_numpy(farneback(clip))[None].half()
    np.testing.assert_allclose(
        inputs.turn_flow(before, codes)[0].float().numpy()[INSIDE], farneback(turned)[INSIDE], atol=0.15
    )
    moved_alone = np.abs(inputs.turn(before, codes)[0].float().numpy()[INSIDE] - farneback(turned)[INSIDE]).mean()
    assert (moved_alone > 0.9) == (code != 0)


def test_turning_flow_leaves_it_as_it_was() -> None:
    """The flow that is kept in memory survives being turned."""
    before = torch.randn(8, 3, 4, 4, 2).half()
    kept = before.clone()
    inputs.turn_flow(before, torch.arange(8))
    assert torch.equal(before, kept)


def test_form_without_flow_needs_none(split: ClipDataset) -> None:
    """Nothing is made for it."""
    assert open_flow(split, "rgb", 1, silent) is None
    assert not list(split.directory.glob("*.npy"))


def test_farneback_flow_is_made_once_and_kept(split: ClipDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of each clip, in order, after saying so; a second time it is read; nothing else is left."""
    monkeypatch.setattr(flow, "CLIPS_A_TASK", 7)
    said: list[str] = []
    made = open_flow(split, "rgb+flow_farneback", 2, said.append)
    assert made is not None
    expected = np.stack([farneback(video) for video in split.read_videos(slice(None))]).astype(np.float16)
    assert np.array_equal(made, expected)
    assert expected.any()
    assert len(said) == 1
    assert "has no flow_farneback: making it for 30 clips" in said[0]
    assert [path.name for path in split.directory.glob("flow*")] == [flow_path(split, "flow_farneback").name]
    monkeypatch.setattr(flow, "run_tasks", None)
    again = open_flow(split, "flow_farneback", 2, said.append)
    assert np.array_equal(made, again)  # type: ignore[arg-type]
    assert len(said) == 1


def test_exact_flow_is_the_simulators(simulated: ClipDataset) -> None:
    """The annotation, from each frame but the last; made, after saying so, where it is missing; walls have none."""
    said: list[str] = []
    made = open_flow(simulated, "flow_exact", 2, said.append)
    assert made is not None
    assert made.shape == (50, 31, 64, 64, 2)
    assert "has no annotations: simulating its 50 clips again for their flow" in said[0]
    assert len(said) == 2
    annotated = dynamics_gen.open(simulated.directory, annotations=("flow",))
    for clip in (0, 17, 49):
        truth = annotated[clip]
        np.testing.assert_allclose(made[clip], truth["forward_flow"][:-1], rtol=1e-3, atol=1e-6)
        assert 0 < np.any(made[clip], axis=-1).mean() < 0.5


def test_exact_flow_reads_annotations_that_are_there(simulated: ClipDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not simulated again; those that lack flow are refused with what to do."""
    from dynamics_gen.annotate import annotate_split

    annotate_split(simulated.directory, ("mask",), 2)
    monkeypatch.setattr("dynamics_gen.annotate.annotate_split", None)
    with pytest.raises(BuildError, match=r"has no forward_flow.*delete it, then run `dynamics-gen annotate"):
        open_flow(simulated, "flow_exact", 1, silent)
    assert not list(simulated.directory.glob("flow_exact*"))


def test_failure_leaves_nothing(split: ClipDataset) -> None:
    """A damaged clip ends it with one sentence; no file, whole or half, stays behind."""
    shard = split.directory / "train-00002-of-00004.h5"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    shard.write_bytes(content)
    with pytest.raises(BuildError, match="train-00002-of-00004"):
        open_flow(split, "flow_farneback", 2, silent)
    assert not list(split.directory.glob("flow*"))


def test_flow_of_clips_that_are_gone_is_made_anew(split: ClipDataset, tmp_path: Path) -> None:
    """Other clips in the same folder have a flow of their own, and the old one goes, with what a killed run left."""
    old = open_flow(split, "flow_farneback", 1, silent)
    other = tmp_path / "other"
    build_split(small_config(seed=1), other, workers=1, source=fake_clips)
    for path in split.directory.glob("flow*"):
        shutil.copy(path, other)
    (other / "flow_farneback-0.npy.1.tmp").write_bytes(b"half")
    made = open_flow(dynamics_gen.open(other), "flow_farneback", 1, silent)
    assert not np.array_equal(made, old)  # type: ignore[arg-type]
    assert len(list(other.glob("flow*"))) == 1


def test_another_run_that_makes_it_is_waited_for(split: ClipDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has made by then is used."""
    path = flow_path(split, "flow_farneback")

    class Held:
        def __init__(self, directory: Path, wait: bool) -> None:
            assert (directory, wait) == (split.directory, True)
            self.inner = locked(directory, wait=wait)

        def __enter__(self) -> None:
            self.inner.__enter__()
            np.save(path, np.ones((30, 3, 16, 16, 2), np.float16))

        def __exit__(self, *details: object) -> None:
            self.inner.__exit__(*details)  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "locked", Held)
    said: list[str] = []
    made = open_flow(split, "flow_farneback", 1, said.append)
    assert made is not None
    assert (made == 1).all()
    assert said == []


@pytest.mark.parametrize("content", ["short", "other", "text", "empty"])
def test_damaged_flow_is_refused(split: ClipDataset, content: str) -> None:
    """One sentence, with what to do."""
    path = flow_path(split, "flow_farneback")
    np.save(path, np.zeros((30, 3, 16, 16, 2 if content == "short" else 3), np.float16))
    if content != "other":
        path.write_bytes({"short": path.read_bytes()[:-1], "text": b"no array", "empty": b""}[content])
    with pytest.raises(ShardError, match=r"is not the flow of 30 clips \(.*\): delete it, and it is made anew"):
        open_flow(split, "flow_farneback", 1, silent)


def test_missing_opencv_is_said(split: ClipDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is begun, with the command that installs it."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"needs OpenCV.*run `pip install 'dynamics-benchmark\[bench\]'`"):
        open_flow(split, "flow_farneback", 1, silent)
    assert not list(split.directory.glob("flow*"))


def test_hidden_or_imported_clips_have_no_exact_flow(split: ClipDataset) -> None:
    """Nothing is known of how they were made: one sentence, with what to try."""
    split.manifest.content["imported"] = {}
    with pytest.raises(ConfigError, match=r"has no exact flow \(.*imported.*\): try --input flow_farneback"):
        open_flow(split, "flow_exact", 1, silent)
