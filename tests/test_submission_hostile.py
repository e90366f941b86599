"""Entries made to do harm are refused with one printable sentence each, soon, and in little memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from submitted import build_test_split, csv, edit, enter, guesses, npz, put

from benchmark.errors import RecordError
from benchmark.submission import said
from benchmark.submission.check import check
from benchmark.submission.said import HEADER, Said
from benchmark.submission.split import OpenedSplit, open_split

NPZ, CSV = "predictions-seed0.npz", "predictions-seed0.csv"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedSplit:
    """A small open test split. Never change it."""
    return open_split(build_test_split(tmp_path_factory.mktemp("data") / "test"))


@pytest.fixture(scope="module")
def answers(opened: OpenedSplit) -> Said:
    """Predictions in order. Never change them."""
    return guesses(opened.folder)


@pytest.fixture
def entry(opened: OpenedSplit, tmp_path: Path) -> Path:
    """An entry of one seed in order, to spoil."""
    return enter(tmp_path / "entries", opened.folder, seeds=1)


@pytest.fixture
def table(opened: OpenedSplit, tmp_path: Path) -> Path:
    """The same as a table."""
    return enter(tmp_path / "tables", opened.folder, seeds=1, form="csv")


def refusal(folder: Path, opened: OpenedSplit) -> str:
    """The one sentence that the folder is refused with, within ten seconds, without its path."""
    start = time.monotonic()
    (problem,) = check(folder, opened).problems
    assert time.monotonic() - start < 10
    assert problem.isprintable()
    assert len(problem) < 1_000
    return problem.removeprefix(f"{folder}/").removeprefix(f"{folder}: ")


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch pickled",)


def member(array: Any) -> bytes:
    """The bytes of a .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """The bytes of a ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in members.items():
            made.writestr(name, content)
        made.comment = comment
    return buffer.getvalue()


def test_pickles_are_not_loaded(
    entry: Path, opened: OpenedSplit, answers: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An array of objects, a pickle under an array's name, a pickle for the whole file: none is run."""
    monkeypatch.chdir(tmp_path)
    objects = np.array([Bomb()] * 30, dtype=object)
    put(entry, NPZ, npz(clip_id=objects, probabilities=answers.probabilities))
    assert refusal(entry, opened) == f"{NPZ}: clip_id has the type object: expected bytes (S)"
    put(entry, NPZ, archive({"clip_id.npy": pickle.dumps(Bomb()), "probabilities.npy": b""}))
    assert refusal(entry, opened).startswith(f"{NPZ}: clip_id has no readable .npy header")
    put(entry, NPZ, pickle.dumps(Bomb()))
    assert refusal(entry, opened).startswith(f"{NPZ}: not a readable .npz of plain arrays")
    assert not (tmp_path / "pickled").exists()


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("clip_id", {"clip_id": "text"}),
        ("float64", {"probabilities": "f8"}),
        ("big-endian", {"probabilities": ">f4"}),
        ("float16", {"probabilities": "f2"}),
        ("integers", {"probabilities": "i8"}),
        ("complex", {"probabilities": "c8"}),
    ],
)
def test_other_types_and_byte_orders_are_refused(
    kind: str, types: dict[str, str], entry: Path, opened: OpenedSplit, answers: Said
) -> None:
    """The form has one type for each array; `prepare` brings others to it."""
    ids = answers.clip_id.astype(str) if "clip_id" in types else answers.clip_id
    with np.errstate(all="ignore"):
        rows = answers.probabilities.astype(types.get("probabilities", "f4"))
    put(entry, NPZ, npz(clip_id=ids, probabilities=rows))
    expected = "clip_id has the type <U" if kind == "clip_id" else "probabilities has the type "
    assert refusal(entry, opened).startswith(f"{NPZ}: {expected}")


