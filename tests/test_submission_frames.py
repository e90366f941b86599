"""Entries of predicted and generated frames: described, checked and refused as those of classes are."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framed import SMALL, build_frames_split, enter_frames, hdf5, predicted, samples
from submitted import ABOUT, build_test_split, edit, enter, npz, put

from benchmark.errors import RecordError
from benchmark.submission import frames
from benchmark.submission.check import check
from benchmark.submission.prepare import prepare_files
from benchmark.submission.split import OpenedSplit, open_split
from benchmark.submission.views import CLIPS, FRAMES, GENERATION, PREDICTION, SAMPLES, View, no_view_of
from benchmark.submission.views import predicted as first_of_each_class

NPZ, H5 = "predictions-seed0.npz", "predictions-seed0.h5"
PREFIX = "the first 10 clips of each class of the test split, in the order of their ids"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedSplit:
    """A small open test split. Never change it."""
    return open_split(build_frames_split(tmp_path_factory.mktemp("data") / "test"))


@pytest.fixture
def entry(opened: OpenedSplit, tmp_path: Path) -> Path:
    """An entry of prediction in order, to spoil."""
    return enter_frames(tmp_path / "entries", opened.folder)


def problems(folder: Path, opened: OpenedSplit | None = None) -> list[str]:
    """What is wrong, without the folder's path; each is one printable line."""
    found = check(folder, opened).problems
    assert all(one.isprintable() and len(one) < 1_000 for one in found)
    return [one.removeprefix(f"{folder}/").removeprefix(f"{folder}: ") for one in found]


@pytest.mark.parametrize("form", ["npz", "h5"])
@pytest.mark.parametrize("task", [PREDICTION, GENERATION])
def test_an_entry_in_order_has_no_problem(task: str, form: str, opened: OpenedSplit, tmp_path: Path) -> None:
    """Of either task in either form, with the split and without; frames are read as they were sent."""
    folder = enter_frames(tmp_path, opened.folder, task, form=form)
    checked = check(folder, opened)
    assert checked.problems == problems(folder) == []
    assert checked.said == {}
    (found,) = checked.frames.values()
    sent = predicted(opened.folder) if task == PREDICTION else samples()
    assert np.array_equal(found.frames, sent["frames"])
    if task == PREDICTION:
        order = np.argsort(sent["clip_id"])
        assert found.clip_id is not None
        assert np.array_equal(found.sorted().frames, sent["frames"][order])
        assert np.array_equal(np.sort(found.clip_id), opened.clip_id)


def test_the_first_ten_clips_of_each_class_are_predicted() -> None:
    """In the order of their ids, whatever classes are between; fewer where a class has fewer."""
    labels = np.array([kind for kind in range(10) for _ in range(12 if kind else 4)])
    shuffled = np.random.default_rng(0).permutation(labels)
    rows = first_of_each_class(shuffled)
    assert len(rows) == 94
    assert (np.diff(rows) > 0).all()
    for kind in range(10):
        assert rows[shuffled[rows] == kind].tolist() == np.flatnonzero(shuffled == kind)[:10].tolist()


def test_every_problem_is_named_in_one_pass(entry: Path, opened: OpenedSplit) -> None:
    """A bad field, junk under a known name, a stray file: three sentences, though the description is not in order."""
    edit(entry, about__contact="me")
    (entry / "predictions-seed1.h5").write_bytes(b"junk")
    (entry / "notes.txt").write_text("hello")
    found = problems(entry, opened)
    assert [one.partition(":")[0] for one in found] == ["submission.json", "predictions-seed1.h5", 'holds "notes.txt"']


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"view": None},
            "view is null: expected 10 frames of 64×64 pixels, or 10 frames of 32×32 pixels, as",
        ),
        ({"view": {"frames": 10, "image_size": 16}}, "view is 10 frames of 16×16 pixels: expected 10 frames of 64×64"),
        (
            {"task": GENERATION},
            "view is 10 frames of 32×32 pixels: expected 16 frames of 32×32 pixels, or 1 fr",
        ),
        ({"task": "classification"}, "view is 10 frames of 32×32 pixels: expected null, as every entry of class"),
        ({"task": "prophecy"}, 'task is "prophecy": expected classification, prediction or generation, of at most'),
        ({"view__frames": "10"}, 'view.frames is "10": expected a whole number from 1 to 1000'),
        ({"submission_version": 1}, "submission_version is 1: expected a whole number from 2 to 2"),
    ],
)
def test_a_view_is_one_of_its_task(changes: dict[str, Any], sentence: str, entry: Path) -> None:
    """Few fixed shapes, each of which is a board; none of classification."""
    edit(entry, **changes)
    assert problems(entry)[0].startswith(f"submission.json: {sentence}")


