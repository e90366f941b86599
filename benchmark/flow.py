"""The optical flow of a split's clips: made when a model first asks for it, and kept in the split's folder.

`flow_farneback` is estimated from neighbour frames, `flow_exact` is what the simulator says of them. Either is one file
of 0.5 MB a clip at 64×64, written whole or not at all, and named by what it was made of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float16

from benchmark.data import ClipDataset
from benchmark.flow_maker import FARNEBACK, FlowMaker, farneback
from benchmark.parts import PartOfSplit
from benchmark.spec import FLOW_INPUTS
from dynamics_gen.config import config_from
from dynamics_gen.console import Meter, duration
from dynamics_gen.errors import ConfigError, ShardError
from dynamics_gen.files import remove_temporaries, replacing
from dynamics_gen.layout import ANNOTATIONS_FOLDER
from dynamics_gen.lock import locked
from dynamics_gen.pool import available_cores, run_tasks

CLIPS_A_TASK = 50

CLIPS_A_S = {"annotations": 16, "flow_exact": 70, "flow_farneback": 40}
"""By one core, about; only for telling how long it will take."""


def open_flow(
    split: ClipDataset, form: str, workers: int | None, say: Callable[[str], None]
) -> Float16[np.ndarray, "clips steps height width 2"] | None:
    """The flow that a form of `spec.INPUTS` asks for, made if it is missing; None for a form without flow.

    It goes from each frame to the next, (right, down) in pixels; read from the disk as it is used.

    Args:
        split: whose flow is wanted.
        form: what a model sees.
        workers: processes that make it; as many as there are cores unless given.
        say: told before it is made.

    Raises:
        ConfigError: OpenCV is missing, or nothing is known of how the clips were made.
        ShardError: the split's clips, its annotations or the file are damaged.
        BuildError: another run is making it, the folder cannot be written, or a process was killed.
    """
    kind = form.rpartition("+")[2]
    if kind not in FLOW_INPUTS:
        return None
    if isinstance(split, PartOfSplit):
        flow = open_flow(split.whole, form, workers, say)
        return None if flow is None else split.part_of_flow(flow)
    path = flow_path(split, kind)
    frames, height, width, _ = split.video_shape
    shape = (len(split), frames - 1, height, width, 2)
    if not path.exists():
        _make(split, kind, path, shape, workers or available_cores(), say)
    try:
        flow = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        if (flow.shape, flow.dtype) != (shape, np.float16):
            raise ValueError(f"it holds {flow.dtype} {flow.shape}")
    except (ValueError, EOFError) as error:
        raise ShardError(
            f"{path} is not the flow of {shape[0]} clips ({error}): delete it, and it is made anew"
        ) from None
    return flow


def flow_path(split: ClipDataset, kind: str) -> Path:
    """Where a split's flow of a kind is kept; another name for other clips, or another way to make it."""
    made_of = [split.manifest.fingerprint, FARNEBACK if kind == "flow_farneback" else "annotation"]
    return split.directory / f"{kind}-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]}.npy"


def _make(
    split: ClipDataset, kind: str, path: Path, shape: tuple[int, ...], workers: int, say: Callable[[str], None]
) -> None:
    if kind == "flow_exact":
        _annotate(split, workers, say)
    else:
        farneback(np.zeros((2, *split.video_shape[1:]), np.uint8))  # OpenCV is missed before anything is begun
    with locked(split.directory):
        remove_temporaries(split.directory, kind)
        soon = duration(len(split) / (CLIPS_A_S[kind] * workers))
        gigabytes = 2 * np.prod(shape, dtype=float) / 1e9
        say(f"{split.directory} has no {kind}: making it for {len(split):,} clips, {gigabytes:.1f} GB, in {soon}")
        with Meter(kind, len(split), {"clips": 1}) as meter, replacing(path) as temporary:
            with temporary.open("wb") as file:
                header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                offset = file.tell()
                file.truncate(offset + 2 * int(np.prod(shape)))
            tasks = [
                range(start, min(start + CLIPS_A_TASK, len(split))) for start in range(0, len(split), CLIPS_A_TASK)
            ]
            maker = FlowMaker(split.directory, kind, temporary, offset)
            for _ in run_tasks(maker, tasks, workers=workers, progress=meter.advance):
                pass
        for stale in set(split.directory.glob(f"{kind}-*.npy")) - {path}:
            stale.unlink()  # of clips that stood here before


def _annotate(split: ClipDataset, workers: int, say: Callable[[str], None]) -> None:
    """Has the simulator say the split's flow, if its annotations are not there yet."""
    from dynamics_gen.annotate import annotate_split

    if (split.directory / ANNOTATIONS_FOLDER / "manifest.json").exists():
        return
    try:
        config_from(split.manifest.content, shard_size=split.manifest.shard_size, codec=split.manifest.codec)
    except ConfigError as error:
        raise ConfigError(f"{split.directory} has no exact flow ({error}): try --input flow_farneback") from None
    soon = duration(len(split) / (CLIPS_A_S["annotations"] * workers))
    say(f"{split.directory} has no annotations: simulating its {len(split):,} clips again for their flow, in {soon}")
    with Meter("annotate", len(split), {"clips": 1}) as meter:
        annotate_split(split.directory, ("flow",), workers, meter.advance)
