"""A pull request brings one new entry and nothing else, and nothing of it is checked out, imported or run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from git_folder import git
from submitted import ABOUT, build_test_split, enter

from benchmark.errors import RecordError
from benchmark.submission import said
from benchmark.submission.pull_request import Review, review
from benchmark.submission.split import open_split

ROOT = Path(__file__).parent.parent
ENTRIES = Path("leaderboard", "entries")
OWN = ENTRIES / ABOUT["group"] / ABOUT["entry"]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open test split. Never change it."""
    return build_test_split(tmp_path_factory.mktemp("data") / "test")


class Host:
    """A host's repository, a clone of it where CI works, and a contributor's clone."""

    def __init__(self, root: Path, split: Path) -> None:
        self.remote, self.ours, self.theirs = root / "host.git", root / "ours", root / "theirs"
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git(self.remote, "config", "uploadpack.allowAnySHA1InWant", "true")
        git(root, "clone", "--quiet", str(self.remote), str(self.theirs))
        enter(self.theirs / ENTRIES, split, group="others", entry="first", method="First")
        (self.theirs / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "entry", self.theirs / ".ci" / "entry")
        (self.theirs / "README.md").write_text("The board.\n")
        self.base = self.commit()
        git(self.theirs, "push", "--quiet", "origin", "HEAD:main")
        git(root, "clone", "--quiet", str(self.remote), str(self.ours))

    def commit(self) -> str:
        """Everything in the contributor's clone, as one commit."""
        git(self.theirs, "add", "--all", "--force")
        git(self.theirs, "commit", "--quiet", "--allow-empty", "--message", "Work")
        return git(self.theirs, "rev-parse", "HEAD")

    def pull_request(self) -> str:
        """The hash of a pull request from the contributor's work, which the host knows by its hash alone."""
        head = self.commit()
        git(self.theirs, "push", "--quiet", "--force", "origin", "HEAD:refs/pull/1/head")
        return head

    def reviewed(self, *splits: Path) -> Review:
        """What is said of the contributor's work."""
        head = self.commit()
        return review(self.theirs, self.base, head, [open_split(one) for one in splits])

    def ci(self, step: str, head: str, *options: object) -> subprocess.CompletedProcess[str]:
        """Runs the script that CI runs."""
        command = [".ci/entry", step, self.base, head, "comment.md", *map(str, options)]
        environment = {**os.environ, "PYTHON": sys.executable}
        return subprocess.run(command, cwd=self.ours, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def host(tmp_path: Path, split: Path) -> Host:
    """A board with one entry."""
    return Host(tmp_path, split)


def test_a_new_entry_is_in_order(host: Host, split: Path) -> None:
    """Its name is told, and the split it answers for; without splits, ids are compared with none."""
    enter(host.theirs / ENTRIES, split)
    found = host.reviewed(split)
    assert (found.problems, found.entry) == ((), "my-group/mine")
    assert found.split is not None
    assert found.split.folder == split
    assert host.reviewed().problems == ()


def test_a_branch_that_lags_behind_brings_its_own_work_alone(host: Host, split: Path) -> None:
    """What the base has gained since is not taken for the pull request's."""
    git(host.theirs, "checkout", "--quiet", "-b", "base")
    (host.theirs / "README.md").write_text("The board, better.\n")
    newer = host.commit()
    git(host.theirs, "checkout", "--quiet", "-B", "work", host.base)
    enter(host.theirs / ENTRIES, split)
    assert review(host.theirs, newer, host.commit()).problems == ()


def edited(folder: Path) -> None:
    """Somebody else's entry."""
    path = folder / ENTRIES / "others" / "first" / "submission.json"
    path.write_text(path.read_text().replace("First", "Last"))


def removed(folder: Path) -> None:
    """Somebody else's entry."""
    shutil.rmtree(folder / ENTRIES / "others")


def linked(folder: Path) -> None:
    """A file that points out of the repository."""
    (folder / OWN / "notes.txt").symlink_to("/etc/passwd")


def runnable(folder: Path) -> None:
    """A file that can be run."""
    (folder / OWN / "run.sh").write_text("#!/bin/sh\n")
    (folder / OWN / "run.sh").chmod(0o755)


def scored(folder: Path) -> None:
    """A result of the contributor's own."""
    (folder / OWN / "result.json").write_text("{}")


def second(folder: Path) -> None:
    """Another entry beside the first."""
    shutil.copytree(folder / OWN, folder / ENTRIES / "my-group" / "more")


def outside(folder: Path) -> None:
    """A file of the project."""
    (folder / "README.md").write_text("Ours is best.\n")


def deep(folder: Path) -> None:
    """A folder in the entry."""
    (folder / OWN / "more").mkdir()
    (folder / OWN / "more" / "x.npz").write_bytes(b"x")


def odd(folder: Path) -> None:
    """A name that would begin a line of its own."""
    (folder / OWN / "a\nb\x1b[31m.npz").write_bytes(b"x")


def spoilt(folder: Path) -> None:
    """Predictions that are not those of the submission."""
    (folder / OWN / "predictions-seed0.npz").write_bytes(b"PK")


def huge(folder: Path) -> None:
    """Zeros, which git stores in next to nothing."""
    with (folder / OWN / "predictions-seed9.npz").open("wb") as file:
        file.truncate(said.LARGEST_BYTES + 1)


def renamed(folder: Path) -> None:
    """Somebody else's entry under one's own name."""
    shutil.rmtree(folder / OWN)
    (folder / ENTRIES / "others" / "first").rename(folder / ENTRIES / "others" / "mine")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (edited, "others/first/submission.json is there already: expected a new entry"),
        (removed, "is there already: expected a new entry, since entries are not edited"),
        (linked, "has git's mode 120000: expected 100644, a plain file"),
        (runnable, "has git's mode 100755: expected 100644, a plain file"),
        (scored, "result.json is the host's to write: expected none in a new entry"),
        (second, "2 entries are changed, my-group/mine first: expected one at a time"),
        (outside, "README.md is changed: expected a new entry, leaderboard/entries/<group>/<entry>/, and nothing else"),
        (deep, "is changed: expected a new entry"),
        (odd, "is changed: expected a new entry"),
        (spoilt, "predictions-seed0.npz: not a readable .npz"),
        (renamed, "others/first/submission.json is there already"),
    ],
)
def test_whatever_else_is_touched_is_named(
    host: Host, split: Path, change: Callable[[Path], None], sentence: str
) -> None:
    """Each in a sentence of one line."""
    enter(host.theirs / ENTRIES, split)
    change(host.theirs)
    found = host.reviewed(split)
    assert any(sentence in problem.replace('"', "") for problem in found.problems), found.problems
    assert all(problem.isprintable() for problem in found.problems)
    assert found.comment.count("~~~~~~~~") == 2


