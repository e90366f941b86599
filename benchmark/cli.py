"""The command `bench`: parses, calls the library, prints. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark import figures, machine, spec, tune_command
from benchmark.classify_command import classify
from benchmark.generation import command
from benchmark.human.command import human
from benchmark.options import DEVICE, OVERWRITE, RESUME, WORKERS, place
from benchmark.prediction.command import predict
from benchmark.recipe import OPTIMISERS, PRECISIONS
from benchmark.reproduction.command import reproduce
from benchmark.several import described, in_turn
from benchmark.submission.command import submit
from dynamics_gen.config import RELEASES, SIZES, directory_name
from dynamics_gen.console import Failure, one_sentence
from dynamics_gen.version import __version__

if TYPE_CHECKING:
    from benchmark.plan import Options


class _Group(click.Group):
    """Commands that fail with one sentence, as those of `Group` do, also where a GPU has too little memory."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        with one_sentence(), machine.enough_memory("leave the GPU to this command, or take --device cpu"):
            return super().invoke(ctx)


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Trains, scores and compares models on Dynamics.

    \b
    Example:
        bench run conv3d_convlstm --size mini
    """


main.add_command(human)
main.add_command(submit)
main.add_command(classify)
main.add_command(reproduce)
main.add_command(tune_command.tune)
for _command in (command.sample, command.reconstruct, command.interpolate, predict):
    main.add_command(_command)


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@click.option("--measure", is_flag=True, help="Build every model first, and write its parameters and GFLOPs anew.")
def list_command(as_json: bool, measure: bool) -> None:
    """Lists the models: name, task, input, parameters, GFLOPs of a clip's way forward, source, summary.

    On a terminal, lines end at its edge.

    \b
    Examples:
        bench list
        bench list --json
    """
    models = spec.list_models()
    if measure:
        measured = {one.name: found for one in models if (found := figures.measure(one)) is not None}
        figures.write(measured, figures.path())
        click.echo(f"{figures.path()}: {len(measured)} models measured", err=True)
    known = figures.read(figures.path())
    if as_json:
        click.echo(json.dumps([_listed(one, known.get(one.name)) for one in models], indent=1))
        return
    rows = [("MODEL", "TASK", "INPUT", "PARAMETERS", "GFLOPS", "SOURCE", "SUMMARY")]
    for one in models:
        found = known.get(one.name)
        parameters = f"{found.parameters:,}" if found else "–"
        gflops = f"{found.flops_per_clip / 1e9:.2f}" if found else "–"
        rows.append((one.name, one.task, one.input, parameters, gflops, one.source, one.summary))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        cells = [
            cell.rjust(width) if column in (3, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row[:6], widths, strict=True))
        ]
        line = "  ".join([*cells, row[6]])
        click.echo(line if edge is None or len(line) <= edge else line[: edge - 1] + "…")


def _listed(one: spec.Description, found: figures.Figures | None) -> dict[str, Any]:
    """A model as JSON; null where a figure is not known."""
    return {
        **{name: getattr(one, name) for name in ("name", "task", "input", "source", "summary", "training")},
        "parameters": found and found.parameters,
        "flops_per_clip": found and found.flops_per_clip,
    }


def _settings(context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """Reads `key=value` as often as it was typed; the last of equal keys holds."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{pair!r} is not key=value, for example width=32")
        settings[key.strip()] = value.strip()
    return settings


