"""A hidden test set: the public folder holds frames and opaque names; labels stay in a private one, committed to.

Everything is drawn from a secret seed. Who is told it later can build the split again and compare; who is told labels
and salt can check the commitment. Its canonical form is the salt in hexadecimal, a line feed, and for each clip, sorted
by its name, `name,label` and a line feed, in ASCII; the commitment is the SHA-256 of that.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import hmac
import io
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dynamics_gen import seeds
from dynamics_gen.classes import factors
from dynamics_gen.clip import AnnotatedClip, Clip
from dynamics_gen.config import BuildConfig
from dynamics_gen.errors import BuildError, ConfigError, ShardError
from dynamics_gen.files import explained, write_whole
from dynamics_gen.generate import build_split
from dynamics_gen.manifest import Manifest, read_manifest
from dynamics_gen.split_files import SplitFiles

LEAST_BYTES = 16
"""128 bits."""

COMMITMENT, OPENING, LABELS = "commitment.json", "opening.json", "labels.csv"

_LARGEST = 1 << 16
_LEAST_DIFFERENT = 8  # of 16 random bytes fewer are different once in ten million draws


def new_secret(path: Path) -> None:
    """Writes 256 random bits in hexadecimal to a new file that its owner alone may read.

    Raises:
        BuildError: the file is there, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BuildError(f"{path} is there already: a secret is not overwritten, choose another name") from None
    except OSError as error:
        raise BuildError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")


def read_secret(path: Path) -> bytes:
    """Reads a secret: 32 or more hexadecimal digits, or 16 or more bytes as they are.

    Raises:
        ConfigError: there is no such file, it holds fewer than 128 bits, or it does not look random.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is no file: make one with `dynamics-gen secret-seed {path}`")
    data = path.read_bytes()[:_LARGEST]
    with contextlib.suppress(ValueError):
        data = bytes.fromhex(data.decode("ascii"))
    if len(data) < LEAST_BYTES:
        raise ConfigError(
            f"{path} holds {8 * len(data)} bits, expected 128 or more: make one with `dynamics-gen secret-seed FILE`"
        )
    if len(set(data)) < _LEAST_DIFFERENT:
        raise ConfigError(
            f"{path} does not look random ({len(set(data))} different bytes of {len(data)}): "
            "make one with `dynamics-gen secret-seed FILE`"
        )
    return data


def opaque_id(secret: bytes, index: int) -> str:
    """The public name of a clip: 128 bits of HMAC-SHA-256 of its number under the secret."""
    return hmac.new(secret, b"clip %d" % index, hashlib.sha256).hexdigest()[:32]


def public_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[AnnotatedClip]:
    """Frames and names, and nothing else of a clip."""
    for clip in private_clips(config, indices):
        yield AnnotatedClip(clip_id=clip.clip_id, columns=clip.large())


def private_clips(config: BuildConfig, indices: Sequence[int]) -> Iterator[Clip]:
    """Whole clips, under their public names."""
    from dataclasses import replace

    from dynamics_gen.render import render_clips

    for index, clip in zip(indices, render_clips(config, indices), strict=True):
        yield replace(clip, clip_id=opaque_id(config.secret, index))


@dataclass(frozen=True, slots=True)
class Hidden:
    """Where a hidden split stands."""

    public: Manifest
    commitment: str


def build_hidden(
    config: BuildConfig,
    public: Path,
    private: Path,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Hidden:
    """Builds both folders, or finishes them: the split and its commitment; the same clips with labels, and the opening.

    Args:
        config: with its secret.
        public: folder that gets the split's folder and commitment.json.
        private: folder that gets the split's folder with all ground truth, labels.csv and opening.json.
        workers: processes.
        progress: called with numbers of finished clips, in all twice those of the split.

    Raises:
        ConfigError: the private folder is inside the public one.
        BuildError: as `build_split`.
    """
    if private.resolve() == public.resolve() or public.resolve() in private.resolve().parents:
        raise ConfigError(f"{private} is inside the public folder {public}: choose another with --private")
    with explained(private):
        private.mkdir(parents=True, exist_ok=True)
        private.chmod(0o700)
    made = build_split(config, public / config.split, workers, progress, source=public_clips)
    build_split(config, private / config.split, workers, progress, source=private_clips)
    labels = {
        opaque_id(config.secret, index): int(label) for index, label in enumerate(seeds.labels(config, 0, config.clips))
    }
    salt = hmac.new(config.secret, b"commitment salt", hashlib.sha256).hexdigest()
    commitment = commitment_of(labels, salt)
    with explained(private):
        _write_private(private / LABELS, labels_csv(labels))
        _write_private(private / OPENING, _json({"salt": salt, "labels": LABELS}))
    with explained(public):
        stated = {"sha256": commitment, "split": config.split, "clips": made.clips, "fingerprint": made.fingerprint}
        write_whole(public / COMMITMENT, _json(stated))
    return Hidden(made, commitment)


def commitment_of(labels: dict[str, int], salt: str) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    lines = "".join(f"{name},{label}\n" for name, label in sorted(labels.items()))
    return hashlib.sha256(f"{salt}\n{lines}".encode("ascii")).hexdigest()


def labels_csv(labels: dict[str, int]) -> bytes:
    """`clip_id,label,path,speed`, a line a clip, sorted by name."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["clip_id", "label", "path", "speed"])
    table.writerows([name, label, *factors(label)] for name, label in sorted(labels.items()))
    return text.getvalue().encode("ascii")


def read_labels(path: Path) -> dict[str, int]:
    """Reads what `labels_csv` wrote.

    Raises:
        ShardError: it is not such a file.
    """
    try:
        with path.open(newline="", encoding="ascii") as file:
            rows = list(csv.DictReader(file))
        labels = {row["clip_id"]: int(row["label"]) for row in rows}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ShardError(f"{path} is no file of labels ({error}): expected columns clip_id,label,path,speed") from error
    if len(labels) != len(rows):
        raise ShardError(f"{path} names a clip twice")
    return labels


def check_commitment(public: Path, labels: Path, opening: Path) -> str:
    """Holds revealed labels and salt against the commitment that was published, and returns it.

    Raises:
        ShardError: they do not match, or are of other clips than the published ones.
    """
    stated, opened = _read_json(public / COMMITMENT), _read_json(opening)
    revealed = read_labels(labels)
    folder = public / str(stated.get("split"))
    manifest = read_manifest(folder)
    names = {name.decode("ascii") for name in SplitFiles(folder, manifest).column("clip_id").tolist()}
    if names != set(revealed):
        raise ShardError(f"{labels} has labels of {len(revealed)} clips, not those of the {len(names)} in {folder}")
    if manifest.fingerprint != stated.get("fingerprint"):
        raise ShardError(f"{folder} is not the split of {public / COMMITMENT}: their fingerprints differ")
    found = commitment_of(revealed, str(opened.get("salt")))
    if not hmac.compare_digest(found, str(stated.get("sha256"))):
        raise ShardError(f"{labels} and {opening} do not match {public / COMMITMENT}: they give {found}")
    return found


def _read_json(path: Path) -> dict:
    try:
        described = json.loads(path.read_bytes()[:_LARGEST])
    except (OSError, ValueError, RecursionError) as error:
        raise ShardError(f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(described, dict):
        raise ShardError(f"{path} holds a {type(described).__name__}, expected an object")
    return described


def _json(described: dict) -> bytes:
    return (json.dumps(described, indent=1) + "\n").encode()


def _write_private(path: Path, data: bytes) -> None:
    write_whole(path, data)
    path.chmod(0o600)
