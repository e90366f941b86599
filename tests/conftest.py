"""Data that several test files share: small, built once a session, from fake clips or from the renderer."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from fake_clips import fake_clips, small_config

from dynamics_gen import hidden
from dynamics_gen.config import SPLITS, BuildConfig, clips_per_class, directory_name
from dynamics_gen.generate import build_split

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every process that a test starts in order to interrupt it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what is marked `gpu` where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def fake_split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished split of 30 fake clips in 4 shards. Read it, never change it."""
    directory = tmp_path_factory.mktemp("fake") / "train"
    build_split(small_config(), directory, workers=1, source=fake_clips)
    return directory


@pytest.fixture
def own_split(fake_split: Path, tmp_path: Path) -> Path:
    """A copy of `fake_split` to damage."""
    return Path(shutil.copytree(fake_split, tmp_path / "own" / "train"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the release at size tiny, rendered: `dynamics-tiny/{train,valid,test}`. Never change it."""
    data = tmp_path_factory.mktemp("data")
    for split in SPLITS:
        config = BuildConfig(split=split, per_class=clips_per_class("tiny", split), shard_size=40)
        build_split(config, data / directory_name(size="tiny") / split, workers=2)
    return data


@pytest.fixture(scope="session")
def tiny_split(tiny_data: Path) -> Path:
    """The training split of `tiny_data`: 100 rendered clips in 3 shards. Never change it."""
    return tiny_data / "dynamics-tiny" / "train"


@pytest.fixture(scope="session")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hidden test set of 20 clips, `public` and `private`. Never change it."""
    root = tmp_path_factory.mktemp("hidden")
    config = BuildConfig(split="test", per_class=2, image_size=16, frames=4, secret=bytes(range(100, 132)))
    hidden.build_hidden(config, root / "public", root / "private", 1)
    return root