@main.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--size", default="full", show_default=True, help=f"Clips per class: {', '.join(SIZES)}.")
@click.option("--release", default="standard", show_default=True, help=f"Distribution: {', '.join(RELEASES)}.")
@click.option("--input", default="", help=f"What the models see instead of their own choice: {', '.join(spec.INPUTS)}.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Trainings from scratch, seeds 0, 1, ….")
@click.option("--epochs", type=int, help="Passes over train.")
@click.option("--batch-size", type=int, help="Clips a step.")
@click.option("--optimiser", help=f"{' or '.join(OPTIMISERS)}, with a momentum of 0.9; of classifiers.")
@click.option("--learning-rate", type=float, help="At its highest, after the warm-up.")
@click.option("--weight-decay", type=float, help="On weights of two axes or more; AdamW decouples it.")
@click.option("--warmup", type=float, help="Epochs over which the learning rate rises.")
@click.option("--label-smoothing", type=float, help="Share of the target spread over all classes.")
@click.option("--gradient-clip", type=float, help="Largest norm of the gradient; 0 leaves it alone.")
@click.option("--augment/--no-augment", default=None, help="Turn and mirror clips by the square's eight symmetries.")
@click.option("--train-per-class", type=int, help="Learn from the first N clips of each class alone.")
@click.option("--precision", help=f"{', '.join(PRECISIONS)}; auto takes what is faster on the device.")
@DEVICE
@click.option("--devices", type=int, default=1, show_default=True, help="GPUs, or CPU processes, that share a batch.")
@place("--data", "data", "Folder that holds the datasets; a missing split is built there.")
@click.option(
    "--on",
    type=click.Path(path_type=Path),
    help="Folder of your own train, valid and test, from `dynamics-gen import-video`; --size picks the recipe.",
)
@place("--runs", "runs", "Folder for results, at MODEL/RELEASE-SIZE (-INPUT, if it is not the model's own).")
@RESUME
@OVERWRITE
@WORKERS
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_settings,
    help="One of the model's own settings; may be given several times.",
)
def run(models: tuple[str, ...], **wishes: Any) -> None:
    """Trains each MODEL on train, chooses its epoch on valid, reports on test once.

    MODEL is a name that `bench list` shows, the path of your own file, or `all`, every model but the studies. Settings
    of the recipe that are not given here are the model's own, or else the defaults of the size. Results go to
    RUNS/MODEL/RELEASE-SIZE: record.json, predictions, a learning curve and a confusion matrix; or, of a generator,
    samples and curves.

    \b
    Examples:
        bench run conv3d_convlstm --size mini
        bench run conv3d convlstm --size mini --seeds 3
        bench run path/to/my_model.py --epochs 5 --set width=32
        bench run two_streams --size mini --input flow_exact
        bench run all --size mini --resume
        bench run ali --size mini --set image_size=32
        bench run conv3d --on data/kth --no-augment
        bench run conv3d --devices 8
        torchrun --nnodes 4 --nproc-per-node 8 --rdzv-endpoint head:29500 -m benchmark run conv3d
    """
    unique = described(models, ("classification", "generation", "prediction"))

    from benchmark.launch import launch
    from benchmark.plan import Options
    from benchmark.world import World

    training = {
        name: wishes.pop(name)
        for name in (
            "epochs",
            "batch_size",
            "optimiser",
            "learning_rate",
            "weight_decay",
            "warmup",
            "label_smoothing",
            "gradient_clip",
            "augment",
            "train_per_class",
            "precision",
        )
    }
    options = Options(training=training, **wishes)
    if options.devices > 1 and World.from_environment().size == 1:
        launch(_run_all, unique, options, devices=options.devices)
    else:
        _run_all(unique, options)


def _run_all(chosen: Sequence[spec.Description], options: Options) -> None:
    """Runs models in turn and prints a line each; of several processes that train together, the first prints."""
    from benchmark.generation.run import run_generator
    from benchmark.plan import make_plan
    from benchmark.prediction.run import run_predictor
    from benchmark.run import run_model
    from benchmark.study import run_study
    from benchmark.summary import summary

    # A mistake in the last is told before the first is trained.
    plans = {one.path: make_plan(one, options) for one in chosen}

    def work(one: spec.Description) -> None:
        plan = plans[one.path]
        run = {
            "classification": run_model,
            "generation": run_generator,
            "prediction": run_predictor,
            "study": run_study,
        }[one.task]
        result = run(plan, options, lambda line: click.echo(line, err=True))
        if isinstance(result, dict):
            click.echo(f"{one.name}: {plan.folder.study}")
        elif result is not None:
            click.echo(summary(result, plan.folder.record))

    several = any(plan.world.size > 1 for plan in plans.values())  # the other processes may not have failed
    in_turn(chosen, work, go_on=not several)


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--release", "releases", multiple=True, help="Put it to this release's test split; may be given several times."
)
@click.option("--shifted", is_flag=True, help="Put it to the test splits of all releases but standard and its own.")
@place("--data", "data", "Folder that holds the datasets; a missing test split is built there.")
@DEVICE
@WORKERS
@click.option("--model", type=click.Path(path_type=Path), help="The model's file, for a run of your own file.")
def evaluate(runs: tuple[Path, ...], releases: tuple[str, ...], shifted: bool, **wishes: Any) -> None:
    """Puts each finished RUN, a folder with a record.json, to other test sets, and adds the scores to its record.

    Every seed's chosen weights are taken as they are; nothing is trained or chosen. A model that is fitted, of which
    nothing is saved, is fitted anew with the same seeds, and must say of valid what it said before. Clips longer than
    those of train are seen through windows of that length, whose probabilities are averaged. Also draws the run's
    pictures anew.

    \b
    Examples:
        bench evaluate runs/conv3d/standard-mini --shifted
        bench evaluate runs/conv3d/standard-mini --release camera --release clutter
    """
    if not releases and not shifted:
        raise click.UsageError("say what to put it to: --release NAME, or --shifted for all of them")

    from benchmark import record
    from benchmark.shifted import Wishes, evaluate_run, shifted_releases

    for run in runs:
        named = [*releases, *(shifted_releases(record.read(run / "record.json").dataset.release) if shifted else ())]
        result = evaluate_run(
            run, Wishes(releases=tuple(dict.fromkeys(named)), **wishes), say=lambda line: click.echo(line, err=True)
        )
        for one in result.shifted:
            mean = sum(seed.scores.error for seed in one.seeds) / len(one.seeds)
            click.echo(f"{result.model} on {one.release}: {100 * mean:.1f} % test error; {run / 'record.json'}")


