"""ALI on 25 Gaussians: how many modes it covers beside a GAN, and what its inference is worth.

Source: Mastropietro 2017, "Deep Learning for Video Modelling", section 4.4.5 and figure 4.8; Dumoulin et al. 2017,
arXiv 1606.00704, section 2.6; networks and constants as in IshmaelBelghazi/ALI, experiments/{ali,gan}_mixture.py.
Deviations: a tenth of the iterations unless told otherwise; the ranges of the random search, the rates of what comes
after it, and the VAE's deviation of points are ours, as they were not published. Besides the thesis's count of modes,
in which a single stray sample covers one, there are counts of samples that lie near a centre.

The best run of each kind is that with the most filled modes, then the largest share of samples of high quality, by
10,000 samples of the prior that no result is made of. An inverse mapping, ALI's inference after the fact (both on the
best GAN's decoder) and VAEs have a run for each learning rate of a short list, and the best of those reconstructs
10,000 points of valid best; the errors reported are those of 10,000 other points of valid, for all alike.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.toy import figure, mixture
from baselines.toy.adversarial import Adversarial
from baselines.toy.draws import (
    BETA1S,
    DEVIATIONS,
    LEARNING_RATES,
    Batches,
    Rates,
    Start,
    generator,
    normal,
    random_rates,
)
from baselines.toy.fitting import Row, diverged_at, fit
from baselines.toy.inference import LearnedInverse, VariationalAutoencoder
from baselines.toy.learner import Learner, frozen, generated, reconstructed
from baselines.toy.significance import compared, summary, thesis
from benchmark.errors import TrainingError
from dynamics_gen.errors import ConfigError

TASK = "study"
INPUT = "points"
SOURCE = "Mastropietro 2017, section 4.4.5; Dumoulin et al. 2017, arXiv 1606.00704"

TITLES = {
    "ali": "ALI",
    "gan": "GAN",
    "inverse": "GAN, learned inverse",
    "posthoc": "GAN, post-hoc ALI",
    "vae": "VAE, deviation learnt",
    "vae_unit": "VAE, deviation 1",
}
STAGES, KINDS = tuple(TITLES), ("ali", "gan")
"""In the order in which they are trained; the two kinds are those whose modes are counted."""

THESIS_ITERATIONS = 200_000
PICTURE = "ali_toy.png"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Numbers of the study; all but `iterations` and `later_*` are the paper's.

    `iterations` is the budget of every training: the thesis's is 200,000, ours takes about two hours on one core.
    There are `runs` of ALI and of the GAN, and one of each later model for each of the `later_learning_rates`.
    `points` are those of train, and of valid again; `samples` are what modes are counted in, and how many points are
    reconstructed. Metrics are taken at `milestones`, evenly over the iterations.
    """

    iterations: int = 20_000
    runs: int = 10
    points: int = 100_000
    batch_size: int = 100
    samples: int = 10_000
    milestones: int = 10
    hidden: int = 400
    discriminator_hidden: int = 200
    later_learning_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    later_beta1: float = 0.5
    later_deviation: float = 0.02

    def __post_init__(self) -> None:
        """Refuses what cannot be trained or measured."""
        for name in ("iterations", "runs", "samples", "milestones", "hidden", "discriminator_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"got {name} {getattr(self, name)}, expected 1 or more")
        if self.batch_size < 2:
            raise ConfigError(f"got batch_size {self.batch_size}, expected 2 or more: batches are normalised")
        if self.points < max(self.batch_size, 2 * self.samples):
            raise ConfigError(
                f"got points {self.points}, expected a batch of {self.batch_size} and twice samples {self.samples}"
            )
        if not self.later_learning_rates or min(self.later_learning_rates) <= 0:
            raise ConfigError(f"got later_learning_rates {self.later_learning_rates}, expected one or more above zero")
        if not 0 <= self.later_beta1 < 1:
            raise ConfigError(f"got later_beta1 {self.later_beta1}, expected a number in [0, 1)")
        if self.later_deviation <= 0:
            raise ConfigError(f"got later_deviation {self.later_deviation}, expected a number above zero")

    @property
    def later_rates(self) -> list[Rates]:
        """Of the runs of each later model."""
        return [
            Rates(learning_rate=rate, beta1=self.later_beta1, deviation=self.later_deviation)
            for rate in self.later_learning_rates
        ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Finished:
    """A stage: its runs, and a row for each milestone once it is over."""

    stage: str
    learner: Learner
    rates: list[Rates]
    history: list[Row] = field(default_factory=list)


def study(config: Config, seed: int, folder: Path, device: torch.device, say: Callable[[str], None]) -> dict[str, Any]:
    """Trains and compares all models; draws `ali_toy.png`.

    Goes on from what an earlier call with the same `config` and `seed` left in `folder`, to the same bits on a CPU.

    Returns:
        plain numbers, lists and dictionaries, ready for JSON; None stands for what is not finite.

    Raises:
        TrainingError: a checkpoint in `folder` is damaged or of another configuration, or no run is left to choose.
        StoppedError: the user pressed Ctrl-C.
        OSError: the folder cannot be written.
    """
    return _Study(config, seed, folder, device, say).results()


class _Study:
    """The stages, and what they share."""

    def __init__(
        self, config: Config, seed: int, folder: Path, device: torch.device, say: Callable[[str], None]
    ) -> None:
        self.config, self.seed, self.folder, self.device, self.say = config, seed, folder, device, say
        train, _ = mixture.draw(config.points, generator(seed, "train"))
        self.train = train.to(device)
        points, modes = mixture.draw(config.points, generator(seed, "valid"))
        self.points, self.choice_points = points.to(device).split(config.samples)[:2]
        self.modes, self.choice_modes = modes.to(device).split(config.samples)[:2]

    def results(self) -> dict[str, Any]:
        """See `study`."""
        config, seed = self.config, self.seed
        widths = {"hidden": config.hidden, "discriminator_hidden": config.discriminator_hidden}
        ali, gan = (
            self.fit(kind, partial(Adversarial, infers=kind == "ali", **widths), random_rates(seed, i, config.runs))
            for i, kind in enumerate(KINDS)
        )
        best = {kind: self.best_sampler(finished) for kind, finished in zip(KINDS, (ali, gan), strict=True)}
        assert isinstance(gan.learner, Adversarial)
        assert gan.learner.decoder is not None
        decode = frozen(gan.learner.decoder, best["gan"], len(config.later_learning_rates))
        later: dict[str, Callable[..., Learner]] = {
            "inverse": partial(LearnedInverse, hidden=config.hidden, decode=decode),
            "posthoc": partial(Adversarial, infers=True, decode=decode, **widths),
            "vae": partial(VariationalAutoencoder, hidden=config.hidden, learns_deviation=True),
            "vae_unit": partial(VariationalAutoencoder, hidden=config.hidden, learns_deviation=False),
        }
        shown = [self.model(ali, best["ali"])]
        for stage, build in later.items():
            finished = self.fit(stage, build, config.later_rates)
            shown.append(self.model(finished, self.best_inference(finished)))
        figure.draw([row for _, row in shown], self.modes, self.folder / PICTURE)
        return {
            "study": "ali_toy",
            "seed": seed,
            "config": asdict(config),
            "iterations": config.iterations,
            "iterations_of_the_thesis": THESIS_ITERATIONS,
            "search": {"learning_rate": LEARNING_RATES, "beta1": BETA1S, "deviation": DEVIATIONS},
            "kinds": {kind: described(finished) for kind, finished in zip(KINDS, (ali, gan), strict=True)},
            "tests": {name: compared(ali.history[-1][name], gan.history[-1][name]) for name in mixture.METRICS},
            "thesis": thesis(),
            "best": best,
            "models": [facts for facts, _ in shown],
            "picture": PICTURE,
        }

    def fit(self, stage: str, build: Callable[..., Learner], rates: list[Rates]) -> Finished:
        """Trains a stage, or what is left of it; the earliest are measured by samples, the later by inference."""
        config, number = self.config, STAGES.index(stage)
        learner = build(rates, Start.of(self.seed, number, rates, self.device))
        finished = Finished(stage=stage, learner=learner, rates=rates)
        self.say(f"stage {number + 1} of {len(STAGES)}: {stage}, {len(rates)} runs at once")
        history = fit(
            learner,
            Batches(points=self.train, seed=self.seed, stage=number, runs=len(rates), size=config.batch_size),
            config.iterations,
            sorted({max(1, config.iterations * (i + 1) // config.milestones) for i in range(config.milestones)}),
            partial(self.coverage if stage in KINDS else self.choice_errors, finished),
            self.folder / f"{stage}.pt",
            {"study": "ali_toy", "seed": self.seed, "config": asdict(config)},
            self.say,
        )
        return dataclasses.replace(finished, history=history)

    def coverage(self, finished: Finished, purpose: str = "samples") -> dict[str, Tensor]:
        """What each run's samples of the prior cover."""
        return mixture.coverage(generated(finished.learner, self.noise(finished, purpose)))

    def choice_errors(self, finished: Finished) -> dict[str, Tensor]:
        """How each run reconstructs the points that serve to choose."""
        _, again = self.reconstructed(finished, self.choice_points, "choice")
        return mixture.reconstruction(self.choice_points, self.choice_modes, again)

    def best_sampler(self, finished: Finished) -> int:
        """The run with the most filled modes, then most of high quality, then most covered; the first of equals."""
        found = self.coverage(finished, "choice")
        ranks = zip(*(found[name].tolist() for name in ("filled", "high_quality", "covered")), strict=True)
        alive = {run: rank for run, rank in enumerate(ranks) if diverged_at(finished.history, run) is None}
        if not alive:
            raise TrainingError(f"every run of {finished.stage} diverged, so there is none to go on with: try --seed")
        return max(alive, key=lambda run: alive[run])

    def best_inference(self, finished: Finished) -> int:
        """The run that reconstructs the points that serve to choose with the least squared error."""
        errors = self.choice_errors(finished)["squared_error"]
        errors = errors.where(errors.isfinite(), math.inf)
        if not math.isfinite(float(errors.min())):
            raise TrainingError(f"every run of {finished.stage} diverged: try lower later_learning_rates")
        return int(errors.argmin())

    def model(self, finished: Finished, run: int) -> tuple[dict[str, Any], figure.Model]:
        """What is said and shown of a stage's best run."""
        z, again = self.reconstructed(finished, self.points, "reconstruction")
        samples = generated(finished.learner, self.noise(finished, "samples"))
        found = {**mixture.coverage(samples), **mixture.reconstruction(self.points, self.modes, again)}
        if isinstance(finished.learner, VariationalAutoencoder):
            found["points_deviation"] = finished.learner.log_deviation.detach().exp().flatten()
        plain = {name: [_plain(value) for value in values.tolist()] for name, values in found.items()}
        facts = {
            "stage": finished.stage,
            "title": TITLES[finished.stage],
            "run": run,
            **asdict(finished.rates[run]),
            **{name: values[run] for name, values in plain.items()},
            "all_runs": plain,
            "curve": finished.history,
        }
        title = f"{TITLES[finished.stage]}\nsquared error {facts['squared_error']:.3g}"
        return facts, figure.Model(title=title, samples=samples[run], z=z[run], again=again[run])

    def reconstructed(self, finished: Finished, points: Tensor, purpose: str) -> tuple[Tensor, Tensor]:
        """Each run's z for the points, and what it stands for."""
        noise = self.noise(finished, purpose)
        return reconstructed(finished.learner, points.expand(len(noise), -1, -1), noise)

    def noise(self, finished: Finished, purpose: str) -> Tensor:
        """For one use of a stage's runs."""
        drawn = normal(self.seed, purpose, STAGES.index(finished.stage), len(finished.rates), self.config.samples)
        return drawn.to(self.device)


def described(finished: Finished) -> dict[str, Any]:
    """A kind's runs, what they cover at the end and on average, and how that came about."""
    last = finished.history[-1]
    return {
        "runs": [
            {
                **asdict(rates),
                "diverged_at": diverged_at(finished.history, run),
                **{name: last[name][run] for name in mixture.METRICS},
            }
            for run, rates in enumerate(finished.rates)
        ],
        "summary": {name: asdict(summary(last[name])) for name in mixture.METRICS},
        "curve": finished.history,
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
