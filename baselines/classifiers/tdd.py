"""TDD: feature maps of a small flow network, pooled along dense trajectories; Fisher vectors, a linear machine.

Source: Wang, Qiao and Tang 2015, "Action recognition with trajectory-pooled deep-convolutional descriptors", CVPR.
Deviations: the network is the temporal one alone, small, and trained on train by `fit` itself: it sees stacks of ten
Farnebäck flows at half size (the spatial one could learn nothing, since no frame tells the class). Maps are taken in
every third frame, and PCA keeps half of their channels. One scale; no homography; mixtures of 16 Gaussians; the
machine's cost is chosen on valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32, Int64, UInt8
from torch import Tensor, nn

from baselines.dense_trajectories import Tracks, dense_tracks, grey_frames
from baselines.fisher import Vocabulary, learn_vocabulary
from baselines.linear_svm import machines
from benchmark.flow_maker import estimated
from benchmark.lessons import Fitted, Lesson, Shown
from dynamics_gen.errors import ConfigError

TASK = "classification"
INPUT = "rgb"
SOURCE = "Wang, Qiao and Tang 2015"

STRIDE = 3
"""Frames from one pooled map to the next."""

REDUCTIONS = {"second": 4, "third": 4}
"""Layers that are pooled, and how many pixels of the frame one of theirs is wide."""

BATCH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    length: int = 15
    """Steps of a track."""
    spacing: int = 5
    """Pixels between places where tracks begin."""
    stack: int = 10
    """Flows that the network sees at once."""
    width: int = 32
    """Channels of its first layer; the others have twice as many."""
    epochs: int = 10
    """Of its training, with one stack of each clip."""
    learning_rate: float = 3e-3
    gaussians: int = 16
    costs: tuple[float, ...] = (1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        """Refuses what no track or network can be made of."""
        if self.length < STRIDE:
            raise ConfigError(f"got tracks of {self.length} steps, expected {STRIDE} or more")
        for name in ("spacing", "stack", "width", "epochs", "gaussians"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """What is taken from the clips of a split: flows at half size, and tracks at full size, clip after clip."""

    flow: Float16[np.ndarray, "clip pairs height width 2"]
    tracks: Tracks
    counts: Int64[np.ndarray, " clip"]


class FlowNet(nn.Module):
    """Three convolutions of 3×3, the second of stride 2, and the largest value of each channel read out."""

    def __init__(self, stack: int, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2 * stack)
        self.first = _layer(2 * stack, width, 1)
        self.second = _layer(width, 2 * width, 2)
        self.third = _layer(2 * width, 2 * width, 1)
        self.readout = nn.Linear(2 * width, classes)

    def maps(self, flows: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """The layers of `REDUCTIONS`, each [B, C, H / 2, W / 2] of its input, none below 0."""
        second = self.second(self.first(self.norm(flows)))
        return {"second": second, "third": self.third(second)}

    def forward(self, flows: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of stacks of flows."""
        return self.readout(self.maps(flows)["third"].amax((2, 3)))


def fit(config: Config, train: Lesson, valid: Lesson, seed: int) -> Iterator[Fitted]:
    """Trains the network, then offers a machine for every cost."""
    net = train_net(config, material(config, train.clips).flow, train, seed)
    described = descriptors(net, config, train.clips)
    rng = np.random.default_rng(seed)
    words = {name: learn_vocabulary(rows, config.gaussians, rng) for name, rows in described.items()}

    def table(clips: Shown) -> Float32[np.ndarray, "clip numbers"]:
        return clips.once(("tdd", config, seed), lambda: encode(net, words, config, clips))

    learnt = sum(one.numbers for one in words.values()) + sum(weight.numel() for weight in net.parameters())
    yield from machines(train, valid, table, config.costs, seed, learnt)


def material(config: Config, clips: Shown) -> Material:
    """Flows and tracks of a split, taken once."""

    def extract() -> Material:
        parts = clips.describe(partial(extract_chunk, config))
        return Material(
            flow=np.concatenate([part.flow for part in parts]),
            tracks=Tracks(
                start=np.concatenate([part.tracks.start for part in parts]),
                places=np.concatenate([part.tracks.places for part in parts]),
            ),
            counts=np.concatenate([part.counts for part in parts]),
        )

    return clips.once(("material", config.length, config.spacing), extract)


