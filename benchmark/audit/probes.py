"""The probes: what each sees, and what must be true of its error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from benchmark.audit import networks, tables, trees
from benchmark.audit.material import Material
from benchmark.statistics import Interval, wilson_interval
from dynamics_gen.classes import CLASSES, factors
from dynamics_gen.errors import UnknownNameError

PICTURE_EPOCHS, CLIP_EPOCHS = 6, 6
FOLDS = 3

_FACTORS = np.array([factors(label) for label in range(len(CLASSES))])


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A question put to the data.

    Attributes:
        sees: what it is shown, for the report.
        least: error that it must at least make, a fraction; None if nothing is asked.
        most: error that it may at most make.
    """

    name: str
    sees: str
    least: float | None = None
    most: float | None = None

    def passes(self, error: float) -> bool:
        """Whether an error is as it must be; the estimate decides, its interval is reported."""
        return (self.least is None or error >= self.least) and (self.most is None or error <= self.most)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a probe found.

    Attributes:
        clips: clips that it was judged on, none of which it was trained on.
        error: share of wrong labels; `error_path` and `error_speed` of wrong factors.
        interval: of the error, 95 %, for the choice of clips.
    """

    probe: Probe
    clips: int
    error: float
    interval: Interval
    error_path: float
    error_speed: float

    @property
    def passed(self) -> bool:
        """Whether its condition holds."""
        return self.probe.passes(self.error)


PROBES = (
    *(Probe(name=f"frame_{which}", sees=f"the {which} frame's pixels", least=0.88)
      for which in ("first", "middle", "last", "random")),
    Probe(name="position_random", sees="where the object is in a random frame", least=0.88),
    *(Probe(name=f"position_{which}", sees=f"where the object is in the {which} frame", least=0.87)
      for which in ("first", "middle", "last")),
    Probe(name="appearance", sees="all drawn appearance parameters", least=0.88),
    Probe(name="backdrop", sees="the backdrop alone", least=0.88),
    Probe(name="trajectory", sees="the true trajectory", most=0.01),
    Probe(name="mean_frame", sees="the mean over time"),
    Probe(name="two_frames", sees="two neighbouring frames"),
    Probe(name="bag_of_positions", sees="where the object is in all frames, without their order"),
    Probe(name="clip", sees="the clip"),
    Probe(name="clip_shuffled", sees="the clip, trained in order, frames shuffled in test"),
    Probe(name="clip_reversed", sees="the clip, trained in order, reversed in test"),
    Probe(name="clip_always_shuffled", sees="the clip, frames shuffled in train and test"),
)  # fmt: skip
"""In the order of the report."""


def chosen_probes(names: str | None) -> tuple[Probe, ...]:
    """Probes by their names, with commas between; all of them unless given.

    Raises:
        UnknownNameError: there is none of a name.
    """
    known = {probe.name: probe for probe in PROBES}
    asked = list(known) if names is None else [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in known:
            raise UnknownNameError("probe", name, tuple(known))
    return tuple(probe for probe in PROBES if probe.name in asked)


def run_probes(
    material: Material, probes: tuple[Probe, ...], seed: int, say: Callable[[Finding], None]
) -> list[Finding]:
    """Runs probes, telling of each finding as it comes."""
    findings = []
    wanted = {probe.name: probe for probe in probes}
    for name, clips, predicted in _predictions(material, set(wanted), seed):
        findings.append(_finding(wanted[name], material.labels[clips], predicted))
        say(findings[-1])
    order = list(wanted)
    return sorted(findings, key=lambda found: order.index(found.probe.name))


Predicted = tuple[str, Int64[np.ndarray, " clip"], Int64[np.ndarray, " clip"]]
"""A probe's name, the clips that it was judged on, and what it said of them."""


def _predictions(material: Material, names: set[str], seed: int) -> Iterator[Predicted]:
    for name, table in _tables(material, names, seed):
        yield name, np.arange(len(material)), trees.cross_validated(table, material.labels, seed)
    for name, pictures in _pictures(material, names, seed):
        yield name, np.arange(len(material)), _judge_pictures(pictures, material.labels, seed)
    yield from _judge_clips(material, names, seed)


