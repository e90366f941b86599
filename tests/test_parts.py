"""Parts of a split: the clips and frames they promise, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import MemorySplit

from benchmark.data import Clips, sequential
from benchmark.parts import PartOfSplit, first_of_each_class
from dynamics_gen.clip import STATE_COLUMNS
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ConfigError


class Named(MemorySplit):
    """A split whose manifest names its classes."""

    def __init__(self, labels: list[int]) -> None:
        super().__init__(len(labels))
        self.labels = np.array(labels)
        self.manifest.classes = tuple("abc")


def test_first_clips_of_each_class_are_taken_in_order() -> None:
    """Whatever the order of the classes; what is taken of few is a part of what is taken of more."""
    split = Named([2, 0, 0, 1, 2, 0, 1, 2, 1])
    assert first_of_each_class(split, 1).clip_ids == [split.clip_ids[i] for i in (0, 1, 3)]
    two = first_of_each_class(split, 2)
    assert two.labels.tolist() == [2, 0, 0, 1, 2, 1]
    assert set(first_of_each_class(split, 1).clip_ids) < set(two.clip_ids)
    assert first_of_each_class(split, 3).clip_ids == split.clip_ids
    with pytest.raises(ConfigError, match="train has 3 clips of a class: expected at least the 4 asked for"):
        first_of_each_class(split, 4)


def test_part_reads_the_clips_of_the_whole() -> None:
    """By number within the part, by slice, and into a given array."""
    split = MemorySplit(12)
    part = PartOfSplit(split, np.array([3, 5, 11]))
    assert np.array_equal(part.read_videos([2, 0]), split.videos[[11, 3]])
    out = np.empty((2, *split.video_shape), np.uint8)
    assert part.read_videos(slice(0, 2), out=out) is out
    assert np.array_equal(out, split.videos[[3, 5]])


@pytest.mark.parametrize("clips", [[3, 4, 5], [3, 5, 11], None])
def test_flow_of_a_part_is_the_part_of_the_flow(clips: list[int] | None) -> None:
    """Its clips, and the steps between its frames; neighbours are not copied out of a file that may be large."""
    split = MemorySplit(12)
    flow = np.random.default_rng(0).random((12, 7, 4, 4, 2)).astype(np.float16)
    part = PartOfSplit(split, None if clips is None else np.array(clips), frames=(2, 6)).part_of_flow(flow)
    assert np.array_equal(part, flow[np.arange(12) if clips is None else clips][:, 2:5])
    assert np.shares_memory(part, flow) == (clips != [3, 5, 11])


def test_window_shows_its_frames_alone() -> None:
    """And is of their length, for whoever batches it."""
    split = MemorySplit(6)
    window = PartOfSplit(split, frames=(2, 6))
    assert window.video_shape == (4, *split.video_shape[1:])
    assert np.array_equal(window.read_videos(np.array([4])), split.videos[[4], 2:6])
    clips = Clips(window, torch.device("cpu"), "pixels")
    (batch,) = clips.batches(sequential(6, 6))
    expected = torch.from_numpy(split.videos[:, 2:6]).permute(0, 4, 1, 2, 3) * (2 / 255) - 1
    torch.testing.assert_close(batch.clips, expected.float())


def test_columns_of_a_part_are_those_of_its_clips_and_frames(fake_split: Path) -> None:
    """What is stored by frame is cut, what is stored by clip is not, even where it is as long as a clip."""
    split = ClipDataset(fake_split)
    part = PartOfSplit(split, np.array([3, 5, 11]), frames=(1, 3))
    assert part.columns == split.columns
    for name in STATE_COLUMNS:
        assert np.array_equal(part.column(name), split.column(name)[[3, 5, 11], 1:3])
    for name in ("label", "clip_id", "parameters/colour"):
        assert np.array_equal(part.column(name), split.column(name)[[3, 5, 11]])
    with pytest.raises(KeyError, match="no column 'speeds'"):
        part.column("speeds")
    third = PartOfSplit(PartOfSplit(split, frames=(1, 4)), frames=(1, 3))
    assert np.array_equal(third.column("position"), split.column("position")[:, 2:4])