@pytest.mark.parametrize(
    "reshape",
    [
        lambda ids, rows: (ids[:, None], rows),
        lambda ids, rows: (ids, rows[:, :9]),
        lambda ids, rows: (ids, rows.T),
        lambda ids, rows: (ids, rows.ravel()),
        lambda ids, rows: (ids[:-1], rows),
        lambda ids, rows: (ids[:0], rows[:0]),
        lambda ids, rows: (ids[0], rows),
        lambda ids, rows: (ids, rows[..., None]),
    ],
)
def test_other_shapes_are_refused(
    reshape: Callable[..., tuple[Any, Any]], entry: Path, opened: OpenedSplit, answers: Said
) -> None:
    """An id and ten probabilities a clip."""
    ids, rows = reshape(answers.clip_id, answers.probabilities)
    put(entry, NPZ, npz(clip_id=ids, probabilities=rows))
    assert "have the shapes" in refusal(entry, opened) or "bytes: expected those of the shape" in refusal(entry, opened)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.nan, "out of range, nan for one: expected 0 to 1"),
        (np.inf, "out of range, inf for one"),
        (-np.inf, "out of range, -inf for one"),
        (-0.1, "out of range, -0.1 for one"),
        (3e38, "out of range, 3e+38 for one"),
        (0.5, "do not sum to 1 but to "),
    ],
)
@pytest.mark.parametrize("form", ["npz", "csv"])
def test_values_that_are_no_probabilities_are_refused(
    form: str, value: float, sentence: str, entry: Path, table: Path, opened: OpenedSplit, answers: Said
) -> None:
    """Not finite, negative, huge, or of another sum than 1; in a table, words that are no decimals too."""
    rows = answers.probabilities.copy()
    rows[7, 3] = value
    if form == "npz":
        put(entry, NPZ, npz(clip_id=answers.clip_id, probabilities=rows))
        found = refusal(entry, opened)
        assert found.startswith(f'{NPZ}: probabilities of "{answers.clip_id[7].decode()}" ')
        assert sentence in found
        return
    put(table, CSV, csv(Said(clip_id=answers.clip_id, probabilities=rows)))
    assert sentence in refusal(table, opened) if np.isfinite(value) else "line 9 holds " in refusal(table, opened)


def test_negative_and_sub_normal_zeros_pass(entry: Path, opened: OpenedSplit, answers: Said) -> None:
    """They are numbers from 0 to 1."""
    rows = np.eye(10, dtype=np.float32)[np.arange(30) % 10]
    rows[0, 1], rows[1, 0] = -0.0, 1e-45
    put(entry, NPZ, npz(clip_id=answers.clip_id, probabilities=rows))
    assert check(entry, opened).problems == []


def test_a_bomb_is_refused_by_the_sizes_it_states(entry: Path, opened: OpenedSplit) -> None:
    """Twenty megabytes of zeros in twenty kilobytes are not unpacked; the claim alone is enough."""
    zeros = member(np.zeros(20 * 2**20, np.uint8))
    content = archive({"clip_id.npy": zeros, "probabilities.npy": b""})
    assert len(content) < 2**15
    put(entry, NPZ, content)
    assert refusal(entry, opened).startswith(f"{NPZ}: unpacks to 20,")


def test_a_bomb_that_lies_about_its_size_is_cut(entry: Path, opened: OpenedSplit) -> None:
    """What unpacks to more than it states is read no further than stated, and fails its checksum."""
    zeros = member(np.zeros(5 * 2**20, np.uint8))
    content = bytearray(archive({"clip_id.npy": zeros, "probabilities.npy": b"x"}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.find(signature) + offset
        content[place : place + 4] = struct.pack("<L", 1_000)
    put(entry, NPZ, bytes(content))
    assert refusal(entry, opened).startswith(f"{NPZ}: not a readable .npz of plain arrays")


def test_an_archive_of_a_million_members_is_not_listed(entry: Path, opened: OpenedSplit) -> None:
    """Neither by a long directory, nor by a comment, nor in the 64-bit form that hides its length."""
    many = archive({f"{number}.npy": b"" for number in range(2_000)})
    put(entry, NPZ, many)
    assert refusal(entry, opened).startswith(f"{NPZ}: not a readable .npz of plain arrays")
    put(entry, NPZ, archive({"clip_id.npy": b"", "probabilities.npy": b""}, comment=b"PK\x05\x06" + many[-18:]))
    assert refusal(entry, opened).startswith(f"{NPZ}: not a readable .npz of plain arrays")
    small = many[:-6] + b"\0" * 6
    size = struct.unpack("<L", many[-10:-6])[0]
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2_000, 2_000, size, len(many) - 22 - size)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(many) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, 100, 0, 0)
    put(entry, NPZ, small[:-22] + record + locator + end)
    assert refusal(entry, opened).startswith(f"{NPZ}: not a readable .npz of plain arrays")


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"clip_id.npy": b"", "probabilities.npy": b"", "../../evil": b""}, 'holds "../../evil", "clip_id.npy", "prob'),
        ({"clip_id.npy": b"", "a\x1b[31m": b""}, 'holds "a\\u001b[31m", "clip_id.npy": expected clip_id, prob'),
        ({"clip_id.npy": b"", "label.npy": b"", "probabilities.npy": b""}, 'holds "clip_id.npy", "label.npy"'),
        ({"clip_id.npy": b""}, 'holds "clip_id.npy": expected clip_id, probabilities alone'),
        ({"clip_id.npy": b"\x93NUMPY", "probabilities.npy": b""}, "clip_id has no readable .npy header"),
    ],
)
def test_other_members_are_refused(members: dict[str, bytes], sentence: str, entry: Path, opened: OpenedSplit) -> None:
    """Ways out of the folder, names that move a terminal's cursor, labels of one's own, and headers that are none."""
    put(entry, NPZ, archive(members))
    assert refusal(entry, opened).startswith(f"{NPZ}: {sentence}")


