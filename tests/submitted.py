"""Entries from outside, and the test splits they answer for: tiny, drawn from a seed, for the tests of submissions."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from fake_clips import fake_clips, small_config

import dynamics_gen
from benchmark.submission import said
from benchmark.submission.said import Said
from dynamics_gen.classes import CLASSES
from dynamics_gen.generate import build_split

ABOUT: dict[str, Any] = {
    "group": "my-group",
    "entry": "mine",
    "authors": ["Ada Lovelace", "José Ñuñez"],
    "contact": "ada@example.org",
    "method": "My net (v2)",
    "description": "",
    "paper": "https://arxiv.org/abs/1234.56789",
    "code": None,
    "extra_data": "",
    "input": "rgb",
    "parameters": 1_000,
    "flops_per_clip": None,
    "hardware": "one GPU",
    "training_hours": 1.5,
    "tuning_trials": 4,
}


def build_test_split(folder: Path, **changes: Any) -> Path:
    """An open test split of 30 fake clips."""
    build_split(small_config(**({"split": "test"} | changes)), folder, workers=1, source=fake_clips)
    return folder


def guesses(split: Path, seed: int = 0, right: float = 0.7) -> Said:
    """What an entrant says of a split's clips, in an order of their own; about `right` of an open one's are right."""
    opened, rng = dynamics_gen.open(split), np.random.default_rng(seed)
    order = rng.permutation(len(opened))
    labels = opened.labels if "label" in opened.columns else rng.integers(0, len(CLASSES), len(opened))
    wrong = rng.random(len(opened)) > right
    chosen = np.where(wrong, (labels + rng.integers(1, len(CLASSES), len(opened))) % len(CLASSES), labels)
    rows = np.full((len(opened), len(CLASSES)), 0.02, np.float32)
    rows[np.arange(len(opened)), chosen] = 0.82
    return Said(clip_id=np.array(opened.clip_ids, dtype=np.bytes_)[order], probabilities=rows[order])


def npz(**arrays: Any) -> bytes:
    """The bytes of an .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def csv(answers: Said) -> bytes:
    """The same predictions as a table."""
    lines = [said.HEADER]
    for name, row in zip(answers.clip_id.tolist(), answers.probabilities.tolist(), strict=True):
        lines.append(",".join([name.decode(), *map(repr, row)]))
    return ("\n".join(lines) + "\n").encode()


def describe(split: Path, hashes: dict[int, str], form: str = "npz", **about: Any) -> dict[str, Any]:
    """What submission.json says of predictions with these hashes, by seed."""
    manifest = dynamics_gen.open(split).manifest
    return {
        "submission_version": 1,
        "task": "classification",
        "about": ABOUT | about,
        "test": {
            "release": manifest.release,
            "size": "own",
            "clips": manifest.clips,
            "fingerprint": manifest.fingerprint,
        },
        "seeds": [
            {"seed": seed, "predictions": f"predictions-seed{seed}.{form}", "sha256": sha256}
            for seed, sha256 in hashes.items()
        ],
    }


def enter(entries: Path, split: Path, seeds: int = 3, form: str = "npz", **about: Any) -> Path:
    """Writes an entry that is in order, and returns its folder, `entries/<group>/<entry>`."""
    folder = entries / (ABOUT | about)["group"] / (ABOUT | about)["entry"]
    folder.mkdir(parents=True)
    hashes = {}
    for seed in range(seeds):
        answers = guesses(split, seed)
        content = csv(answers) if form == "csv" else npz(clip_id=answers.clip_id, probabilities=answers.probabilities)
        hashes[seed] = put(folder, f"predictions-seed{seed}.{form}", content)
    (folder / "submission.json").write_text(json.dumps(describe(split, hashes, form, **about)))
    return folder


def put(folder: Path, name: str, content: bytes) -> str:
    """Writes a file, and its hash into the submission if there is one that names it; returns the hash."""
    (folder / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    if (path := folder / "submission.json").exists():
        document = json.loads(path.read_text())
        for one in document["seeds"]:
            one["sha256"] = sha256 if one["predictions"] == name else one["sha256"]
        path.write_text(json.dumps(document))
    return sha256


def edit(folder: Path, **changes: Any) -> None:
    """Changes fields of submission.json: `about__group="x"` is a field of a field."""
    path = folder / "submission.json"
    document = json.loads(path.read_text())
    for name, value in changes.items():
        *outer, last = name.split("__")
        target = document
        for part in outer:
            target = target[part]
        target[last] = value
    path.write_text(json.dumps(document))