def _tables(material: Material, names: set[str], seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """What the trees are shown."""
    if any(name.startswith(("position", "bag")) for name in names):
        place = material.column("position")[..., :2]
        frames = place.shape[1]
        at = {"first": 0, "middle": frames // 2, "last": frames - 1}
        for name in sorted(names & {probe.name for probe in PROBES if probe.name.startswith("position")}):
            which = name.removeprefix("position_")
            frame = np.random.default_rng(seed).integers(frames, size=len(place)) if which == "random" else at[which]
            yield name, place[np.arange(len(place)), frame].astype(float)
        if "bag_of_positions" in names:
            yield "bag_of_positions", tables.bag_table(place)
    if "appearance" in names:
        columns = {f"parameters/{name}": material.column(f"parameters/{name}") for name in tables.APPEARANCE}
        yield "appearance", tables.appearance_table(columns)[0]
    if "trajectory" in names:
        wanted = ("position", "linear_velocity", "angular_velocity", "arc_length")
        yield "trajectory", tables.trajectory_table({name: material.column(name) for name in wanted})


def _pictures(material: Material, names: set[str], seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """What the picture networks are shown."""
    chosen = {f"frame_{which}": which for which in ("first", "middle", "last", "random")}
    for name, which in (chosen | {"mean_frame": "mean", "two_frames": "two"}).items():
        if name in names:
            yield name, material.pictures(which, np.random.default_rng(seed))
    if "backdrop" in names:
        yield "backdrop", material.backdrops()


def _judge_pictures(pictures: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Predicted labels of all clips, each by a network that was trained on the other folds."""
    import torch

    fold = np.random.default_rng(seed).permutation(len(labels)) % FOLDS
    predicted = np.empty_like(labels)
    for k in range(FOLDS):
        torch.manual_seed(seed + k)
        net = networks.PictureNet(pictures.shape[-1], pictures.shape[1], len(CLASSES))
        networks.train(
            net, lambda some: pictures[some], np.flatnonzero(fold != k), labels, epochs=PICTURE_EPOCHS, seed=seed + k
        )
        test = np.flatnonzero(fold == k)
        predicted[test] = networks.predict(net, lambda some: pictures[some], test)
    return predicted


def _judge_clips(material: Material, names: set[str], seed: int) -> Iterator[Predicted]:
    """Trains on train in order, and again on shuffled frames; judges on valid and test."""
    import torch

    frames, size = material.video_shape[:2]
    rng = np.random.default_rng(seed)

    def shuffled(some: np.ndarray) -> np.ndarray:
        order = rng.permuted(np.tile(np.arange(frames), (len(some), 1)), axis=1)
        return material.videos(some)[np.arange(len(some))[:, None], order]

    def reverse(some: np.ndarray) -> np.ndarray:
        return material.videos(some)[:, ::-1]

    shown = {"clip": material.videos, "clip_shuffled": shuffled, "clip_reversed": reverse}
    for read, tested in ((material.videos, shown), (shuffled, {"clip_always_shuffled": shuffled})):
        if not names & set(tested):
            continue
        torch.manual_seed(seed)
        net = networks.ClipNet(frames, size, len(CLASSES))
        networks.train(net, read, material.train, material.labels, epochs=CLIP_EPOCHS, seed=seed)
        for name, look in tested.items():
            if name in names:
                yield name, material.held_out, networks.predict(net, look, material.held_out)


def _finding(probe: Probe, labels: np.ndarray, predicted: np.ndarray) -> Finding:
    wrong = predicted != labels
    by_factor = (_FACTORS[predicted] != _FACTORS[labels]).mean(axis=0)
    return Finding(
        probe=probe,
        clips=len(labels),
        error=float(wrong.mean()),
        interval=wilson_interval(int(wrong.sum()), len(wrong)),
        error_path=float(by_factor[0]),
        error_speed=float(by_factor[1]),
    )
