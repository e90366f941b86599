"""Ground truth beside a finished split: its scenes are simulated again, and every pixel's ray is cast.

It stands in the split's folder `annotations`, itself laid out like a split, so the split's own files stay untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynamics_gen.annotations import ground_truth
from dynamics_gen.clip import AnnotatedClip
from dynamics_gen.config import BuildConfig, config_from
from dynamics_gen.dataset import ClipDataset
from dynamics_gen.errors import ShardError
from dynamics_gen.generate import build_split
from dynamics_gen.layout import ANNOTATION_KINDS, ANNOTATIONS_FOLDER
from dynamics_gen.manifest import Manifest, read_manifest

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Annotator:
    """Makes the ground truth of clips of a split that stands in a folder.

    Raises:
        ShardError: simulated again, a clip moves otherwise than the one that is stored.
    """

    split: Path
    kinds: tuple[str, ...]

    def __call__(self, config: BuildConfig, indices: Sequence[int]) -> Iterator[AnnotatedClip]:
        """Yields the ground truth of clips, in the order of `indices`."""
        from dynamics_gen.render import Renderer

        stored, renderer = ClipDataset(self.split), Renderer(config)
        known = {name: stored.column(name) for name in ("position", "orientation", "camera", "parameters/radius")}
        attempts = stored.column("parameters/attempt")
        for start in range(0, len(indices), _BATCH):
            batch = indices[start : start + _BATCH]
            for scene in renderer.scenes(batch):
                clip = scene.index
                if attempts[clip]:  # it was drawn again because two of its pictures were the same
                    (scene,) = renderer.scenes([clip], int(attempts[clip]))
                again = {
                    "position": scene.trajectory.position.astype(np.float32),
                    "orientation": scene.trajectory.orientation.astype(np.float32),
                    "camera": scene.setting.camera.astype(np.float32),
                    "parameters/radius": np.float32(scene.appearance.radius),
                }
                for name, values in again.items():
                    if not np.array_equal(values, known[name][clip]):
                        raise ShardError(
                            f"{self.split}: clip {clip}, simulated again, has another {name} than the one stored there "
                            f"(made with {_versions(stored.manifest)}): build the split anew with this installation"
                        )
                bodies, camera = renderer.rigid_bodies(scene), scene.setting.camera
                truth = ground_truth(bodies, camera, config.image_size, flow="flow" in self.kinds)
                columns = {name: getattr(truth, name) for kind in self.kinds for name in ANNOTATION_KINDS[kind]}
                yield AnnotatedClip(clip_id=stored.clip_ids[clip], columns=columns)


def annotate_split(
    directory: Path,
    kinds: tuple[str, ...],
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Writes the ground truth of a finished split into its folder `annotations`; goes on with what is there.

    Args:
        directory: the split.
        kinds: of `layout.ANNOTATION_KINDS`.
        workers: processes; as many as there are cores unless given.
        progress: called with numbers of newly finished clips.

    Raises:
        ShardError: the split is damaged, or comes out otherwise when simulated again.
        BuildError: as `generate.build_split`.
        ConfigError: the split was not made by this version.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    config = config_from(manifest.content, shard_size=manifest.shard_size, codec=manifest.codec)
    return build_split(
        config,
        directory / ANNOTATIONS_FOLDER,
        workers,
        progress,
        source=Annotator(directory, kinds),
        annotations=kinds,
    )


def _versions(manifest: Manifest) -> str:
    return ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
