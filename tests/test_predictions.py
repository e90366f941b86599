"""Predictions: what is written is read back; what is damaged, odd or unsafe is refused and never unpickled."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_records import CLIP_IDS, LABELS, make_predictions

from benchmark import predictions
from benchmark.errors import RecordError

UNIFORM = np.full((len(LABELS), 10), 0.1, np.float32)


def arrays(**changes: Any) -> dict[str, Any]:
    """The arrays of a good file, with changes."""
    ids = np.array([name.encode() for name in CLIP_IDS])
    return {"clip_id": ids, "label": LABELS.astype(np.int64), "probabilities": UNIFORM} | changes


def refusal(path: Path) -> str:
    """What the file is refused with, without its path."""
    with pytest.raises(RecordError) as caught:
        predictions.read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_predictions_are_read_back_equal(tmp_path: Path) -> None:
    """Every array comes back bit for bit, and the hash returned is the file's."""
    made = make_predictions(np.random.default_rng(0), 0.4)
    path = tmp_path / "predictions-seed0.npz"
    sha256 = predictions.write(made, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    read = predictions.read(path, sha256)
    for name in predictions.ARRAYS:
        assert np.array_equal(getattr(read, name), getattr(made, name))
        assert getattr(read, name).dtype == getattr(made, name).dtype
    assert read.scores() == made.scores()


def test_same_predictions_give_the_same_bytes(tmp_path: Path) -> None:
    """No clock gets into the file."""
    made = make_predictions(np.random.default_rng(0), 0.4)
    assert predictions.write(made, tmp_path / "a.npz") == predictions.write(made, tmp_path / "b.npz")


def test_scores_take_the_likeliest_class() -> None:
    """A clip is right where its own class has the highest probability; of equals, the first counts."""
    probabilities = UNIFORM.copy()
    probabilities[1] = np.eye(10)[LABELS[1]]
    made = predictions.make(CLIP_IDS, LABELS, probabilities)
    expected = LABELS != 0
    expected[1] = False
    assert np.array_equal(made.wrong, expected)
    assert made.scores().error == pytest.approx(expected.mean())


def test_file_of_another_hash_is_refused(tmp_path: Path) -> None:
    """One flipped byte is enough."""
    path = tmp_path / "p.npz"
    sha256 = predictions.write(predictions.make(CLIP_IDS, LABELS, UNIFORM), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"its SHA-256 is [0-9a-f]{{12}}…: expected {sha256[:12]}…, as the record"):
        predictions.read(path, sha256)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": LABELS.astype(np.int32)}, "label has the type int32: expected int64"),
        ({"label": LABELS.astype(">i8")}, "label has the type >i8: expected int64"),
        ({"probabilities": UNIFORM.astype(np.float64)}, "probabilities has the type float64: expected float32"),
        ({"clip_id": np.array(CLIP_IDS)}, "clip_id has the type <U20: expected bytes (S)"),
        ({"label": LABELS[:-1].astype(np.int64)}, "arrays of shapes "),
        ({"probabilities": UNIFORM[:, :9]}, "label holds 9: expected 0 to 8"),
        ({"probabilities": UNIFORM[:, 0]}, "arrays of shapes "),
        ({"probabilities": UNIFORM * 1.01}, "probabilities[0] is no distribution: expected 0 or more, summing to 1"),
        ({"probabilities": UNIFORM * np.float32(np.nan)}, "probabilities[0] is no distribution"),
        ({"probabilities": np.eye(10, dtype=np.float32)[LABELS] * 3 - 0.2}, "probabilities[0] is no distribution"),
        ({"label": LABELS.astype(np.int64) + 1}, "label holds 10: expected 0 to 9"),
        ({"label": LABELS.astype(np.int64) - 1}, "label holds -1: expected 0 to 9"),
        ({"clip_id": np.array([b"a"] * len(LABELS))}, "clip_id holds an id twice: expected every clip once"),
        ({"extra": LABELS}, "holds 'clip_id.npy', 'extra.npy', 'label.npy', 'probabilities.npy': expected clip_id, la"),
        ({"label": np.array([1, None], dtype=object)}, "label has the type object: expected int64"),
    ],
)
def test_arrays_that_are_not_as_the_format_has_them_are_refused(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    """Wrong types, byte order, shapes, values, ids and names, and objects that would need unpickling."""
    path = tmp_path / "p.npz"
    np.savez(path, **arrays(**changes))
    assert refusal(path).startswith(sentence)


@pytest.mark.parametrize("length", [0, 10, 400, -30])
def test_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    """However much is missing."""
    path = tmp_path / "p.npz"
    predictions.write(predictions.make(CLIP_IDS, LABELS, UNIFORM), path)
    path.write_bytes(path.read_bytes()[:length])
    assert refusal(path).startswith("not a readable .npz of plain arrays (")


def test_flipped_bytes_never_give_other_predictions(tmp_path: Path) -> None:
    """Each of many damaged files is refused, or still holds the very same arrays."""
    path = tmp_path / "p.npz"
    made = make_predictions(np.random.default_rng(0), 0.4)
    predictions.write(made, path)
    good = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for place in rng.choice(len(good), 150, replace=False):
        path.write_bytes(good[:place] + bytes([good[place] ^ int(rng.integers(1, 256))]) + good[place + 1 :])
        try:
            read = predictions.read(path)
        except RecordError:
            refused += 1
        else:
            assert all(np.array_equal(getattr(read, name), getattr(made, name)) for name in predictions.ARRAYS)
    assert refused > 100


def test_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes in the archive are looked at before anything is unpacked."""
    path = tmp_path / "p.npz"
    predictions.write(predictions.make(CLIP_IDS, LABELS, UNIFORM), path)
    monkeypatch.setattr(predictions, "LARGEST_BYTES", 1_000)
    assert refusal(path) == "unpacks to more than 1000 bytes: expected the test split's clips"


def test_header_that_promises_more_than_there_is_is_refused(tmp_path: Path) -> None:
    """A small file cannot make a huge array."""
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays().items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue().replace(b"(200,", b"(9" + b"0" * 15 + b","))
    assert refusal(path).endswith("bytes: expected those of the shape (9000000000000000,) that its header says")


def test_unusual_compression_is_refused(tmp_path: Path) -> None:
    """What numpy never writes needs no decompressor here."""
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name in predictions.ARRAYS:
            archive.writestr(f"{name}.npy", b"x")
    assert refusal(path) == "compressed in an unusual way: expected what numpy.savez writes"


def test_column_major_arrays_are_read_alike(tmp_path: Path) -> None:
    """The order in memory of whoever wrote the file does not matter."""
    path = tmp_path / "p.npz"
    made = make_predictions(np.random.default_rng(0), 0.4)
    np.savez(path, **arrays(probabilities=np.asfortranarray(made.probabilities)))
    assert np.array_equal(predictions.read(path).probabilities, made.probabilities)


def test_pickle_is_never_loaded(tmp_path: Path) -> None:
    """A member that is a pickle, not an array, is refused."""
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in predictions.ARRAYS:
            buffer = io.BytesIO()
            np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
            archive.writestr(f"{name}.npy", buffer.getvalue())
    assert refusal(path).startswith("clip_id has the type object: expected bytes (S)")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """With its path."""
    assert refusal(tmp_path / "p.npz") == "no such file: expected the predictions that the record names"


def test_ids_outside_ascii_are_refused() -> None:
    """Ids are those of the manifest."""
    with pytest.raises(RecordError, match="clip_id 'clip-é' is not ASCII"):
        predictions.make(["clip-é"], [0], UNIFORM[:1])
