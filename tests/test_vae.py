"""The VAE against closed forms: divergence, densities, and the probabilistic PCA that it is when it is linear."""

from __future__ import annotations

import math

import pytest
import torch
from one_step import Players, frames_batch, snapshot
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from baselines.autoencoder import Posterior
from baselines.generators.vae import (
    GREY_LEVELS,
    VAE,
    Config,
    build,
    divergence,
    log_density,
    log_probability,
)
from benchmark.data import Batch
from benchmark.generation.contract import Generator, Infers, Judges, Likelihood
from dynamics_gen.errors import ConfigError

GREYS = torch.linspace(-1, 1, GREY_LEVELS)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def network(**settings: object) -> VAE:
    """A narrow one."""
    return build(Config(**{"latent": 4, "width": 0.1, **settings}), (1, 3, 32, 32))  # type: ignore[arg-type]


def grey(batch: Batch) -> Batch:
    """The same frames, of grey levels, as all the benchmark's are."""
    levels = ((batch.clips + 1) * 127.5).round() / 127.5 - 1
    return Batch(clips=levels, labels=batch.labels)


def test_it_keeps_the_contract() -> None:
    """It has a bound of the likelihood, infers, and judges nothing."""
    net, batch = network().eval(), frames_batch(2)
    assert isinstance(net, Generator)
    assert isinstance(net, Infers)
    assert isinstance(net, Likelihood)
    assert not isinstance(net, Judges)
    assert net.sample(2).shape == net.decode(net.encode(batch.clips)).shape == batch.clips.shape
    assert net.nats(grey(batch)).shape == (2,)


