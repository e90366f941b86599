"""What `bench run` prints of a finished run: one line."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from benchmark.generation.record import Record as GeneratorRecord
from benchmark.prediction.record import Record as PredictorRecord
from benchmark.record import Record


def summary(result: Record | GeneratorRecord | PredictorRecord, where: Path) -> str:
    """One line: what the record says first of all, and where it is."""
    seeds = "1 seed" if len(result.seeds) == 1 else f"mean of {len(result.seeds)} seeds"
    name = f"{result.model} on {result.dataset.release} {result.dataset.size}"
    if isinstance(result, PredictorRecord):
        frechet = fmean(seed.test.frechet for seed in result.seeds)
        motions = [seed.test.motion for seed in result.seeds if seed.test.motion is not None]
        if not motions:  # clips of the user's own
            mse, ssim = (fmean(fmean(getattr(seed.test.single, of)) for seed in result.seeds) for of in ("mse", "ssim"))
            said = f"mean squared error {mse:.3g} and SSIM {ssim:.3f} of predicted frames"
        else:
            error, lost = (fmean(fmean(getattr(motion, of)) for motion in motions) for of in ("error", "lost"))
            said = f"object {error:.1f} pixels off, lost in {100 * lost:.0f} % of predicted frames"
        return f"{name}: {said}, Fréchet distance {frechet:.4g} ({seeds}); {where}"
    if not isinstance(result, Record):
        frechet, best = (
            fmean(getattr(seed.test, field) for seed in result.seeds) for field in ("frechet", "frechet_of_train")
        )
        return f"{name}: Fréchet distance {frechet:.4g}, of train {best:.2g} ({seeds}); {where}"
    scores = [seed.scores.test for seed in result.seeds]

    def mean(field: str) -> float:
        return 100 * fmean(getattr(score, field) for score in scores)

    factors = (
        "" if scores[0].error_path is None else f"path {mean('error_path'):.1f} %, speed {mean('error_speed'):.1f} %; "
    )
    return f"{name}: {mean('error'):.1f} % test error ({factors}{seeds}); {where}"
