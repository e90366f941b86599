"""Train, choose, and only then test: the protocol, as an object that cannot open test before the choice is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.data import ClipDataset
from benchmark.errors import TrainingError
from dynamics_gen.files import write_whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One seed's epoch, or candidate of a model that is fitted, chosen on valid.

    Attributes:
        metric: what it was chosen by; `value` is its value at that epoch.
        weights: name of the file of the chosen weights, or of the candidate's predictions for valid, beside the
            choice; `weights_sha256` is its hash.
    """

    seed: int
    epoch: int
    metric: str
    value: float
    weights: str
    weights_sha256: str


def write_choice(choice: Choice, path: Path) -> None:
    """Writes a choice, whole or not at all."""
    write_whole(path, (json.dumps(asdict(choice), indent=1) + "\n").encode())


def read_choice(path: Path) -> Choice:
    """Reads a written choice and checks that its weights are the ones that were chosen.

    Raises:
        TrainingError: the choice or its weights are missing, damaged, or not each other's.
    """
    try:
        choice = Choice(**json.loads(path.read_text("utf-8")))
        weights = hashlib.sha256((path.parent / choice.weights).read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{path} is not a choice that can be read ({error}): test stays closed until an epoch is chosen on valid"
        ) from None
    if weights != choice.weights_sha256:
        raise TrainingError(
            f"{path.parent / choice.weights} are not the weights that {path} chose: "
            "run again with --resume, which writes them anew"
        )
    return choice


class Splits:
    """The three splits of one dataset; what is opened is noted in `opened`, in order.

    Args:
        folder: holds `train`, `valid` and `test`.
        opener: opens one of them; `dynamics_gen.open`.
    """

    def __init__(self, folder: Path, opener: Callable[[Path], ClipDataset]) -> None:
        self.folder, self._opener = folder, opener
        self.opened: list[str] = []

    def train(self) -> ClipDataset:
        """Opens train."""
        return self._open("train")

    def valid(self) -> ClipDataset:
        """Opens valid."""
        return self._open("valid")

    def test(self, choices: Sequence[Path]) -> ClipDataset:
        """Opens test, given every seed's written choice.

        Raises:
            TrainingError: there is no choice, or one that cannot be read.
        """
        if not choices:
            raise TrainingError("test stays closed until an epoch is chosen on valid: got no choice")
        for path in choices:
            read_choice(path)
        return self._open("test")

    def _open(self, split: str) -> ClipDataset:
        self.opened.append(split)
        return self._opener(self.folder / split)
