"""A hidden test set gives its labels to nobody, and its host cannot change them later."""

import dataclasses
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import dynamics_gen
from dynamics_gen import hidden, seeds
from dynamics_gen.cli import main
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.generate import build_split
from dynamics_gen.shard_file import ShardFile
from dynamics_gen.verify import verify

SECRET = bytes(range(100, 132))
CONFIG = BuildConfig(split="test", per_class=8, image_size=16, frames=8, shard_size=30, secret=SECRET)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The public and the private folder of a small hidden test set."""
    root = tmp_path_factory.mktemp("hidden")
    hidden.build_hidden(CONFIG, root / "public", root / "private", 1)
    return root / "public", root / "private"


def private_labels(private: Path) -> dict[str, int]:
    """The labels by clip name."""
    return hidden.read_labels(private / "labels.csv")


def test_public_files_hold_frames_and_names_alone(folders: tuple[Path, Path]) -> None:
    """No other dataset, no attribute that names the seed, nothing beside shards, manifest and commitment."""
    public, private = folders
    assert sorted(path.name for path in public.iterdir()) == ["commitment.json", "test"]
    for path in (public / "test").glob("*.h5"):
        with h5py.File(path) as file:
            names = ["clip_id", "digest", "video"]
            assert sorted(file) == names
            assert file.id.get_filesize() == path.stat().st_size  # nothing behind its end
            assert all(h5py.h5g.get_objinfo(file.id, name.encode()).mtime == 0 for name in names)
        with ShardFile(path) as shard:
            assert shard.header.seed == -1
            assert "secret" not in shard.header.content
    told = dynamics_gen.open(private / "test")
    shown = dynamics_gen.open(public / "test")
    assert verify(public / "test", workers=1) == []
    assert shown.clip_ids == told.clip_ids
    for clip in range(len(shown)):
        np.testing.assert_array_equal(shown[clip]["video"], told[clip]["video"])
    assert set(shown[0]) == {"video", "clip_id"}
    with pytest.raises(ShardError, match="a hidden test set is published without labels"):
        _ = shown.labels


def test_no_byte_of_secret_or_private_columns_is_in_public_files(folders: tuple[Path, Path]) -> None:
    """Searched for raw: the secret, its hexadecimal form, the salt, and every clip's positions and radius."""
    public, private = folders
    data = b"".join(path.read_bytes() for path in sorted(public.rglob("*")) if path.is_file())
    salt = json.loads((private / "opening.json").read_text())["salt"]
    told = dynamics_gen.open(private / "test")
    needles = [SECRET, SECRET.hex().encode(), salt.encode(), bytes.fromhex(salt)]
    needles += [told.column("position")[clip, 0].tobytes() for clip in range(len(told))]
    needles += [told.column("parameters/radius")[clip].tobytes() for clip in range(len(told))]
    assert not any(needle in data for needle in needles)


def test_names_and_order_say_nothing() -> None:
    """Names are 128 bits that sort at random; neighbours, blocks and the halves of the split hold classes by chance."""
    config = dataclasses.replace(CONFIG, per_class=500)
    labels = seeds.labels(config, 0, config.clips)
    names = [hidden.opaque_id(SECRET, index) for index in range(config.clips)]
    assert len(set(names)) == config.clips
    assert all(len(name) == 32 for name in names)
    rank = np.argsort(np.argsort(names))
    assert abs(np.corrcoef(rank, np.arange(config.clips))[0, 1]) < 0.05
    assert abs(np.corrcoef(rank, labels)[0, 1]) < 0.05
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 0.05
    blocks = np.array([np.bincount(block, minlength=10) for block in labels.reshape(-1, 100)])
    assert 7 < blocks.var() < 11  # a drawn block of a hundred has a variance near 9, a balanced one 0
    assert np.bincount(labels).tolist() == [500] * 10


def test_digests_are_no_oracle_for_labels(folders: tuple[Path, Path]) -> None:
    """A public digest is that of name and frames: it is the same whatever the label is."""
    public, _ = folders
    digests = []
    for folder in folders:
        with ShardFile(next((folder / "test").glob("*-00000-*.h5"))) as shard:
            digests.append(shard.column("digest"))
    assert (digests[0] != digests[1]).any(axis=1).all()
    manifest = json.loads((public / "test" / "manifest.json").read_text())
    assert sorted(manifest["columns"]) == ["clip_id", "video"]