@main.command()
@place("--board", "leaderboard", "Folder with entries/ and reference/; gets README.md and leaderboard.csv.")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of local runs to print among the entries.")
@click.option("--check", is_flag=True, help="Write nothing, and fail if the table is not what the records say.")
@click.option("--html", type=click.Path(path_type=Path), help="Folder for the board as a static site, in place of one.")
def table(board: Path, runs: Path | None, check: bool, html: Path | None) -> None:
    """Prints the board, and writes it anew from its records.

    \b
    Examples:
        bench table
        bench table --runs runs
        bench table --check
        bench table --html site
    """
    from leaderboard.table import main as make_table

    click.echo(make_table(board, runs, check))
    if html is not None:
        from leaderboard.site.build import build

        click.echo(build(board, html, runs))


@main.command()
@place("--board", "leaderboard", "Folder with entries/, experiments/ and reference/; gets figures/.")
@place("--page", "RESULTS.md", "The page.")
@click.option("--check", is_flag=True, help="Write nothing, and fail if the page is not what the records say.")
def results(board: Path, page: Path, check: bool) -> None:
    """Writes the results page: our figures beside the thesis's, and what the records say to its open questions.

    \b
    Examples:
        bench results
        bench results --check
    """
    from leaderboard.results.command import main as make_results

    click.echo(make_results(board, page, check))


@main.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--size", default="full", show_default=True, help="Which data/dynamics-SIZE, unless a folder is given.")
@click.option("--release", default="standard", show_default=True, help="Which release, unless a folder is given.")
@click.option("--probes", help="Names with commas between; all unless given.")
@click.option("--clips", type=click.IntRange(min=20), help="Most clips of train to take.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of folds and networks.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for audit.json, audit.png  [default: DIR/audit].")
@click.option("--page", type=click.Path(path_type=Path), help="The Markdown page  [default: OUT/AUDIT.md].")
def audit(
    directory: Path | None,
    size: str,
    release: str,
    probes: str | None,
    clips: int | None,
    seed: int,
    out: Path | None,
    page: Path | None,
) -> None:
    """Asks the data what single frames, places and looks tell of the class, and what the motion does.

    Fails if a probe that must know nothing knows something, or one that must know all does not.

    \b
    Examples:
        bench audit --size mini
        bench audit data/dynamics --probes trajectory,appearance
    """
    from benchmark.audit.report import printed
    from benchmark.audit.run import AuditOptions
    from benchmark.audit.run import audit as run_audit

    data = directory or Path("data") / directory_name(release, size)
    folder = out or data / "audit"
    typed = ["bench audit", str(data)] + ([f"--probes {probes}"] if probes else [])
    typed += ([f"--clips {clips}"] if clips else []) + ([f"--seed {seed}"] if seed else [])
    options = AuditOptions(
        data=data,
        out=folder,
        page=page or folder / "AUDIT.md",
        probes=probes,
        clips=clips,
        seed=seed,
        command=" ".join(typed),
    )
    findings = run_audit(options, say=lambda line: click.echo(line, err=True))
    click.echo(printed(findings))
    if failed := [found.probe.name for found in findings if not found.passed]:
        raise Failure(f"{len(failed)} of {len(findings)} probes fail: {', '.join(failed)}; see {options.page}")
