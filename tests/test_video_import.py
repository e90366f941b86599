"""Other people's videos become splits: the right frames, the right classes, whatever the files' kind, size and rate."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from click.testing import CliRunner

import dynamics_gen
from dynamics_gen.cli import main
from dynamics_gen.errors import BuildError, ConfigError
from dynamics_gen.verify import verify
from dynamics_gen.video_import import build_import, plan_import, square

# imageio's writer of films leaves its pipe for the garbage collector to close.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def film(frames: int, height: int = 48, width: int = 64, grey: bool = False) -> np.ndarray:
    """A film whose frame k has the brightness 10 + 5 k in the middle, and red bars at its left and right ends."""
    shape = (frames, height, width) if grey else (frames, height, width, 3)
    video = np.zeros(shape, np.uint8)
    video += (10 + 5 * np.arange(frames)).astype(np.uint8).reshape(-1, *[1] * (len(shape) - 1))
    if not grey:
        side = (width - height) // 2
        video[:, :, :side] = video[:, :, width - side :] = (255, 0, 0)
    return video


def brightness(clip: np.ndarray) -> list[int]:
    """The number of each frame, read off its middle."""
    middle = clip[:, 4:-4, 4:-4].astype(float).mean(axis=(1, 2, 3))
    return np.round((middle - 10) / 5).astype(int).tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of several kinds: MP4, lossless AVI in grey, GIF; 10 and 20 frames/s; and tables that name them."""
    root = tmp_path_factory.mktemp("films")
    (root / "walking").mkdir()
    high = {"codec": "libx264", "output_params": ["-crf", "1"], "pixelformat": "yuv444p", "macro_block_size": 1}
    iio.imwrite(root / "walking" / "long.mp4", film(41), plugin="FFMPEG", fps=20, **high)
    iio.imwrite(root / "walking" / "short.mp4", film(5), plugin="FFMPEG", fps=20, **high)
    plain = {"codec": "ffv1", "pixelformat": "gray", "macro_block_size": 1}
    iio.imwrite(root / "running.avi", film(12, 32, 32, grey=True), plugin="FFMPEG", fps=20, **plain)
    iio.imwrite(root / "waving.gif", film(12, 64, 64), duration=50, loop=0)
    iio.imwrite(root / "slow.gif", film(12, 64, 64), duration=100, loop=0)
    return root


ROWS = [
    ("walking/long.mp4", "walk", "train"),
    ("walking/short.mp4", "walk", "train"),
    ("running.avi", "run", "train"),
    ("waving.gif", "wave", "test"),
]


def table(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("file", "label", "split")) -> Path:
    """Writes a CSV."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def imported(folder: Path, rows: list[tuple[str, ...]], out: Path, **settings: Any) -> dict[str, Any]:
    """Imports a table's videos and opens the splits."""
    out.mkdir(exist_ok=True)
    settings = {"image_size": 16, "frames": 8, "workers": 1, "name": "actions"} | settings
    for config in plan_import(folder, table(out / "labels.csv", rows), **settings):
        build_import(config, out / config.split, 1)
    return {path.parent.name: dynamics_gen.open(path.parent) for path in sorted(out.glob("*/manifest.json"))}


