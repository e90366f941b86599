"""`bench submit prepare`, `check` and `score`, and the host's `review` and `record` of pull requests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.options import DEVICE, place
from dynamics_gen.console import Failure, Group
from dynamics_gen.errors import UnknownNameError

if TYPE_CHECKING:
    from benchmark.submission.any_result import AnyResult
    from benchmark.submission.check import Checked
    from benchmark.submission.pull_request import Review
    from benchmark.submission.split import OpenedSplit

MOST_PROBLEMS = 100
"""Printed of one folder."""

_FOLDER = click.Path(path_type=Path)
_DATA = "Folder of the test split: data/dynamics-mini/test, or the published one of a hidden test set."


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    """What an entrant says of an entry, an option each; in the file of --about, the same names with underscores."""
    for option in reversed(
        (
            click.option("--about", type=_FOLDER, help="JSON file that says the same; an option holds before it."),
            click.option("--group", help="Who enters: the name of your folder."),
            click.option("--entry", help="Name of the entry's folder.  [default: MODEL-SIZE, of a run]"),
            click.option("--author", "authors", multiple=True, help="A name; may be given several times."),
            click.option("--contact", help="An e-mail address or a page, public as all of this."),
            click.option("--method", help="What the row is called.  [default: the model, of a run]"),
            click.option("--description", help="Of the method, one line."),
            click.option("--paper", help="Its address."),
            click.option("--code", help="Its address."),
            click.option("--extra-data", help="What was learnt from beside train; nothing, unless given."),
            click.option("--input", help="What the model sees, such as rgb or flow_farneback."),
            click.option("--parameters", type=int, help="Of all stages."),
            click.option("--flops-per-clip", type=int, help="Of one forward pass."),
            click.option("--hardware", help="What one training ran on."),
            click.option("--training-hours", type=float, help="Of one seed."),
            click.option("--tuning-trials", type=int, help="Configurations tried before this one was chosen."),
        )
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def submit() -> None:
    """Makes, checks and scores an entry for the board: one folder of predictions, no code.

    \b
    Example:
        bench submit prepare runs/conv3d/standard-mini --about about.json
    """


@submit.command()
@click.argument("sources", nargs=-1, required=True, metavar="RUN|FILE...", type=_FOLDER)
@click.option("--predictions", is_flag=True, help="FILEs of predictions are given, one a seed, instead of a RUN.")
@click.option("--task", help="Of FILEs: classification, prediction or generation.  [default: classification]")
@click.option("--data", type=_FOLDER, help=_DATA)
@click.option("--model", type=_FOLDER, help="The model's file, for a run of your own file that predicts or generates.")
@DEVICE
@place("--entries", "leaderboard/entries", "Folder that gets GROUP/ENTRY.")
@_about
def prepare(
    sources: tuple[Path, ...],
    predictions: bool,
    task: str | None,
    data: Path | None,
    model: Path | None,
    device: str,
    entries: Path,
    about: Path | None,
    **options: Any,
) -> None:
    """Makes the folder of an entry, from a finished RUN of `bench run` or from FILEs of anybody's predictions.

    Of classification, a FILE is .npz with `clip_id` and `probabilities` [clips, classes], or .csv with the columns
    clip_id and the classes in label order. Of prediction, it is .npz or .h5 with `clip_id` and `frames`, uint8
    [clips, 10, size, size, 3], of frames 10 to 19 at size 64 or 32, for the first ten clips of each class in the order
    of their ids. Of generation, it is .npz or .h5 with `frames` alone: uint8 [256, 16, 32, 32, 3] of clips, or
    [1024, 1, 64, 64, 3] of single frames. The order of clips is free.

    \b
    Examples:
        bench submit prepare runs/conv3d/standard-mini --about about.json
        bench submit prepare --predictions seed0.npz seed1.npz --data data/dynamics-mini/test --about about.json
        bench submit prepare runs/simvp/standard-mini --data data/dynamics-mini/test --about about.json
        bench submit prepare --predictions --task generation seed0.npz --data data/dynamics-mini/test --about about.json
    """
    from benchmark.submission.prepare import prepare_files, prepare_run, read_about
    from benchmark.submission.views import CLASSIFICATION, TASKS

    if task is not None and task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if task is not None and not predictions:
        raise click.UsageError("--task is for --predictions: the record of a RUN says its own")
    split = _opened(data)
    told = read_about(about) if about else {}
    told |= {name: value for name, value in options.items() if value is not None and value != ()}
    told |= {"authors": list(told["authors"])} if "authors" in told else {}
    if predictions:
        if split is None:
            raise click.UsageError("say which test split the predictions are of, with --data data/dynamics-mini/test")
        folder = prepare_files(sources, split, told, entries, task or CLASSIFICATION)
    elif len(sources) == 1:
        folder = prepare_run(sources[0], told, entries, split, device, model)
    else:
        raise click.UsageError("got several arguments: expected one RUN, or --predictions before FILEs")
    try:
        _passed(folder, split, None)
    except Failure:
        shutil.rmtree(folder)
        raise
    click.echo(f"{folder}: commit this folder, and open a pull request that changes nothing else")


@submit.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--data", type=_FOLDER, help=f"{_DATA} Compares ids with it.")
@click.option("--base", type=_FOLDER, help="Folder entries/ of the branch to join: every other entry must be the same.")
def check(folder: Path, data: Path | None, base: Path | None) -> None:
    """Checks DIR, the folder of an entry, as the host will; needs no network and no labels, and names every problem.

    The ids of a hidden test set are those of its published folder: give that with --data.

    \b
    Examples:
        bench submit check leaderboard/entries/my-group/conv3d-mini --data data/dynamics-mini/test
        bench submit check leaderboard/entries/my-group/conv3d-mini --base ../main/leaderboard/entries
    """
    split = _opened(data)
    checked = _passed(folder, split, base)
    assert checked.submission is not None
    seeds, test, view = len(checked.submission.seeds), checked.submission.test, checked.submission.view
    what = f" of {checked.task}, {view}," if view else ""
    compared = "their ids are the split's" if split else "give --data to compare their ids with the split's"
    click.echo(
        f"{folder}: in order; {seeds} {'seeds' if seeds > 1 else 'seed'}{what} on {test.clips:,} clips of test,"
        f" {test.release} {test.size}; {compared}"
    )
    if seeds < 3:
        click.echo("fewer than three seeds get a row, but no rank")


@submit.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--data", type=_FOLDER, required=True, help=_DATA)
@click.option("--labels", type=_FOLDER, help="The host's labels.csv of a hidden test set, with opening.json beside it.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing, and fail if result.json says something else.")
def score(folder: Path, data: Path, labels: Path | None, only_check: bool) -> None:
    """Scores DIR, the folder of an entry, and writes result.json there: the host's side.

    Every number is computed from predictions and labels. An open test's labels are in its folder. Predicted frames and
    samples are compared with the clips themselves, and with those of the train split in the folder beside.

    \b
    Examples:
        bench submit score leaderboard/entries/my-group/conv3d-mini --data data/dynamics-mini/test
        bench submit score leaderboard/entries/my-group/conv3d-mini --data public/test --labels private/labels.csv
    """
    from benchmark.submission import any_result, result
    from benchmark.submission.score import compare, score_any
    from benchmark.submission.split import open_split

    split = open_split(data)
    if only_check:
        found = compare(folder, split, labels)
    else:
        found = score_any(folder, split, labels)
        any_result.write(found, folder / result.FILE)
    click.echo(f"{folder}: {_told(found)}; {folder / result.FILE}")


def _of_a_pull_request(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which pull request is meant, and what it may answer for."""
    for option in reversed(
        (
            click.option("--base", required=True, help="Hash of the commit that it is to join."),
            click.option("--head", required=True, help="Hash of its newest commit, which this clone has fetched."),
            place("--repository", ".", "A clone that has both; nothing of the head is checked out."),
            click.option("--data", multiple=True, type=_FOLDER, help=f"{_DATA} May be given several times."),
            click.option("--comment", type=_FOLDER, help="File that gets what to say of it, in Markdown."),
        )
    ):
        command = option(command)
    return command


