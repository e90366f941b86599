"""Splits as batches: the order, the device, what is kept and what is read ahead."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from moving_squares import MemorySplit

from benchmark import data, inputs
from benchmark.data import Clips, sequential, shuffled, symmetries
from benchmark.spec import INPUTS

CPU = torch.device("cpu")


@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 10), st.integers(1, 20))
def test_epoch_shows_every_clip_at_most_once(clips: int, size: int, seed: int, epoch: int) -> None:
    """Whole batches, no clip twice, fewer left out than one batch has."""
    order = shuffled(clips, size, seed, epoch)
    seen = np.concatenate(order)
    assert len(set(seen.tolist())) == len(seen) > clips - min(size, clips)
    assert {len(rows) for rows in order} == {min(size, clips)}


def test_order_is_a_function_of_seed_and_epoch() -> None:
    """The same again for the same; another one for another seed or epoch."""
    first = np.concatenate(shuffled(100, 10, seed=1, epoch=2))
    assert np.array_equal(first, np.concatenate(shuffled(100, 10, seed=1, epoch=2)))
    assert not np.array_equal(first, np.concatenate(shuffled(100, 10, seed=1, epoch=3)))
    assert not np.array_equal(first, np.concatenate(shuffled(100, 10, seed=2, epoch=2)))
    assert not np.array_equal(first, np.arange(100))


def test_sequential_order_is_the_splits_own() -> None:
    """Every clip, in order, the last batch as short as it must be."""
    order = sequential(25, 10)
    assert [len(rows) for rows in order] == [10, 10, 5]
    assert np.array_equal(np.concatenate(order), np.arange(25))


def test_symmetries_are_uniform_and_drawn_anew_each_step() -> None:
    """All eight, about equally often; a function of (seed, epoch, step)."""
    order = sequential(8_000, 1_000)
    drawn = symmetries(order, seed=0, epoch=1)
    counts = Counter(torch.cat(drawn).tolist())
    assert set(counts) == set(range(8))
    assert max(counts.values()) < 1_150  # 1,000 expected, deviation 30
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[3], symmetries(order, seed=0, epoch=1)[3])
    assert not torch.equal(drawn[3], symmetries(order, seed=0, epoch=2)[3])


def flow_of(split: MemorySplit) -> np.ndarray:
    """A random flow of each clip."""
    frames, height, width, _ = split.video_shape
    size = (len(split), frames - 1, height, width, 2)
    return np.random.default_rng(0).normal(size=size).astype(np.float16)


@pytest.mark.parametrize("resident", [True, False])
def test_batch_of_flow_holds_the_clips_asked_for(resident: bool) -> None:
    """The flow of the rows of the order, turned as each is told; frames are not read."""
    split = MemorySplit(30)
    flow = flow_of(split)
    clips = Clips(split, CPU, "flow_exact", resident, flow)
    assert clips.resident == resident
    rows, codes = np.array([3, 29, 0]), torch.tensor([0, 3, 5])
    (batch,) = clips.batches([rows], [codes])
    expected = inputs.prepare_flow([inputs.turn_flow(torch.from_numpy(flow[rows]), codes)])
    assert torch.equal(batch.clips, expected)
    assert batch.labels.tolist() == [3, 9, 0]
    assert clips.shape == (batch.clips.shape[2], 2, *batch.clips.shape[3:])
    assert split.reads == 0


@pytest.mark.parametrize("resident", [True, False])
def test_flow_stands_beside_the_frames_it_starts_from(resident: bool) -> None:
    """Colours first, flow after them, the same clips turned alike; the last frame has no flow."""
    split = MemorySplit(30)
    flow = flow_of(split)
    order, turns = [np.array([3, 29, 0]), np.array([7])], [torch.tensor([1, 6, 4]), torch.tensor([2])]
    both = Clips(split, CPU, "rgb+flow_farneback", resident, flow)
    frames, vectors = Clips(split, CPU, "rgb", resident), Clips(split, CPU, "flow_farneback", resident, flow)
    triples = zip(both.batches(order, turns), frames.batches(order, turns), vectors.batches(order, turns), strict=True)
    for batch, colours, moves in triples:
        assert torch.equal(batch.clips[:, :3], colours.clips[:, :, :-1])
        assert torch.equal(batch.clips[:, 3:], moves.clips)
        assert torch.equal(batch.labels, colours.labels)
        assert batch.clips.is_contiguous(memory_format=torch.channels_last_3d)
        assert both.shape == (batch.clips.shape[2], 5, *batch.clips.shape[3:])


@pytest.mark.parametrize("resident", [True, False])
def test_batch_holds_the_clips_asked_for(resident: bool) -> None:
    """Clips and labels of the rows of the order, in the model's form."""
    split = MemorySplit(30)
    clips = Clips(split, CPU, "rgb", resident)
    order = [np.array([3, 29, 0]), np.array([7])]
    for rows, batch in zip(order, clips.batches(order), strict=True):
        assert batch.labels.tolist() == split.labels[rows].tolist()
        videos = torch.from_numpy(split.videos[rows])
        parts = videos.split(1)
        assert torch.equal(batch.clips, inputs.prepare(parts, "rgb", *inputs.statistics(parts)))


