"""What reads files from outside, each with what it may raise and files that it reads: for `fuzz.py`."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from submitted import build_test_split, csv, guesses, npz
from synthetic_records import make_record

import benchmark.generation.record as generation
import benchmark.prediction.record as prediction
from benchmark import predictions, record, schema, study_record
from benchmark.errors import RecordError
from benchmark.human import result as human
from benchmark.reproduction import result as reproduction
from benchmark.submission import any_result, frames, said
from benchmark.submission import schema as submission
from benchmark.submission.views import PREDICTION, VIEWS
from dynamics_gen import hidden, manifest, shard_file
from dynamics_gen.errors import ShardError

RECORDS = Path(__file__).parent / "records"

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parser:
    """What reads one kind of file.

    Attributes:
        read: reads the bytes, by way of a scratch file where it takes a path.
        errors: what it may raise.
        valid: files that it reads, to start from.
        is_json: whether they are JSON.
    """

    read: Callable[[bytes, Path], object]
    errors: tuple[type[Exception], ...] = (RecordError,)
    valid: tuple[bytes, ...]
    is_json: bool = False


def parsers(scratch: Path) -> dict[str, Parser]:
    """Every parser, by name; valid files are made in the folder `scratch`, or are those of `tests/records/`."""
    split = build_test_split(scratch / "test")
    answered = guesses(split)
    archive = npz(clip_id=answered.clip_id, probabilities=answered.probabilities)
    predictions.write(
        predictions.make(["a", "b"], np.array([0, 9]), np.full((2, 10), 0.1)), told := scratch / "told.npz"
    )
    synthetic = schema.dump(make_record(errors=(0.3,), epochs=1, shifted=("camera",))[0]).encode()
    of_tasks = kept("record", "generation", "prediction", "reproduction", "human", "study")
    return {
        "json": Parser(read=read_json, valid=kept(), is_json=True),
        "records": Parser(read=through_file(read_records, ".json"), valid=(*of_tasks, synthetic), is_json=True),
        "submission": Parser(read=read_submission, errors=(), valid=kept("submission"), is_json=True),
        "result": Parser(read=through_file(any_result.read, ".json"), valid=kept("result"), is_json=True),
        "npz": Parser(read=through_file(read_answers, ".npz"), valid=(archive,)),
        "npy": Parser(read=read_members, valid=(joined_members(archive),)),
        "csv": Parser(read=through_file(read_answers, ".csv"), valid=(csv(answered),)),
        "frames": Parser(read=through_file(read_frames, ".npz"), valid=(blank_frames(),)),
        "predictions": Parser(read=through_file(predictions.read, ".npz"), valid=(told.read_bytes(),)),
        "labels": Parser(
            read=through_file(hidden.read_labels, ".csv"),
            errors=(ShardError,),
            valid=(hidden.labels_csv({"ab" * 16: 3, "cd" * 16: 9}),),
        ),
        "manifest": Parser(
            read=read_sealed, errors=(ShardError,), valid=((split / manifest.NAME).read_bytes(),), is_json=True
        ),
        "shard": Parser(
            read=through_file(read_shard, ".h5"), errors=(ShardError,), valid=(min(split.glob("*.h5")).read_bytes(),)
        ),
    }


def kept(*kinds: str) -> tuple[bytes, ...]:
    """Files of some kinds of record, of every version; of all kinds, if none is named."""
    paths = sorted(RECORDS.glob("*.json"))
    return tuple(path.read_bytes() for path in paths if not kinds or path.name.split("-")[0] in kinds)


def through_file(read: Callable[[Path], object], suffix: str) -> Callable[[bytes, Path], object]:
    """Puts the bytes into a file for what reads a path."""

    def run(data: bytes, path: Path) -> object:
        path = path.with_suffix(suffix)
        path.write_bytes(data)
        return read(path)

    return run


def read_json(data: bytes, path: Path) -> None:
    """Values of strict JSON; shown in messages, whatever they are."""
    value = schema.decode(data.decode("utf-8", errors="replace"), "x")
    assert len(schema.shown(value)) <= 100


def read_records(path: Path) -> None:
    """Records of every kind: what one reader takes, it takes again as it was written."""
    refused = []
    for kind in (record, generation, prediction, reproduction, human, study_record):
        try:
            made = kind.read(path)
        except RecordError as error:
            refused.append(error)
            continue
        (again := path.with_name("again.json")).write_text(schema.dump(made), "utf-8")
        assert kind.read(again) == made
    if len(refused) == 6:
        raise refused[0]


def read_submission(data: bytes, path: Path) -> None:
    """Never raises: a submission, or what is wrong with it."""
    made, problems = submission.parse(data.decode("utf-8", errors="replace"))
    assert (made is None) == bool(problems)
    if made is not None:
        assert submission.parse(schema.dump(made)) == (made, [])


def read_answers(path: Path) -> None:
    """An entrant's predictions: those without problems are distributions, in float32 too."""
    found, _ = said.read(path)
    if not said.problems(found, "x"):
        rows = found.sorted().probabilities
        assert np.isfinite(rows).all()
        assert np.allclose(rows.sum(axis=1), 1, atol=2 * said.SUM_TOLERANCE)


def read_frames(path: Path) -> None:
    """An entrant's predicted frames: those that are read have a shape of the task's."""
    found, _ = frames.read(path, PREDICTION)
    assert found.view in VIEWS[PREDICTION]
    assert isinstance(frames.problems(found, "x"), list)


def blank_frames() -> bytes:
    """An archive of one clip's."""
    view = min(VIEWS[PREDICTION], key=lambda one: one.image_size)
    shape = [side or 1 for side in frames.shape_of(PREDICTION, view)]
    return npz(clip_id=np.array([b"a"]), frames=np.zeros(shape, np.uint8))


def joined_members(archive: bytes) -> bytes:
    """The arrays of an archive as `read_members` takes them: a length, the first, the second."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        first, second = file.read("clip_id.npy"), file.read("probabilities.npy")
    return _LENGTH.pack(len(first)) + first + second


def read_members(data: bytes, path: Path) -> None:
    """An entrant's predictions in an archive whose checksums are right, so that damage reaches the arrays."""
    (length,) = _LENGTH.unpack(data[: _LENGTH.size].ljust(_LENGTH.size, b"\0"))
    first, second = data[_LENGTH.size :][:length], data[_LENGTH.size :][length:]
    with zipfile.ZipFile(path := path.with_suffix(".npz"), "w") as archive:
        archive.writestr("clip_id.npy", first)
        archive.writestr("probabilities.npy", second)
    read_answers(path)


def read_sealed(data: bytes, path: Path) -> object:
    """A manifest with the checksum that its content has, so that damage reaches the content."""
    (folder := path.with_name("split")).mkdir(exist_ok=True)
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        told.pop("manifest_sha256", None)
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
        data = json.dumps(told | {"manifest_sha256": hashlib.sha256(canonical.encode()).hexdigest()}).encode()
    (folder / manifest.NAME).write_bytes(data)
    made = manifest.read_manifest(folder)
    return made.video_shape, [made.header(shard) for shard in range(len(made.shards))]


def read_shard(path: Path) -> None:
    """All columns of a shard, and its first clip."""
    with shard_file.ShardFile(path) as file:
        file.check_structure()
        for name in file.header.columns:
            if name in shard_file.LARGE:
                file.large(name, 0)
            else:
                file.column(name)