def test_an_entry_of_frames_has_five_seeds_at_most(opened: OpenedSplit, tmp_path: Path) -> None:
    """A pull request stays small enough to be looked at."""
    folder = enter_frames(tmp_path, opened.folder, seeds=6)
    assert problems(folder)[0] == "submission.json: seeds is a list of 6: expected 1 to 5"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda i, f: {"clip_id": i}, 'holds "clip_id.npy": expected clip_id, frames alone'),
        (lambda i, f: {"frames": f}, 'holds "frames.npy": expected clip_id, frames alone'),
        (lambda i, f: {"clip_id": i, "frames": f, "x": i}, 'holds "clip_id.npy", "frames.npy", "x.npy"'),
        (lambda i, f: {"clip_id": i, "frames": f.astype(">u2")}, "frames has the type >u2: expected uint8"),
        (lambda i, f: {"clip_id": i, "frames": f.astype("i1")}, "frames has the type int8: expected uint8"),
        (lambda i, f: {"clip_id": i, "frames": f / np.float16(2)}, "frames has the type float16: expected"),
        (lambda i, f: {"clip_id": i, "frames": f.astype(object)}, "frames has the type object: expected"),
        (lambda i, f: {"clip_id": i.astype("U"), "frames": f}, "clip_id has the type <U"),
        (
            lambda i, f: {"clip_id": i, "frames": f[:, :9]},
            "frames has the shape [30, 9, 32, 32, 3]: expected [cl",
        ),
        (
            lambda i, f: {"clip_id": i, "frames": f[..., 0]},
            "frames has the shape [30, 10, 32, 32]: expected [cl",
        ),
        (
            lambda i, f: {"clip_id": i, "frames": f[:, :, ::2, ::2]},
            "frames has the shape [30, 10, 16, 16, 3]: e",
        ),
        (
            lambda i, f: {"clip_id": i, "frames": f.transpose(0, 1, 4, 2, 3)},
            "frames has the shape [30, 10, 3, 3",
        ),
        (
            lambda i, f: {"clip_id": i[:9], "frames": f},
            "clip_id and frames have the shapes [9] and [30, 10, 32",
        ),
        (
            lambda i, f: {"clip_id": i[:, None], "frames": f},
            "clip_id and frames have the shapes [30, 1] and [",
        ),
        (
            lambda i, f: {"clip_id": i[:0], "frames": f[:0]},
            "clip_id and frames have the shapes [0] and [0, 10",
        ),
        (
            lambda i, f: {"clip_id": i.astype("S65"), "frames": f},
            "clip_id has texts of 65 bytes: expected at",
        ),
        (
            lambda i, f: {"clip_id": np.tile(i, 4), "frames": np.tile(f, (4, 1, 1, 1, 1))},
            "clip_id and frames have the shapes [120] and [120, 10, 32, 32, 3]: expected as many ids as clips, 1 to",
        ),
    ],
)
def test_other_arrays_types_and_shapes_are_refused(
    change: Callable[..., dict[str, Any]], sentence: str, entry: Path, opened: OpenedSplit
) -> None:
    """An id and ten small frames a clip, as bytes."""
    sent = predicted(opened.folder)
    put(entry, NPZ, npz(**change(sent["clip_id"], sent["frames"])))
    assert problems(entry, opened) == problems(entry)
    assert problems(entry)[0].startswith(f"{NPZ}: {sentence}")


def test_missing_foreign_and_repeated_clips_are_counted(entry: Path, opened: OpenedSplit) -> None:
    """As of classes; and without the split, seeds are held against each other, and against the number of clips."""
    sent = predicted(opened.folder)
    ids = sent["clip_id"].copy()
    first = ids[0].decode()
    ids[0] = b"stranger"
    put(entry, NPZ, npz(clip_id=ids, frames=sent["frames"]))
    assert problems(entry, opened) == [
        f'{NPZ}: "{first}" of {PREFIX} is missing: expected all 30 clips',
        f'{NPZ}: clip_id holds "stranger", not of {PREFIX}',
    ]
    assert problems(entry) == []
    edit(entry, test__clips=20)
    assert problems(entry) == [f"{NPZ}: holds 30 clips: expected at most 20 of the 20 in submission.json"]
    edit(entry, test__clips=30)
    second = enter_frames(entry.parent.parent, opened.folder, entry="second", method="other", seeds=2)
    put(second, NPZ, npz(clip_id=ids, frames=sent["frames"]))
    assert problems(second) == [
        "predictions-seed1.npz: holds other clips than the first seed has: expected those of one split"
    ]


