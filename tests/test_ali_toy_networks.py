"""The toy's networks: each run of an ensemble is what it would be alone, and losses are those of closed forms."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import softplus

from baselines.toy.adam import EnsembleAdam
from baselines.toy.adversarial import Adversarial, losses, slopes_by_logits
from baselines.toy.discriminator import LAYERS, PIECES, Discriminator
from baselines.toy.draws import Rates, Start, generator, random_rates
from baselines.toy.inference import LearnedInverse, VariationalAutoencoder, misfit
from baselines.toy.inference import kl_divergence as ours
from baselines.toy.layers import NEW_SHARE, Dense, Normalise, NormalisedRectifier, Perceptron
from baselines.toy.learner import frozen, generated, reconstructed

CPU = torch.device("cpu")
HIDDEN = 6
RATES = [
    Rates(learning_rate=1e-3, beta1=0.2, deviation=0.3),
    Rates(learning_rate=3e-3, beta1=0.9, deviation=0.1),
    Rates(learning_rate=1e-2, beta1=0.0, deviation=0.5),
]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Everything in double precision, in which the same formula in another order is the same to ten digits."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def start(rates: list[Rates] = RATES) -> Start:
    """First weights of some runs."""
    return Start.of(0, 0, rates, CPU)


def batch(number: int, runs: int = len(RATES), size: int = 12) -> tuple[Tensor, Tensor]:
    """Points and noise of one iteration."""
    drawn = torch.Generator().manual_seed(number)
    return 2 * torch.randn(runs, size, 2, generator=drawn), torch.randn(runs, size, 4, generator=drawn)


class Maxout(nn.Module):
    """A layer of the reference's discriminator."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, PIECES * outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """The largest of each unit's pieces."""
        return self.linear(inputs).unflatten(1, (PIECES, -1)).max(1).values


def plain_perceptron(inputs: int, layers: int, outputs: int) -> nn.Sequential:
    """A decoder or an encoder of one run, of PyTorch's own layers."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [
            nn.Linear(HIDDEN if layer else inputs, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN, eps=1e-4, momentum=0.05),
            nn.ReLU(),
        ]
    return nn.Sequential(*parts, nn.Linear(HIDDEN, outputs))


def plain_discriminator(inputs: int) -> nn.Sequential:
    """Of one run."""
    return nn.Sequential(
        *(Maxout(HIDDEN if layer else inputs, HIDDEN) for layer in range(LAYERS)), nn.Linear(HIDDEN, 1)
    )


def take(reference: nn.Module, ensemble: nn.Module, run: int) -> None:
    """Gives the reference the weights of a run; both list them in the same order."""
    with torch.no_grad():
        for one, whole in zip(reference.parameters(), ensemble.parameters(), strict=True):
            one.copy_(whole[run].mT if one.ndim == 2 else whole[run].reshape(one.shape))


