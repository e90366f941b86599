"""The site's folder: whole or not at all, and nothing of anybody else's is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.site.errors import SiteError
from leaderboard.site.folder import LIST, write_site

FILES = {"index.html": b"first", "entries/a/b.html": b"page"}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but the list."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LIST
    }


def test_site_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """Into a new folder, an empty one, and over a former site, whose pages that are gone are gone."""
    site = tmp_path / "deep" / "site"
    write_site(site, FILES)
    assert contents(site) == FILES
    write_site(site, {"index.html": b"second"})
    assert contents(site) == {"index.html": b"second"}
    assert [path.name for path in site.parent.iterdir()] == ["site"]
    (tmp_path / "empty").mkdir()
    write_site(tmp_path / "empty", FILES)
    assert contents(tmp_path / "empty") == FILES


@pytest.mark.parametrize("name", ["CNAME", ".git/config", "entries/a/notes.txt"])
def test_folder_with_something_else_is_refused(tmp_path: Path, name: str) -> None:
    """A site to which somebody added a file stays as it is; the file is named."""
    site = tmp_path / "site"
    write_site(site, FILES)
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).write_bytes(b"mine")
    with pytest.raises(SiteError, match=rf"site holds '{name}', which is no file of a site: expected a new or empty"):
        write_site(site, {"index.html": b"second"})
    assert contents(site) == FILES | {name: b"mine"}


def test_what_is_no_site_is_refused(tmp_path: Path) -> None:
    """Any other folder, also one that has a list of files of its own, a link that a site never has, and a file."""
    (tmp_path / "index.html").write_bytes(b"mine")
    with pytest.raises(SiteError, match=r"holds 'index.html', which is no file of a site"):
        write_site(tmp_path, FILES)
    (tmp_path / LIST).write_text("my files:\nindex.html\n")
    with pytest.raises(SiteError, match=r"which is no file of a site"):
        write_site(tmp_path, FILES)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(SiteError, match=r"holds 'elsewhere'"):
        write_site(tmp_path / "links", FILES)
    with pytest.raises(SiteError, match=r"index.html: expected a folder for the site, or none"):
        write_site(tmp_path / "index.html", FILES)
    assert (tmp_path / "index.html").read_bytes() == b"mine"


def test_failure_leaves_the_site_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a file cannot be written, or the new folder not be moved into place; nothing is left beside it."""
    site = tmp_path / "site"
    write_site(site, FILES)
    with pytest.raises(OSError):
        write_site(site, {"a": b"a file", "a/b": b"and a folder of its name"})
    assert contents(site) == FILES

    rename = Path.rename

    def failing(path: Path, to: Path) -> Path:
        if ".new." in path.name:
            raise OSError("cannot be moved")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="cannot be moved"):
        write_site(site, {"index.html": b"second"})
    assert contents(site) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_link_to_a_site_stays_a_link(tmp_path: Path) -> None:
    """The folder that it leads to is replaced."""
    write_site(tmp_path / "real", FILES)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_site(tmp_path / "link", {"index.html": b"second"})
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "real") == {"index.html": b"second"}
