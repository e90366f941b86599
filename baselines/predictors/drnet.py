"""DrNet: what a clip shows and how it stands are kept apart, and only how it stands is predicted.

Source: Denton and Birodkar 2017, arXiv 1705.10915; layers, start, weights of the losses and optimiser of the code that
its authors released: encoders and decoder of DCGAN, an adversary with two layers of 100 units, an LSTM with two layers
of 256.
Deviations: frames lie in [-1, 1] and the decoder ends in tanh, its error being taken on the scale of [0, 1]; all
players move at once, from one forward pass; the adversary sees each clip both with itself and with another, not one
half of a batch each way; the LSTM learns in the last part of the same run, not in a run of its own; several pairs of
frames of a clip can be learnt from at once; batches of 32 clips, not 100; a 32×32 frame has one layer less. The thesis
prints the two losses of the adversary without their signs, so that to descend them would teach it to be wrong: here,
as in the released code, it descends a cross-entropy, and the pose one with the answer one half.
Features: each frame's pose, and the hidden values of the LSTM's top layer after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from baselines.adversarial import telling_loss
from baselines.autoencoder import Frames
from baselines.dcgan import maps_for, start
from baselines.layers import channels_last
from baselines.settings import check
from benchmark.data import Batch
from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT, Clips, Maps
from dynamics_gen.errors import ConfigError

TASK = "prediction"
INPUT = "clips"
SOURCE = "Denton and Birodkar 2017, arXiv 1705.10915"
TRAINING = {
    "*": {"epochs": 40, "batch_size": 32, "learning_rate": 2e-3, "weight_decay": 0.0, "warmup": 0.0},
    "mini": {"epochs": 60},
    "tiny": {"epochs": 2, "batch_size": 10},
}

UNITS = 100
"""In a layer of the adversary."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters.

    Attributes:
        image_size: a power of two from 8 on.
        width: times the published maps.
        content: numbers that tell what a clip shows.
        pose: numbers that tell how it stands in a frame.
        skips: whether the decoder is also given the maps of the content's encoder: sharper, and less apart.
        similarity: weight of the squared distance between the contents of two frames of a clip.
        secrecy: weight of the loss that hides from the adversary which clip a pose is of.
        max_step: frames between the two of a pair, at most.
        pairs: of frames, drawn from each clip at each step.
        hidden: units in a layer of the LSTM.
        layers: of the LSTM.
        appearance_share: of the run, in which all but the LSTM learns; in the rest only the LSTM does.
        beta1: of every player's Adam.
    """

    image_size: int = 64
    width: float = 1.0
    content: int = 128
    pose: int = 10
    skips: bool = True
    similarity: float = 1.0
    secrecy: float = 1e-4
    max_step: int = 12
    pairs: int = 2
    hidden: int = 256
    layers: int = 2
    appearance_share: float = 0.6
    beta1: float = 0.5

    def __post_init__(self) -> None:
        """Refuses what no network can be built from, and a run without one of its phases."""
        check(self)
        for name in ("content", "pose", "max_step", "pairs", "hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)!r}, expected a whole number of 1 or more")
        for name in ("similarity", "secrecy"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"got {name} {getattr(self, name)!r}, expected a number of 0 or more")
        if not 0 < self.appearance_share < 1:
            raise ConfigError(f"got appearance_share {self.appearance_share!r}, expected a share of the run in (0, 1)")


class Encoder(nn.Module):
    """From frames to `size` numbers in (-1, 1) each, and the maps of every layer on the way."""

    def __init__(self, channels: int, maps: list[int], size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(wide),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for narrow, wide in zip([channels, *maps], maps, strict=False)
        )
        self.head = nn.Sequential(nn.Conv2d(maps[-1], size, 4, bias=False), nn.BatchNorm2d(size), nn.Tanh())

    def forward(self, frames: Frames) -> tuple[Float[Tensor, "batch size"], list[Tensor]]:
        """In single precision; the maps from the frame on."""
        found = []
        for layer in self.layers:
            frames = layer(frames)
            found.append(frames)
        return self.head(frames).flatten(1).float(), found


class Decoder(nn.Module):
    """From content and pose to a frame in [-1, 1], an encoder turned about; with its maps where there are skips."""

    def __init__(self, channels: int, maps: list[int], size: int, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        layers: list[nn.Module] = [_up(nn.ConvTranspose2d(size, maps[-1], 4, bias=False), maps[-1])]
        for wide, narrow in zip(maps[:0:-1], maps[-2::-1], strict=True):
            layer = nn.ConvTranspose2d(wide * (1 + skips), narrow, 4, stride=2, padding=1, bias=False)
            layers.append(_up(layer, narrow))
        layers.append(nn.ConvTranspose2d(maps[0] * (1 + skips), channels, 4, stride=2, padding=1))
        self.layers = nn.ModuleList(layers)

    def forward(
        self, content: Float[Tensor, "batch content"], pose: Float[Tensor, "batch pose"], maps: list[Tensor]
    ) -> Frames:
        """Frames in single precision; `maps` are those that came with the content."""
        found = self.layers[0](torch.cat([content, pose], dim=1)[:, :, None, None])
        for layer, skipped in zip(list(self.layers)[1:], reversed(maps), strict=True):
            found = layer(torch.cat([found, skipped], dim=1) if self.skips else found)
        return torch.tanh(found.float())


def _up(layer: nn.ConvTranspose2d, maps: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(maps), nn.LeakyReLU(0.2, inplace=True))


class Dynamics(nn.Module):
    """An LSTM from the poses so far, and the content, to the next pose."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed = nn.Linear(config.pose + config.content, config.hidden)
        self.lstm = nn.LSTM(config.hidden, config.hidden, config.layers, batch_first=True)
        self.readout = nn.Linear(config.hidden, config.pose)

    def forward(
        self,
        poses: Float[Tensor, "batch time pose"],
        content: Float[Tensor, "batch content"],
        state: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "batch time pose"], tuple[Tensor, Tensor]]:
        """After each pose, the one that follows, and the state, zero where none is given; in single precision."""
        hidden, after = self.hidden(poses, content, state)
        with torch.autocast(poses.device.type, enabled=False):
            return torch.tanh(self.readout(hidden)), after

    def hidden(
        self,
        poses: Float[Tensor, "batch time pose"],
        content: Float[Tensor, "batch content"],
        state: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], tuple[Tensor, Tensor]]:
        """The top layer's hidden values after each pose, and the state."""
        told = content[:, None].expand(-1, poses.shape[1], -1)
        with torch.autocast(poses.device.type, enabled=False):
            return self.lstm(self.embed(torch.cat([poses, told], dim=2)), state)

    def continued(
        self, poses: Float[Tensor, "batch time pose"], content: Float[Tensor, "batch content"], count: int
    ) -> Float[Tensor, "batch count pose"]:
        """The `count` poses after those given, each told the one before it."""
        said, state = self(poses, content)
        found = [said[:, -1:]]
        for _ in range(count - 1):
            said, state = self(found[-1], content, state)
            found.append(said)
        return torch.cat(found, dim=1)