def assert_same(reference: nn.Module, ensemble: nn.Module, run: int) -> None:
    """Every weight, and the running averages that PyTorch has too."""
    for one, whole in zip(reference.parameters(), ensemble.parameters(), strict=True):
        expected = one.mT if one.ndim == 2 else one
        torch.testing.assert_close(whole[run].reshape(expected.shape), expected, rtol=1e-8, atol=1e-10)
    means = [one.running_mean for one in reference.modules() if isinstance(one, nn.BatchNorm1d)]
    found = [one.running_mean[run, 0] for one in ensemble.modules() if isinstance(one, NormalisedRectifier)]
    for expected, mean in zip(means, found, strict=True):
        torch.testing.assert_close(mean, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("infers", [True, False])
def test_each_run_is_what_plain_modules_and_adam_make_of_it(infers: bool) -> None:
    """Eight steps of ALI and of a GAN: automatic differentiation, two optimisers, one run at a time; losses too."""
    ensemble = Adversarial(RATES, start(), hidden=HIDDEN, discriminator_hidden=HIDDEN, infers=infers)
    before = copy.deepcopy(ensemble)
    found = [ensemble.step(*batch(number)) for number in range(8)]
    for run, rates in enumerate(RATES):
        decoder, discriminator = plain_perceptron(2, 4, 2), plain_discriminator(4 if infers else 2)
        encoder = plain_perceptron(4, 2, 2) if infers else nn.Sequential()
        assert before.decoder is not None
        take(decoder, before.decoder, run)
        take(discriminator, before.discriminator, run)
        if before.encoder is not None:
            take(encoder, before.encoder, run)
        settings = {"lr": rates.learning_rate, "betas": (rates.beta1, 0.999)}
        players = [*decoder.parameters(), *encoder.parameters()]
        critics = list(discriminator.parameters())
        optimisers = [torch.optim.Adam(parameters, **settings) for parameters in (players, critics)]
        for number in range(8):
            points, noise = (one[run] for one in batch(number))
            z, epsilon = noise.split(2, 1)
            real, fake = points, decoder(z)
            if infers:
                real = torch.cat([points, encoder(torch.cat([points, epsilon], 1))], 1)
                fake = torch.cat([fake, z], 1)
            a, b = discriminator(torch.cat([real, fake])).chunk(2)
            of_discriminator = (softplus(-a) + softplus(b)).mean()
            of_generator = (softplus(a) + softplus(-b)).mean()
            slopes = torch.autograd.grad(of_generator, players, retain_graph=True)
            slopes += torch.autograd.grad(of_discriminator, critics)
            for parameter, slope in zip(players + critics, slopes, strict=True):
                parameter.grad = slope
            for optimiser in optimisers:
                optimiser.step()
            torch.testing.assert_close(found[number]["discriminator_loss"][run], of_discriminator.detach())
            torch.testing.assert_close(found[number]["generator_loss"][run], of_generator.detach())
        assert ensemble.decoder is not None
        assert_same(decoder, ensemble.decoder, run)
        assert_same(discriminator, ensemble.discriminator, run)
        if ensemble.encoder is not None:
            assert_same(encoder, ensemble.encoder, run)


def test_a_run_that_diverges_touches_no_other() -> None:
    """One run's weights become undefined: the others' end in the same bits as without, and its samples are none."""
    ensembles = [Adversarial(RATES, start(), hidden=HIDDEN, discriminator_hidden=HIDDEN, infers=True) for _ in range(2)]
    with torch.no_grad():
        ensembles[1].discriminator.readout.weight[1] = math.nan
    for number in range(4):
        for ensemble in ensembles:
            ensemble.step(*batch(number))
    for one, other in zip(ensembles[0].parameters(), ensembles[1].parameters(), strict=True):
        assert torch.equal(one[[0, 2]], other[[0, 2]])
    samples = generated(ensembles[1], batch(9)[1])
    assert samples.isfinite().all((1, 2)).tolist() == [True, False, True]


def test_both_losses_are_two_ln_two_where_every_logit_is_zero() -> None:
    """The sum form; and the slopes by the logits are those of automatic differentiation."""
    for value in losses(torch.zeros(2, 10, 1)).values():
        torch.testing.assert_close(value, torch.full((2,), 2 * math.log(2)))
    logits = torch.randn(2, 10, 1, requires_grad=True)
    found = slopes_by_logits(logits.detach())
    for value, slope in zip(losses(logits).values(), found, strict=True):
        torch.testing.assert_close(torch.autograd.grad(value.sum(), logits)[0], slope)


def test_a_sure_discriminator_still_tells_the_generator_where_to_go() -> None:
    """At logits of ±500 its own slopes vanish and the generator's are whole: 1 over the batch."""
    logits = torch.tensor([500.0, 500.0, -500.0, -500.0]).view(1, 4, 1)
    of_discriminator, of_generator = slopes_by_logits(logits)
    assert of_discriminator.abs().max() < 1e-200
    assert of_generator.flatten().tolist() == [0.5, 0.5, -0.5, -0.5]


def test_the_optimal_logit_of_two_gaussians_is_their_quadratic_form() -> None:
    """With densities q (real) and p (fake) as weights, the discriminator's slope vanishes there at every point."""
    q, p = torch.tensor([[1.0, 0.6], [0.6, 2.0]]), torch.tensor([[1.5, -0.3], [-0.3, 0.8]])
    v = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    logits = -0.5 * torch.einsum("ni,ij,nj->n", v, q.inverse() - p.inverse(), v) - 0.5 * (q.det() / p.det()).log()
    of_discriminator, _ = slopes_by_logits(logits.repeat(2).view(1, -1, 1))
    real, fake = of_discriminator.flatten().chunk(2)
    density = [torch.distributions.MultivariateNormal(torch.zeros(2), one).log_prob(v).exp() for one in (q, p)]
    torch.testing.assert_close(density[0] * real + density[1] * fake, torch.zeros(50), rtol=0, atol=1e-12)


def test_an_exact_inverse_leaves_nothing_to_tell_apart() -> None:
    """Pairs of x = w z with E(x) = x / w are alike from both sides, so D = 1/2 is where the discriminator rests."""
    z, w = torch.randn(1, 8, 1), 1.7
    pairs = torch.cat([w * z, (w * z) / w], 2)
    discriminator = Discriminator(2, HIDDEN, start(RATES[:1]))
    nn.init.zeros_(discriminator.readout.weight)
    logits = discriminator(torch.cat([pairs, torch.cat([w * z, z], 2)], 1))
    torch.testing.assert_close(torch.sigmoid(logits), torch.full_like(logits, 0.5))
    _, gradients = discriminator.backward(slopes_by_logits(logits)[0])
    assert max(float(one.abs().max()) for one in gradients) < 1e-15


def test_one_pass_back_gives_both_kinds_of_slopes() -> None:
    """By the parameters with one weight a row, by the inputs without, both as automatic differentiation has them."""
    discriminator = Discriminator(3, HIDDEN, start())
    inputs, weights = torch.randn(3, 7, 3, requires_grad=True), torch.randn(3, 7, 1)
    hidden = inputs
    for layer in discriminator.layers:
        hidden = layer(hidden).unflatten(2, (PIECES, -1)).amax(2)
    logits = discriminator.readout(hidden)
    torch.testing.assert_close(discriminator(inputs), logits)
    slopes, gradients = discriminator.backward(weights)
    torch.testing.assert_close(slopes, torch.autograd.grad(logits.sum(), inputs, retain_graph=True)[0])
    expected = torch.autograd.grad((weights * logits).sum(), list(discriminator.parameters()))
    torch.testing.assert_close(gradients, list(expected))


def test_normalisation_has_the_slopes_of_its_formula() -> None:
    """Against finite differences, in a batch where the rectifier cuts some and not others."""
    inputs, gain, shift = torch.randn(2, 5, 3), torch.rand(2, 1, 3) + 0.5, torch.randn(2, 1, 3)
    for one in (inputs, gain, shift):
        one.requires_grad_()
    assert gradcheck(lambda *given: Normalise.apply(*given)[0], (inputs, gain, shift))
    cut = Normalise.apply(inputs, gain, shift)[0] == 0
    assert cut.any()
    assert not cut.all()


@torch.no_grad()
def test_evaluation_goes_by_running_averages_of_mean_and_deviation() -> None:
    """One batch moves both by 5 %: the mean from 0, the deviation (not the variance) from 1."""
    layer = NormalisedRectifier(4, start())
    inputs = 3 + 2 * torch.randn(3, 50, 4)
    layer(inputs)
    mean = NEW_SHARE * inputs.mean(1, keepdim=True)
    deviation = 1 - NEW_SHARE + NEW_SHARE * (inputs.var(1, correction=0, keepdim=True) + 1e-4).sqrt()
    layer.eval()
    torch.testing.assert_close(layer(inputs), ((inputs - mean) / deviation).relu())
    torch.testing.assert_close(layer.running_deviation, deviation)


def test_a_run_starts_with_the_weights_it_would_have_alone() -> None:
    """They do not depend on how many runs there are, have its deviation, and biases are zero."""
    rates = random_rates(3, 0, 4)
    whole = Dense(300, 200, Start.of(3, 0, rates, CPU), bias=True)
    alone = Dense(300, 200, Start.of(3, 0, rates[:2], CPU), bias=True)
    assert torch.equal(whole.weight[:2], alone.weight)
    for run, one in enumerate(rates):
        assert float(whole.weight[run].detach().std()) == pytest.approx(one.deviation, rel=0.02)
    assert whole.bias is not None
    assert not whole.bias.any()


def test_blocks_betas_are_complements() -> None:
    """Three steps as Blocks took them, its beta1 of 0.8 and beta2 of 0.001, are those of beta1 0.2 here."""
    parameter = nn.Parameter(torch.randn(1, 5))
    adam = EnsembleAdam([parameter], [Rates(learning_rate=1e-2, beta1=0.2, deviation=1.0)])
    weights, beta1, beta2 = parameter.detach().clone(), 0.8, 0.001
    mean, variance = torch.zeros(1, 5), torch.zeros(1, 5)
    for step in range(1, 4):
        slope = torch.randn(1, 5)
        adam.step([slope])
        mean = beta1 * slope + (1 - beta1) * mean
        variance = beta2 * slope**2 + (1 - beta2) * variance
        rate = 1e-2 * math.sqrt(1 - (1 - beta2) ** step) / (1 - (1 - beta1) ** step)
        weights -= rate * mean / (variance.sqrt() + 1e-8)
    torch.testing.assert_close(parameter.detach(), weights, rtol=0, atol=1e-6)


def test_a_frozen_decoder_stays_as_it_is_to_the_bit() -> None:
    """Neither the learned inverse nor inference after the fact moves a weight or an average of it."""
    source = Perceptron(2, HIDDEN, 4, 2, start())
    source(torch.randn(3, 20, 2))
    decode = frozen(source, 1, copies=3)
    z = torch.randn(3, 9, 2)
    before, kept = decode(z), copy.deepcopy(source.state_dict())
    later = [
        LearnedInverse(RATES, start(), hidden=HIDDEN, decode=decode),
        Adversarial(RATES, start(), hidden=HIDDEN, discriminator_hidden=HIDDEN, infers=True, decode=decode),
    ]
    for learner in later:
        weights = copy.deepcopy(learner.state_dict())
        learner.train()
        for number in range(3):
            learner.step(*batch(number))
        assert torch.equal(decode(z), before)
        assert any(not torch.equal(one, weights[name]) for name, one in learner.state_dict().items())
    for name, one in source.state_dict().items():
        assert torch.equal(one, kept[name])


@torch.no_grad()
def test_a_frozen_decoder_is_the_chosen_run_in_evaluation() -> None:
    """Every copy says what that run says by its running averages."""
    source = Perceptron(2, HIDDEN, 4, 2, start())
    source(torch.randn(3, 20, 2))
    z = torch.randn(1, 9, 2).expand(3, -1, -1)
    expected = copy.deepcopy(source).eval()(z)[2]
    for found in frozen(source, 2, copies=3)(z):
        torch.testing.assert_close(found, expected)


def test_the_inverse_learns_where_points_came_from() -> None:
    """Its error falls, whatever the data are; and q(z) of it is one z a point."""
    rates = [Rates(learning_rate=1e-2, beta1=0.9, deviation=0.3)]
    learner = LearnedInverse(rates, start(rates), hidden=16, decode=lambda z: 3 * z.flip(2) + 1)
    errors = [float(learner.step(*batch(number, runs=1, size=50))["latent_loss"]) for number in range(150)]
    assert sum(errors[-10:]) < 0.2 * sum(errors[:10])
    points, noise = batch(0, runs=1)
    assert torch.equal(reconstructed(learner, points, noise)[0], reconstructed(learner, points, -noise)[0])


def test_the_autoencoders_loss_is_minus_the_evidence_lower_bound() -> None:
    """Divergence and misfit against PyTorch's distributions; the constant ln 2 pi is left out."""
    mean, log_deviation = torch.randn(2, 4, 2), torch.randn(2, 4, 2)
    expected = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(2)
    torch.testing.assert_close(ours(mean, log_deviation), expected)
    points, means, width = torch.randn(2, 4, 2), torch.randn(2, 4, 2), torch.randn(2, 1, 1)
    expected = -Normal(means, width.exp()).log_prob(points).sum(2) - math.log(2 * math.pi)
    torch.testing.assert_close(misfit(points, means, width), expected)


def test_the_best_deviation_of_points_is_that_of_the_errors() -> None:
    """Its slope vanishes where the variance is the mean square of a coordinate's error."""
    points, means = torch.randn(1, 30, 2), torch.randn(1, 30, 2)
    width = ((points - means).square().mean().log() / 2).view(1, 1, 1).requires_grad_()
    slope = torch.autograd.grad(misfit(points, means, width).mean(), width)[0]
    assert abs(float(slope)) < 1e-12


@pytest.mark.parametrize("learns", [True, False])
def test_the_deviation_of_points_is_learnt_or_stays_one(learns: bool) -> None:
    """And each run of an autoencoder takes the steps of PyTorch's own modules."""
    ensemble = VariationalAutoencoder(RATES, start(), hidden=HIDDEN, learns_deviation=learns)
    before = copy.deepcopy(ensemble)
    for number in range(4):
        ensemble.step(*batch(number))
    assert bool((ensemble.log_deviation != 0).all()) == learns
    for run, rates in enumerate(RATES):
        decoder, encoder = plain_perceptron(2, 4, 2), plain_perceptron(2, 2, 4)
        take(decoder, before.decoder, run)
        take(encoder, before.encoder, run)
        width = torch.zeros((), requires_grad=learns)
        parameters = [*decoder.parameters(), *encoder.parameters(), *([width] if learns else [])]
        adam = torch.optim.Adam(parameters, rates.learning_rate, (rates.beta1, 0.999))
        for number in range(4):
            points, noise = (one[run] for one in batch(number))
            mean, log_deviation = encoder(points).chunk(2, 1)
            q = Normal(mean, log_deviation.exp())
            again = Normal(decoder(mean + log_deviation.exp() * noise[:, 2:]), width.exp())
            bound = again.log_prob(points).sum(1) - kl_divergence(q, Normal(0.0, 1.0)).sum(1)
            adam.zero_grad()
            (-bound.mean()).backward()
            adam.step()
        assert_same(decoder, ensemble.decoder, run)
        assert_same(encoder, ensemble.encoder, run)
        torch.testing.assert_close(ensemble.log_deviation[run, 0, 0], width)


@torch.no_grad()
def test_what_does_not_learn_is_taken_in_by_parts_to_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples and reconstructions do not depend on how many points go in at a time, and leave the learner training."""
    learner = Adversarial(RATES, start(), hidden=HIDDEN, discriminator_hidden=HIDDEN, infers=True)
    points, noise = batch(0)
    whole = generated(learner, noise), *reconstructed(learner, points, noise)
    monkeypatch.setattr("baselines.toy.learner.ROWS_AT_ONCE", 5)
    parts = generated(learner, noise), *reconstructed(learner, points, noise)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)
    assert learner.training


def test_generators_of_purposes_and_paths_differ() -> None:
    """No two streams are the same, and each is the same again."""
    paths = [("noise", 0, 1), ("noise", 1, 0), ("order", 0, 1), ("noise", 0, 1, 0)]
    first = [int(torch.randint(2**40, (1,), generator=generator(0, *path))) for path in paths]
    again = [int(torch.randint(2**40, (1,), generator=generator(0, *path))) for path in paths]
    assert first == again
    assert len(set(first)) == len(paths)
