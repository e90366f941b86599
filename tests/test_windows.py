"""Windows that cover clips."""

from __future__ import annotations

import pytest
import torch

from baselines.windows import covering_windows
from dynamics_gen.errors import ConfigError


@pytest.mark.parametrize(
    ("frames", "length", "starts"), [(32, 10, [0, 7, 15, 22]), (32, 4, range(0, 32, 4)), (5, 5, [0])]
)
def test_windows_cover_a_clip_from_end_to_end(frames: int, length: int, starts: list[int]) -> None:
    """As few as can, in order; each is of neighbouring frames."""
    clips = torch.arange(frames).expand(2, 3, frames)[..., None, None]  # each pixel is its frame's number
    found = covering_windows(clips, length)
    assert found.shape == (2, len(starts), 3, length, 1, 1)
    expected = torch.tensor([[start + place for place in range(length)] for start in starts])
    assert torch.equal(found[1, :, 2, :, 0, 0], expected)
    assert set(expected.flatten().tolist()) == set(range(frames))


def test_clips_that_are_too_short_are_refused() -> None:
    """The sentence says how long they must be."""
    with pytest.raises(ConfigError, match="got clips of 9 frames, expected 10 or more"):
        covering_windows(torch.zeros(1, 3, 9, 2, 2), 10)
