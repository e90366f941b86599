"""Verifying finds every way in which a folder can differ from its manifest."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fake_clips import fake_clips, small_config

from dynamics_gen import verify as verify_module
from dynamics_gen.clip import Clip
from dynamics_gen.config import BuildConfig
from dynamics_gen.generate import build_split
from dynamics_gen.layout import shard_name
from dynamics_gen.manifest import Manifest, read_manifest, write_manifest
from dynamics_gen.verify import CheckJob, check_file, verify

SECOND = "train-00001-of-00004.h5"


def problems_of(directory: Path) -> str:
    """What verifying says, as one text."""
    return "\n".join(verify(directory, workers=1))


def test_whole_split_has_no_problems(fake_split: Path) -> None:
    """And every clip is counted as it is checked."""
    counted: list[int] = []
    assert verify(fake_split, workers=2, progress=counted.append) == []
    assert sum(counted) == 30


def test_rendered_split_has_no_problems(tiny_split: Path) -> None:
    """What the generator builds passes its own check."""
    assert verify(tiny_split, workers=1) == []


def flip(path: Path, place: float) -> None:
    """Flips a bit."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


def reencoded(directory: Path) -> None:
    """Puts a shard with the same clips but another codec in place of one."""
    build_split(small_config(codec="gzip"), directory.parent / "gzip", 1, source=fake_clips)
    shutil.copy(directory.parent / "gzip" / SECOND, directory / SECOND)


def swapped(directory: Path) -> None:
    """Gives two shards each other's names."""
    first, second = directory / shard_name("train", 0, 4), directory / SECOND
    first.rename(directory / "x")
    second.rename(first)
    (directory / "x").rename(second)


def edit_manifest(directory: Path) -> None:
    """Changes a number in the manifest."""
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"clips": 29}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda folder: (folder / SECOND).unlink(), rf"{SECOND} is missing: run"),
    "truncated": (lambda folder: (folder / SECOND).write_bytes(b"\x89HDF"), rf"{SECOND} has 4 bytes, expected"),
    "flipped": (lambda folder: flip(folder / SECOND, 0.5), rf"{SECOND} is not the file that was built"),
    "flipped in unused space": (lambda folder: flip(folder / SECOND, 0.9999), rf"{SECOND} is not the file"),
    "another codec": (reencoded, rf"{SECOND} .*expected"),
    "swapped": (swapped, r"clips is 8 to 15, expected 0 to 7"),
    "surplus": (
        lambda folder: (folder / "valid-00000-of-00001.h5").touch(),
        r"valid-00000-of-00001\.h5 is not in the manifest",
    ),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "is not finished"),
    "edited manifest": (edit_manifest, r"manifest\.json was changed after it was written"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(own_split: Path, kind: str) -> None:
    """Each kind has its sentence, naming the file."""
    damage, message = DAMAGE[kind]
    damage(own_split)
    assert re.search(message, problems_of(own_split))


def test_every_damaged_shard_is_listed(own_split: Path) -> None:
    """Checking goes on after the first problem."""
    flip(own_split / SECOND, 0.5)
    (own_split / shard_name("train", 3, 4)).unlink()
    found = problems_of(own_split)
    assert SECOND in found
    assert "train-00003-of-00004.h5 is missing" in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: {"fingerprint": "0" * 64}, "fingerprint is .*, expected 0000"),
        (
            lambda manifest: {
                "shards": (
                    dataclasses.replace(manifest.shards[0], content_sha256="0" * 64),
                    *manifest.shards[1:],
                )
            },
            "holds other clips than the manifest says",
        ),
    ],
)
def test_manifest_that_lies_is_found(own_split: Path, change: Callable[[Manifest], dict], message: str) -> None:
    """Sealed or not, what it says is compared with the clips themselves."""
    manifest = read_manifest(own_split)
    write_manifest(own_split, dataclasses.replace(manifest, **change(manifest)))
    assert re.search(message, problems_of(own_split))


def lopsided_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Class 1 is always class 0."""
    for clip in fake_clips(config, indices):
        yield dataclasses.replace(clip, label=0, path=0, speed=0) if clip.label == 1 else clip


def test_unbalanced_classes_are_found(tmp_path: Path) -> None:
    """A split whose classes are not equally many is not one of ours."""
    build_split(small_config(), tmp_path, 1, source=lopsided_clips)
    assert "classes have 6, 0, 3" in problems_of(tmp_path)


def test_labels_that_contradict_their_factors_are_found(fake_split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path and speed must be those of the label."""
    monkeypatch.setattr(verify_module, "factors", lambda label: (0, 0))
    manifest = read_manifest(fake_split)
    job = CheckJob(path=fake_split / SECOND, entry=manifest.shards[1], header=manifest.header(1))
    found = check_file(job, lambda clips: None)
    assert "do not go together" in found.problems[0]
