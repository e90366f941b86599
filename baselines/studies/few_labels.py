"""Few labels: what a linear machine makes of features that were learnt without any, beside those of pixels.

Source: Dumoulin et al. 2017, arXiv 1606.00704, section 4.3 (Mastropietro 2017, tables 4.1 and 4.2): an L2-SVM on the
concatenated features of ALI's encoder, with 1,000 to 8,000 labels, 100 random choices of these; against features of a
GAN's discriminator (Radford et al. 2016, arXiv 1511.06434, section 5.1), of a VAE's encoder, and pixels.
Deviations: the data are ours; all features are brought to their principal components, found without labels, so that
every machine has as many inputs; the cost of an error is chosen on valid, once for each kind and number of labels. The
target `shape` is asked of single frames; `path` and `speed`, which no frame shows, of clips, through the features of
some of their frames in order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

import dynamics_gen
from baselines.linear_probe import PIXELS, Components, Table, mean_and_deviation, measure
from benchmark.data import Clips, sequential
from benchmark.errors import ModelError
from benchmark.generation.attributes import attributes_of
from benchmark.generation.contract import Represents
from benchmark.generation.saved import open_run
from benchmark.generation.views import View
from benchmark.study import KeptRows
from dynamics_gen.config import SPLITS, directory_name
from dynamics_gen.errors import ConfigError

TASK = "study"
INPUT = "frames"
SOURCE = "Dumoulin et al. 2017, arXiv 1606.00704, section 4.3; Mastropietro 2017, tables 4.1 and 4.2"

FRAMES_A_BATCH = 250


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Numbers of the study.

    `runs` and `data` are folders; features come from the finished runs `models` of the release `standard` there, seed
    by seed. `draws` random choices are made of each number of `labels`. `components` are kept of a frame's features,
    `clip_components` of each of the `moments` frames that stand for a clip.
    """

    runs: str = "runs"
    data: str = "data"
    size: str = "mini"
    models: tuple[str, ...] = ("ali", "gan", "vae")
    labels: tuple[int, ...] = (1_000, 2_000, 4_000, 8_000)
    draws: int = 100
    components: int = 256
    clip_components: int = 32
    moments: int = 8

    def __post_init__(self) -> None:
        """Refuses what cannot be measured."""
        for name in ("draws", "components", "clip_components", "moments"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if not self.labels or min(self.labels) < 1:
            raise ConfigError(f"got labels {self.labels}, expected one or more numbers above 0")


def study(config: Config, seed: int, folder: Path, device: torch.device, say: Callable[[str], None]) -> dict[str, Any]:
    """Runs the study with the runs' training of that seed; finished rows are kept in `folder`, and not made again.

    Args:
        config: its numbers.
        seed: of the trainings, and of the random choices.
        folder: gets `rows.json`.
        device: where features are computed.
        say: told, a line a row, what was found, and which numbers of labels were left out as more than train has.

    Returns:
        `rows`: for each target, kind of features and number of labels, the errors on test of all draws, the chosen
        penalty, and how many inputs a machine had.

    Raises:
        DynamicsError: a run or the data are missing, or a network has no features to show.
        OSError: a file cannot be read or written.
    """
    kept = KeptRows(folder / "rows.json", {**dataclasses.asdict(config), "seed": seed})
    done = {(row["target"], row["features"], row["labels"]) for row in kept.rows}
    for kind in (PIXELS, *config.models):
        wanted = [(target, kind, labels) for target in ("shape", "path", "speed") for labels in config.labels]
        if done.issuperset(wanted):
            continue
        for target, tables in _tables(config, kind, seed, device):
            for labels in config.labels:
                known = len(tables["train"].targets)
                if labels > known:
                    say(f"{target}, {kind}, {labels:,} labels: left out, for train has {known:,}")
                if (target, kind, labels) in done or labels > known:
                    continue
                row = {
                    "target": target,
                    "features": kind,
                    "labels": labels,
                    **measure(tables, labels, config.draws, seed),
                }
                kept.add(row)
                say(f"{target}, {kind}, {labels:,} labels: {mean_and_deviation(row['errors'])} wrong on test")
    return {"rows": kept.rows}


def _tables(config: Config, kind: str, seed: int, device: torch.device) -> Iterator[tuple[str, dict[str, Table]]]:
    """For each target, the three splits."""
    represent, image_size = _representation(config, kind, seed, device)
    folder = Path(config.data) / directory_name("standard", config.size)
    splits = {name: dynamics_gen.open(folder / name) for name in SPLITS}
    frames, clips = {}, {}
    for name, split in splits.items():
        whole = View(split, "clips", config.moments, image_size)
        found = _features(Clips(whole, device, "pixels"), represent)  # [clips, moments, features]
        frames[name], clips[name] = found[:, :: max(config.moments // 4, 1)], found
    rows = frames["train"].reshape(-1, frames["train"].shape[2])
    frame_basis, clip_basis = (Components(rows, count) for count in (config.components, config.clip_components))
    yield (
        "shape",
        {
            name: Table(
                features=frame_basis(frames[name].reshape(-1, frames[name].shape[2])),
                targets=np.repeat(attributes_of(split, ("shape",)).argmax(1), frames[name].shape[1]),
            )
            for name, split in splits.items()
        },
    )
    for target in ("path", "speed"):
        yield (
            target,
            {
                name: Table(
                    features=clip_basis(clips[name].reshape(-1, clips[name].shape[2])).reshape(len(clips[name]), -1),
                    targets=split.column(target),
                )
                for name, split in splits.items()
            },
        )


def _representation(
    config: Config, kind: str, seed: int, device: torch.device
) -> tuple[Callable[[torch.Tensor], torch.Tensor], int]:
    """What makes features of single frames as clips, and the size of frames that it takes."""
    if not config.models:
        return _pixels, 32
    wanted = config.models[0] if kind == PIXELS else kind
    opened = open_run(Path(config.runs) / wanted / f"standard-{config.size}", seed, device)
    image_size, network = opened.record.view.image_size, opened.learner.sampler
    if kind == PIXELS:
        return _pixels, image_size
    if not isinstance(network, Represents):
        raise ModelError(f"{kind} has no features to show: expected a model with `represent`, such as ali, gan or vae")
    return network.represent, image_size


def _pixels(clips: torch.Tensor) -> torch.Tensor:
    """Colours of half the resolution."""
    return avg_pool2d(clips[:, :, 0], 2).flatten(1)


@torch.no_grad()
def _features(clips: Clips, represent: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    """float32 [clips, moments, features]."""
    parts = []
    for batch in clips.batches(sequential(len(clips), max(FRAMES_A_BATCH // clips.shape[0], 1))):
        frames = batch.clips.transpose(1, 2).flatten(0, 1)[:, :, None]  # [B·T, C, 1, H, W]
        parts.append(represent(frames).float().unflatten(0, (len(batch), -1)).cpu().numpy())
    return np.concatenate(parts)
