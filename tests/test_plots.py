"""The three pictures: small PNGs that show what the record says, for one seed as for many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_records import make_record, write_run

from benchmark import plots


@pytest.mark.parametrize(
    ("errors", "epochs"), [((0.3,), 1), ((0.3, 0.32, 0.28), 12), ((0.9,) * 10, 60)], ids=["one", "three", "ten"]
)
def test_pictures_are_small_png_files(tmp_path: Path, errors: tuple[float, ...], epochs: int) -> None:
    """One seed of one epoch or ten of sixty: under 60 kB, readable in a browser, nothing else left in the folder."""
    made = write_run(tmp_path, *make_record(errors=errors, epochs=epochs))
    before = set(tmp_path.iterdir())
    plots.pictures(made, tmp_path)
    drawn = set(tmp_path.iterdir()) - before
    assert {path.name for path in drawn} == {"curve.png", "confusion.png", "reliability.png"}
    for path in drawn:
        assert path.stat().st_size < 60_000
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width == 640
            assert np.asarray(picture.convert("L")).std() > 5


def test_pictures_follow_the_record(tmp_path: Path) -> None:
    """Other numbers, another picture; the same numbers, the same bytes."""
    contents = []
    for i, error in enumerate((0.3, 0.3, 0.7)):
        made = write_run(tmp_path / str(i), *make_record(errors=(error,)))
        plots.pictures(made, tmp_path / str(i))
        contents.append([path.read_bytes() for path in sorted((tmp_path / str(i)).glob("*.png"))])
    assert contents[0] == contents[1]
    assert all(one != other for one, other in zip(contents[1], contents[2], strict=True))


def test_module_loads_without_matplotlib() -> None:
    """Only drawing loads it."""
    program = "import sys, benchmark.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
