"""A run's folder: what lies where in it, and that one process at a time writes there.

`record.json`, pictures, and of a classifier `predictions-seed0.npz` and `predictions-camera-seed0.npz` at the top;
working files of each seed below.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import TrainingError
from benchmark.record import predictions_name
from dynamics_gen.files import write_whole

RESULTS = ("record.json", "study.json", "curve.png", "confusion.png", "reliability.png", "curves.png")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one model on one dataset."""

    path: Path

    @property
    def record(self) -> Path:
        """The result."""
        return self.path / "record.json"

    @property
    def study(self) -> Path:
        """The result of a study."""
        return self.path / "study.json"

    def predictions(self, seed: int, release: str = "") -> Path:
        """A seed's predictions for test; of another release, if one is named."""
        return self.path / predictions_name(seed, release)

    def checkpoint(self, seed: int) -> Path:
        """A seed's state after its last finished epoch."""
        return self.path / f"seed-{seed}" / "checkpoint.pt"

    def choice(self, seed: int) -> Path:
        """A seed's chosen epoch; there only once its training is over."""
        return self.path / f"seed-{seed}" / "choice.json"

    def weights(self, seed: int) -> Path:
        """A seed's chosen weights; `configuration` beside them says what they are the weights of."""
        return self.path / f"seed-{seed}" / "chosen.safetensors"

    def valid_predictions(self, seed: int) -> Path:
        """What a seed's chosen candidate says of valid; in place of weights, for a model that is fitted."""
        return self.path / f"seed-{seed}" / "valid-predictions.npz"

    def samples(self, seed: int) -> Path:
        """Folder of a seed's sheets of samples, one an epoch; of a generator."""
        return self.path / f"seed-{seed}" / "samples"

    def configuration(self, seed: int) -> Path:
        """What a seed was trained with."""
        return self.path / f"seed-{seed}" / "configuration.json"

    def write_configuration(self, seed: int, configuration: Mapping[str, Any]) -> None:
        """Says what a seed is trained with; its folder is made if it is not there."""
        path = self.configuration(seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(configuration, indent=1) + "\n").encode())

    def is_used(self) -> bool:
        """Whether a run, finished or not, left something here."""
        return any(path.exists() for path in (self.record, self.study)) or any(
            any(self.path.glob(f"seed-*/{name}")) for name in ("checkpoint.pt", "choice.json")
        )

    def clear(self) -> None:
        """Removes what runs leave, and nothing else."""
        for path in self.path.glob("seed-*"):
            if path.is_dir() and path.name[5:].isdigit():
                shutil.rmtree(path)
        of_seeds = (path for pattern in ("predictions-*seed*.npz", "*-seed*.png") for path in self.path.glob(pattern))
        for path in [*(self.path / name for name in RESULTS), *of_seeds]:
            path.unlink(missing_ok=True)

    def clear_shifted(self) -> None:
        """Removes predictions for other releases: a record made anew speaks of none."""
        for path in self.path.glob("predictions-*-seed*.npz"):
            path.unlink()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and holds it for this process; the system lets go when the process ends, however it ends.

        Raises:
            TrainingError: another process holds it.
            OSError: it cannot be made or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TrainingError(
                    f"{self.path} is in use by another run: wait for it, or choose another folder with --runs"
                ) from None
            yield