def test_streamed_and_resident_splits_give_the_same_bits() -> None:
    """Where the clips are kept changes nothing, epoch after epoch, turned or not."""
    split = MemorySplit(50)
    kept, streamed = Clips(split, CPU, "rgb", True), Clips(split, CPU, "rgb", False)
    for epoch in (1, 2):
        order = shuffled(50, 8, 0, epoch)
        turns = symmetries(order, 0, epoch)
        for one, other in zip(kept.batches(order, turns), streamed.batches(order, turns), strict=True):
            assert torch.equal(one.clips, other.clips)
            assert torch.equal(one.labels, other.labels)


def test_resident_split_is_read_once() -> None:
    """Epochs after the first touch no file."""
    split = MemorySplit(300)
    clips = Clips(split, CPU, "rgb", True)
    reads = split.reads
    for epoch in range(3):
        list(clips.batches(shuffled(300, 32, 0, epoch)))
    assert split.reads == reads == 2  # blocks of 256


def test_split_that_does_not_fit_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A split is kept only where it leaves the device room."""
    split = MemorySplit(20)
    monkeypatch.setattr(data, "free_memory", lambda device: int(split.videos.nbytes / data.SHARE_OF_MEMORY) + 1)
    assert Clips(split, CPU, "rgb").resident
    assert not Clips(split, CPU, "rgb", holders=2).resident  # each would keep its own
    monkeypatch.setattr(data, "free_memory", lambda device: int(split.videos.nbytes / data.SHARE_OF_MEMORY) - 1)
    assert not Clips(split, CPU, "rgb").resident


def test_streaming_reads_ahead_but_not_far() -> None:
    """While one batch is used the next ones are read; memory stays bounded."""
    split = MemorySplit(100)
    batches = Clips(split, CPU, "rgb", False).batches(sequential(100, 5))
    next(batches)
    for thread in threading.enumerate():
        if thread.name.startswith("clips"):
            break
    else:
        pytest.fail("no thread reads ahead")
    list(zip(range(3), batches, strict=False))
    assert split.reads <= 4 + data.BATCHES_AHEAD + 1
    batches.close()  # type: ignore[attr-defined]


def test_streaming_that_is_left_early_leaves_no_thread() -> None:
    """A run that ends in the middle of an epoch ends."""
    batches = Clips(MemorySplit(100), CPU, "rgb", False).batches(sequential(100, 5))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clips")]


def test_error_of_the_reader_reaches_the_trainer() -> None:
    """A damaged shard is not swallowed by the background."""

    class Damaged(MemorySplit):
        def read_videos(self, indices: object, out: np.ndarray | None = None) -> np.ndarray:
            raise ValueError("flipped bytes")

    with pytest.raises(ValueError, match="flipped bytes"):
        list(Clips(Damaged(20), CPU, "rgb", False).batches(sequential(20, 5)))


@pytest.mark.gpu
@pytest.mark.parametrize("form", INPUTS)
@pytest.mark.parametrize("resident", [True, False])
def test_batches_on_a_gpu_are_those_of_the_processor(form: str, resident: bool) -> None:
    """Kept there or pinned and sent ahead, turned or not: the same clips, to rounding."""
    split = MemorySplit(300)
    flow = flow_of(split)
    here, there = (
        Clips(split, device, form, kept, flow) for device, kept in ((CPU, True), (torch.device("cuda"), resident))
    )
    order = shuffled(300, 32, 0, 1)
    turns = symmetries(order, 0, 1)
    for one, other in zip(here.batches(order, turns), there.batches(order, turns), strict=True):
        assert other.clips.is_cuda
        torch.testing.assert_close(one.clips, other.clips.cpu(), rtol=1e-5, atol=1e-5)
        assert torch.equal(one.labels, other.labels.cpu())


@pytest.mark.gpu
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_an_epoch_may_be_left_early_on_a_gpu(taken: int) -> None:
    """While the GPU is still at work for the batches that were taken, another epoch begins: it has the right clips."""
    split = MemorySplit(300)
    here, there = (Clips(split, torch.device(device), "centred", True) for device in ("cpu", "cuda"))
    left = there.batches(shuffled(300, 32, 0, 1))
    busy = torch.ones(2048, 2048, device="cuda")
    for batch in islice(left, taken):
        busy = busy @ busy * batch.clips.mean()
    del left
    order = shuffled(300, 32, 0, 2)
    for one, other in zip(here.batches(order), there.batches(order), strict=True):
        busy = busy @ busy
        torch.testing.assert_close(one.clips, other.clips.cpu(), rtol=1e-5, atol=1e-5)
        assert torch.equal(one.labels, other.labels.cpu())
