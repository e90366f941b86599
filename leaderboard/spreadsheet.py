"""The board as CSV: numbers in full, one line an entry, then the reference rows. No cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dynamics_gen.config import RELEASES
from leaderboard.board import Board, Row
from leaderboard.reference import Reference

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
    "valid_error",
    "train_error",
    "error_path",
    "error_speed",
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
    record = row.record
    return {
        "kind": "entry",
        "task": board.task,
        "release": board.release,
        "size": board.size,
        "test_fingerprint": board.fingerprint,
        "rank": row.rank,
        "group": row.entry.group,
        "entry": row.entry.name,
        "model": record.model,
        "input": record.input,
        "seeds": len(record.seeds),
        "test_error": row.test_error,
        "test_error_low": row.interval.low,
        "test_error_high": row.interval.high,
        "valid_error": row.valid_error,
        "train_error": row.train_error,
        "error_path": row.error_path,
        "error_speed": row.error_speed,
        "parameters": record.parameters,
        "flops_per_clip": record.flops_per_clip,
        "wall_time_s": row.wall_time_s,
        "training_clips_per_s": row.training_clips_per_s,
        "peak_memory_bytes": max(seed.peak_memory_bytes for seed in record.seeds),
        "device": record.environment.device,
        "precision": record.environment.precision,
        "verified": record.tags.verified,
        "extra_data": record.tags.extra_data,
        "note": record.tags.note,
        "source": record.source,
        **{f"error_on_{release}": error for release, (error, _) in row.shifted.items()},
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
