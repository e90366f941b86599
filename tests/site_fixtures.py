"""What tests of the site share, as a plugin of theirs: one board, its site, and one browser, made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from site_board import make_board, submit

from leaderboard.site.build import build


@pytest.fixture(scope="session")
def site_browser() -> Iterator[Any]:
    """Chromium without a screen."""
    yield from chromium()


@pytest.fixture(scope="session")
def site_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a board of records, of a submission, of predictors and of generators. Never change it."""
    root = make_board(tmp_path_factory.mktemp("site") / "leaderboard")
    submit(root)
    return root


@pytest.fixture(scope="session")
def site(site_root: Path) -> Path:
    """Its site. Never change it."""
    build(site_root, site_root.parent / "site")
    return site_root.parent / "site"
