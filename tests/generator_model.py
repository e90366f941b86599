"""The file of a tiny generator, a game of two with an encoder, to be written where a test wants it."""

GENERATOR = '''"""A tiny generator for tests."""

import os
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import softplus

from benchmark.players import Player

TASK = "generation"
INPUT = "frames"
SOURCE = "tests"
TRAINING = {"*": {"learning_rate": 0.002, "weight_decay": 0.0, "warmup": 0.0, "batch_size": 16}, "tiny": {"epochs": 2}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    image_size: int = 16
    width: int = 32
    latent: int = 4
    averaging: float = 0.5


class Tiny(nn.Module):
    def __init__(self, config, shape):
        super().__init__()
        self.shape, self.latent, self.averaging = shape, config.latent, config.averaging
        frames, channels, height, rest = shape
        pixels = frames * channels * height * rest
        self.encoder = nn.Linear(pixels, config.latent)
        self.decoder = nn.Sequential(nn.Linear(config.latent, config.width), nn.ReLU(), nn.Linear(config.width, pixels))
        self.critic = nn.Sequential(nn.Linear(pixels, config.width), nn.ReLU(), nn.Linear(config.width, 1))

    def players(self):
        makers = [*self.encoder.parameters(), *self.decoder.parameters()]
        return {
            "discriminator": Player(parameters=list(self.critic.parameters()), beta1=0.5),
            "generator": Player(parameters=makers, rate=2.0, beta1=0.5),
        }

    def losses(self, batch, progress):
        time.sleep(float(os.environ.get("STEP_S", "0")))
        real, fake = self.judge(batch.clips), self.judge(self.sample(len(batch)))
        again = self.decode(self.encode(batch.clips))
        return {
            "discriminator": (softplus(-real) + softplus(fake)).mean(),
            "generator": softplus(-fake).mean() + (again - batch.clips).square().mean(),
            "judged_real": (real > 0).float().mean(),
            "samples_judged_real": (fake > 0).float().mean(),
        }

    def sample(self, count, attributes=None):
        return self.decode(torch.randn(count, self.latent, device=self.encoder.weight.device))

    def encode(self, clips, attributes=None):
        return self.encoder(clips.flatten(1))

    def decode(self, latents, attributes=None):
        frames, channels, height, width = self.shape
        return self.decoder(latents).tanh().unflatten(1, (channels, frames, height, width))

    def judge(self, clips, attributes=None):
        return self.critic(clips.flatten(1))[:, 0]


def build(config, shape):
    return Tiny(config, shape)
'''
