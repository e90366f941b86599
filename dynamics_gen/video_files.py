"""Reads video files that came from outside: ffmpeg for films, Pillow for GIF and WebP, both kept on a short lead."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dynamics_gen.errors import ConfigError, DynamicsError

PICTURES = (".gif", ".webp", ".png", ".apng")
"""Suffixes that Pillow reads."""

FILMS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp")
"""Suffixes that ffmpeg reads."""

LARGEST_SIDE = 8_192

DEFAULT_FPS = 10.0
"""Of an animation that does not say how long its frames are shown, as browsers have it."""

_ONLY = [
    *("-protocol_whitelist", "file"),
    *("-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg"),
]
"""What ffmpeg may open, whatever a file's name is: no playlists, which lead to other files and hosts."""


def probe_video(path: Path) -> tuple[int, float]:
    """Decodes a video file once: its frames, counted, and its frames a second.

    Raises:
        ConfigError: it is of no known kind, cannot be decoded, or has no frames.
    """
    with _readable(path) as is_film:
        return _probe_film(path) if is_film else _probe_pictures(path)


def read_video(path: Path) -> Generator[UInt8[np.ndarray, "y x 3"]]:
    """Gives the frames of a video file, RGB.

    Raises:
        ConfigError: it is of no known kind, or cannot be decoded.
    """
    with _readable(path) as is_film:
        yield from _read_film(path) if is_film else _read_pictures(path)


@contextlib.contextmanager
def _readable(path: Path) -> Generator[bool]:
    """Whether a file is read as a film; what goes wrong with it becomes one sentence."""
    suffix = path.suffix.lower()
    if suffix not in (*PICTURES, *FILMS):
        raise ConfigError(f"{path} is no video that can be read: expected one of {' '.join((*FILMS, *PICTURES))}")
    try:
        yield suffix in FILMS
    except (OSError, RuntimeError, ValueError, SyntaxError, IndexError, EOFError, StopIteration) as error:
        if isinstance(error, DynamicsError):
            raise
        lines = [line for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
        raise ConfigError(f"{path} cannot be read as a video ({lines[-1].strip()[:200]})") from error


def _probe_film(path: Path) -> tuple[int, float]:
    with contextlib.closing(_decode(path)) as stream:
        fps = float(next(stream)["fps"])
        count = sum(1 for _ in stream)
    if not count or not fps > 0:
        raise ValueError(f"{count} frames at {fps} frames/s")
    return count, fps


def _read_film(path: Path) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    with contextlib.closing(_decode(path)) as stream:
        width, height = next(stream)["size"]
        for data in stream:
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _decode(path: Path) -> Generator[Any]:
    """The description of a film by ffmpeg, then each frame's bytes."""
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ConfigError(
            f"reading {path} needs imageio-ffmpeg, which is not installed: run "
            "`pip install 'dynamics-benchmark[video]'`"
        ) from None
    stream = imageio_ffmpeg.read_frames(str(path.resolve()), input_params=_ONLY)
    try:
        described = next(stream)
        if max(described["size"]) > LARGEST_SIDE or min(described["size"]) < 1:
            raise ValueError(f"frames of {described['size']}, expected sides of at most {LARGEST_SIDE}")
        yield described
        yield from stream
    finally:
        stream.close()


def _probe_pictures(path: Path) -> tuple[int, float]:
    durations = [float(frame.info.get("duration", 0)) for frame in _open_pictures(path)]
    shown = sum(durations) / len(durations)
    return len(durations), 1000 / shown if shown > 0 else DEFAULT_FPS


def _read_pictures(path: Path) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    for frame in _open_pictures(path):
        yield np.asarray(frame.convert("RGB"))


def _open_pictures(path: Path) -> Iterator[Any]:
    """The decoded frames of an animation."""
    from PIL import Image, ImageSequence

    with Image.open(path, formats=("GIF", "WEBP", "PNG")) as image:
        if max(image.size) > LARGEST_SIDE:
            raise ValueError(f"frames of {image.size}, expected sides of at most {LARGEST_SIDE}")
        for frame in ImageSequence.Iterator(image):
            frame.load()
            yield frame
