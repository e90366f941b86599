"""The study of 25 Gaussians: what counts as covered, its draws, its tests, its loop, and the whole of it in small."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from scipy.stats import mannwhitneyu, ttest_ind
from torch import Tensor

from baselines.studies import ali_toy
from baselines.studies.ali_toy import STAGES, Config, study
from baselines.toy import fitting, mixture
from baselines.toy.adversarial import Adversarial
from baselines.toy.draws import BETA1S, DEVIATIONS, LEARNING_RATES, Batches, Start, normal, random_rates
from baselines.toy.fitting import Row, diverged_at, fit
from baselines.toy.mixture import CENTRES, DEVIATION, METRICS, assign, coverage, reconstruction
from baselines.toy.significance import THESIS, compared, mann_whitney, summary, thesis, welch
from benchmark.errors import StoppedError, TrainingError
from dynamics_gen.errors import ConfigError

CPU = torch.device("cpu")
SMALL = Config(
    iterations=60,
    runs=3,
    points=200,
    batch_size=10,
    samples=100,
    milestones=3,
    hidden=8,
    discriminator_hidden=6,
    later_learning_rates=(1e-3, 1e-2),
)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator."""
    return torch.Generator().manual_seed(seed)


def listed(found: dict[str, Tensor]) -> dict[str, list[float]]:
    """Metrics as plain numbers."""
    return {name: values.tolist() for name, values in found.items()}


def test_a_perfect_sampler_covers_everything_and_a_constant_one_mode() -> None:
    """Of the true mixture 1 - exp(-4.5) lies within three deviations; a constant at a centre lies there wholly."""
    samples, _ = mixture.draw(10_000, seeded())
    found = coverage(torch.stack([samples, CENTRES[7].expand(10_000, 2)]))
    assert found["covered"].tolist() == [25, 1]
    assert found["filled"].tolist() == [25, 1]
    expected = 1 - math.exp(-4.5)
    assert float(found["high_quality"][0]) == pytest.approx(expected, abs=4 * math.sqrt(expected * 0.012 / 10_000))
    assert float(found["high_quality"][1]) == 1


def test_the_count_of_the_thesis_is_blind() -> None:
    """Noise that fills the square covers all 25 modes by that count, and fills none."""
    found = listed(coverage(10 * torch.rand(1, 10_000, 2, generator=seeded()) - 5))
    assert found["covered"] == [25]
    assert found["filled"] == [0]
    assert found["high_quality"][0] == pytest.approx(25 * math.pi * 0.15**2 / 100, rel=0.3)


def test_a_sample_belongs_to_the_largest_responsibility() -> None:
    """By the densities of all 25, inside and outside of the grid."""
    samples = 12 * torch.rand(500, 2, generator=seeded()).double() - 6
    logs = torch.distributions.Normal(CENTRES.double(), DEVIATION).log_prob(samples[:, None]).sum(2)
    mode, good = assign(samples)
    assert torch.equal(mode, logs.argmax(1))
    assert torch.equal(good, (samples[:, None] - CENTRES).norm(dim=2).amin(1) < 0.15)


def test_what_is_not_finite_covers_nothing() -> None:
    """A diverged run's samples count for no mode, and leave the other run's counts alone."""
    samples, _ = mixture.draw(1_000, seeded())
    broken = samples.clone()
    broken[::2] = math.nan
    broken[1::2] = math.inf
    found = listed(coverage(torch.stack([broken, samples])))
    assert {name: values[0] for name, values in found.items()} == dict.fromkeys(METRICS, 0)
    assert found["covered"][1] == 25


def test_the_mixture_is_the_papers() -> None:
    """Equal weights, centres two apart from -4 to 4, deviation 0.05 around them."""
    points, modes = mixture.draw(100_000, seeded())
    counts = torch.bincount(modes, minlength=25)
    assert (counts - 4_000).abs().max() < 5 * math.sqrt(4_000)
    assert sorted(set(CENTRES.flatten().tolist())) == [-4, -2, 0, 2, 4]
    assert len({tuple(centre) for centre in CENTRES.tolist()}) == 25
    around = points - CENTRES[modes]
    torch.testing.assert_close(around.T.cov(), DEVIATION**2 * torch.eye(2), rtol=0, atol=5e-5)
    assert torch.equal(assign(points)[0], modes)