def test_a_large_file_is_refused_unread(host: Host, split: Path) -> None:
    """By what git knows of its size."""
    enter(host.theirs / ENTRIES, split)
    huge(host.theirs)
    with pytest.raises(RecordError, match=r"predictions-seed9.npz.* has 33,554,433 bytes: expected at most 33,554,432"):
        host.reviewed(split)


def test_entry_there_already_is_refused(host: Host, split: Path) -> None:
    """Also where the branch does not know of it."""
    enter(host.theirs / ENTRIES, split)
    newer = host.commit()
    git(host.theirs, "checkout", "--quiet", "-B", "work", host.base)
    enter(host.theirs / ENTRIES, split, method="Another")
    (problem,) = review(host.theirs, newer, host.commit()).problems
    assert problem.startswith("my-group/mine: there is such an entry already")


def test_an_entry_for_another_split_is_refused(host: Host, split: Path, secret: Path) -> None:
    """It says what is scored here."""
    enter(host.theirs / ENTRIES, split)
    (problem,) = host.reviewed(secret / "public").problems
    assert "test is none of the splits that are scored here: expected standard own" in problem


@pytest.mark.parametrize("name", ["main", "--upload-pack=x", "0" * 40, "HEAD^{/x}"])
def test_a_commit_is_named_by_its_hash(host: Host, name: str) -> None:
    """Nothing that git would take for an option or a search."""
    with pytest.raises(RecordError, match=r"is no commit: expected its whole hash|git cat-file failed"):
        review(host.theirs, host.base, name)


