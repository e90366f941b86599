"""Transfer: what features learnt by predicting frames are worth for telling motions apart, from few labels.

Source: Mastropietro 2017, sections 6.1.1 and 6.3.4, where encoders of predictors and inverse flows are to serve
discrimination; Srivastava, Mansimov, Salakhutdinov 2015, arXiv 1502.04681, section 4.3, who fine-tune from the weights
of a predictor and, as control, from random ones.
Deviations: all numbers are ours. A linear probe: the features of whole clips (`benchmark.prediction.contract`), means
over a few stretches of time in order and a few places of the frame, then principal components found without labels, as
many for every stretch, and an L2-SVM on all of them (`baselines.linear_probe`); beside it, colours of half the
resolution at as many moments. Fine-tuning: all weights of the layers that make the features, and a linear layer on them
(`baselines.fine_tuning`). The control of either is the same network with the weights that its training set out from,
whose batch norms, frozen, have the statistics of clips of train. All in single precision.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

import dynamics_gen
from baselines import fine_tuning, linear_probe
from baselines.linear_probe import PIXELS, Components, Table, choices, mean_and_deviation
from baselines.pooled_features import Colours, Pooled, features, settled
from benchmark.data import Clips
from benchmark.errors import ModelError
from benchmark.generation.run import clips_of
from benchmark.prediction.contract import Represents
from benchmark.prediction.saved import SavedRun, open_run
from benchmark.study import KeptRows
from dynamics_gen.config import SPLITS, directory_name
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ConfigError

TASK = "study"
INPUT = "clips"
SOURCE = "Mastropietro 2017, sections 6.1.1 and 6.3.4; Srivastava et al. 2015, arXiv 1502.04681, section 4.3"

GROWS = "models"
"""More of them may be asked for later; what is finished is kept."""

PROBE, TUNED = "probe", "fine-tuned"
TRAINED, UNTRAINED = "trained", "untrained"
TARGETS = ("class", "path", "speed")
"""Of probes; networks are fine-tuned on the class."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Numbers of the study.

    `runs` and `data` are folders; features come from the finished runs `models` of the release `standard` there, seed
    by seed. Features are means over `moments` stretches of time and `grid`×`grid` places, fewer where a network has
    fewer; `components` are kept of those of a stretch. `draws` random choices are made of each number of `labels`; all
    clips of train are one choice. Networks are fine-tuned on the first `tuned_draws` choices of each of `tuned_labels`,
    for `steps` batches of `batch_size`, at the best of `rates`.
    """

    runs: str = "runs"
    data: str = "data"
    size: str = "mini"
    models: tuple[str, ...] = ("feature_flow", "convlstm_forecaster", "composite_lstm_predictor", "drnet", "simvp")
    labels: tuple[int, ...] = (100, 200, 500, 1_000, 2_000, 5_000)
    draws: int = 10
    components: int = 32
    moments: int = 8
    grid: int = 2
    tuned_labels: tuple[int, ...] = (100, 1_000)
    tuned_draws: int = 3
    steps: int = 60
    batch_size: int = 16
    rates: tuple[float, ...] = (1e-4, 1e-3)

    def __post_init__(self) -> None:
        """Refuses what cannot be measured."""
        for name, least in {"draws": 1, "components": 1, "moments": 1, "grid": 1, "tuned_draws": 1, "steps": 1}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected {least} or more")
        for name in ("labels", "tuned_labels"):
            if min(getattr(self, name), default=2) < 2:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected numbers above 1")
        if not self.models or not (self.labels or self.tuned_labels):
            raise ConfigError("got no models, or no numbers of labels: expected one or more of each")
        if self.batch_size < 2:
            raise ConfigError(f"got batch_size {self.batch_size}, expected 2 or more: features are standardised in it")
        if not self.rates or not all(0 < rate < 1 for rate in self.rates):
            raise ConfigError(f"got rates {self.rates}, expected one or more numbers in (0, 1)")


class Key(NamedTuple):
    """What tells rows apart; `weights` is "" where nobody learnt the features."""

    way: str
    target: str
    features: str
    weights: str
    labels: int


def study(config: Config, seed: int, folder: Path, device: torch.device, say: Callable[[str], None]) -> dict[str, Any]:
    """Runs the study with the runs' training of that seed; finished rows are kept in `folder`, and not made again.

    Args:
        config: its numbers.
        seed: of the trainings, of the random choices, and of the order of clips in fine-tuning.
        folder: gets `rows.json`.
        device: where networks compute.
        say: told, a line a row, what was found.

    Returns:
        `rows`: for each way to use them, target, kind of features, state of the weights and number of labels, the
        errors on test of all draws, what was chosen on valid, and clips a second.

    Raises:
        DynamicsError: a run or the data are missing, or a network has no features to show.
        OSError: a file cannot be read or written.
    """
    kept = KeptRows(folder / "rows.json", {**dataclasses.asdict(config), "seed": seed}, GROWS)
    done = {Key(*(row[name] for name in Key._fields)) for row in kept.rows}
    splits = {
        name: dynamics_gen.open(Path(config.data) / directory_name("standard", config.size) / name) for name in SPLITS
    }
    runs = {name: open_run(Path(config.runs) / name / f"standard-{config.size}", device) for name in config.models}
    for kind in (PIXELS, *config.models):
        run = runs[config.models[0] if kind == PIXELS else kind]
        clips: dict[str, Clips] = {}
        for weights in ("",) if kind == PIXELS else (TRAINED, UNTRAINED):
            wanted = [key for key in _wanted(config, kind, weights, len(splits["train"])) if key not in done]
            if not wanted:
                continue
            clips = clips or {name: clips_of(run.planned, split) for name, split in splits.items()}
            network = _network(run, weights, seed, clips["train"]) if weights else Colours(config.moments)
            for key, measured in zip(wanted, _measured(config, wanted, network, seed, clips, splits), strict=True):
                told = {"image_size": run.record.view.image_size, "clips": len(splits["test"])}
                kept.add({**key._asdict(), **told, **measured})
                say(
                    f"{key.target}, {key.way}, {kind} {weights or 'alone'}, {key.labels:,} labels: "
                    f"{mean_and_deviation(measured['errors'])} wrong on test; {measured['clips_per_s']:.1f} clips/s"
                )
    return {"rows": kept.rows}


def _wanted(config: Config, kind: str, weights: str, clips: int) -> Iterator[Key]:
    """The rows of a kind of features, probes first; numbers of labels that train has not are left out."""
    for target in TARGETS:
        yield from (Key(PROBE, target, kind, weights, labels) for labels in config.labels if labels <= clips)
    if kind != PIXELS:
        yield from (Key(TUNED, "class", kind, weights, labels) for labels in config.tuned_labels if labels <= clips)


def _measured(
    config: Config,
    wanted: list[Key],
    network: nn.Module,
    seed: int,
    clips: Mapping[str, Clips],
    splits: Mapping[str, ClipDataset],
) -> Iterator[dict[str, Any]]:
    """What is found of a network's features, in the order of `wanted`."""
    pooled = Pooled(config.moments, config.grid)
    recipe = fine_tuning.Recipe(steps=config.steps, batch_size=config.batch_size, rates=config.rates)
    tables: dict[str, dict[str, Table]] = {}
    pace = 0.0
    for key in wanted:
        several = config.draws if key.way == PROBE else config.tuned_draws
        draws = several if key.labels < len(clips["train"]) else 1
        if key.way == TUNED:
            chosen = choices(len(clips["train"]), key.labels, draws, seed)
            yield {**fine_tuning.measure(network, pooled, clips, chosen, recipe, seed)}
            continue
        if not tables:
            start = time.monotonic()
            found = {name: features(network, pooled, split) for name, split in clips.items()}
            pace = round(sum(map(len, found.values())) / (time.monotonic() - start), 1)
            tables = tables_of(found, splits, config.components)
        yield {**linear_probe.measure(tables[key.target], key.labels, draws, seed), "clips_per_s": pace}


def tables_of(
    found: Mapping[str, Float[np.ndarray, "clips moments features"]],
    splits: Mapping[str, ClipDataset],
    components: int,
) -> dict[str, dict[str, Table]]:
    """For each target, the three splits; components are those of train, of all its moments together."""
    basis = Components(found["train"].reshape(-1, found["train"].shape[2]), components)
    inputs = {name: basis(rows.reshape(-1, rows.shape[2])).reshape(len(rows), -1) for name, rows in found.items()}
    return {
        target: {
            name: Table(
                features=inputs[name],
                targets=np.asarray(split.labels if target == "class" else split.column(target), np.int64),
            )
            for name, split in splits.items()
        }
        for target in TARGETS
    }


def _network(run: SavedRun, weights: str, seed: int, train: Clips) -> nn.Module:
    """With trained weights or, settled, with those from which their training set out."""
    network = run.trained(seed) if weights == TRAINED else run.untrained(seed)
    if not isinstance(network, Represents):
        raise ModelError(f"{run.record.model} has no features to show: expected a network with `represent`")
    return network if weights == TRAINED else settled(network, train)