def test_members_of_one_name_are_refused(entry: Path, opened: OpenedSplit, answers: Said) -> None:
    """Two readers could take another of the two."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("clip_id.npy", member(answers.clip_id))
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("clip_id.npy", member(answers.clip_id))
    put(entry, NPZ, buffer.getvalue())
    assert refusal(entry, opened).startswith(f'{NPZ}: holds "clip_id.npy", "clip_id.npy": expected')


def test_unusual_compression_is_refused(entry: Path, opened: OpenedSplit) -> None:
    """What numpy never writes needs no decompressor here."""
    put(entry, NPZ, archive({"clip_id.npy": b"x", "probabilities.npy": b"x"}, zipfile.ZIP_LZMA))
    assert refusal(entry, opened) == f"{NPZ}: compressed in an unusual way: expected what numpy.savez writes"


def test_a_header_that_promises_more_than_there_is_is_refused(entry: Path, opened: OpenedSplit, answers: Said) -> None:
    """A small file cannot make a huge array, nor one of negative length."""
    for shape in (b"(9" + b"0" * 15 + b",)", b"(-30,)"):
        ids = member(answers.clip_id).replace(b"(30,)", shape)
        put(entry, NPZ, archive({"clip_id.npy": ids, "probabilities.npy": member(answers.probabilities)}))
        assert refusal(entry, opened).startswith(f"{NPZ}: clip_id has ")


@pytest.mark.parametrize("name", [b"=1+1", b"a b", b"../x", b"a\x00b", b"\x1b[2J", b"<b>", b"\xff", b"x" * 65, b""])
def test_ids_that_are_none_are_refused(name: bytes, entry: Path, opened: OpenedSplit, answers: Said) -> None:
    """Formulas, blanks, paths, control characters, tags, bytes beyond ASCII: before they are shown to anybody."""
    ids = answers.clip_id.astype("S80")
    ids[0] = name
    put(entry, NPZ, npz(clip_id=ids, probabilities=answers.probabilities))
    found = check(entry, opened).problems
    assert all(one.isprintable() for one in found)
    assert "expected at most 64 letters, digits and _ . - an id" in found[0]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x,=1+1,0,0,0,0,0,0,0,0,0", 'line 2 holds "=1+1": expected a plain decimal number'),
        ("=cmd|'/C calc'!A0,1,0,0,0,0,0,0,0,0,0", "line 2 has the clip_id "),
        ("@x,1,0,0,0,0,0,0,0,0,0", 'line 2 has the clip_id "@x": expected at most 64'),
        ('"x",1,0,0,0,0,0,0,0,0,0', 'line 2 has the clip_id "\\"x\\"": expected'),
        ("x,1_0,0,0,0,0,0,0,0,0,0", 'line 2 holds "1_0": expected a plain decimal number'),
        ("x, 1,0,0,0,0,0,0,0,0,0", 'line 2 holds " 1": expected a plain decimal number'),
        ("x,0x1,0,0,0,0,0,0,0,0,0", 'line 2 holds "0x1": expected'),
        ("x,infinity,0,0,0,0,0,0,0,0,0", 'line 2 holds "infinity": expected'),
        ("x,1e9999,0,0,0,0,0,0,0,0,0", 'line 2 holds "1e9999": expected'),
        ("x,1,0,0", "line 2 has 4 cells: expected 11"),
        ("x" * 2_000, "line 2 is longer than 1024 bytes"),
        ("", "line 2 has 1 cells: expected 11"),
        ("x\x00,1,0,0,0,0,0,0,0,0,0", 'line 2 has the clip_id "x\\u0000": expected'),
    ],
)
def test_lines_that_are_not_plain_are_refused(line: str, sentence: str, table: Path, opened: OpenedSplit) -> None:
    """Formulas, quotes, blanks, and numbers that only some programs read."""
    put(table, CSV, f"{HEADER}\n{line}\n".encode())
    assert refusal(table, opened).startswith(f"{CSV}: {sentence}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "its first line is "),
        (b"clip_id,label\n", "its first line is "),
        (HEADER.encode(), "has no line but the first: expected one a clip"),
        (b"\xef\xbb\xbf" + HEADER.encode(), "not ASCII text: expected ids and decimal numbers"),
        (b"\0" * 10_000, "its first line is "),
        (
            HEADER.replace("linear_constant,linear_accelerating", "linear_accelerating,linear_constant").encode(),
            "its f",
        ),
    ],
)
def test_tables_with_another_header_are_refused(
    content: bytes, sentence: str, table: Path, opened: OpenedSplit
) -> None:
    """Classes stand in label order and under their names, so that none is taken for another."""
    put(table, CSV, content)
    assert refusal(table, opened).startswith(f"{CSV}: {sentence}")


def test_a_table_of_bad_lines_alone_is_one_sentence(table: Path, opened: OpenedSplit) -> None:
    """The first is told, and how many more."""
    put(table, CSV, f"{HEADER}\n".encode() + b"x\n" * 300_000)
    assert refusal(table, opened) == f"{CSV}: line 2 has 1 cells: expected 11; 299,999 more lines are wrong"


def test_files_over_the_limit_are_not_read(entry: Path, opened: OpenedSplit) -> None:
    """A file of holes, as large as one likes, costs nothing."""
    with (entry / NPZ).open("wb") as file:
        file.truncate(10**12)
    assert refusal(entry, opened) == f"{NPZ}: 1,000,000,000,000 bytes: expected at most 33,554,432"
    with (entry / "submission.json").open("wb") as file:
        file.truncate(10**12)
    assert check(entry, opened).problems[0].startswith(f"{entry}/submission.json: 1,000,000,000,000 bytes: expected at")


def test_links_pipes_and_folders_are_not_opened(entry: Path, opened: OpenedSplit, tmp_path: Path) -> None:
    """A link may lead to the host's own files, a pipe would wait for ever."""
    content = (entry / NPZ).read_bytes()
    (tmp_path / "elsewhere").write_bytes(content)
    (entry / NPZ).unlink()
    (entry / NPZ).symlink_to(tmp_path / "elsewhere")
    assert refusal(entry, opened) == f"{NPZ}: is a symbolic link: expected the file itself"
    (entry / NPZ).unlink()
    os.mkfifo(entry / NPZ)
    assert refusal(entry, opened) == f"{NPZ}: is no plain file"
    (entry / NPZ).unlink()
    (entry / NPZ).mkdir()
    assert refusal(entry, opened) == f"{NPZ}: is no plain file"


