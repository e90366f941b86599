"""A site's folder: written beside its place and then moved there, so that a reader sees all of it or the one before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from dynamics_gen.files import TEMPORARY_SUFFIX
from leaderboard.site.errors import SiteError

LIST = "files.txt"
"""Names the files of a site, by which its folder is told from any other."""
TITLE = "Written by `bench table --html`, which replaces the whole folder. Its files:"


def write_site(target: Path, files: Mapping[str, bytes]) -> None:
    """Puts a site of `files`, by their paths, in place of the one at `target`, if there is one.

    Raises:
        SiteError: `target` is no folder, or holds a file that no site of ours put there; nothing is written.
        OSError: a file cannot be written; what was at `target` is still there.
    """
    place = target.resolve()
    _check_free(place, target)
    files = {**files, LIST: "\n".join([TITLE, *sorted(files)]).encode() + b"\n"}
    place.parent.mkdir(parents=True, exist_ok=True)
    made, old = (place.with_name(f".{place.name}.{os.getpid()}.{which}{TEMPORARY_SUFFIX}") for which in ("new", "old"))
    try:
        for name, content in files.items():
            path = made / PurePosixPath(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _swap(made, place, old)
    finally:
        for path in (made, old):
            shutil.rmtree(path, ignore_errors=True)


def _swap(made: Path, place: Path, old: Path) -> None:
    """Moves `made` to `place`, and what was there to `old`, or all back."""
    there = place.exists()
    if there:
        place.rename(old)
    try:
        made.rename(place)
    except OSError:
        if there:
            old.rename(place)
        raise


def _check_free(place: Path, named: Path) -> None:
    """Refuses to replace what is no site of ours, or holds more than it."""
    if not place.exists():
        return
    if not place.is_dir():
        raise SiteError(f"{named}: expected a folder for the site, or none; choose another name")
    found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_symlink() or not path.is_dir()}
    first, *known = _listed(place / LIST) if LIST in found else [""]
    foreign = sorted(found - {LIST, *known}) if first == TITLE else sorted(found)
    if foreign:
        raise SiteError(
            f"{named} holds {foreign[0]!r}, which is no file of a site: expected a new or empty folder, or a site that"
            " `bench table --html` wrote; choose another, or move that file away"
        )


def _listed(path: Path) -> list[str]:
    return path.read_text("utf-8", errors="replace").splitlines() or [""]
