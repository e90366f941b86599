"""Makes an entry's folder: from a run of `bench run`, or from anybody's arrays, whatever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark import predictions, record, record_file
from benchmark.errors import RecordError
from benchmark.schema import decode
from benchmark.submission import frames, said
from benchmark.submission.files import read_plain_text
from benchmark.submission.own_arrays import read_frames, read_probabilities
from benchmark.submission.problems import every_problem
from benchmark.submission.said import Said
from benchmark.submission.schema import LARGEST_BYTES, About, EvaluationSplit
from benchmark.submission.split import OpenedSplit
from benchmark.submission.views import CLASSIFICATION, TASKS
from benchmark.submission.writing import refuse, seed_numbers, write_entry


def read_about(path: Path) -> dict[str, Any]:
    """Reads fields of `About` from a JSON file; some may be missing.

    Raises:
        RecordError: it is no such file, or a field is unknown, repeated or not as it must be.
        OSError: it cannot be read.
    """
    document = decode(read_plain_text(path.resolve(), LARGEST_BYTES), str(path))
    found = [one for one in every_problem(About, document, str(path)) if not one.endswith(" is missing")]
    refuse(found)
    return dict(document)


def prepare_run(
    run: Path,
    told: Mapping[str, Any],
    entries: Path,
    split: OpenedSplit | None = None,
    device: str = "auto",
    model: Path | None = None,
) -> Path:
    """Makes an entry of a finished run: its record says what `told` does not.

    Args:
        run: folder with record.json.
        told: fields of `About`.
        entries: folder that gets `<group>/<entry>`.
        split: the test split; needed where its clips are: by predictors, and by generators that are told attributes.
        device: where a network computes that has yet to predict or generate.
        model: the model's file, where no model of the package has its name.

    Returns:
        the folder of the entry.

    Raises:
        DynamicsError: the run is not in order, a field is missing or not as it must be, or the folder is there.
        OSError: a file cannot be read or written.
    """
    path = run / "record.json"
    if (task := record_file.task_of(path)) not in TASKS:
        raise RecordError(f"{path}: task is {task}: expected one of {', '.join(TASKS)}, of which there are boards")
    if task != CLASSIFICATION:
        from benchmark.submission.of_runs import frames_of

        made, view, seeds = frames_of(run, task, split, device, model)
        return write_entry(task, view, seeds, made.test, {**made.about, **told}, entries)
    read = record.read(path)
    known = about_of(read) | {"input": read.input, "flops_per_clip": read.flops_per_clip}
    answers = {}
    for seed in read.seeds:
        found = predictions.read(run / seed.predictions, seed.predictions_sha256)
        answers[seed.seed] = Said(clip_id=found.clip_id, probabilities=found.probabilities)
    return write_entry(task, None, answers, test_of(read.dataset), {**known, **told}, entries)


def prepare_files(
    files: Sequence[Path], split: OpenedSplit, told: Mapping[str, Any], entries: Path, task: str = CLASSIFICATION
) -> Path:
    """Makes an entry of files of predictions or samples, one a seed, as `own_arrays` reads them.

    Seeds are the numbers that the files' names end with, as `mine-seed3.npz`, or else 0, 1, … in the order given.

    Raises:
        RecordError: as `prepare_run`; predictions are not of the split's clips, or no distributions.
        OSError: a file cannot be read or written.
    """
    numbers = seed_numbers(files)
    if task == CLASSIFICATION:
        read = {path: read_probabilities(path) for path in files}
        refuse([one for path, found in read.items() for one in said.problems(found, str(path), split.clip_id)])
        seeds = {number: read[path] for number, path in zip(numbers, files, strict=True)}
        return write_entry(task, None, seeds, split.test, told, entries)
    seen = {path: read_frames(path, task, split) for path in files}
    refuse([one for path, found in seen.items() for one in frames.problems(found, str(path), split.ids_of(task))])
    made = {number: seen[path] for number, path in zip(numbers, files, strict=True)}
    return write_entry(task, seen[files[0]].view, made, split.test, told, entries)


def about_of(made: Any) -> dict[str, Any]:
    """What a record of any task says of its entry."""
    known = {
        "entry": f"{made.model}-{made.dataset.size}",
        "method": made.model,
        "description": made.source,
        "parameters": made.parameters,
        "hardware": made.environment.device,
        "training_hours": round(fmean(seed.wall_time_s for seed in made.seeds) / 3600, 4),
    }
    return known | ({"extra_data": made.tags.note or None} if made.tags.extra_data else {})


def test_of(dataset: record.Dataset) -> EvaluationSplit:
    """The test split that a record is of."""
    split = dataset.splits.test
    return EvaluationSplit(release=dataset.release, size=dataset.size, clips=split.clips, fingerprint=split.fingerprint)
