"""What a shard looks like, and what a clip's digest covers."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest
from fake_clips import fake_clip, small_config

from dynamics_gen.clip import Clip
from dynamics_gen.layout import (
    clip_digests,
    header_of,
    is_shard_name,
    shard_name,
    small_columns,
)


def digest(*clips: Clip) -> list[bytes]:
    """The digests of some clips, as if they made one shard."""
    hashes = [hashlib.sha256(clip.video.tobytes()).digest() for clip in clips]
    return [row.tobytes() for row in clip_digests(hashes, small_columns([clip.small() for clip in clips]))]


def test_shard_names_tell_number_and_count() -> None:
    """Names sort in order of clips and are recognised again."""
    assert shard_name("train", 3, 50) == "train-00003-of-00050.h5"
    assert is_shard_name("train-00003-of-00050.h5")
    assert not is_shard_name("train-00003-of-00050.h5.1.tmp")
    assert not is_shard_name("notes.h5")


def test_headers_share_out_the_clips() -> None:
    """Every clip is in just one shard; the last shard is shorter."""
    config = small_config()
    headers = [header_of(config, shard, {}) for shard in range(config.shards)]
    assert [(header.first_clip, header.clips) for header in headers] == [(0, 8), (8, 8), (16, 8), (24, 6)]


def test_digest_does_not_depend_on_company() -> None:
    """A clip's digest is the same whichever clips share its shard."""
    first, second = (fake_clip(small_config(), index) for index in (1, 2))
    assert digest(first, second) == [*digest(first), *digest(second)]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Clip)])
def test_digest_covers_every_field(name: str) -> None:
    """Changing anything in a clip changes its digest."""
    clip = fake_clip(small_config(), 4)
    value = getattr(clip, name)
    changed: Any
    if isinstance(value, np.ndarray):
        changed = value.copy()
        changed.flat[-1] += 1
    elif isinstance(value, dict):
        changed = value | {"radius": np.nextafter(value["radius"], np.float32(1))}
    else:
        changed = value + "x" if isinstance(value, str) else value + 1
    assert digest(dataclasses.replace(clip, **{name: changed})) != digest(clip)


def test_digest_covers_names() -> None:
    """The same number under another name is another clip."""
    clip = fake_clip(small_config(), 4)
    renamed = {("size" if name == "radius" else name): value for name, value in clip.parameters.items()}
    assert digest(dataclasses.replace(clip, parameters=renamed)) != digest(clip)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 1.5], "mixes float and integer"),
        (["a", 1], "mixes integer and text"),
        ([np.zeros(2, "f4"), np.zeros(2, "f8")], "mixes float32 and float64"),
        (["a" * 65], "longer than 64"),
        ([None], "NoneType"),
        ([np.array(["a"])], "arrays of <U1"),
    ],
)
def test_columns_of_no_one_type_are_refused(values: list, message: str) -> None:
    """A parameter cannot change its type from clip to clip: the columns would depend on the shard size."""
    with pytest.raises(ValueError, match=message):
        small_columns([{"parameters/x": value} for value in values])


def test_clips_that_carry_different_parameters_are_refused() -> None:
    """Every clip has every parameter."""
    with pytest.raises(ValueError, match="different parameters"):
        small_columns([{"a": 1}, {"b": 1}])
