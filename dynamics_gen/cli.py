"""The command `dynamics-gen`, which builds; its subcommands are the modules of `commands`.

A command parses, calls the library and prints. Heavy imports wait until it needs them.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from pathlib import Path

import click

from dynamics_gen import commands
from dynamics_gen import config as configs
from dynamics_gen.commands.annotate import annotate, parse_kinds
from dynamics_gen.console import Failure, Group, Meter
from dynamics_gen.version import __version__

_SPLITS = (*configs.SPLITS, "all")


@click.group(cls=Group, invoke_without_command=True)
@click.option("--split", metavar="NAME", help=f"What to build: {', '.join(_SPLITS)}.")
@click.option("--size", default="full", show_default=True, help=f"Clips per class: {', '.join(configs.SIZES)}.")
@click.option("--per-class", type=int, help="Clips per class, instead of those of --size.")
@click.option("--release", default="standard", show_default=True, help=f"One of {', '.join(configs.RELEASES)}.")
@click.option("--seed", default=0, show_default=True, help="Another seed is another dataset.")
@click.option("--image-size", default=64, show_default=True, help="Height and width of a frame, pixels.")
@click.option("--frames", type=int, help="Frames a clip  [default: 32; 64 in the release long].")
@click.option("--fps", default=16, show_default=True, help="Frames a second.")
@click.option("--shard-size", default=1_000, show_default=True, help="Clips a file.")
@click.option("--codec", default="zstd", show_default=True, help="Compression: zstd, or gzip for readers without it.")
@click.option("--annotations", metavar="NAMES", help="Ground truth to add: any of mask,depth,flow.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as there are cores unless given.")
@click.option(
    "--secret-seed",
    type=click.Path(path_type=Path),
    help="Build a hidden test set from the secret in this file: frames here, labels in the private folder.",
)
@click.option("--private", type=click.Path(path_type=Path), help="Folder for its labels  [default: OUT-private].")
@click.option("--shards", metavar="A-B", help="Build these shards only; array jobs may share the folder.")
@click.option("--scheduler", metavar="ADDRESS", help="Build on the workers of this Dask scheduler.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder that gets a folder for the split  [default: data/dynamics, or data/dynamics-SIZE].",
)
@click.version_option(__version__, prog_name="dynamics-gen")
@click.pass_context
def main(
    context: click.Context,
    split: str | None,
    size: str,
    per_class: int | None,
    release: str,
    out: Path | None,
    workers: int | None,
    frames: int | None,
    annotations: str | None,
    shards: str | None,
    scheduler: str | None,
    secret_seed: Path | None,
    private: Path | None,
    **settings: int | str,
) -> None:
    """Builds the splits of Dynamics, and looks after them.

    A build that was interrupted goes on where it was: give the same command again.

    \b
    Examples:
        dynamics-gen --split train
        dynamics-gen --split all --size mini
        dynamics-gen verify data/dynamics/train
    """
    if context.invoked_subcommand is not None:
        if split is not None:
            raise click.UsageError(f"--split builds and {context.invoked_subcommand} does not: give one of the two")
        return
    if split is None:
        raise click.UsageError("nothing to do: give --split train, valid, test or all, or a command (see --help)")
    if split not in _SPLITS:
        raise configs.UnknownNameError("split", split, _SPLITS)
    ranges = configs.release_named(release)
    wanted = [
        configs.BuildConfig(
            release=ranges,
            frames=ranges.frames if frames is None else frames,
            split=name,
            per_class=configs.clips_per_class(size, name) if per_class is None else per_class,
            **settings,  # type: ignore[arg-type]
        )
        for name in (configs.SPLITS if split == "all" else (split,))
    ]
    if secret_seed is not None:
        if split != "test" or annotations is not None or shards is not None or scheduler is not None:
            raise click.UsageError("--secret-seed builds --split test, without --annotations, --shards and --scheduler")
        root = out or Path("data") / f"{configs.directory_name(release, size)}-hidden"
        _build_hidden(wanted[0], secret_seed, root, private or root.with_name(f"{root.name}-private"), workers)
        return
    if private is not None:
        raise click.UsageError("--private goes with --secret-seed")
    root = out or Path("data") / configs.directory_name(release, size)
    kinds = parse_kinds(annotations) if annotations is not None else ()
    if shards is not None:
        if split == "all" or kinds or scheduler is not None:
            raise click.UsageError(
                "--shards builds a part of one split: leave out --split all, --annotations and --scheduler"
            )
        _build_shards(wanted[0], root / split, _shard_range(shards), workers)
        return
    for config in wanted:
        _build(config, root / config.split, workers, scheduler)
        if kinds:
            annotate(root / config.split, kinds, workers)


def _build_hidden(config: configs.BuildConfig, secret: Path, public: Path, private: Path, workers: int | None) -> None:
    from dynamics_gen.hidden import build_hidden, read_secret

    config = dataclasses.replace(config, secret=read_secret(secret))
    try:
        with Meter("hidden and private", 2 * config.clips, {"clips": 1, "frames": config.frames}) as meter:
            made = build_hidden(config, public, private, workers, meter.advance)
    except KeyboardInterrupt:
        raise Failure("stopped; finished shards are kept: the same command goes on from there") from None
    click.echo(f"{public}: to be published; {made.public.clips:,} clips without labels")
    click.echo(f"{private}: to be kept; labels.csv, opening.json and all ground truth")
    click.echo(f"commitment {made.commitment}")


def _shard_range(text: str) -> range:
    """Reads `3-7`, or `3`: both ends are built."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) < int(first):
        raise click.BadParameter(
            f"{text!r} is not A-B with whole numbers and A ≤ B, for example 0-9", param_hint="--shards"
        )
    return range(int(first), int(last or first) + 1)


def _build_shards(config: configs.BuildConfig, directory: Path, shards: range, workers: int | None) -> None:
    from dynamics_gen.generate import build_shards

    ours = [shard for shard in shards if shard < config.shards]
    clips = sum(min(config.shard_size, config.clips - shard * config.shard_size) for shard in ours)
    title = f"{config.split} {shards.start}-{shards.stop - 1}"
    try:
        with Meter(title, clips, {"clips": 1, "frames": config.frames}) as meter:
            manifest = build_shards(config, directory, shards, workers, progress=meter.advance)
    except KeyboardInterrupt:
        raise Failure(
            f"stopped; finished shards are kept in {directory}: the same command goes on from there"
        ) from None
    click.echo(f"{directory}: shards {shards.start} to {shards.stop - 1} of {config.shards} stand")
    if manifest is not None:
        click.echo(f"the split is whole; fingerprint {manifest.fingerprint}")


def _build(config: configs.BuildConfig, directory: Path, workers: int | None, scheduler: str | None) -> None:
    from dynamics_gen.generate import build_split

    rates = {"clips": 1, "frames": config.frames}
    try:
        with Meter(config.split, config.clips, rates) as meter:
            if scheduler is None:
                manifest = build_split(config, directory, workers, progress=meter.advance)
            else:
                from dynamics_gen.cluster import build_on_cluster

                manifest = build_on_cluster(config, directory, scheduler, progress=meter.advance)
    except KeyboardInterrupt:
        raise Failure(
            f"stopped; finished shards are kept in {directory}: the same command goes on from there"
        ) from None
    click.echo(f"{directory}: {manifest.clips:,} clips in {len(manifest.shards)} shards")
    click.echo(f"fingerprint {manifest.fingerprint}")


for _module in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
    main.add_command(importlib.import_module(_module.name).command)
