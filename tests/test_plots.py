"""The two pictures: small PNGs that show what the record says, for one seed as for many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_records import make_record

from benchmark import plots


@pytest.mark.parametrize(
    ("errors", "epochs"), [((0.3,), 1), ((0.3, 0.32, 0.28), 12), ((0.9,) * 10, 60)], ids=["one", "three", "ten"]
)
def test_pictures_are_small_png_files(tmp_path: Path, errors: tuple[float, ...], epochs: int) -> None:
    """One seed of one epoch or ten of sixty: under 60 kB, readable in a browser, nothing else left in the folder."""
    made, _ = make_record(errors=errors, epochs=epochs)
    plots.learning_curve(made, tmp_path / "curve.png")
    plots.confusion_matrix(made, tmp_path / "confusion.png")
    for path in (tmp_path / "curve.png", tmp_path / "confusion.png"):
        assert path.stat().st_size < 60_000
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width == 640
            assert np.asarray(picture.convert("L")).std() > 5
    assert len(list(tmp_path.iterdir())) == 2


def test_pictures_follow_the_record(tmp_path: Path) -> None:
    """Other numbers, another picture; the same numbers, the same bytes."""
    for draw in (plots.learning_curve, plots.confusion_matrix):
        contents = []
        for i, error in enumerate((0.3, 0.3, 0.7)):
            draw(make_record(errors=(error,))[0], tmp_path / f"{i}.png")
            contents.append((tmp_path / f"{i}.png").read_bytes())
        assert contents[0] == contents[1] != contents[2]


def test_module_loads_without_matplotlib() -> None:
    """Only drawing loads it."""
    program = "import sys, benchmark.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