@submit.command()
@_of_a_pull_request
def review(base: str, head: str, repository: Path, data: tuple[Path, ...], comment: Path | None) -> None:
    """Looks at a pull request without labels: one new entry in order, and nothing else.

    \b
    Example:
        bench submit review --base $BASE --head $HEAD --data data/dynamics-mini/test --comment comment.md
    """
    _reviewed(base, head, repository, data, comment)


@submit.command()
@_of_a_pull_request
@click.option("--labels", type=_FOLDER, help="The host's labels.csv of a hidden test set, with opening.json beside it.")
@place("--entries", "leaderboard/entries", "Folder that gets GROUP/ENTRY, with its result.json.")
def record(
    base: str,
    head: str,
    repository: Path,
    data: tuple[Path, ...],
    comment: Path | None,
    labels: Path | None,
    entries: Path,
) -> None:
    """Reviews a pull request again, takes its entry over, and scores it: the step that may see labels.

    \b
    Example:
        bench submit record --base $BASE --head $HEAD --data public/test --labels private/labels.csv
    """
    from benchmark.submission import any_result, result
    from benchmark.submission.pull_request import extract
    from benchmark.submission.score import score_any
    from dynamics_gen.files import write_whole

    found = _reviewed(base, head, repository, data, None)
    if found.split is None:
        raise click.UsageError("say what the entry is scored on, with --data")
    folder = entries / found.entry
    if folder.exists():
        raise Failure(f"{folder} is there already: expected a checkout of the base, which has no such entry")
    extract(repository, found.changes, folder)
    try:
        scored = score_any(folder, found.split, labels if found.split.labels is None else None)
        any_result.write(scored, folder / result.FILE)
    except BaseException:
        shutil.rmtree(folder)
        raise
    said = f"The entry `{found.entry}` at {head} has {_told(scored)}."
    if comment is not None:
        write_whole(comment, f"{said}\n".encode())
    click.echo(said)