def test_ids_that_could_do_harm_are_shown_escaped(entry: Path, opened: OpenedSplit) -> None:
    """Control characters and formulas, in either form of file."""
    sent = predicted(opened.folder)
    ids = sent["clip_id"].copy()
    ids[3] = b"\x1b[2J"
    put(entry, NPZ, npz(clip_id=ids, frames=sent["frames"]))
    assert problems(entry)[0].startswith(f'{NPZ}: clip_id holds "\\u001b[2J": expected at most 64')


@pytest.mark.parametrize("task", [PREDICTION, GENERATION])
def test_files_beyond_the_limits_are_not_read(task: str, opened: OpenedSplit, tmp_path: Path) -> None:
    """A file of holes, zeros that unpack to more than any entry has, and as many samples as one likes."""
    folder = enter_frames(tmp_path, opened.folder, task)
    with (folder / NPZ).open("r+b") as file:
        file.truncate(10**12)
    assert problems(folder) == [f"{NPZ}: 1,000,000,000,000 bytes: expected at most 16,777,216"]
    side = SMALL.image_size
    zeros = np.zeros((600, 10, side, side, 3), np.uint8)
    sent = {"clip_id": np.zeros(600, "S1"), "frames": zeros} if task == PREDICTION else {"frames": zeros}
    for name, content in ((NPZ, npz(**sent)), (H5, hdf5(sent, compression="gzip"))):
        if len(content) > frames.LARGEST_BYTES:
            content = compressed(sent)
        edit(folder, seeds=[{"seed": 0, "predictions": name, "sha256": "0" * 64}])
        put(folder, name, content)
        found = next(one for one in problems(folder) if one.startswith(f"{name}: "))
        assert found.startswith(
            (f"{name}: unpacks to 18,", f"{name}: frames has the shape [600, 10, 32, 32, 3]: expected")
        )