def test_errors_of_reconstructions_have_their_closed_forms() -> None:
    """None for the points themselves; 2 times the variance for their centres; the step for another mode."""
    points, modes = mixture.draw(20_000, seeded())
    centres = CENTRES[modes]
    found = listed(reconstruction(points, modes, torch.stack([points, centres, centres + torch.tensor([2.0, 0.0])])))
    assert found["squared_error"] == pytest.approx([0, 0.005, 4.005], rel=0.03)
    median = DEVIATION * math.sqrt(2 * math.log(2))  # of Rayleigh's distribution
    assert found["distance"] == pytest.approx([0, median, 2], rel=0.03)
    assert found["same_mode"] == pytest.approx([1 - math.exp(-4.5), 1, 0], abs=0.005)


def test_batches_are_a_function_of_the_iteration() -> None:
    """Entered in the middle they go on as from the start; a run's do not depend on how many runs there are."""
    points = torch.arange(70.0).view(35, 2)
    batches = Batches(points=points, seed=1, stage=0, runs=3, size=10)
    whole = batches.after(0)
    first = [next(whole) for _ in range(8)]
    for iteration in (1, 3, 5):
        rest, few = batches.after(iteration), replace(batches, runs=2).after(iteration)
        for expected in first[iteration:]:
            for found, two, one in zip(next(rest), next(few), expected, strict=True):
                assert torch.equal(found, one)
                assert torch.equal(two, one[:2])


def test_an_epoch_has_no_point_twice_and_each_run_its_own_order() -> None:
    """Three batches of ten from 35 points, then all anew in another order; noise never comes again."""
    points = torch.arange(70.0).view(35, 2)
    batches = Batches(points=points, seed=1, stage=0, runs=2, size=10).after(0)
    drawn = [next(batches) for _ in range(6)]
    seen = torch.stack([one[:, :, 0] for one, _ in drawn])  # [iteration, run, batch]
    for epoch in (seen[:3], seen[3:]):
        for run in range(2):
            assert len(set(epoch[:, run].flatten().tolist())) == 30
    assert not torch.equal(seen[:3], seen[3:])
    assert not torch.equal(seen[:, 0], seen[:, 1])
    noise = torch.stack([one for _, one in drawn])
    assert noise.unique().numel() == noise.numel()