def test_submission_json_itself_may_be_no_link(entry: Path, opened: OpenedSplit) -> None:
    """It would show the host's files in messages."""
    (entry / "submission.json").unlink()
    (entry / "submission.json").symlink_to("/etc/passwd")
    found = refusal(entry, opened)
    assert found.startswith("submission.json: is a symbolic link: expected the file itself")


@pytest.mark.parametrize("name", ["../../x.npz", "/etc/passwd", "predictions-seed0.npz/../x", "predictions-seed0.exe"])
def test_paths_out_of_the_folder_are_refused(name: str, entry: Path, opened: OpenedSplit) -> None:
    """A file of predictions is called as its seed says, and is nowhere else."""
    edit(entry, seeds=[{"seed": 0, "predictions": name, "sha256": "0" * 64}])
    found = check(entry, opened).problems
    assert found[0].startswith(f"{entry}/submission.json: seeds[0].predictions is ")


@pytest.mark.parametrize("name", ["\x1b[2Jx", "a\nb", "\u202ecod.exe", "<img src=x>", "é", "--help", ".git"])
def test_stray_files_are_named_without_harm(name: str, entry: Path, opened: OpenedSplit) -> None:
    """Whatever a file is called, the terminal shows it escaped."""
    (entry / name).write_bytes(b"")
    assert refusal(entry, opened).startswith(f"holds {json.dumps(name)}: expected submission.json and")


def test_text_that_is_no_utf_8_is_refused(entry: Path, opened: OpenedSplit) -> None:
    """Neither Latin-1 nor UTF-16."""
    (entry / "submission.json").write_bytes(b'{"about": "\xe9"}')
    assert refusal(entry, opened).startswith("submission.json: not UTF-8 text (")


def test_a_hostile_folder_takes_little_memory(opened: OpenedSplit, tmp_path: Path) -> None:
    """Eight bombs, each as large as it may be, are refused within 100 MB of address space beyond the start."""
    folder = enter(tmp_path, opened.folder, seeds=8)
    zeros = np.zeros(15 * 2**20, np.uint8)
    content = archive({"clip_id.npy": member(zeros), "probabilities.npy": b""})
    for seed in range(8):
        put(folder, f"predictions-seed{seed}.npz", content)
    (folder / "submission.json").write_bytes(b"[" * 2**16)
    program = (
        "import resource, sys; from pathlib import Path; from benchmark.submission.check import check;"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20,) * 2);"
        "print(len(check(Path(sys.argv[1])).problems))"
    )
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "9", done.stderr


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_or_say_the_same(data: st.DataObject, answers: Said, tmp_path: Path) -> None:
    """Any bytes changed anywhere give a sentence, or the very same predictions; never another exception."""
    content = bytearray(npz(clip_id=answers.clip_id, probabilities=answers.probabilities))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    try:
        found, _ = said.read(path)
    except RecordError:
        return
    assert np.array_equal(found.clip_id, answers.clip_id)
    assert np.array_equal(found.probabilities, answers.probabilities)
