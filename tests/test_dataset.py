"""A split is read clip by clip, in any order, by any number of processes; damage is told in one sentence."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_clips import fake_clip, fake_clips, small_config

import dynamics_gen
from dynamics_gen import split_files
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ShardError
from dynamics_gen.generate import build_split


@pytest.fixture
def dataset(fake_split: Path) -> ClipDataset:
    """30 fake clips in 4 shards."""
    return dynamics_gen.open(fake_split)


def test_clips_are_those_that_were_made(dataset: ClipDataset) -> None:
    """Every clip comes back with its video, labels and id."""
    assert len(dataset) == 30
    assert dataset.video_shape == (4, 16, 16, 3)
    for index in range(30):
        item, clip = dataset[index], fake_clip(small_config(), index)
        assert item.keys() == {"video", "label", "path", "speed", "clip_id"}
        assert item["video"].dtype == np.uint8
        np.testing.assert_array_equal(item["video"], clip.video)
        assert (item["label"], item["path"], item["speed"]) == (clip.label, clip.path, clip.speed)
        assert item["clip_id"] == clip.clip_id


def test_columns_are_those_that_were_made(dataset: ClipDataset) -> None:
    """States and parameters of all clips, across shards, in order."""
    clips = [fake_clip(small_config(), index) for index in range(30)]
    assert set(dataset.columns) >= {"label", "position", "parameters/radius"}
    assert "video" not in dataset.columns
    np.testing.assert_array_equal(dataset.column("position"), [clip.position for clip in clips])
    np.testing.assert_array_equal(dataset.column("parameters/colour"), [c.parameters["colour"] for c in clips])
    np.testing.assert_array_equal(dataset.column("parameters/falls"), [c.parameters["falls"] for c in clips])
    assert dataset.labels.dtype == np.int64
    assert dataset.labels.tolist() == [clip.label for clip in clips]
    assert dataset.paths.tolist() == [clip.path for clip in clips]
    assert dataset.speeds.tolist() == [clip.speed for clip in clips]
    with pytest.raises(KeyError, match="no column 'colour': there are"):
        dataset.column("colour")


def test_numbers_behave_as_those_of_a_sequence(dataset: ClipDataset) -> None:
    """Negative numbers count from the end, NumPy's count as numbers, and beyond the ends there is nothing."""
    assert dataset[-1]["clip_id"] == "train-000029"
    assert dataset[np.int64(-30)]["clip_id"] == "train-000000"
    assert [item["clip_id"] for item in dataset] == dataset.clip_ids
    for index in (30, -31, 10**20):
        with pytest.raises(IndexError, match=r"out of range: .* has 30 clips"):
            dataset[index]
    wrong: Any
    for wrong in (1.0, "1", slice(2), None):
        with pytest.raises(TypeError):
            dataset[wrong]


@pytest.mark.parametrize(
    "indices",
    [
        slice(None),
        slice(5, 21),
        slice(20, 4, -3),
        slice(40, 50),
        [29, 0, 8, 7, 7],
        [-1, -30],
        [],
        np.array([3, 2, 1]),
        range(6, 18, 2),
    ],
)
def test_many_clips_are_read_in_the_order_asked_for(dataset: ClipDataset, indices: Any) -> None:
    """Slices, sequences and arrays; across shards, backwards, twice, none at all."""
    clips = list(range(30))[indices] if isinstance(indices, slice) else list(indices)
    expected = [fake_clip(small_config(), int(index) % 30).video for index in clips]
    videos = dataset.read_videos(indices)
    assert videos.shape == (len(clips), 4, 16, 16, 3)
    np.testing.assert_array_equal(videos, np.reshape(expected, videos.shape))


def test_videos_are_read_into_the_array_given(dataset: ClipDataset) -> None:
    """No copy is made; an array that does not fit is refused."""
    out = np.empty((3, 4, 16, 16, 3), np.uint8)
    assert dataset.read_videos([4, 5, 6], out=out) is out
    np.testing.assert_array_equal(out[2], dataset[6]["video"])
    for wrong in (out[:2], out.astype(np.float32), np.empty((4, 16, 16, 3, 3), np.uint8).transpose(4, 0, 1, 2, 3)):
        with pytest.raises(ValueError, match=r"expected C-contiguous uint8 \(3, 4, 16, 16, 3\)"):
            dataset.read_videos([4, 5, 6], out=wrong)
    with pytest.raises(IndexError):
        dataset.read_videos([0, 30])