def test_the_search_draws_from_its_ranges() -> None:
    """Logarithmically uniform rates and deviations, uniform beta1; the two kinds draw apart, more runs prolong."""
    rates = random_rates(0, 0, 400)
    for name, (low, high) in (("learning_rate", LEARNING_RATES), ("beta1", BETA1S), ("deviation", DEVIATIONS)):
        values = torch.tensor([getattr(one, name) for one in rates])
        assert low <= values.min() <= values.max() <= high
        middle = (low + high) / 2 if name == "beta1" else math.sqrt(low * high)
        assert float((values < middle).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert random_rates(0, 0, 3) == rates[:3]
    assert random_rates(0, 1, 3) != rates[:3]
    assert random_rates(1, 0, 3) != rates[:3]


def test_tests_from_summaries_are_those_of_the_values() -> None:
    """Welch's t, its degrees of freedom and p, and Mann and Whitney's U, as scipy has them for the values."""
    one, other = [3.0, 5.0, 4.0, 9.0], [1.0, 2.0, 2.5, 1.5, 4.0]
    expected = ttest_ind(one, other, equal_var=False)
    found = welch(summary(one), summary(other))
    assert (found["t"], found["p"]) == pytest.approx((expected.statistic, expected.pvalue))  # type: ignore[attr-defined]
    assert found["freedom"] == pytest.approx(expected.df)  # type: ignore[attr-defined]
    expected = mannwhitneyu(one, other)
    assert tuple(mann_whitney(one, other).values()) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_thesis_found_no_significant_difference() -> None:
    """13.4 ± 5.8 against 10.4 ± 9.2, ten runs each: t = 3 / sqrt(5.8²/10 + 9.2²/10)."""
    found = thesis()["welch"]
    assert found["t"] == pytest.approx(3 / math.sqrt(5.8**2 / 10 + 9.2**2 / 10))
    assert found["t"] == pytest.approx(0.872, abs=1e-3)
    assert 0.39 < found["p"] < 0.41
    assert [THESIS[kind].mean for kind in ("ali", "gan")] == [13.4, 10.4]


def test_runs_without_spread_are_compared_without_a_warning() -> None:
    """Nothing is said of two kinds that are constant; one run a side gives no test."""
    assert compared([25.0] * 3, [25.0] * 3)["welch"]["p"] is None
    assert compared([25.0] * 3, [25.0] * 3)["mann_whitney"]["p"] is None
    assert compared([25.0] * 3, [24.0] * 3)["welch"]["p"] is None
    assert compared([25.0] * 3, [25.0, 24.0, 25.0])["welch"]["p"] < 1
    assert compared([1.0], [2.0]) == {}


def small_gan(infers: bool = True) -> Adversarial:
    """Two runs."""
    rates = random_rates(0, 0, 2)
    start = Start.of(0, 0, rates, CPU)
    return Adversarial(rates, start, hidden=8, discriminator_hidden=6, infers=infers)


def train(
    learner: Adversarial, checkpoint: Path, say: Callable[[str], None] = lambda line: None, seed: int = 0
) -> list[Row]:
    """A hundred iterations, twelve an epoch."""
    points, _ = mixture.draw(120, seeded())
    batches = Batches(points=points, seed=seed, stage=0, runs=2, size=10)

    def measure() -> dict[str, Tensor]:
        return coverage(torch.randn(2, 50, 2, generator=seeded()))

    return fit(learner, batches, 100, [50, 100], measure, checkpoint, {"seed": seed}, say)


def stopping(at: str) -> Callable[[str], None]:
    """Stops, as Ctrl-C does, at the first line that has a text in it."""

    def say(line: str) -> None:
        if at in line:
            raise KeyboardInterrupt

    return say


@pytest.mark.parametrize("at", [" 20/100", " 50/100", " 80/100"])
def test_a_resumed_training_ends_in_the_same_bits(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between milestones or at one: weights, running averages and history, means of losses included."""
    monkeypatch.setattr(fitting, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(fitting, "LINE_INTERVAL_S", 0.0)
    whole, stopped, resumed = (small_gan() for _ in range(3))
    expected = train(whole, tmp_path / "whole.pt")
    with pytest.raises(StoppedError, match=f"stopped in part: {at.split('/')[0].strip()} iterations of it are kept"):
        train(stopped, tmp_path / "part.pt", stopping(at))
    lines: list[str] = []
    assert train(resumed, tmp_path / "part.pt", lines.append) == expected
    assert f"goes on after{at.split('/')[0]} of 100 iterations" in lines[0]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    """Its history and weights come from the checkpoint, and no step is taken."""
    first, second = small_gan(), small_gan()
    history = train(first, tmp_path / "a.pt")
    second.step = lambda points, noise: pytest.fail("it took a step")  # type: ignore[method-assign]
    assert train(second, tmp_path / "a.pt") == history
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another configuration, other networks, damage: one sentence each."""
    train(small_gan(), tmp_path / "a.pt")
    with pytest.raises(TrainingError, match="was trained with seed = 0, and now seed is 1: resume with the old value"):
        train(small_gan(), tmp_path / "a.pt", seed=1)
    with pytest.raises(TrainingError, match="does not fit the model any more"):
        train(small_gan(infers=False), tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    for damage in (whole[: len(whole) // 2], b"", b"no checkpoint", whole[:100] + bytes(200) + whole[300:]):
        (tmp_path / "a.pt").write_bytes(damage)
        with pytest.raises(TrainingError, match=r"a\.pt is damaged"):
            train(small_gan(), tmp_path / "a.pt")


def test_a_run_that_diverges_is_marked(tmp_path: Path) -> None:
    """From the milestone on before which a loss was not finite; the other run is not."""
    learner = small_gan()
    with torch.no_grad():
        learner.discriminator.readout.weight[1] = math.inf
    history = train(learner, tmp_path / "a.pt")
    assert [diverged_at(history, run) for run in range(2)] == [None, 50]
    json.dumps(history, allow_nan=False)
    assert history[-1]["discriminator_loss"][0] is not None


def test_losses_of_a_milestone_are_means_since_the_one_before(tmp_path: Path) -> None:
    """And lines tell how far it is, what was measured and what is left."""
    learner, found = small_gan(), []
    step = learner.step

    def noted(points: Tensor, noise: Tensor) -> dict[str, Tensor]:
        found.append(step(points, noise))
        return found[-1]

    learner.step = noted  # type: ignore[method-assign]
    lines: list[str] = []
    history = train(learner, tmp_path / "gan.pt", lines.append)
    for row, some in zip(history, (found[:50], found[50:]), strict=True):
        mean = torch.stack([one["generator_loss"] for one in some]).mean(0)
        assert row["generator_loss"] == pytest.approx(mean.tolist())
    assert [line.partition(" · ")[0] for line in lines] == ["gan 50/100 iterations", "gan 100/100 iterations"]
    assert "a few seconds left · covered " in lines[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A small study that went through: its folder and its results."""
    folder = tmp_path_factory.mktemp("study")
    return folder, study(SMALL, 0, folder, CPU, lambda line: None)


def test_the_study_says_what_it_did_in_plain_numbers(finished: tuple[Path, dict]) -> None:
    """Budget, search, every run, coverage over time, both tests for each metric, and the thesis's numbers beside."""
    results = json.loads(json.dumps(finished[1], allow_nan=False))
    assert (results["iterations"], results["iterations_of_the_thesis"]) == (60, 200_000)
    assert results["search"]["learning_rate"] == [1e-5, 1e-3]
    for kind, stage in (("ali", 0), ("gan", 1)):
        found = results["kinds"][kind]
        assert [one["learning_rate"] for one in found["runs"]] == [r.learning_rate for r in random_rates(0, stage, 3)]
        assert [row["iteration"] for row in found["curve"]] == [20, 40, 60]
        for metric in METRICS:
            values = [one[metric] for one in found["runs"]]
            assert values == found["curve"][-1][metric]
            assert found["summary"][metric]["mean"] == pytest.approx(sum(values) / 3)
    assert results["tests"].keys() == set(METRICS)
    assert results["thesis"]["welch"]["t"] == pytest.approx(0.872, abs=1e-3)
    assert [one["stage"] for one in results["models"]] == [name for name in STAGES if name != "gan"]
    for one in results["models"]:
        assert {"squared_error", "distance", "same_mode", *METRICS} <= one.keys()
        assert one["squared_error"] == one["all_runs"]["squared_error"][one["run"]]


def test_the_study_draws_a_row_for_each_model(finished: tuple[Path, dict]) -> None:
    """Five rows of three square pictures."""
    with Image.open(finished[0] / finished[1]["picture"]) as picture:
        width, height = picture.size
    assert height / width == pytest.approx(5 / 3, rel=0.02)


def test_the_study_goes_on_where_it_was_stopped(
    finished: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the second stage and in the fourth, it ends with the same results."""
    monkeypatch.setattr(ali_toy.figure, "draw", lambda *given: None)
    for at in ("gan 40/60", "posthoc 20/60"):
        with pytest.raises(StoppedError, match="stopped in "):
            study(SMALL, 0, tmp_path, CPU, stopping(at))
    assert study(SMALL, 0, tmp_path, CPU, lambda line: None) == finished[1]


def test_another_configuration_is_refused_in_the_same_folder(finished: tuple[Path, dict]) -> None:
    """The sentence names the first field that differs; so does another seed."""
    with pytest.raises(TrainingError, match=r"config\.hidden = 8, and now config\.hidden is 9"):
        study(replace(SMALL, hidden=9), 0, finished[0], CPU, lambda line: None)
    with pytest.raises(TrainingError, match="seed = 0, and now seed is 1"):
        study(SMALL, 1, finished[0], CPU, lambda line: None)


def test_a_study_whose_runs_all_diverged_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no best run to go on with: one sentence, and what was trained is kept."""

    class Ruined(Adversarial):
        def step(self, points: Tensor, noise: Tensor) -> dict[str, Tensor]:
            return {name: value * math.nan for name, value in super().step(points, noise).items()}

    monkeypatch.setattr(ali_toy, "Adversarial", Ruined)
    with pytest.raises(TrainingError, match="every run of ali diverged"):
        study(SMALL, 0, tmp_path, CPU, lambda line: None)
    assert (tmp_path / "gan.pt").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"iterations": 0}, "got iterations 0, expected 1 or more"),
        ({"batch_size": 1}, "got batch_size 1, expected 2 or more"),
        ({"points": 19_999}, "got points 19999, expected a batch of 100 and twice samples 10000"),
        ({"later_learning_rates": ()}, "got later_learning_rates"),
        ({"later_learning_rates": (1e-3, 0.0)}, "got later_learning_rates"),
        ({"later_beta1": 1.0}, r"got later_beta1 1.0, expected a number in \[0, 1\)"),
        ({"later_deviation": 0.0}, "got later_deviation 0.0, expected a number above zero"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)


def test_the_papers_numbers_are_the_defaults() -> None:
    """Ten runs, 100,000 points, batches of 100, 10,000 samples, 400 and 200 units; its file says what is ours."""
    config = Config()
    assert (config.runs, config.points, config.batch_size, config.samples) == (10, 100_000, 100, 10_000)
    assert (config.hidden, config.discriminator_hidden) == (400, 200)
    assert ali_toy.__doc__ is not None
    assert "\nSource: " in ali_toy.__doc__
    assert "\nDeviations: " in ali_toy.__doc__
    assert (ali_toy.TASK, ali_toy.INPUT) == ("study", "points")


def test_noise_is_each_runs_own() -> None:
    """Of a run it does not depend on how many there are."""
    whole, few = normal(0, "samples", 1, 3, 5), normal(0, "samples", 1, 2, 5)
    assert torch.equal(whole[:2], few)
    assert not torch.equal(whole[0], whole[1])
