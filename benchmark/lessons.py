"""What a model that is fitted sees of a split, and what it gives back.

A network meets its clips as batches on a device; a model that is fitted asks for them as it likes, but only in the
input that it declares, and never for the labels of what it is to judge.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int64, UInt8

from benchmark.errors import ModelError
from benchmark.spec import OWN_FILE
from dynamics_gen.console import Meter
from dynamics_gen.errors import ConfigError
from dynamics_gen.pool import run_tasks

TRAJECTORY = ("position", "orientation", "linear_velocity", "angular_velocity", "arc_length")
"""Columns of the input `trajectory`: what Bullet says of the object, frame by frame, in world units."""

CLIPS_A_CHUNK = 50

Made = TypeVar("Made")


class Shown:
    """The clips of a split in a declared input, without labels.

    Args:
        dataset: what `dynamics_gen.open` gives, or a part of it.
        form: one of `spec.FITTED_INPUTS`.
        name: of the split, for messages.
        device: torch's name of the device that the user chose, for models with a use for it.
        workers: processes that `describe` may start.

    Attributes:
        shape: the (T, H, W, 3) of a clip's frames.
        fps: frames a second; of the release `tempo`, whose clips have one of two paces, that of plain clips.

    Raises:
        ConfigError: the split has no trajectories, and they are the input.
    """

    def __init__(self, dataset: Any, form: str, name: str = "clips", device: str = "cpu", workers: int = 1) -> None:
        self._dataset, self.form, self.name, self.device, self.workers = dataset, form, name, device, workers
        self._made: dict[Hashable, Any] = {}
        self.shape: tuple[int, int, int, int] = dataset.video_shape
        self.fps = float(dataset.manifest.content["fps"])
        if form == "trajectory" and (lacking := set(TRAJECTORY) - set(dataset.columns)):
            raise ConfigError(
                f"{dataset.directory} has no column {', '.join(sorted(lacking))}: the input trajectory is there for "
                "simulated clips alone; choose a model that sees frames"
            )

    def __len__(self) -> int:
        return len(self._dataset)

    def videos(self, rows: slice | np.ndarray) -> UInt8[np.ndarray, "clips time height width 3"]:
        """Frames of some clips, as they are stored.

        Raises:
            ModelError: frames are not the declared input.
        """
        self._expect("rgb", "frames")
        return self._dataset.read_videos(rows)

    def column(self, name: str) -> np.ndarray:
        """One of `TRAJECTORY` over all clips, float32 [clips, T, ...].

        Raises:
            ModelError: trajectories are not the declared input, or it is another column.
        """
        self._expect("trajectory", f"the column {name}")
        if name not in TRAJECTORY:
            raise ModelError(f"the column {name} was asked for: the input trajectory has {', '.join(TRAJECTORY)}")
        return self._dataset.column(name)

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` returns, made at the first call with this key and remembered as long as the run lasts.

        So all seeds and candidates of a run share what does not depend on them.
        """
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def describe(self, describe: Callable[[np.ndarray], Made]) -> list[Made]:
        """What `describe` returns for the frames of each chunk of `CLIPS_A_CHUNK` clips, in their order.

        Several processes share the work where `describe` is found by its module's name, as a function of a package is
        (or a `functools.partial` of one); one of a user's own file is called in this process.

        Raises:
            ModelError: frames are not the declared input.
            BuildError: a process failed or was killed.
        """
        self._expect("rgb", "frames")
        starts = range(0, len(self), CLIPS_A_CHUNK)
        spans = [(number, start, min(start + CLIPS_A_CHUNK, len(self))) for number, start in enumerate(starts)]
        task = functools.partial(_describe_chunk, self._dataset, describe)
        with Meter(f"read {self.name}", len(self), {"clips": 1}) as meter:
            if self.workers == 1 or len(spans) == 1 or not _is_importable(describe):
                made = dict(task(span, meter.advance) for span in spans)
            else:
                made = dict(run_tasks(task, spans, workers=self.workers, progress=meter.advance))
        return [made[number] for number, _, _ in spans]

    def _expect(self, form: str, what: str) -> None:
        if self.form != form:
            raise ModelError(f"{what} of {self.name} were asked for by a model whose INPUT is {self.form!r}: state it")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """A split to learn from.

    Attributes:
        labels: the class of each clip, 0 … classes - 1.
        classes: how many there are, of which a small split may lack some.
    """

    clips: Shown
    labels: Int64[np.ndarray, " clips"]
    classes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """One candidate that `fit` offers.

    Attributes:
        probabilities: of every class, for every clip of a split; rows sum to 1.
        parameters: how many numbers were learnt.
        flops_per_clip: floating-point operations for one clip; None where nobody can count them.
    """

    probabilities: Callable[[Shown], Float[np.ndarray, "clips classes"]]
    parameters: int
    flops_per_clip: int | None = None


def _describe_chunk(
    dataset: Any, describe: Callable[[np.ndarray], Made], span: tuple[int, int, int], progress: Callable[[int], None]
) -> tuple[int, Made]:
    number, start, stop = span
    made = describe(dataset.read_videos(slice(start, stop)))
    progress(stop - start)
    return number, made


def _is_importable(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return function.__module__ != "__main__" and not function.__module__.startswith(OWN_FILE)