def clips_of(dataset: Any, out: Path) -> dict[str, list[np.ndarray]]:
    """Clips by file, in the order of the file."""
    with (out / dataset.manifest.split / "sources.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == dataset.clip_ids
    assert [row["label"] for row in rows] == [dataset.manifest.classes[label] for label in dataset.labels]
    found: dict[str, list[np.ndarray]] = {}
    for clip, row in enumerate(rows):
        assert int(row["clip_of_file"]) == len(found.setdefault(row["file"], []))
        found[row["file"]].append(dataset[clip]["video"])
    return found


def test_splits_have_the_files_clips_and_classes(folder: Path, tmp_path: Path) -> None:
    """The middle of a long film, a short one held to its end, grey and colour, the middle square; verified like any."""
    splits = imported(folder, ROWS, tmp_path)
    assert list(splits) == ["test", "train"]
    for name, dataset in splits.items():
        assert dataset.manifest.classes == ("run", "walk", "wave")
        assert dataset.manifest.release == "actions"
        assert dataset.manifest.content["fps"] == 20
        assert verify(tmp_path / name, workers=1) == []
    found = clips_of(splits["train"], tmp_path) | clips_of(splits["test"], tmp_path)
    assert brightness(found["walking/long.mp4"][0]) == list(range(16, 24))
    assert brightness(found["walking/short.mp4"][0]) == [0, 1, 2, 3, 4, 4, 4, 4]
    assert brightness(found["running.avi"][0]) == list(range(2, 10))
    assert brightness(found["waving.gif"][0]) == list(range(2, 10))
    assert all(len(clips) == 1 for clips in found.values())
    clip = found["walking/long.mp4"][0][:, :, 2:-2].astype(int)
    assert np.abs(clip - clip.mean(axis=-1, keepdims=True)).max() < 6  # the red ends are cut off


def test_all_windows_are_consecutive(folder: Path, tmp_path: Path) -> None:
    """41 frames give five clips of eight, one after the other."""
    dataset = imported(folder, ROWS, tmp_path, windows="all")["train"]
    found = clips_of(dataset, tmp_path)
    assert [brightness(clip) for clip in found["walking/long.mp4"]] == [list(range(k, k + 8)) for k in range(0, 40, 8)]
    assert len(found["walking/short.mp4"]) == 1


@pytest.mark.parametrize("shard_size", [1, 2, 3])
def test_shard_size_changes_no_clip(folder: Path, tmp_path: Path, shard_size: int) -> None:
    """Also where a file's clips go to several shards."""
    one = imported(folder, ROWS, tmp_path / "one", windows="all")["train"]
    other = imported(folder, ROWS, tmp_path / "other", windows="all", shard_size=shard_size)["train"]
    assert other.manifest.fingerprint == one.manifest.fingerprint
    assert len(other.manifest.shards) == -(-len(one) // shard_size)


def test_rates_are_brought_together(folder: Path, tmp_path: Path) -> None:
    """At 10 frames/s every second frame of a film of 20 is taken; one of 5 is shown twice as often."""
    rows = [("walking/long.mp4", "walk", "train"), ("slow.gif", "wave", "train")]
    found = clips_of(imported(folder, rows, tmp_path / "a", fps=10)["train"], tmp_path / "a")
    assert brightness(found["walking/long.mp4"][0]) == list(range(12, 28, 2))
    assert brightness(found["slow.gif"][0]) == list(range(2, 10))
    found = clips_of(imported(folder, rows, tmp_path / "b", fps=20)["train"], tmp_path / "b")
    assert brightness(found["slow.gif"][0]) == [4, 4, 5, 5, 6, 6, 7, 7]
    with pytest.raises(ConfigError, match=r"different frame rates .*: 10 \(1\), 20 \(1\); choose one with --fps"):
        imported(folder, rows, tmp_path / "c")


def test_fits() -> None:
    """The middle, the whole with bars, or the whole out of shape."""
    frame = film(1)[0]
    assert tuple(square(frame, 16, "crop")[8, 2]) == (10, 10, 10)
    padded = square(frame, 16, "pad")
    assert tuple(padded[0, 8]) == (0, 0, 0)
    assert padded[8, 0, 0] > 200
    stretched = square(frame, 16, "stretch")
    assert stretched[8, 0, 0] > 200
    assert tuple(stretched[0, 8]) == (10, 10, 10)


def test_import_goes_on_and_refuses_another(folder: Path, tmp_path: Path) -> None:
    """The same command does nothing more; other files or settings are another build."""
    imported(folder, ROWS, tmp_path)
    (tmp_path / "train" / "manifest.json").unlink()
    imported(folder, ROWS, tmp_path)
    with pytest.raises(BuildError, match="holds another build"):
        imported(folder, ROWS, tmp_path, fit="pad")
    with pytest.raises(BuildError, match="holds another build"):
        imported(folder, ROWS[1:], tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("nowhere.mp4", "a", "train")], "line 2: there is no file"),
        ([("../x.mp4", "a", "train")], "is not one inside"),
        ([("/etc/passwd", "a", "train")], "is not one inside"),
        ([("running.avi", "", "train")], "label '' is not a short name"),
        ([("running.avi", "a\x1b[2J", "train")], "is not a short name"),
        ([("running.avi", "a", "dev")], "split 'dev' is none of train, valid, test"),
        ([("running.avi", "a", "train")] * 2, "line 3: file 'running.avi' is there twice"),
        ([("x.mp4", "a", "train")] * 9, "and 6 more"),
        ([], "no rows"),
    ],
)
def test_wrong_tables_are_refused(folder: Path, tmp_path: Path, rows: list, message: str) -> None:
    """Before anything is decoded, with the line."""
    with pytest.raises(ConfigError, match=message):
        imported(folder, rows, tmp_path)


