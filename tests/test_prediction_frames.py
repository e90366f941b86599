"""Errors of predicted frames, step by step, against closed forms and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from benchmark.prediction.frames import METRICS, MOST_DECIBELS, best_of, frame_errors, similarity
from benchmark.prediction.record import summed


def pair(seed: int = 0, clips: int = 3, time: int = 4, side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """True frames and predictions that are near them, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(clips, 3, time, side, side, generator=generator)
    return truth, (truth + 0.2 * torch.randn(truth.shape, generator=generator)).clamp(0, 1)


def test_equal_frames_have_no_error() -> None:
    """And the greatest likeness; the infinite ratio is cut off."""
    truth, _ = pair()
    found = frame_errors(truth, truth)
    assert found.mse.abs().max() == found.mae.abs().max() == 0
    assert (found.psnr == MOST_DECIBELS).all()
    torch.testing.assert_close(found.ssim, torch.ones(3, 4, dtype=torch.float64), atol=1e-9, rtol=0)


def test_a_known_offset_has_a_known_error() -> None:
    """A tenth everywhere: 0.01, 0.1, 20 decibels; the sum over pixels is OpenSTL's."""
    truth = torch.full((2, 3, 5, 16, 16), 0.4)
    found = frame_errors(truth, truth + 0.1)
    for metric, value in (("mse", 0.01), ("mae", 0.1), ("psnr", 20.0)):
        torch.testing.assert_close(getattr(found, metric), torch.full((2, 5), value).double(), atol=1e-4, rtol=1e-5)
    assert summed(0.01, 3, 16, 16) == pytest.approx(float(((truth - truth - 0.1) ** 2)[0, :, 0].sum()))


def test_errors_are_those_of_scikit_image() -> None:
    """PSNR and SSIM of every frame, with a data range of 1; borders are mirrored a little differently."""
    truth, said = pair(side=24)
    found = frame_errors(truth, said)
    for clip in range(3):
        for step in range(4):
            one, other = (frames[clip, :, step].double().numpy() for frames in (truth, said))
            assert found.psnr[clip, step] == pytest.approx(peak_signal_noise_ratio(one, other, data_range=1), abs=1e-6)
            settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
            places = structural_similarity(one, other, channel_axis=0, full=True, **settings)[1]
            assert found.ssim[clip, step] == pytest.approx(np.mean(places), abs=2e-3)


def test_similarity_is_that_of_torchmetrics() -> None:
    """To rounding, though rows and columns are smoothed one by one; of pixels that are not square too."""
    truth, said = pair(side=24)
    for frames in (truth, truth[..., :16]):
        one, other = (clips[..., : frames.shape[-1]].transpose(1, 2).flatten(0, 1).double() for clips in (said, truth))
        expected = structural_similarity_index_measure(one, other, data_range=1.0, reduction="none")
        torch.testing.assert_close(similarity(one, other).flatten(1).mean(1), expected, atol=1e-12, rtol=0)


def test_best_is_taken_clip_by_clip_and_metric_by_metric() -> None:
    """Of two samples each of which is right for one clip, both clips are right."""
    truth, said = pair(clips=2)
    first, second = said.clone(), said.clone()
    first[0], second[1] = truth[0], truth[1]
    found = best_of([frame_errors(truth, first), frame_errors(truth, second)])
    exact = frame_errors(truth, truth)
    for metric in METRICS:
        torch.testing.assert_close(getattr(found, metric), getattr(exact, metric), atol=1e-9, rtol=0)


def test_best_is_of_the_whole_clip() -> None:
    """The steps of one sample are kept together."""
    truth = torch.zeros(1, 3, 2, 16, 16)
    first, second = truth.clone(), truth.clone()
    first[:, :, 0], second[:, :, 1] = 0.5, 0.4
    found = best_of([frame_errors(truth, first), frame_errors(truth, second)])
    np.testing.assert_allclose(found.mse.numpy(), [[0.0, 0.16]], atol=1e-7)


def test_what_cannot_be_compared_is_refused() -> None:
    """Other shapes, and values in [-1, 1]."""
    truth, said = pair()
    with pytest.raises(ValueError, match=r"expected the same \[B, C, T, H, W\]"):
        frame_errors(truth, said[:, :, :3])
    with pytest.raises(ValueError, match=r"got predicted frames with values from -1 to .*expected \[0, 1\]"):
        frame_errors(truth, said * 2 - 1.0001 + 0.0001 - (said * 2 - 1).amin() - 1)
