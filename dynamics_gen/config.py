"""What is built: splits, sizes, named releases, and the configuration of one split."""

from __future__ import annotations

import dataclasses
import hmac
from dataclasses import dataclass, field
from typing import Any, Protocol

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

SECRET = -1
"""The seed that is stated of a hidden test set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """What clips of a shifted test set show that plain ones never do; nothing of it, unless given.

    All of it is drawn from streams of its own: clip i shows the object, motion and colours of the plain clip i, as far
    as its release's ranges are the plain ones.
    """

    cameras: tuple[str, ...] = ()
    """How the camera may move: "pan", "zoom", "shake"."""
    layers: tuple[int, int] = (0, 0)
    """Least and most panels that stand between the object and the wall, so that a moving camera sees parallax."""
    distractors: tuple[int, int] = (0, 0)
    """Least and most still objects behind the moving one."""
    companion: bool = False
    """Whether a second, smaller object moves as another class, behind the one that the label is about."""
    bars: tuple[int, int] = (0, 0)
    """Least and most bars across the view, before the object."""
    unseen_families: bool = False
    """Whether shapes and textures are of families that plain releases do not have."""


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
    frames: int = 32
    """Frames a clip, unless a build says otherwise."""
    tempo: float = 1.0
    """Frames a second over those of the build."""
    shift: Shift | None = None
    grades: tuple[Release, ...] = ()
    """Releases that its clips are drawn from, each as likely; a clip's `grade` tells which."""

    @property
    def is_paired(self) -> bool:
        """Whether clip i shows object, motion and colours of clip i of `standard`, in other surroundings."""
        if self.shift is None or self.shift.unseen_families:
            return False
        return dataclasses.replace(self, name=_PLAIN.name, shift=None) == _PLAIN

    def retimed(self, duration: float, tempo: float = 1.0) -> Release:
        """The same motions watched for `duration` times as long: rates a second stay, what happens in a clip grows.

        The extent grows with it as far as the view allows; so do speeds, then, where that bound is met.
        """

        def longer(values: tuple[float, float], factor: float = duration) -> tuple[float, float]:
            return values[0] * factor, values[1] * factor

        low, high = self.initial_speed
        return dataclasses.replace(
            self,
            tempo=tempo,
            extent=(min(self.extent[0] * duration, 0.7), min(self.extent[1] * duration, MOST_EXTENT)),
            sine_periods=longer(self.sine_periods),
            sine_amplitude=longer(self.sine_amplitude, 1 / duration),
            hypocycloid_fraction=longer(self.hypocycloid_fraction),
            initial_speed=(low / (low + (1 - low) * duration), high / (high + (1 - high) * duration)),
            falls=longer(self.falls),
            rotation=longer(self.rotation),
        )


MOST_EXTENT = 1.2
"""Longest side of a path's box that leaves every object of the plain releases a choice of places."""

_PLAIN = Release(name="standard")


def _shifted(name: str, shift: Shift | None = None, **changes: Any) -> Release:
    return dataclasses.replace(_PLAIN, name=name, shift=shift, **changes)


_DYNAMICS_GRADES = (
    {
        "extent": (0.92, 1.0),
        "sine_amplitude": (0.31, 0.36),
        "sine_periods": (2.6, 3.0),
        "hypocycloid_cusps": (6,),
        "hypocycloid_fraction": (1.02, 1.15),
        "initial_speed": (0.36, 0.45),
        "restitution": (0.72, 0.745),
        "falls": (3.25, 3.45),
        "rotation": (9.2, 11.0),
    },
    {
        "extent": (1.02, 1.1),
        "sine_amplitude": (0.37, 0.42),
        "sine_periods": (3.1, 3.6),
        "hypocycloid_cusps": (7,),
        "hypocycloid_fraction": (1.2, 1.35),
        "initial_speed": (0.46, 0.55),
        "restitution": (0.69, 0.715),
        "falls": (3.5, 3.7),
        "rotation": (11.5, 14.0),
    },
    {
        "extent": (1.12, 1.2),
        "sine_amplitude": (0.43, 0.5),
        "sine_periods": (3.7, 4.5),
        "hypocycloid_cusps": (8,),
        "hypocycloid_fraction": (1.4, 1.6),
        "initial_speed": (0.56, 0.65),
        "restitution": (0.66, 0.685),
        "falls": (3.75, 3.9),
        "rotation": (14.5, 18.0),
    },
)
"""Ranges beyond the plain ones, further from grade to grade; what falls more often must bounce back well enough not to
come to rest within the clip."""