def test_the_script_reviews_then_records(host: Host, split: Path) -> None:
    """In a clone of the base, which fetches the head by its hash; scores come from predictions and labels."""
    enter(host.theirs / ENTRIES, split)
    head = host.pull_request()
    seen = host.ci("review", head, "--data", split)
    assert seen.returncode == 0, seen.stderr
    assert (
        host.ours / "comment.md"
    ).read_text() == f"The entry `my-group/mine` is in order at {head}; it will be scored.\n"
    assert git(host.ours, "status", "--porcelain", "--untracked-files=no") == ""
    done = host.ci("record", head, "--data", split)
    assert done.returncode == 0, done.stderr
    result = json.loads((host.ours / OWN / "result.json").read_text())
    assert result["board"] == "open"
    errors = [seed["scores"]["error"] for seed in result["seeds"]]
    said_of_it = (host.ours / "comment.md").read_text()
    assert f"has {100 * sum(errors) / 3:.1f} % test error" in said_of_it
    assert host.ci("record", head, "--data", split).returncode == 1  # there is such an entry now


def test_labels_are_for_the_step_that_scores(host: Host, secret: Path) -> None:
    """A hidden test is reviewed without them, and not recorded without them."""
    enter(host.theirs / ENTRIES, secret / "public" / "test")
    head = host.pull_request()
    data = ("--data", secret / "public")
    assert host.ci("review", head, *data).returncode == 0
    assert (
        "no such option" in host.ci("review", head, *data, "--labels", secret / "private" / "labels.csv").stderr.lower()
    )
    without = host.ci("record", head, *data)
    assert without.returncode == 1
    assert "is a hidden test set: give its labels" in without.stderr
    assert not (host.ours / OWN).exists()
    done = host.ci("record", head, *data, "--labels", secret / "private" / "labels.csv")
    assert done.returncode == 0, done.stderr
    assert "on the hidden test" in (host.ours / "comment.md").read_text()


def test_code_of_a_pull_request_is_never_run(host: Host, split: Path, tmp_path: Path) -> None:
    """Neither a package that would be found first, nor a script, a hook, a filter or a configuration of pip's."""
    enter(host.theirs / ENTRIES, split)
    trap = tmp_path / "ran"
    for name in ("benchmark/__init__.py", "benchmark/__main__.py", "sitecustomize.py", "conftest.py"):
        (host.theirs / name).parent.mkdir(exist_ok=True)
        (host.theirs / name).write_text(f"open({str(trap)!r}, 'w')\n")
    (host.theirs / ".ci" / "entry").write_text(f"#!/bin/sh\ntouch {trap}\n")
    (host.theirs / ".gitattributes").write_text("*.npz filter=x diff=x\n")
    head = host.pull_request()
    seen = host.ci("review", head, "--data", split)
    assert seen.returncode == 1
    assert "in 6 ways" in seen.stderr
    assert not trap.exists()
    assert not (host.ours / "benchmark").exists()


def test_the_script_stays_with_the_base(host: Host, split: Path) -> None:
    """A checkout of anything else, or one with changes, is refused."""
    enter(host.theirs / ENTRIES, split)
    head = host.pull_request()
    (host.ours / "README.md").write_text("changed\n")
    seen = host.ci("review", head, "--data", split)
    assert seen.returncode == 2
    assert "is no clean checkout" in seen.stderr


def test_the_workflow_keeps_secrets_from_the_review() -> None:
    """It runs from the base, checks out nothing else, and gives labels to the step that scores alone."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "entries.yml").read_text())
    assert workflow["permissions"] == {}
    assert list(workflow[True]) == ["pull_request_target"]  # YAML 1.1 reads `on` as true
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
            assert ("secrets." in json.dumps(step)) == (step.get("name") == "score"), (name, step)
            assert "${{" not in step.get("run", "")  # what strangers write would be pasted into a shell
    assert workflow["jobs"]["review"]["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["record"]["needs"] == "review"
    assert workflow["jobs"]["record"]["environment"] == "board"
