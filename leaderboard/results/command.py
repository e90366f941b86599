"""`bench results`: writes the pages and pictures of results from the board's folder, or checks them.

A command calls `main` lazily; errors are `DynamicsError` and `OSError`:

    from leaderboard.results.command import main
    click.echo(main(Path("leaderboard"), Path("RESULTS.md"), check))
"""

from __future__ import annotations

import os
from pathlib import Path

from dynamics_gen.files import write_whole
from leaderboard.entries import read_entries
from leaderboard.errors import BoardError
from leaderboard.reference import read_references
from leaderboard.results.ablations import ABLATIONS
from leaderboard.results.chapter4 import claims, in_short
from leaderboard.results.figures import PICTURES
from leaderboard.results.generators import GENERATORS, read_generators
from leaderboard.results.generators_page import make_generators_page
from leaderboard.results.page import make_page
from leaderboard.results.predictors import PREDICTORS, make_predictors_page, read_predictors
from leaderboard.results.reproductions import read_reproductions
from leaderboard.results.studies import read_studies
from leaderboard.table import compare

EXPERIMENTS = "experiments"


def main(root: Path, page: Path, check: bool) -> str:
    """Does what `bench results [--check]` does.

    Args:
        root: the board's folder; its pictures are in `figures/` there.
        page: the Markdown page.
        check: write nothing, and fail if page or pictures are not what the records say.

    Returns:
        What to print: what was written, or that it is right.

    Raises:
        RecordError: an entry, an experiment or a reference file is malformed, altered or contradicts itself.
        BoardError: `root` is missing, entries disagree, or the page or a picture is stale.
        OSError: a file cannot be read or written.
    """
    way = Path(os.path.relpath(root, page.parent)).as_posix() + "/"
    entries, experiments = read_entries(root), read_entries(root, EXPERIMENTS)
    generators, studies = read_generators(root), read_studies(root)
    chapter4 = in_short(claims(generators, studies))
    made = make_page(entries, experiments, read_references(root), studies, read_reproductions(root), chapter4, way)
    texts = {
        page: made.text,
        root / GENERATORS / "README.md": make_generators_page(generators, studies),
        root / PREDICTORS / "README.md": make_predictors_page(read_predictors(root), read_predictors(root, ABLATIONS)),
    }
    for path, text in texts.items():
        if check:
            compare(path, text, "bench results")
        else:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, text.encode("utf-8"))
    files = {kind.file: root / "figures" / kind.file for kind in PICTURES}
    for name, path in files.items():
        picture = made.pictures.get(name)
        if picture is None and path.exists():
            if check:
                raise BoardError(f"{path} shows what no record says: run `bench results` and commit what it writes")
            path.unlink()
        elif picture is not None and not picture.is_at(path):
            if check:
                raise BoardError(f"{path} does not show what the records say: run `bench results` and commit it")
            picture.write(path)
    said = "are what the records say" if check else "are written"
    return f"{' and '.join(map(str, texts))} {said}, with {len(made.pictures)} pictures in {root / 'figures'}"