def open_files() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_few_files_are_open_at_once(fake_split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shards there are, and in whatever order they are read."""
    monkeypatch.setattr(split_files, "MOST_OPEN_FILES", 2)
    before = open_files()
    dataset = ClipDataset(fake_split)
    for index in (0, 29, 8, 16, 1, 28):
        np.testing.assert_array_equal(dataset[index]["video"], fake_clip(small_config(), index).video)
    assert open_files() <= before + 2
    dataset.close()
    assert open_files() == before
    np.testing.assert_array_equal(dataset[3]["video"], fake_clip(small_config(), 3).video)


def test_pickle_is_small_and_reads_on(dataset: ClipDataset) -> None:
    """A pickled dataset carries labels and manifest, but no open file."""
    dataset[0]
    again = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    np.testing.assert_array_equal(again[11]["video"], dataset[11]["video"])
    assert again.manifest == dataset.manifest


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_loader_workers_share_a_dataset(dataset: ClipDataset, start: str) -> None:
    """A shuffling DataLoader with workers gives every clip once, right, even if files were open before the fork."""
    from torch.utils.data import DataLoader

    dataset.read_videos([0, 29])
    seen = {}
    loader: Any = DataLoader(dataset, 4, shuffle=True, num_workers=2, multiprocessing_context=start)  # type: ignore[arg-type]
    for batch in loader:
        for name, video, label in zip(batch["clip_id"], batch["video"], batch["label"], strict=True):
            seen[name] = video.numpy(), int(label)
    assert len(seen) == 30
    for index in range(30):
        clip = fake_clip(small_config(), index)
        np.testing.assert_array_equal(seen[clip.clip_id][0], clip.video)
        assert seen[clip.clip_id][1] == clip.label
    np.testing.assert_array_equal(dataset[29]["video"], fake_clip(small_config(), 29).video)


def test_missing_shard_is_named(own_split: Path) -> None:
    """Before anything is read."""
    (own_split / "train-00002-of-00004.h5").unlink()
    with pytest.raises(ShardError, match=r"train-00002-of-00004\.h5 is missing: run the command"):
        dynamics_gen.open(own_split)


def test_truncated_shard_is_named(own_split: Path) -> None:
    """Before anything is read."""
    path = own_split / "train-00002-of-00004.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ShardError, match=r"train-00002-of-00004\.h5 has [\d,]+ bytes, expected [\d,]+"):
        dynamics_gen.open(own_split)


def test_flipped_byte_is_found_when_its_clip_is_read(own_split: Path) -> None:
    """Never silently: the error names the file and the clip."""
    import h5py

    path = own_split / "train-00001-of-00004.h5"
    with h5py.File(path) as file:
        video = file["video"]
        assert isinstance(video, h5py.Dataset)
        chunk = video.id.get_chunk_info(3)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + 9] ^= 4
    path.write_bytes(data)
    dataset = dynamics_gen.open(own_split)
    dataset[10]
    with pytest.raises(ShardError, match=r"train-00001-of-00004\.h5 is damaged: clip 3 cannot be read"):
        dataset[11]
    with pytest.raises(ShardError, match=r"train-00001-of-00004\.h5 is damaged: clip 3 cannot be read"):
        dataset.read_videos(slice(None))


def test_shard_of_another_release_is_refused(own_split: Path, tmp_path: Path) -> None:
    """Even if it has the right name and size: what is inside must agree with the manifest."""
    other = tmp_path / "other"
    build_split(small_config(seed=5), other, 1, source=fake_clips)
    name = "train-00001-of-00004.h5"
    size = (own_split / name).stat().st_size
    shutil.copy(other / name, own_split / name)
    data = (own_split / name).read_bytes()
    (own_split / name).write_bytes(data[:size] + bytes(max(0, size - len(data))))
    with pytest.raises(ShardError, match=r"train-00001-of-00004\.h5 .*(seed is 5, expected 0|damaged)"):
        dynamics_gen.open(own_split)


def test_folder_of_no_split_is_one_sentence(tmp_path: Path) -> None:
    """The sentence says what was expected."""
    with pytest.raises(ShardError, match=r"has no manifest\.json"):
        dynamics_gen.open(tmp_path)


def test_reading_needs_neither_bullet_nor_torch(fake_split: Path) -> None:
    """And importing the package alone needs not even NumPy."""
    script = (
        "import sys, dynamics_gen; assert not {'numpy', 'h5py', 'torch', 'pybullet'} & set(sys.modules)\n"
        "dynamics_gen.open(sys.argv[1])[0]; dynamics_gen.ClipDataset\n"
        "assert not {'torch', 'pybullet', 'dynamics_gen.render'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(fake_split)], check=True)


def test_rendered_clips_have_what_is_promised(tiny_split: Path) -> None:
    """A split of the real renderer reads as the documentation says."""
    dataset = dynamics_gen.open(tiny_split)
    assert dataset.video_shape == (32, 64, 64, 3)
    assert len(set(dataset.clip_ids)) == len(dataset) == 100
    assert dataset.column("position").shape == (100, 32, 3)
    videos = dataset.read_videos(slice(10))
    assert (videos[:, 1:] != videos[:, :-1]).any(axis=(2, 3, 4)).all()