def test_the_divergence_is_that_of_gaussians_and_minus_what_the_thesis_prints() -> None:
    """The thesis prints ½ Σ (1 + ln σ² - μ² - σ²) as if it were the divergence."""
    mean, log_deviation = torch.randn(6, 4).double(), torch.randn(6, 4).double()
    posterior = Independent(Normal(mean, log_deviation.exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    found = divergence(Posterior(mean, log_deviation))
    torch.testing.assert_close(found, kl_divergence(posterior, prior))
    printed = (1 + 2 * log_deviation - mean.square() - (2 * log_deviation).exp()).sum(1) / 2
    torch.testing.assert_close(found, -printed)
    assert (found >= 0).all()


def test_the_density_is_that_of_independent_gaussians() -> None:
    """One variance for all pixels."""
    frames, mean, variance = torch.randn(3, 2, 4, 4).double(), torch.randn(3, 2, 4, 4).double(), torch.tensor(0.3)
    expected = Normal(mean, variance.double().sqrt()).log_prob(frames).sum((1, 2, 3))
    torch.testing.assert_close(log_density(frames, mean, variance.double()), expected)


@pytest.mark.parametrize("deviation", [1e-3, 0.01, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("mean", [-1.3, -1.0, 0.1, 0.999, 2.0])
def test_probabilities_of_grey_levels_sum_to_one(mean: float, deviation: float) -> None:
    """Whatever the Gaussian, black and white have what lies beyond them, and no logarithm is infinite."""
    found = log_probability(GREYS[:, None], torch.tensor(mean), torch.tensor(deviation) ** 2)
    assert found.isfinite().all()
    assert found.double().exp().sum().item() == pytest.approx(1, abs=1e-3)


def test_a_probability_is_a_difference_of_distribution_functions() -> None:
    """Also where both are nearly one, or as small as no number is."""
    variance = torch.tensor(0.25)
    edges = torch.cat([torch.tensor([-torch.inf]), (GREYS[1:] + GREYS[:-1]) / 2, torch.tensor([torch.inf])]).double()
    expected = Normal(0.4, 0.5).cdf(edges).diff().log()
    found = log_probability(GREYS[:, None], torch.tensor(0.4), variance)
    torch.testing.assert_close(found.double(), expected, atol=1e-3, rtol=0)
    far = log_probability(torch.tensor([[0.0]]), torch.tensor(50.0), torch.tensor(0.01))
    assert far.item() == pytest.approx(-0.5 * (50 - 1 / 255) ** 2 / 0.01, rel=1e-3)


def test_where_pixels_deviate_by_many_levels_a_probability_is_density_times_width() -> None:
    """For frames away from black and white."""
    frames, mean, variance = GREYS[torch.randint(60, 190, (2, 3, 4, 4))], torch.zeros(2, 3, 4, 4), torch.tensor(0.3)
    expected = log_density(frames, mean, variance) + 48 * math.log(2 / (GREY_LEVELS - 1))
    torch.testing.assert_close(log_probability(frames, mean, variance), expected, atol=0.01, rtol=0)


class LinearEncoder(nn.Module):
    """A linear mean, one deviation for all."""

    def __init__(self, pixels: int, latent: int) -> None:
        super().__init__()
        self.mean = nn.Linear(pixels, latent)
        self.log_deviation = nn.Parameter(torch.zeros(latent))

    def forward(self, frames: Tensor) -> Posterior:
        """A Gaussian for each frame."""
        mean = self.mean(frames.flatten(1))
        return Posterior(mean, self.log_deviation.expand_as(mean))


class LinearDecoder(nn.Module):
    """A linear map to frames of one row."""

    def __init__(self, latent: int, pixels: int) -> None:
        super().__init__()
        self.map = nn.Linear(latent, pixels)

    def forward(self, latents: Tensor) -> Tensor:
        """Frames."""
        return self.map(latents)[:, None, None]


def test_a_linear_vae_becomes_probabilistic_pca() -> None:
    """The pixels' variance is the mean of the discarded eigenvalues, and the bound is the likelihood itself."""
    spectrum = torch.tensor([2.0, 1.0, 0.2, 0.1, 0.06])
    basis = torch.linalg.qr(torch.randn(5, 5))[0]
    data = torch.randn(400, 5) * spectrum.sqrt() @ basis.T + torch.randn(5)
    clips = data.repeat(4, 1)[:, None, None, None]
    batch = Batch(clips=clips, labels=torch.zeros(len(clips), dtype=torch.long))
    net = VAE(LinearEncoder(5, 2), LinearDecoder(2, 5), Config(latent=2))
    players, steps = Players(net, 0.03), 700
    for step in range(steps):
        players.optimisers["autoencoder"].param_groups[0]["lr"] = 0.03 * (1 - step / steps)
        players.step(batch)
    covariance = torch.cov(data.T, correction=0)
    values, vectors = torch.linalg.eigh(covariance)
    noise = values[:3].mean()
    weights = vectors[:, 3:] * (values[3:] - noise).sqrt()
    likelihood = MultivariateNormal(data.mean(0), weights @ weights.T + noise * torch.eye(5)).log_prob(data).mean()
    assert net.variance.item() == pytest.approx(noise.item(), rel=0.05)
    assert isinstance(net.decoder, LinearDecoder)
    learnt = net.decoder.map.weight.detach()
    torch.testing.assert_close(learnt @ learnt.T, weights @ weights.T, atol=0.1, rtol=0)
    with torch.no_grad():
        found = net.bound(batch.clips[:, :, 0])
    assert (found["log_density"] - found["divergence"]).mean().item() == pytest.approx(likelihood.item(), abs=0.05)


def test_with_a_deviation_of_one_the_loss_is_half_the_squared_error_and_the_divergence() -> None:
    """As in the thesis, with its misprints mended; up to the constant of a Gaussian; by pixel."""
    net, batch = network(sigma=1.0).train(), frames_batch()
    torch.manual_seed(5)
    found = net.losses(batch, 0.0)
    torch.manual_seed(5)
    frames = batch.clips[:, :, 0]
    posterior = net.encoder(frames)
    error = (net.decoder(posterior.draw()) - frames).square().flatten(1).sum(1)
    expected = (error / 2 + divergence(posterior)).mean() / 3072 + math.log(2 * math.pi) / 2
    torch.testing.assert_close(found["autoencoder"], expected)
    assert found["sigma"].item() == net.variance.item() == 1


def test_the_deviation_follows_the_error_in_training_and_stays_in_evaluation() -> None:
    """A batch's mean squared error is the variance that its likelihood is highest with; a share of it is remembered."""
    net, batch = network(), frames_batch()
    found = net.losses(batch, 0.0)
    torch.testing.assert_close(found["sigma"].square(), found["squared_error"])
    torch.testing.assert_close(net.variance, 0.95 + 0.05 * found["squared_error"])
    before = snapshot(net)
    net.eval().losses(batch, 0.0)
    assert torch.equal(net.variance, before["variance"])


def test_nats_bound_the_information_of_grey_frames() -> None:
    """They are the divergence and the mean information of the pixels, and rise when the decoder is wrong."""
    net, batch = network().eval(), grey(frames_batch())
    torch.manual_seed(5)
    found = net.nats(batch)
    torch.manual_seed(5)
    frames = batch.clips[:, :, 0]
    posterior = net.encoder(frames)
    expected = divergence(posterior) - log_probability(frames, net.decoder(posterior.draw()), net.variance)
    torch.testing.assert_close(found, expected)
    assert (found > 0).all()


def test_it_learns_a_batch() -> None:
    """Thirty steps on frames of one grey each lower the squared error, the greys' variance at first."""
    greys = torch.linspace(-0.8, 0.8, 8)[:, None, None, None, None].expand(8, 3, 1, 32, 32).contiguous()
    batch = Batch(clips=greys, labels=torch.zeros(8, dtype=torch.long))
    players = Players(network(), 1e-2)
    errors = [players.step(batch)["squared_error"].item() for _ in range(30)]
    assert errors[0] == pytest.approx(greys.var(correction=0).item(), rel=0.05)
    assert sum(errors[-5:]) / 5 < 0.6 * errors[0]


def test_impossible_settings_are_refused() -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=r"got sigma -1.0, expected a number of 0 or more"):
        Config(sigma=-1.0)
    with pytest.raises(ConfigError, match=r"got beta1 1.0, expected a number in \[0, 1\)"):
        Config(beta1=1.0)