def compressed(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_links_pipes_and_folders_are_not_opened(opened: OpenedSplit, tmp_path: Path) -> None:
    """Neither in place of an .npz nor of HDF5."""
    folder = enter_frames(tmp_path / "entries", opened.folder, form="h5")
    (tmp_path / "elsewhere").write_bytes((folder / H5).read_bytes())
    (folder / H5).unlink()
    (folder / H5).symlink_to(tmp_path / "elsewhere")
    assert problems(folder) == [f"{H5}: is a symbolic link: expected the file itself"]
    (folder / H5).unlink()
    os.mkfifo(folder / H5)
    assert problems(folder) == [f"{H5}: is no plain file"]


def test_frames_of_a_hidden_test_are_not_taken(entry: Path, secret: Path) -> None:
    """All of them are published, so that anybody could send them back."""
    found = problems(entry, open_split(secret / "public"))
    assert any("is a hidden test set, whose frames are published: expected an open one" in one for one in found)


def test_a_split_must_have_what_is_predicted(entry: Path, tmp_path: Path) -> None:
    """Clips long enough, and frames that can be shrunk to the view's."""
    short = open_split(build_test_split(tmp_path / "short" / "test"))
    found = problems(entry, short)
    assert any(
        one.endswith("has clips of 4 frames: expected 20 or more, for prediction of 10 frames of 32×32 pixels")
        for one in found
    )
    assert no_view_of(PREDICTION, SMALL, (20, 48, 48, 3)).startswith("frames of 48×48 pixels: expected squares")
    assert no_view_of(GENERATION, CLIPS, (20, 64, 64, 3)) == "clips of 20 frames: expected a multiple of 16"
    assert no_view_of(GENERATION, FRAMES, (7, 128, 128, 3)) == ""


def test_one_method_may_stand_on_several_boards(opened: OpenedSplit, tmp_path: Path) -> None:
    """A row of each task is another row; two of one board are one too many."""
    enter(tmp_path / "entries", opened.folder, entry="classes")
    enter_frames(tmp_path / "entries", opened.folder, GENERATION, entry="samples")
    folder = enter_frames(tmp_path / "entries", opened.folder)
    assert problems(folder) == []
    enter_frames(tmp_path / "entries", opened.folder, entry="again")
    (found,) = problems(folder)
    assert found.startswith('submission.json: about.method is "My net (v2)", as in this group\'s again on this test')


@pytest.mark.parametrize("kind", ["text ids", "all clips", "column-major", "h5", "64 pixels"])
def test_anybodys_frames_become_an_entry(kind: str, opened: OpenedSplit, tmp_path: Path) -> None:
    """Ids as text or bytes, clips beyond those that are asked for, another layout, HDF5; the view is the array's."""
    sent, test = predicted(opened.folder), opened
    if kind == "all clips":
        alike = np.zeros(30, int)
        test = OpenedSplit(folder=opened.folder, test=opened.test, clip_id=opened.clip_id, labels=alike)
    arrays = sent | {
        "text ids": {"clip_id": sent["clip_id"].astype(str)},
        "column-major": {"frames": np.asfortranarray(sent["frames"])},
        "64 pixels": {"frames": sent["frames"].repeat(2, 2).repeat(2, 3)},
    }.get(kind, {})
    path = tmp_path / ("mine-seed4.h5" if kind == "h5" else "mine-seed4.npz")
    path.write_bytes(hdf5(arrays) if kind == "h5" else npz(**arrays))
    folder = prepare_files([path], test, ABOUT, tmp_path / "entries", PREDICTION)
    checked = check(folder)
    assert checked.problems == []
    assert checked.submission is not None
    assert checked.submission.view == View(frames=10, image_size=64 if kind == "64 pixels" else 32)
    assert [one.seed for one in checked.submission.seeds] == [4]
    (found,) = checked.frames.values()
    taken = np.isin(sent["clip_id"], opened.clip_id[:10]) if kind == "all clips" else np.ones(30, bool)
    assert np.array_equal(found.frames, arrays["frames"][taken])


@pytest.mark.parametrize(
    ("task", "changes", "sentence"),
    [
        (PREDICTION, {"frames": None}, "has no array frames: expected clip_id and frames"),
        (
            PREDICTION,
            {"clip_id": np.arange(30)},
            "clip_id is int64 (30,): expected text, an id for each clip of frames",
        ),
        (PREDICTION, {"clip_id": np.array(["é"] * 30)}, "clip_id is not ASCII: expected ids of the test split"),
        (PREDICTION, {"clip_id": np.array(["a"] * 30)}, 'clip_id holds "a" more than once: expected every clip once'),
        (
            PREDICTION,
            {"frames": np.zeros((30, 10, 32, 32, 3))},
            "frames is float64 [30, 10, 32, 32, 3]: expected uint8",
        ),
        (
            GENERATION,
            {},
            "frames is uint8 [30, 10, 32, 32, 3]: expected uint8 [256, 16, 32, 32, 3], or [1024, 1, 64, 64, 3]",
        ),
        (GENERATION, {"frames": np.array([print] * 30)}, "not a readable .npz of plain arrays (Object arrays"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(
    task: str, changes: dict[str, Any], sentence: str, opened: OpenedSplit, tmp_path: Path
) -> None:
    """With the file, what was found and what was expected; and no folder is made."""
    arrays = {name: array for name, array in (predicted(opened.folder) | changes).items() if array is not None}
    path = tmp_path / "mine.npz"
    path.write_bytes(npz(**arrays))
    with pytest.raises(RecordError) as caught:
        prepare_files([path], opened, ABOUT, tmp_path / "entries", task)
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert not (tmp_path / "entries").exists()


def test_samples_of_either_view_are_taken(opened: OpenedSplit, tmp_path: Path) -> None:
    """Whole clips and single frames, 256 and 1,024; what is prepared is what was made."""
    for view in (CLIPS, FRAMES):
        sent = samples(3, view)
        assert len(sent["frames"]) == SAMPLES[view]
        path = tmp_path / f"{view.frames}.npz"
        path.write_bytes(npz(**sent))
        folder = prepare_files([path], opened, ABOUT | {"entry": path.stem}, tmp_path / "entries", GENERATION)
        document = json.loads((folder / "submission.json").read_text())
        assert document["view"] == {"frames": view.frames, "image_size": view.image_size}
        assert np.array_equal(next(iter(check(folder).frames.values())).frames, sent["frames"])
