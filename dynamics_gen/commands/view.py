"""Shows the clips of a split in a browser."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="view")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65_535), default=8_000, show_default=True, help="0 takes a free one.")
@click.option("--html", "path", type=click.Path(path_type=Path), help="Write one page that needs nothing else instead.")
@click.option(
    "--clips", type=click.IntRange(min=1), default=50, show_default=True, help="With --html: how many it holds."
)
def command(directory: Path, port: int, path: Path | None, clips: int) -> None:
    """Shows clips: by class, frame by frame, with trajectory, mask, flow and parameters.

    \b
    Examples:
        dynamics-gen view data/dynamics/test
        dynamics-gen view data/dynamics/test --html clips.html --clips 100
    """
    if path is not None:
        from dynamics_gen.viewer.page import write_page

        count = write_page(directory, path, clips)
        click.echo(f"{path}: {count} clips, {path.stat().st_size / 1e6:.1f} MB")
        return
    from dynamics_gen.viewer.serve import Server

    with Server(directory, port) as server:
        click.echo(f"{directory} at {server.url} until Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("stopped")