def test_the_commitment_binds(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """True labels match; one changed label, another salt or labels of other clips do not."""
    public, private = folders
    stated = json.loads((public / "commitment.json").read_text())["sha256"]
    assert hidden.check_commitment(public, private / "labels.csv", private / "opening.json") == stated
    labels = private_labels(private)
    name = next(iter(labels))
    (tmp_path / "labels.csv").write_bytes(hidden.labels_csv(labels | {name: (labels[name] + 1) % 10}))
    with pytest.raises(ShardError, match="do not match"):
        hidden.check_commitment(public, tmp_path / "labels.csv", private / "opening.json")
    (tmp_path / "opening.json").write_text(json.dumps({"salt": "00"}))
    with pytest.raises(ShardError, match="do not match"):
        hidden.check_commitment(public, private / "labels.csv", tmp_path / "opening.json")
    labels.pop(name)
    (tmp_path / "labels.csv").write_bytes(hidden.labels_csv(labels))
    with pytest.raises(ShardError, match="has labels of 79 clips, not those of the 80"):
        hidden.check_commitment(public, tmp_path / "labels.csv", private / "opening.json")
    (tmp_path / "labels.csv").write_text("nonsense\n1\n")
    with pytest.raises(ShardError, match="is no file of labels"):
        hidden.check_commitment(public, tmp_path / "labels.csv", private / "opening.json")


def test_labels_are_those_of_the_clips(folders: tuple[Path, Path]) -> None:
    """The label file agrees with the private split, which has all parameters."""
    _, private = folders
    told = dynamics_gen.open(private / "test")
    assert private_labels(private) == dict(zip(told.clip_ids, told.labels.tolist(), strict=True))
    assert "parameters/extent" in told.columns


def test_private_files_are_private(folders: tuple[Path, Path]) -> None:
    """Nobody but the owner may read labels and salt, or enter the folder."""
    _, private = folders
    assert private.stat().st_mode & 0o077 == 0
    assert (private / "labels.csv").stat().st_mode & 0o077 == 0
    assert (private / "opening.json").stat().st_mode & 0o077 == 0


def test_the_revealed_secret_builds_the_split_again(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Interrupted and finished elsewhere, with another number of workers: the same public files."""
    public, _ = folders
    build_split(CONFIG, tmp_path / "test", 2, source=hidden.public_clips)
    (tmp_path / "test" / "manifest.json").unlink()
    next((tmp_path / "test").glob("*-00001-*.h5")).unlink()
    hidden.build_hidden(CONFIG, tmp_path, tmp_path.with_name("elsewhere-private"), 2)
    for path in public.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / path.relative_to(public)).read_bytes()
    other = dataclasses.replace(CONFIG, secret=SECRET[::-1])
    assert hidden.opaque_id(other.secret, 0) != hidden.opaque_id(SECRET, 0)
    assert (seeds.labels(other, 0, 80) != seeds.labels(CONFIG, 0, 80)).any()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds 0 bits, expected 128 or more"),
        (b"0123456789abcdef0123456789abcd", "holds 120 bits"),
        (b"short", "holds 40 bits"),
        (bytes(32), "does not look random"),
        (b"00" * 32, "does not look random"),
    ],
)
def test_weak_secrets_are_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    """Fewer than 128 bits, or bytes that nobody drew."""
    (tmp_path / "seed").write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        hidden.read_secret(tmp_path / "seed")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """256 random bits for their owner alone; an old secret is not overwritten; raw bytes are taken as they are."""
    hidden.new_secret(tmp_path / "seed")
    assert len(hidden.read_secret(tmp_path / "seed")) == 32
    assert (tmp_path / "seed").stat().st_mode & 0o077 == 0
    with pytest.raises(BuildError, match="is there already"):
        hidden.new_secret(tmp_path / "seed")
    (tmp_path / "raw").write_bytes(SECRET[:16])
    assert hidden.read_secret(tmp_path / "raw") == SECRET[:16]
    with pytest.raises(ConfigError, match="is no file"):
        hidden.read_secret(tmp_path / "none")


def test_the_secret_is_shown_nowhere() -> None:
    """Not in what a configuration prints, describes or is compared by in a header."""
    assert SECRET.hex() not in repr(CONFIG)
    assert repr(SECRET) not in repr(CONFIG)
    assert "secret" not in CONFIG.content()
    assert CONFIG.content()["seed"] == -1


def test_on_the_command_line(tmp_path: Path) -> None:
    """Seed, build, check: three commands; wrong ones are one sentence."""
    seed, out = str(tmp_path / "seed"), str(tmp_path / "out")
    run = CliRunner()
    assert run.invoke(main, ["secret-seed", seed]).exit_code == 0
    size = ["--per-class", "1", "--image-size", "16", "--frames", "4", "--out", out, "--secret-seed", seed]
    built = run.invoke(main, ["--split", "test", *size])
    assert built.exit_code == 0, built.output
    opened = ["--labels", f"{out}-private/labels.csv", "--opening", f"{out}-private/opening.json"]
    checked = run.invoke(main, ["check-commitment", out, *opened])
    assert checked.exit_code == 0
    assert "the labels that were committed to" in checked.stdout
    assert run.invoke(main, ["--split", "train", *size]).exit_code == 2
    inside = run.invoke(main, ["--split", "test", *size, "--private", os.path.join(out, "labels")])  # noqa: PTH118
    assert inside.exit_code == 1
    assert "is inside the public folder" in inside.stderr