def hiding_loss(logits: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Cross-entropy of logits with one half: ln 2, its least value, where all of them are 0."""
    return (softplus(logits) + softplus(-logits)).mean() / 2


class DrNet(nn.Module):
    """See the module; `content` and `pose` are the encoders."""

    stochastic = False

    def __init__(self, config: Config, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.config, (_, channels, height, across) = config, shape
        maps = maps_for(height, across, config.width)
        self.content = Encoder(channels, maps, config.content)
        self.pose = Encoder(channels, maps, config.pose)
        self.decoder = Decoder(channels, maps, config.content + config.pose, config.skips)
        self.adversary = nn.Sequential(
            nn.Linear(2 * config.pose, UNITS),
            nn.ReLU(inplace=True),
            nn.Linear(UNITS, UNITS),
            nn.ReLU(inplace=True),
            nn.Linear(UNITS, 1),
        )
        self.dynamics = Dynamics(config)
        self.apply(start)

    def players(self) -> dict[str, Player]:
        """Both encoders with the decoder; the adversary; the LSTM."""
        parts = {
            "autoencoder": (self.content, self.pose, self.decoder),
            "adversary": (self.adversary,),
            "dynamics": (self.dynamics,),
        }
        return {
            name: Player(
                parameters=[weight for module in modules for weight in module.parameters()], beta1=self.config.beta1
            )
            for name, modules in parts.items()
        }

    def phase(self, batch: Batch, progress: float) -> bool:
        """Whether the networks of appearance learn; else the LSTM."""
        return progress < self.config.appearance_share

    def losses(self, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Those of appearance, and once its share of the run is over those of the LSTM, for which all else stands."""
        apart = self.phase(batch, progress)
        for module in (self.content, self.pose, self.decoder):
            module.train(self.training and apart)
        return self.of_appearance(*self.drawn(batch.clips)) if apart else self.of_dynamics(batch.clips)

    def drawn(
        self, clips: Clips
    ) -> tuple[Float[Tensor, "pairs batch channels height width"], Float[Tensor, "pairs batch channels height width"]]:
        """Earlier and later frames of pairs, 1 to `max_step` frames apart."""
        (batch, _, frames), size = clips.shape[:3], (self.config.pairs, clips.shape[0])
        steps = torch.randint(1, min(self.config.max_step, frames - 1) + 1, size, device=clips.device)
        first = (torch.rand(size, device=clips.device) * (frames - steps)).long()
        rows, by_time = torch.arange(batch, device=clips.device), clips.movedim(2, 1)
        return by_time[rows, first], by_time[rows, first + steps]

    def of_appearance(
        self,
        early: Float[Tensor, "pairs batch channels height width"],
        late: Float[Tensor, "pairs batch channels height width"],
    ) -> dict[str, Tensor]:
        """The later frame from the content of the earlier one and its own pose; what the adversary tells of poses."""
        pairs, batch = early.shape[:2]
        earlier, later = early.flatten(0, 1), late.flatten(0, 1)
        content, maps = self.content(earlier)
        pose, before = self.pose(later)[0], self.pose(earlier)[0].detach()
        found = {
            "reconstruction": mse_loss(self.decoder(content, pose, maps), later) / 4,
            "similarity": mse_loss(content, self.content(later)[0].detach()),
            "secrecy": hiding_loss(self.told(before, pose)),
        }
        weights = {"reconstruction": 1.0, "similarity": self.config.similarity, "secrecy": self.config.secrecy}
        found["autoencoder"] = torch.stack([weights[name] * value for name, value in found.items()]).sum()
        if batch > 1:  # else there is no other clip
            others = before.unflatten(0, (pairs, batch)).roll(int(torch.randint(1, batch, ())), dims=1).flatten(0, 1)
            same, other = self.told(before, pose.detach()), self.told(others, pose.detach())
            found["adversary"] = telling_loss(same, other) / 2
            found["adversary_right"] = torch.cat([same.detach() > 0, other.detach() <= 0]).float().mean()
        return found

    def told(self, one: Float[Tensor, "batch pose"], other: Float[Tensor, "batch pose"]) -> Float[Tensor, " batch"]:
        """The adversary's logits, positive where it holds two poses to be of one clip."""
        return self.adversary(torch.cat([one, other], dim=1)).float().flatten()

    def of_dynamics(self, clips: Clips) -> dict[str, Tensor]:
        """The error of the next pose, from the true ones before it and the content of the last frame of the context."""
        with torch.no_grad():
            content, poses = self.content(clips[:, :, CONTEXT - 1])[0], self.poses(clips)
        return {"dynamics": mse_loss(self.dynamics(poses[:, :-1], content)[0], poses[:, 1:])}

    def poses(self, clips: Clips) -> Float[Tensor, "batch time pose"]:
        """Of every frame by itself."""
        return self.pose(clips.transpose(1, 2).flatten(0, 1))[0].unflatten(0, (clips.shape[0], clips.shape[2]))

    def composed(
        self, content: Float[Tensor, "batch content"], maps: list[Tensor], poses: Float[Tensor, "batch time pose"]
    ) -> Clips:
        """Clips that show one content each, which came with `maps`, in pose after pose."""
        count = poses.shape[1]
        said = self.decoder(
            content.repeat_interleave(count, 0),
            poses.flatten(0, 1),
            [each.repeat_interleave(count, 0) if self.config.skips else each for each in maps],
        )
        return said.unflatten(0, (len(content), count)).transpose(1, 2)

    def predict(self, context: Clips, count: int) -> Clips:
        """What the last frame shows, in the poses that the LSTM expects."""
        content, maps = self.content(context[:, :, -1])
        return self.composed(content, maps, self.dynamics.continued(self.poses(context), content, count))

    def represent(self, clips: Clips) -> Maps:
        """Of each frame; the LSTM is told the content of the last one, as in prediction."""
        poses = self.poses(clips)
        hidden, _ = self.dynamics.hidden(poses, self.content(clips[:, :, -1])[0])
        return torch.cat([poses, hidden], dim=2).transpose(1, 2)[..., None, None]


def build(config: Config, shape: tuple[int, int, int, int]) -> DrNet:
    """The network for clips of `shape` (time, channels, height, width)."""
    return channels_last(DrNet(config, shape))