def test_without_a_table_every_video_is_taken(folder: Path, tmp_path: Path) -> None:
    """Those of folders below too, in the order of a table of the same names, as one class; nothing else in there."""
    root = tmp_path / "films"
    shutil.copytree(folder, root)
    (root / "labels.csv").write_text("no film")
    (root / ".cache").mkdir()
    (root / ".cache" / "a.mp4").write_bytes(b"")
    settings = {"name": "actions", "split": "valid", "image_size": 16, "frames": 8, "fps": 20, "workers": 1}
    (config,) = plan_import(root, None, **settings)
    names = ["running.avi", "slow.gif", "walking/long.mp4", "walking/short.mp4", "waving.gif"]
    assert sorted(source.file for source in config.sources) == names
    assert (config.split, config.classes) == ("valid", ("unlabelled",))
    rows = [(name, "unlabelled") for name in names]
    (same,) = plan_import(root, table(tmp_path / "labels.csv", rows, ("file", "label")), **settings)
    assert config == same
    with pytest.raises(ConfigError, match="split is 'dev': expected one of train, valid, test"):
        plan_import(root, None, **{**settings, "split": "dev"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no video files: expected some that end in \.mp4"):
        plan_import(tmp_path / "empty", None, **settings)
    (tmp_path / "empty" / "a.mp4").symlink_to(root / "running.avi")
    with pytest.raises(ConfigError, match=r"'a\.mp4' is not inside .*: rename or remove it"):
        plan_import(tmp_path / "empty", None, **settings)


def test_unreadable_files_are_named(folder: Path, tmp_path: Path) -> None:
    """Text, a cut film, a playlist that leads elsewhere, an unknown kind: one sentence, nothing built."""
    whole = (folder / "walking" / "long.mp4").read_bytes()
    playlist = f"#EXTM3U\n#EXTINF:1,\n{folder / 'walking' / 'long.mp4'}\n#EXT-X-ENDLIST\n"
    contents = {"a.mp4": b"hello", "b.mp4": whole[:500], "c.avi": playlist.encode(), "d.gif": b"GIF89a", "e.txt": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{name} (cannot be read as a video|is no video that can be read)"):
            imported(tmp_path, [(name, "a", "train")], tmp_path / "out")
    rows = [(name, "a", "train") for name in contents]
    with pytest.raises(ConfigError, match="and 2 more"):
        imported(tmp_path, rows, tmp_path / "out")
    assert not list((tmp_path / "out").glob("train"))


def test_command(folder: Path, tmp_path: Path) -> None:
    """From the command line, with the table's split left out; preview, info and card take the result."""
    rows = table(tmp_path / "labels.csv", [row[:2] for row in ROWS], ("file", "label"))
    flags = ["--labels", rows, "--out", tmp_path / "actions", "--frames", 8, "--image-size", 16, "--split", "valid"]
    done = CliRunner().invoke(main, ["import-video", str(folder), *map(str, flags)])
    assert done.exit_code == 0, done.output
    assert "1 of 4 videos are shorter than 8 frames: their last frame is held" in done.output
    assert f"{tmp_path}/actions/valid: 4 clips of 3 classes" in done.output
    for words in (["verify"], ["info"], ["preview"], ["card"]):
        done = CliRunner().invoke(main, [*words, str(tmp_path / "actions" / "valid")])
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["annotate", str(tmp_path / "actions" / "valid")])
    assert done.exit_code == 1
    assert "the split was imported from video files" in done.output
    assert "# actions" in (tmp_path / "actions" / "valid" / "README.md").read_text()
    done = CliRunner().invoke(main, ["import-video", str(folder), *map(str, flags), "--fit", "bend"])
    assert done.exit_code == 1
    assert "fit is 'bend': expected one of crop, pad, stretch" in done.output
