"""What is built: splits, sizes, named releases, and the configuration of one split."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from dynamics_gen.classes import CLASSES
from dynamics_gen.errors import ConfigError, UnknownNameError

SPLITS = ("train", "valid", "test")

SIZES = {
    "full": {"train": 5_000, "valid": 500, "test": 500},
    "mini": {"train": 500, "valid": 50, "test": 50},
    "tiny": {"train": 10, "valid": 5, "test": 5},
}
"""Clips per class of each split."""

CODECS = ("zstd", "gzip")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A named distribution of clips: every range that parameters are drawn from, uniformly in [low, high].

    Lengths are world units (the view spans [-1, 1] both ways), angles radians, contrasts grey levels.
    """

    name: str
    radius: tuple[float, float] = (0.13, 0.27)
    """Radius of the object's bounding sphere."""
    extent: tuple[float, float] = (0.45, 0.9)
    """Longer side of the bounding box of the visited part of the path.

    Longer paths put their ends nearer the border than their middles: with 0.55 to 1.2, boosted trees on 40,000 places
    at the last frame told the class with 86.3 % error, with 0.5 to 1.0 86.9 %, with 0.45 to 0.85 87.7 % (chance 90 %).
    """

    sine_amplitude: tuple[float, float] = (0.12, 0.30)
    """Amplitude of the sine over its extent along the axis."""
    sine_periods: tuple[float, float] = (1.0, 2.5)
    hypocycloid_cusps: tuple[int, ...] = (3, 4, 5)
    hypocycloid_fraction: tuple[float, float] = (0.5, 1.0)
    """Share of the closed curve that is visited."""
    initial_speed: tuple[float, float] = (0.0, 0.35)
    """Accelerating: speed at the first frame over the mean speed."""
    restitution: tuple[float, float] = (0.75, 0.95)
    falls: tuple[float, float] = (1.6, 3.2)
    """Bouncing: length of the clip over the time of one fall from the apex."""
    rotation: tuple[float, float] = (3.5, 9.0)
    """Rotation: angle turned between the first and the last frame."""
    rotation_cone: float = 0.6
    """Rotation: largest angle between its axis and the view axis."""
    backdrop_contrast: tuple[float, float] = (4.0, 22.0)
    """Standard deviation of the backdrop's pattern."""
    object_contrast: float = 45.0
    """Least distance in RGB between the object's mean colour and the backdrop's."""


RELEASES = {"standard": Release(name="standard")}


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildConfig:
    """One split, fully determined: two equal configurations give the same clips, bit for bit.

    `shard_size` and `codec` say how clips are stored and change nothing in them.

    Raises:
        UnknownNameError: no such split or codec.
        ConfigError: a number is out of its range.
    """

    release: Release = field(default_factory=lambda: RELEASES["standard"])
    split: str
    per_class: int
    seed: int = 0
    image_size: int = 64
    frames: int = 32
    fps: int = 16
    shard_size: int = 1_000
    codec: str = "zstd"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UnknownNameError("split", self.split, SPLITS)
        if self.codec not in CODECS:
            raise UnknownNameError("codec", self.codec, CODECS)
        for name, low, high in (
            ("per_class", 1, 10_000_000),
            ("seed", 0, 2**63 - 1),
            ("image_size", 16, 1024),
            ("frames", 2, 4096),
            ("fps", 1, 240),
            ("shard_size", 1, 1_000_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}: expected a whole number from {low} to {high}")

    @property
    def clips(self) -> int:
        """Number of clips in the split."""
        return self.per_class * len(CLASSES)

    @property
    def shards(self) -> int:
        """Number of shards of the split; the last may be shorter."""
        return -(-self.clips // self.shard_size)

    def content(self) -> dict:
        """All that determines the clips, ready for JSON (storage settings left out)."""
        described = dataclasses.asdict(self)
        del described["shard_size"], described["codec"]
        return described


def release_named(name: str) -> Release:
    """Finds a release by name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in RELEASES:
        raise UnknownNameError("release", name, tuple(RELEASES))
    return RELEASES[name]


def clips_per_class(size: str, split: str) -> int:
    """How many clips of each class a split has at a named size.

    Raises:
        UnknownNameError: no such size or split.
    """
    if size not in SIZES:
        raise UnknownNameError("size", size, tuple(SIZES))
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    return SIZES[size][split]


def directory_name(release: str = "standard", size: str = "full") -> str:
    """Name of the folder that holds a release's splits: `dynamics`, `dynamics-mini`, `dynamics-hard-mini` …."""
    return "-".join(["dynamics"] + ([release] if release != "standard" else []) + ([size] if size != "full" else []))
