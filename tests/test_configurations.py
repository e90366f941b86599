"""Whatever configuration is allowed builds clips that keep the dataset's promises, or is refused in one sentence."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import dynamics_gen
from dynamics_gen.config import RELEASES, BuildConfig, Release
from dynamics_gen.errors import ConfigError
from dynamics_gen.generate import build_split
from dynamics_gen.verify import verify


def part_of(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    """Ranges within a range, down to a single value."""
    return st.tuples(st.floats(low, high), st.floats(low, high)).map(lambda ends: (min(ends), max(ends)))


RANGES: dict[str, Any] = {
    "radius": part_of(0.06, 0.3),
    "extent": part_of(0.2, 1.2),
    "sine_amplitude": part_of(0.1, 0.5),
    "sine_periods": part_of(0.5, 4.0),
    "hypocycloid_cusps": st.lists(st.integers(3, 8), min_size=1, max_size=3, unique=True).map(tuple),
    "hypocycloid_fraction": part_of(0.3, 1.5),
    "initial_speed": part_of(0.0, 0.6),
    "restitution": part_of(0.65, 0.98),
    "falls": part_of(1.2, 3.6),
    "rotation": part_of(2.0, 18.0),
    "backdrop_contrast": part_of(0.0, 80.0),
}


@st.composite
def releases(draw: st.DrawFn) -> Release:
    """A release of the registry, or the standard one with other ranges."""
    if draw(st.booleans()):
        return RELEASES[draw(st.sampled_from(sorted(RELEASES)))]
    changed = draw(st.sets(st.sampled_from(sorted(RANGES)), min_size=1, max_size=4))
    return dataclasses.replace(RELEASES["standard"], **{name: draw(RANGES[name]) for name in sorted(changed)})


CONFIGS = st.builds(
    BuildConfig,
    release=releases(),
    split=st.sampled_from(["train", "valid", "test"]),
    per_class=st.just(1),
    seed=st.integers(0, 2**63 - 1),
    image_size=st.sampled_from([16, 17, 31, 48, 64, 65, 100]),
    frames=st.integers(2, 24),
    fps=st.integers(1, 240),
    shard_size=st.sampled_from([1, 3, 7, 10, 1000]),
    codec=st.sampled_from(["zstd", "gzip"]),
)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(config=CONFIGS, workers=st.sampled_from([1, 2, 3, 7]))
def test_any_configuration_keeps_the_promises(config: BuildConfig, workers: int) -> None:
    """Complete, verified, objects in view, moving in every frame; or a sentence that says which number is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, config.split)
        try:
            build_split(config, directory, workers=workers)
        except ConfigError as error:
            event(f"refused: {error}")
            return
        event("built")
        assert verify(directory, workers=1) == []
        dataset = dynamics_gen.open(directory)
        assert len(dataset) == 10
        assert sorted(dataset.labels) == list(range(10))
        assert dataset.video_shape == (config.frames, config.image_size, config.image_size, 3)
        radius = dataset.column("parameters/radius")
        if config.release.shift is None:
            room = 1.0 - np.abs(dataset.column("position")[..., :2]).max(axis=(1, 2))
            assert (room >= radius - 1e-5).all()
        for clip in dataset:
            still = [
                k for k, (a, b) in enumerate(zip(clip["video"], clip["video"][1:], strict=False)) if (a == b).all()
            ]
            assert not still, (clip["label"], still)
        assert all(np.isfinite(dataset.column(name)).all() for name in ("position", "orientation", "arc_length"))
        assert math.isclose(np.linalg.norm(dataset.column("orientation"), axis=-1).min(), 1, rel_tol=1e-5)
