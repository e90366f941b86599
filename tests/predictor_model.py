"""A user's own predictor, as text: a convolution from the last two frames to the next, with or without noise."""

PREDICTOR = '''"""TinyPredictor: the next frame from the last two."""

from dataclasses import dataclass

import torch
from torch import nn

from benchmark.players import Player
from benchmark.prediction.contract import CONTEXT

TASK = "prediction"
INPUT = "clips"
SOURCE = "tests"
TRAINING = {"*": {"epochs": 2, "batch_size": 10, "warmup": 0.0}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    image_size: int = 16
    frames: int = 2
    noise: float = 0.0
    short: bool = False


class Tiny(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.config, self.stochastic = config, config.noise > 0
        self.convolution = nn.Conv2d(config.frames * shape[1], shape[1], 3, padding=1)

    def players(self):
        return {"predictor": Player(parameters=list(self.parameters()))}

    def losses(self, batch, progress):
        clips = batch.clips
        assert clips.shape[2] == 20
        said = self.predict(clips[:, :, :CONTEXT], clips.shape[2] - CONTEXT)
        return {"predictor": (said - clips[:, :, CONTEXT:]).square().mean()}

    def predict(self, context, count):
        frames = list(context.unbind(2))
        for _ in range(count - self.config.short):
            said = frames[-1] + self.convolution(torch.cat(frames[-self.config.frames :], dim=1))
            frames.append(said + self.config.noise * torch.randn_like(said))
        return torch.stack(frames[context.shape[2] :], dim=2)


def build(config, shape):
    return Tiny(config, shape)
'''
