"""What adversarial models share, against the closed forms of the game between densities that are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from baselines.adversarial import (
    Discriminator,
    deceiving_loss,
    judgements,
    squared_slope,
    swapping_loss,
    telling_loss,
)
from baselines.autoencoder import SVHN

NARROW = SVHN.times(0.05)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def quantiles(mean: float, deviation: float, count: int = 20_000) -> Tensor:
    """Points of equal weight that stand for a Gaussian."""
    shares = (torch.arange(count, dtype=torch.double) + 0.5) / count
    return Normal(torch.tensor(mean).double(), torch.tensor(deviation).double()).icdf(shares)


def even_pairs(covariance: Tensor, count: int = 1 << 14) -> Tensor:
    """Points of equal weight that stand for a Gaussian of the plane with mean zero."""
    shares = torch.quasirandom.SobolEngine(2, scramble=True, seed=3).draw(count, dtype=torch.double)
    return Normal(0.0, 1.0).icdf(shares.clamp(1e-9, 1 - 1e-9)) @ torch.linalg.cholesky(covariance).T


def best(features: Callable[[Tensor], Tensor], real: Tensor, made: Tensor) -> Tensor:
    """Weights of a discriminator that is linear in some features, once it has learnt."""
    seen, false = features(real), features(made)
    weights = torch.zeros(seen.shape[1], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = telling_loss(seen @ weights, false @ weights)
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach()


def quadratic(points: Tensor) -> Tensor:
    """1, x and x² of points of the line; 1, x², x·z and z² of the plane."""
    if points.ndim == 1:
        return torch.stack([torch.ones_like(points), points, points.square()], 1)
    x, z = points.T
    return torch.stack([torch.ones_like(x), x.square(), x * z, z.square()], 1)


def test_where_nothing_can_be_told_the_losses_are_logarithms_of_two() -> None:
    """2·ln 2 for the discriminator and for encoder and decoder, ln 2 for a generator alone."""
    zero = torch.zeros(5)
    assert telling_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert swapping_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert deceiving_loss(zero).item() == pytest.approx(math.log(2))


def test_losses_are_logarithms_of_probabilities() -> None:
    """Of D being right about each batch; encoder and decoder want its answers swapped, a generator the second so."""
    real, made = torch.randn(7).double(), torch.randn(4).double()
    right = real.sigmoid().log().mean() + (1 - made.sigmoid()).log().mean()
    torch.testing.assert_close(telling_loss(real, made), -right)
    torch.testing.assert_close(
        swapping_loss(real, made), -(1 - real.sigmoid()).log().mean() - made.sigmoid().log().mean()
    )
    torch.testing.assert_close(deceiving_loss(made), -made.sigmoid().log().mean())


def test_losses_do_not_overflow() -> None:
    """Where the discriminator is sure the logit itself is left."""
    sure = torch.tensor([1e4])
    assert telling_loss(-sure, sure).item() == 2e4
    assert telling_loss(sure, -sure).item() == 0


def test_the_best_discriminator_of_two_gaussians_gives_the_ratio_of_their_densities() -> None:
    """A logit that is quadratic learns log p - log q."""
    weights = best(quadratic, quantiles(0.5, 1.0), quantiles(-0.3, 1.4))
    points = torch.linspace(-2, 2, 9).double()
    expected = Normal(0.5, 1.0).log_prob(points) - Normal(-0.3, 1.4).log_prob(points)
    torch.testing.assert_close(quadratic(points) @ weights, expected, atol=2e-3, rtol=0)


def test_its_value_is_the_divergence_of_jensen_and_shannon() -> None:
    """-ln 4 + 2·JSD, the divergence by quadrature."""
    p, q = Normal(0.5, 1.0), Normal(-0.3, 1.4)
    points = torch.linspace(-12, 12, 20_001).double()
    one, other = p.log_prob(points).exp(), q.log_prob(points).exp()
    middle = (one + other) / 2
    divergence = torch.trapezoid(one * (one / middle).log() + other * (other / middle).log(), points) / 2
    real, made = quantiles(0.5, 1.0), quantiles(-0.3, 1.4)
    value = -telling_loss(p.log_prob(real) - q.log_prob(real), p.log_prob(made) - q.log_prob(made))
    assert value.item() == pytest.approx(-math.log(4) + 2 * divergence.item(), abs=1e-4)


def test_the_best_discriminator_of_gaussian_pairs_is_a_difference_of_quadratic_forms() -> None:
    """-½ vᵀ(A⁻¹ - B⁻¹)v - ½ ln(|A| / |B|) for the covariances A of (x, ẑ) and B of (x̃, z)."""
    w, a, s, t = 1.5, 0.4, 0.6, 0.8
    encoded = torch.tensor([[2.0, 2 * a], [2 * a, 2 * a * a + s * s]], dtype=torch.double)  # x ~ N(0, 2), ẑ ~ N(ax, s²)
    decoded = torch.tensor([[w * w + t * t, w], [w, 1.0]], dtype=torch.double)  # z ~ N(0, 1), x̃ ~ N(wz, t²)
    weights = best(quadratic, even_pairs(encoded), even_pairs(decoded))
    difference = torch.linalg.inv(encoded) - torch.linalg.inv(decoded)
    constant = -0.5 * (torch.logdet(encoded) - torch.logdet(decoded))
    expected = torch.stack([constant, -difference[0, 0] / 2, -difference[0, 1], -difference[1, 1] / 2])
    torch.testing.assert_close(weights, expected, atol=0.02, rtol=0)


def test_nothing_can_be_told_of_an_encoder_that_inverts_the_decoder() -> None:
    """With x from N(0, w²) the pairs (x, x/w) and (wz, z) are the same, and D = ½ is best."""
    w, z = -1.7, quantiles(0.0, 1.0)
    x = quantiles(0.0, abs(w))
    weights = best(quadratic, torch.stack([x, x / w], 1), torch.stack([w * z, z], 1))
    torch.testing.assert_close(weights, torch.zeros(4).double(), atol=1e-6, rtol=0)


def test_the_penalty_is_half_the_squared_slope() -> None:
    """Of logits linear in a frame and its latents: that of the weights, whatever the inputs."""
    frames, latents = torch.randn(3, 2, 4, 4, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    of_frames, of_latents = torch.randn(2, 4, 4, requires_grad=True), torch.randn(5, requires_grad=True)
    logits = (frames * of_frames).sum((1, 2, 3)) + latents @ of_latents
    found = squared_slope(logits, (frames, latents))
    torch.testing.assert_close(found, (of_frames.square().sum() + of_latents.square().sum()) / 2)
    torch.testing.assert_close(torch.autograd.grad(found, of_latents)[0], of_latents)


def test_judgements_are_shares() -> None:
    """Of what is held to be real."""
    found = judgements(torch.tensor([1.0, -1.0, 2.0, 3.0]), torch.tensor([-1.0, 0.5]))
    assert {name: share.item() for name, share in found.items()} == {"judged_real": 0.75, "samples_judged_real": 0.5}


def test_dropout_comes_before_every_layer() -> None:
    """And before the pixels, as in the released code; without it and in evaluation the logits are the same."""
    network = Discriminator(3, NARROW, 4, dropout=0.2, spectral_norm=False)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Dropout | nn.Conv2d | nn.Linear)]
    assert len(layers) == 2 * (5 + 2 + 3)
    assert all(isinstance(layer, nn.Dropout) == (place % 2 == 0) for place, layer in enumerate(layers))
    without = Discriminator(3, NARROW, 4, dropout=0.0, spectral_norm=False).eval()
    without.load_state_dict(network.state_dict())
    inputs = torch.randn(2, 3, 32, 32), torch.randn(2, 4)
    assert not torch.equal(network(*inputs), network(*inputs))
    torch.testing.assert_close(network.eval()(*inputs), without(*inputs))


def test_batch_norm_follows_every_layer_on_frames_but_the_first() -> None:
    """None follows those on latents and on pairs."""
    network = Discriminator(3, NARROW, 4, dropout=0.2, spectral_norm=False)
    normed = [name for name, layer in network.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(normed) == 4
    assert all(name.startswith("of_frames") for name in normed)


def test_a_spectral_norm_is_one() -> None:
    """Of each layer's weights, after some forward passes; no batch norm is left to undo it."""
    network = Discriminator(3, NARROW, 4, dropout=0.0, spectral_norm=True)
    for _ in range(10):
        network(torch.randn(1, 3, 32, 32), torch.randn(1, 4))
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 10
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def test_the_last_layers_see_frames_latents_and_what_is_told() -> None:
    """The logit has a slope along each of them; a discriminator of frames alone takes nothing else."""
    network = Discriminator(3, NARROW, 4, told=2, dropout=0.0, spectral_norm=False).eval()
    inputs = [torch.randn(1, *size, requires_grad=True) for size in ((3, 32, 32), (4,), (2,))]
    assert all(slope.any() for slope in torch.autograd.grad(network(*inputs).sum(), inputs))
    alone = Discriminator(3, NARROW, 0, dropout=0.0, spectral_norm=False).eval()
    assert alone.of_latents is None
    assert alone(inputs[0]).shape == (1,)
