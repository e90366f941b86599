"""Features of whole clips: released weights, the shapes they take, and that they tell motion."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from benchmark.generation import clip_features, metrics
from benchmark.generation.clip_features import LEAST_FRAMES, MOTION, ClipFeatures, frozen_of_clips
from benchmark.generation.features import FEATURES, frozen
from dynamics_gen.errors import ConfigError


@pytest.fixture(scope="module")
def network() -> ClipFeatures:
    """The released one."""
    return frozen_of_clips()


def moving(count: int, seed: int, accelerating: bool = False) -> torch.Tensor:
    """Clips [B, 3, 16, 32, 32] of a bright square that crosses a grey frame, each at a place of its own."""
    rng = np.random.default_rng(seed)
    clips = np.full((count, 3, 16, 32, 32), -0.2, np.float32)
    share = np.linspace(0, 1, 16) ** (2 if accelerating else 1)
    for clip, row, colour in zip(clips, rng.integers(2, 24, count), rng.uniform(0.2, 1, (count, 3)), strict=True):
        for frame, left in enumerate((2 + 22 * share).round().astype(int)):
            clip[:, frame, row : row + 6, left : left + 6] = colour[:, None, None]
    return torch.from_numpy(clips)


def test_released_weights_are_frozen_and_named_by_both_files(network: ClipFeatures) -> None:
    """Its hash is that of the two hashes, and nothing in it learns."""
    both = frozen().sha256 + clip_features.CLIP_WEIGHTS.sha256
    assert network.sha256 == hashlib.sha256(both.encode()).hexdigest()
    assert (network.name, network.training) == ("clip-features-1", False)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_any_length_and_size_gives_a_row_for_each_clip(network: ClipFeatures) -> None:
    """16 frames of 32×32 and 8 of 64×64 alike; a clip's row does not depend on its batch."""
    clips = moving(3, 0)
    found = network(clips)
    assert found.shape == (3, MOTION + FEATURES)
    torch.testing.assert_close(network(clips[1:2]), found[1:2], atol=1e-4, rtol=1e-3)
    assert network(torch.zeros(1, 3, LEAST_FRAMES, 64, 64)).shape == (1, MOTION + FEATURES)
    with pytest.raises(ConfigError, match=r"got clips of 7 frames, expected 8 or more: try --set frames=16"):
        network(clips[:, :, :7])


def test_shuffled_frames_are_further_away_than_other_clips(network: ClipFeatures) -> None:
    """The distance reacts to time alone: same frames, another order."""
    clips, others = moving(40, 1), moving(40, 2)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    real, same, shuffled = (network(one).double().numpy()[:, :MOTION] for one in (clips, others, clips[:, :, order]))
    assert metrics.frechet_distance(real, shuffled) > 3 * metrics.frechet_distance(real, same)


def test_another_speed_is_further_away_than_other_clips(network: ClipFeatures) -> None:
    """Accelerating clips differ from constant ones in their motion alone."""
    clips, others, faster = moving(40, 1), moving(40, 2), moving(40, 1, accelerating=True)
    real, same, fast = (network(one).double().numpy()[:, :MOTION] for one in (clips, others, faster))
    assert metrics.frechet_distance(real, fast) > 2 * metrics.frechet_distance(real, same)