_TEMPOS = (0.75, 1.5)

RELEASES = {
    release.name: release
    for release in (
        _PLAIN,
        _shifted(
            "hard",
            radius=(0.10, 0.17),
            backdrop_contrast=(12.0, 65.0),
            extent=(0.24, 0.45),
            sine_amplitude=(0.04, 0.14),
            initial_speed=(0.30, 0.85),
        ),
        _shifted("camera", Shift(cameras=("pan", "zoom", "shake"), layers=(6, 10))),
        _shifted("clutter", Shift(distractors=(2, 5))),
        _shifted("companion", Shift(companion=True)),
        _shifted("occluder", Shift(bars=(1, 3))),
        _shifted("appearance", Shift(unseen_families=True)),
        _shifted("dynamics", grades=tuple(_shifted("dynamics", **changes) for changes in _DYNAMICS_GRADES)),
        _shifted("long", frames=64).retimed(2.0),
        _shifted("tempo", grades=tuple(_shifted("tempo").retimed(1 / tempo, tempo) for tempo in _TEMPOS)),
    )
}
"""Releases by name: `standard` and `hard` with all their splits, and shifted test sets."""


class SplitConfig(Protocol):
    """What the machinery that writes splits asks of a configuration, whatever makes the clips."""

    @property
    def split(self) -> str:
        """Name of the split."""
        ...

    @property
    def release_name(self) -> str:
        """Name of the dataset."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in label order."""
        ...

    @property
    def clips(self) -> int:
        """Number of clips."""
        ...

    @property
    def frames(self) -> int:
        """Frames a clip."""
        ...

    @property
    def image_size(self) -> int:
        """Side of a frame, pixels."""
        ...

    @property
    def shard_size(self) -> int:
        """Clips a shard."""
        ...

    @property
    def shards(self) -> int:
        """Number of shards."""
        ...

    @property
    def codec(self) -> str:
        """How they are compressed."""
        ...

    @property
    def bytes_a_clip(self) -> int:
        """What a clip takes on disk, at most about."""
        ...

    def content(self) -> dict[str, Any]:
        """All that determines the clips, ready for JSON; with `seed`."""
        ...


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
    secret: bytes = field(default=b"", repr=False)
    """Of a hidden test set: takes the place of the seed, and is written nowhere."""

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

    @property
    def release_name(self) -> str:
        """Name of the release."""
        return self.release.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten."""
        return CLASSES

    @property
    def bytes_a_clip(self) -> int:
        """What a clip takes on disk, at most about: 20 KB for 32 frames of 64×64."""
        return 20_000 * self.frames * self.image_size**2 // (32 * 64 * 64)

    def content(self) -> dict:
        """All that determines the clips, ready for JSON (storage settings left out)."""
        described = dataclasses.asdict(self)
        del described["shard_size"], described["codec"], described["secret"]
        return described | ({"seed": SECRET} if self.secret else {})

    def entropy(self, purpose: str) -> int:
        """What the streams of a purpose are seeded with; those of a secret tell nothing of each other."""
        if not self.secret:
            return self.seed
        return int.from_bytes(hmac.digest(self.secret, purpose.encode(), "sha256"), "big")


def config_from(content: dict[str, Any], *, shard_size: int, codec: str) -> BuildConfig:
    """The configuration that `BuildConfig.content` described, as a manifest holds it.

    Raises:
        ConfigError: it describes none that this program knows.
    """
    if content.get("seed") == SECRET:
        raise ConfigError("the split is a hidden test set: only its secret seed tells how it was made")
    if "imported" in content:
        raise ConfigError("the split was imported from video files: nothing is known of how its clips were made")
    known = {entry.name for entry in dataclasses.fields(BuildConfig)}
    settings = {name: value for name, value in content.items() if name in known and name != "release"}
    try:
        return BuildConfig(release=_release_from(content["release"]), shard_size=shard_size, codec=codec, **settings)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the split was not made by this version of the generator ({type(error).__name__}: {error}): build it anew"
        ) from error


def _release_from(described: dict[str, Any]) -> Release:
    """A release from its JSON, whose tuples are lists."""
    plain = _tuples(described)
    if plain["shift"] is not None:
        plain["shift"] = Shift(**_tuples(plain["shift"]))
    plain["grades"] = tuple(_release_from(grade) for grade in plain["grades"])
    return Release(**plain)


def _tuples(described: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in described.items()}


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
