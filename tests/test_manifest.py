"""The manifest says what a split is, and betrays any change."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fake_clips import fake_clip, small_config

from dynamics_gen.errors import ShardError
from dynamics_gen.manifest import NAME, Manifest, read_manifest, write_manifest


def edited(directory: Path, reseal: bool = False, **changes: Any) -> None:
    """Changes entries of a manifest, by hand or by somebody who knows how it is sealed."""
    path = directory / NAME
    data = json.loads(path.read_text()) | changes
    if reseal:
        del data["manifest_sha256"]
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
        data["manifest_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(data))


def test_manifest_comes_back_as_it_was_written(fake_split: Path, tmp_path: Path) -> None:
    """Writing and reading lose nothing."""
    manifest = read_manifest(fake_split)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert (tmp_path / NAME).read_bytes() == (fake_split / NAME).read_bytes()


def test_manifest_describes_the_split(fake_split: Path) -> None:
    """Its entries are those of the configuration and of the files."""
    manifest, config = read_manifest(fake_split), small_config()
    assert (manifest.release, manifest.split, manifest.seed, manifest.clips) == ("standard", "train", 0, 30)
    assert manifest.content == json.loads(json.dumps(config.content()))
    assert manifest.video_shape == fake_clip(config, 0).video.shape
    assert [entry.clips for entry in manifest.shards] == [8, 8, 8, 6]
    for entry in manifest.shards:
        data = (fake_split / entry.name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("changes", [{"clips": 31}, {"seed": 1}, {"fingerprint": "0" * 64}, {"note": "mine"}])
def test_manifest_edited_by_hand_is_refused(own_split: Path, changes: dict) -> None:
    """Any change of content is seen, and the sentence says how to mend it."""
    edited(own_split, **changes)
    with pytest.raises(ShardError, match=r"manifest\.json was changed after it was written .*: delete it and run"):
        read_manifest(own_split)


def test_reformatted_manifest_is_the_same(own_split: Path) -> None:
    """What counts is what it says, not its white space."""
    before = read_manifest(own_split)
    edited(own_split)
    assert read_manifest(own_split) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"clips": "30"},
        {"clips": 29},
        {"clips": True},
        {"release": None},
        {"shards": []},
        {"shards": [1]},
        {"shards": {}},
        {"columns": {}},
        {"columns": {"video": {"dtype": "|u1", "shape": [4, 16]}}},
        {"columns": {"video": {"dtype": "<f4", "shape": [4, 16, 16, 3]}}},
        {"columns": {"video": {"dtype": "|u1", "shape": [4, -1, 16, 3]}}},
        {"columns": {"video": []}},
        {"fingerprint": "xyz"},
        {"split": "../train"},
        {"versions": {"generator": "1"}},
        {"versions": []},
        {"content": []},
        {"classes": "rotation"},
    ],
)
def test_manifest_that_makes_no_sense_is_refused(own_split: Path, changes: dict) -> None:
    """Even one that is sealed properly: types, ranges and sums are checked."""
    edited(own_split, reseal=True, **changes)
    with pytest.raises(ShardError, match=r"manifest\.json is not a manifest"):
        read_manifest(own_split)


@pytest.mark.parametrize("name", ["../../other.h5", "train-00001-of-00004.h5", "valid-00000-of-00004.h5"])
def test_shard_names_lead_nowhere_else(own_split: Path, name: str) -> None:
    """A manifest can only name its own shards, in its own folder, in order."""
    shards = json.loads((own_split / NAME).read_text())["shards"]
    shards[0]["name"] = name
    edited(own_split, reseal=True, shards=shards)
    with pytest.raises(ShardError, match="shard 0 is"):
        read_manifest(own_split)


def test_unknown_version_is_refused(own_split: Path) -> None:
    """The sentence names both versions."""
    edited(own_split, reseal=True, format_version=2)
    with pytest.raises(ShardError, match="format version 2, this program reads 1: update"):
        read_manifest(own_split)


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense", "[" * 100_000, '{"clips": 1' + "0" * 5000 + "}", "\udcff"])
def test_text_that_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    """The error names the file."""
    (tmp_path / NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ShardError, match=r"manifest\.json "):
        read_manifest(tmp_path)


def test_folders_without_a_manifest_get_advice(own_split: Path, tmp_path: Path) -> None:
    """Nothing there, something else there, a folder of splits, or an unfinished build: each has its sentence."""
    with pytest.raises(ShardError, match="is not a folder"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(ShardError, match=r"holds several splits: open one of them, as .*/train"):
        read_manifest(own_split.parent)
    (own_split / NAME).unlink()
    with pytest.raises(ShardError, match="is not finished"):
        read_manifest(own_split)
    for path in own_split.iterdir():
        path.unlink()
    with pytest.raises(ShardError, match=r"has no manifest\.json"):
        read_manifest(own_split)


def test_header_of_a_shard_follows_from_the_manifest(fake_split: Path) -> None:
    """Ranges are those of the shard asked for."""
    manifest: Manifest = read_manifest(fake_split)
    header = manifest.header(3)
    assert (header.first_clip, header.clips) == (24, 6)
    assert header == dataclasses.replace(manifest.header(0), first_clip=24, clips=6)
