"""A folder of films with a table: what any tool can open."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ConfigError
from dynamics_gen.export.describe import descriptions, new_folder
from dynamics_gen.files import explained, replacing, write_whole

FORMATS = ("mp4", "mp4-lossless", "gif")
"""`mp4`: H.264, 4:2:0, plays everywhere. `mp4-lossless`: H.264 on RGB, every pixel kept. `gif`: 256 colours a clip."""

_CODECS = {
    "mp4": ["-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p"],
    "mp4-lossless": ["-c:v", "libx264rgb", "-qp", "0", "-pix_fmt", "rgb24"],
}


def export_folder(dataset: ClipDataset, out: Path, form: str, report: Callable[[int], None]) -> list[Path]:
    """Writes `clips/ID.mp4` (or `.gif`) for every clip, and `clips.csv` with all that is one value a clip.

    Args:
        dataset: the split.
        out: an empty folder, or one to be made.
        form: one of `FORMATS`.
        report: called with numbers of finished clips.

    Raises:
        BuildError: the folder is not empty, or cannot be written.
        ConfigError: the library that writes MP4 is missing, or the frames' sides are odd.
    """
    if form == "mp4" and any(side % 2 for side in dataset.video_shape[1:3]):
        raise ConfigError(
            f"frames of {dataset.video_shape[1:3]} have odd sides: mp4 needs even ones, take mp4-lossless"
        )
    write = _gif if form == "gif" else _mp4
    folder = new_folder(out) / "clips"
    folder.mkdir()
    suffix, rows = form.split("-")[0], []
    fps = float(dataset.manifest.content.get("fps", 16))
    for clip, said in enumerate(descriptions(dataset)):
        path = folder / f"{said['clip_id']}.{suffix}"
        with explained(path), replacing(path) as temporary:
            write(temporary, dataset[clip]["video"], float(said.get("frame_rate") or fps), form)
        rows.append({"file": f"clips/{path.name}"} | {k: v for k, v in said.items() if not isinstance(v, list)})
        report(1)
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    with explained(out / "clips.csv"):
        write_whole(out / "clips.csv", text.getvalue().encode())
    return [folder, out / "clips.csv"]


def _gif(path: Path, video: UInt8[np.ndarray, "time height width 3"], fps: float, form: str) -> None:
    from PIL import Image

    frames = [Image.fromarray(frame) for frame in video]
    palette = Image.fromarray(np.concatenate(list(video[:: max(1, len(video) // 8)]))).quantize(256)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    indexed[0].save(path, "GIF", save_all=True, append_images=indexed[1:], duration=round(1000 / fps), loop=0)


def _mp4(path: Path, video: UInt8[np.ndarray, "time height width 3"], fps: float, form: str) -> None:
    import subprocess

    try:
        import imageio_ffmpeg
    except ImportError:
        raise ConfigError(
            "mp4 needs imageio-ffmpeg, which is not installed: run `pip install 'dynamics-benchmark[video]'`"
        ) from None
    _, height, width, _ = video.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *raw, *_CODECS[form], "-bitexact", "-f", "mp4"]
    done = subprocess.run([*command, str(path)], input=video.tobytes(), capture_output=True)
    if done.returncode:
        raise OSError(done.returncode, done.stderr.decode(errors="replace").strip() or "ffmpeg failed", str(path))