def extract_chunk(config: Config, videos: UInt8[np.ndarray, "clips time height width 3"]) -> Material:
    """Flows and tracks of some clips.

    Raises:
        ConfigError: clips are shorter than a track.
    """
    import cv2

    clips, time, height, width = videos.shape[:4]
    if time <= config.length:
        raise ConfigError(f"got clips of {time} frames for tracks of {config.length} steps, expected longer ones")
    halves, found = np.empty((clips, time - 1, height // 2, width // 2, 2), np.float16), []
    for video, half in zip(videos, halves, strict=True):
        grey = grey_frames(video)
        flow = estimated(grey)
        found.append(dense_tracks(grey, flow, config.length, config.spacing))
        half[:] = [cv2.resize(field, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for field in flow]
    return Material(
        flow=halves,
        tracks=Tracks(
            start=np.concatenate([one.start for one in found]), places=np.concatenate([one.places for one in found])
        ),
        counts=np.array([len(one.start) for one in found], np.int64),
    )


def train_net(
    config: Config, flow: Float16[np.ndarray, "clip pairs height width 2"], train: Lesson, seed: int
) -> FlowNet:
    """Trains on one stack of each clip an epoch, at a time drawn anew, by AdamW with a rate that falls to zero."""
    torch.manual_seed(seed)
    net = FlowNet(config.stack, config.width, train.classes).to(train.clips.device)
    rng = np.random.default_rng(seed)
    steps = config.epochs * -(-len(flow) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=max(steps, 2))
    for _ in range(config.epochs):
        order, times = rng.permutation(len(flow)), rng.integers(flow.shape[1], size=len(flow))
        for some in np.array_split(order, -(-len(flow) // BATCH)):
            stacks = stacked(flow, some, times[some], config.stack).to(train.clips.device)
            labels = torch.from_numpy(train.labels[some]).to(train.clips.device)
            loss = nn.functional.cross_entropy(net(stacks), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def stacked(
    flow: Float16[np.ndarray, "clip pairs height width 2"], clips: np.ndarray, times: np.ndarray, stack: int
) -> Float32[Tensor, "batch channels height width"]:
    """The flows around a time of each clip, channels by time, then axis; a clip's ends repeat its first and last."""
    around = np.clip(times[:, None] + np.arange(stack) - stack // 2, 0, flow.shape[1] - 1)
    flows = torch.from_numpy(flow[clips[:, None], around]).float()  # [B, S, H, W, 2]
    return flows.permute(0, 1, 4, 2, 3).flatten(1, 2)


@torch.no_grad()
def descriptors(net: FlowNet, config: Config, clips: Shown) -> dict[str, Float32[np.ndarray, "track channels"]]:
    """The network's maps, normalised in two ways, summed along each track, clip after clip."""
    taken = material(config, clips)
    ends = np.cumsum(taken.counts)
    times = np.arange(0, taken.flow.shape[1], STRIDE)
    found: dict[str, list[np.ndarray]] = {f"{layer}_{way}": [] for layer in REDUCTIONS for way in ("volume", "channel")}
    for clip, (end, count) in enumerate(zip(ends, taken.counts, strict=True)):
        tracks = Tracks(start=taken.tracks.start[end - count : end], places=taken.tracks.places[end - count : end])
        stacks = stacked(taken.flow, np.full(len(times), clip), times, config.stack).to(clips.device)
        for layer, maps in net.maps(stacks).items():
            for way, scaled in normalised_maps(maps.cpu()).items():
                found[f"{layer}_{way}"].append(pooled(scaled.numpy(), times, tracks, REDUCTIONS[layer]))
    return {name: np.concatenate(rows) for name, rows in found.items()}


def normalised_maps(maps: Float[Tensor, "time channels height width"]) -> dict[str, Tensor]:
    """A clip's maps, each channel over its largest value in the clip, and each place over its largest channel."""
    volume, channel = maps.amax((0, 2, 3), keepdim=True), maps.amax(1, keepdim=True)
    return {"volume": maps / volume.clamp_min(1e-6), "channel": maps / channel.clamp_min(1e-6)}


def pooled(
    maps: Float32[np.ndarray, "time channels height width"], times: np.ndarray, tracks: Tracks, reduction: int
) -> Float32[np.ndarray, "track channels"]:
    """Sums of the maps over those of each track's places whose frame is among `times`, multiples of `STRIDE`.

    Args:
        maps: one for each time.
        times: frames of the maps.
        tracks: in pixels of the frame.
        reduction: how many of those one pixel of the maps is wide.
    """
    steps = tracks.places.shape[1] - 1
    first = -tracks.start % STRIDE  # the first step whose frame has a map
    sums = np.zeros((len(tracks.start), maps.shape[1]), np.float32)
    each = np.arange(len(sums))
    for k in range(-(-steps // STRIDE)):
        step = first + k * STRIDE
        there = step < steps
        x, y = ((tracks.places[each[there], step[there]] + 0.5) / reduction).astype(int).T
        row = np.searchsorted(times, tracks.start[there] + step[there])
        sums[there] += maps[row, :, np.clip(y, 0, maps.shape[2] - 1), np.clip(x, 0, maps.shape[3] - 1)]
    return sums


def encode(
    net: FlowNet, words: dict[str, Vocabulary], config: Config, clips: Shown
) -> Float32[np.ndarray, "clip numbers"]:
    """The Fisher vectors of all maps and normalisations, side by side."""
    counts = material(config, clips).counts
    return np.hstack([words[name].encode(rows, counts) for name, rows in descriptors(net, config, clips).items()])


def _layer(channels: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