def _reviewed(base: str, head: str, repository: Path, data: tuple[Path, ...], comment: Path | None) -> Review:
    """What is said of a pull request in order; of another, its problems are printed."""
    from benchmark.submission.pull_request import review as review_pull_request
    from benchmark.submission.split import open_split
    from dynamics_gen.files import write_whole

    found = review_pull_request(repository, base, head, [open_split(folder) for folder in data])
    if comment is not None:
        write_whole(comment, found.comment.encode())
    for problem in found.problems[:MOST_PROBLEMS]:
        click.echo(f"problem: {problem}", err=True)
    if found.problems:
        raise Failure(f"{head}: not in order, in {len(found.problems)} ways named above")
    click.echo(f"{found.entry}: in order at {head}")
    return found


def _told(scored: AnyResult) -> str:
    """The headline of a result, with its interval and what it was measured on."""
    from benchmark.submission.any_result import headline

    found, bounds, unit = headline(scored), "", " %" if scored.task == "classification" else ""
    scale, digits = (100, ".1f") if unit else (1, ".4g")
    if found.interval is not None:
        low, high = (format(scale * bound, digits) for bound in (found.interval.low, found.interval.high))
        bounds = f" (95 %: {low}–{high}{unit})"
    return (
        f"{format(scale * found.mean, digits)}{unit} {found.name}{bounds} on the {scored.board} test,"
        f" {scored.test.release} {scored.test.size}"
    )


def _opened(data: Path | None) -> OpenedSplit | None:
    from benchmark.submission.split import open_split

    return None if data is None else open_split(data)


def _passed(folder: Path, split: OpenedSplit | None, base: Path | None) -> Checked:
    """What a folder without problems holds; of another, they are printed."""
    from benchmark.submission.check import check as check_entry

    checked = check_entry(folder, split, base)
    for problem in checked.problems[:MOST_PROBLEMS]:
        click.echo(f"problem: {problem}", err=True)
    if checked.problems:
        raise Failure(f"{folder}: not in order, in {len(checked.problems)} ways named above: mend them and try again")
    return checked
