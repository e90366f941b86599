"""The board as CSV: numbers in full, one line an entry, then the reference rows. No cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dynamics_gen.config import RELEASES
from leaderboard.board import Board, Row
from leaderboard.entries import Entry
from leaderboard.reference import Reference
from leaderboard.submissions import Submitted

HEADINGS = (
    "kind",
    "task",
    "release",
    "size",
    "test_fingerprint",
    "rank",
    "group",
    "entry",
    "model",
    "input",
    "seeds",
    "test_error",
    "test_error_low",
    "test_error_high",
    "test_error_deviation",
    "more_than_above",
    "more_than_above_p",
    "valid_error",
    "train_error",
    "error_path",
    "error_speed",
    "calibration_error",
    "parameters",
    "flops_per_clip",
    "wall_time_s",
    "training_clips_per_s",
    "peak_memory_bytes",
    "device",
    "precision",
    "verified",
    "extra_data",
    "note",
    "source",
    *(f"error_on_{release}" for release in RELEASES),
)
DECIMALS = 6


def sheet(boards: Sequence[Board], references: Sequence[Reference]) -> str:
    """The whole of leaderboard/leaderboard.csv; errors are fractions, a cell that does not apply is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    lines = [_entry_line(board, row) for board in boards for row in board.rows] + _reference_lines(references)
    writer.writerows([plain(line.get(heading, "")) for heading in HEADINGS] for line in lines)
    return text.getvalue()


def plain(value: object) -> object:
    """A value that no spreadsheet evaluates: text that begins like a formula gets an apostrophe before it."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "'"):
        return f"'{value}"
    return round(value, DECIMALS) if isinstance(value, float) else value


def _entry_line(board: Board, row: Row) -> dict[str, object]:
    return {
        "task": board.task,
        "release": board.release,
        "size": board.size,
        "test_fingerprint": board.fingerprint,
        "rank": row.rank,
        "group": row.group,
        "entry": row.name,
        "model": row.model,
        "input": row.input,
        "seeds": row.seeds,
        "test_error": row.test_error,
        "test_error_low": row.interval.low,
        "test_error_high": row.interval.high,
        "test_error_deviation": row.deviation,
        "more_than_above": row.above and row.above.mean,
        "more_than_above_p": row.above and row.above.p,
        "valid_error": row.valid_error,
        "train_error": row.train_error,
        "error_path": row.error_path,
        "error_speed": row.error_speed,
        "calibration_error": row.calibration_error,
        "parameters": row.parameters,
        "flops_per_clip": row.flops_per_clip,
        "wall_time_s": row.wall_time_s,
        "training_clips_per_s": row.training_clips_per_s,
        "device": row.device,
        "extra_data": row.extra_data,
        **{f"error_on_{release}": error for release, (error, _) in row.shifted.items()},
        **(_of_record(row.source) if isinstance(row.source, Entry) else _of_submission(row.source)),
    }


def _of_record(entry: Entry) -> dict[str, object]:
    """What only a record tells."""
    record = entry.record
    return {
        "kind": "entry",
        "peak_memory_bytes": max(seed.peak_memory_bytes for seed in record.seeds),
        "precision": record.environment.precision,
        "verified": record.tags.verified,
        "note": record.tags.note,
        "source": record.source,
    }


def _of_submission(made: Submitted) -> dict[str, object]:
    """Which board it is on, and what its entrant adds."""
    about = made.submission.about
    remarks = ["scored by the host", *([f"extra data: {about.extra_data}"] if about.extra_data else [])]
    return {
        "kind": f"submission, {made.result.board} test",
        "note": "; ".join(remarks),
        "source": about.paper or about.code,
    }


def _reference_lines(references: Sequence[Reference]) -> list[dict[str, object]]:
    return [
        {
            "kind": "reference",
            "group": reference.name,
            "model": row.model,
            "valid_error": row.valid_error,
            "train_error": row.train_error,
            "note": "; ".join(part for part in (reference.mark, row.note) if part),
            "source": reference.source,
        }
        for reference in references
        for row in reference.rows
    ]
