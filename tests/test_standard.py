"""The standard release stays what it is: whatever is added to the generator, its clips are the same."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from dynamics_gen.config import BuildConfig
from dynamics_gen.render import render_clips

CONFIG = BuildConfig(split="test", per_class=500)

# First ten clips of the test split: mean red, green and blue of the first and the last frame, place in the last one.
KNOWN = np.array(
    [
        [41.096, 109.973, 112.646, 41.110, 109.965, 112.602, -0.08932, 0.53297],
        [84.032, 212.882, 157.244, 83.992, 213.070, 157.363, -0.20854, 0.16426],
        [148.725, 147.910, 73.596, 148.927, 148.080, 73.679, -0.28804, -0.47080],
        [158.448, 95.464, 204.935, 158.472, 95.552, 204.944, -0.02507, 0.06096],
        [61.600, 200.832, 191.191, 61.622, 200.825, 191.170, -0.01539, -0.29498],
        [146.303, 115.230, 104.429, 146.376, 115.153, 104.499, 0.08953, 0.01102],
        [82.009, 161.088, 182.368, 81.855, 161.095, 182.368, 0.28724, 0.56978],
        [142.109, 186.401, 145.677, 142.161, 186.437, 145.686, -0.28496, 0.51080],
        [190.507, 186.719, 85.630, 190.277, 186.468, 85.585, -0.37236, 0.35844],
        [113.293, 192.755, 160.192, 114.079, 193.189, 160.807, 0.16097, 0.01378],
    ]
)


def summary() -> np.ndarray:
    """What `KNOWN` holds, of the clips as they are made now."""
    rows = []
    for clip in render_clips(CONFIG, range(10)):
        colors = clip.video[[0, -1]].mean(axis=(1, 2)).ravel()
        rows.append([*colors, *clip.position[-1, :2]])
    return np.array(rows)


def test_standard_clips_are_what_they_were() -> None:
    """Colours and places are the recorded ones, up to what another processor's arithmetic may change."""
    found = summary()
    np.testing.assert_allclose(found[:, :6], KNOWN[:, :6], atol=0.02)
    np.testing.assert_allclose(found[:, 6:], KNOWN[:, 6:], atol=1e-4)


def digest_under(**environment: str) -> str:
    """SHA-256 over the digests of some clips, made by a process of its own."""
    code = """
import hashlib
from dynamics_gen.config import BuildConfig
from dynamics_gen.layout import clip_digests, small_columns
from dynamics_gen.render import render_clips

clips = list(render_clips(BuildConfig(split="test", per_class=500), range(40)))
hashes = [hashlib.sha256(clip.video.tobytes()).digest() for clip in clips]
print(hashlib.sha256(clip_digests(hashes, small_columns([clip.small() for clip in clips])).tobytes()).hexdigest())
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names kernels of x86-64 processors")
def test_clips_do_not_depend_on_the_processors_kernels() -> None:
    """Videos, states and parameters are the same whichever kernels OpenBLAS and NumPy take."""
    plain = digest_under()
    assert digest_under(OPENBLAS_CORETYPE="Nehalem") == plain
    assert digest_under(OPENBLAS_CORETYPE="Haswell", NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL") == plain
