"""By how much single quantities differ between the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.audit.material import Material
from benchmark.audit.tables import APPEARANCE, appearance_table
from dynamics_gen.classes import ROTATION

FAMILIES = ("shape", "pattern", "backdrop")
"""Appearance parameters that are names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How much of a quantity the class explains.

    Attributes:
        group: "appearance", which must know nothing of the class; "motion", which may; "motion of the nine", which
            leaves rotation out.
        measure: "eta²", the share of its variance between classes, or "Cramér's V", for names.
        size: the measure, from 0 to 1.
        p: probability of so large a one by chance, times the number of quantities of its group (Bonferroni).
    """

    name: str
    group: str
    measure: str
    size: float
    p: float


def differences(material: Material) -> list[Difference]:
    """Compares appearance, start, mean speed and extent between the classes."""
    columns = {f"parameters/{name}": material.column(f"parameters/{name}") for name in APPEARANCE}
    table, names = appearance_table(columns)
    appearance = dict(zip(names, table.T, strict=True))
    place = material.column("position")[..., :2].astype(float)
    speed = np.linalg.norm(material.column("linear_velocity").astype(float), axis=2)
    motion = {
        "start x": place[:, 0, 0],
        "start y": place[:, 0, 1],
        "mean speed": speed.mean(axis=1),
        "extent": np.ptp(place, axis=1).max(axis=1),
    }
    every = np.ones(len(material), bool)
    groups = {
        "appearance": (appearance, every),
        "motion": (motion, every),
        "motion of the nine": (motion, material.labels != ROTATION),
    }
    found = []
    for group, (quantities, rows) in groups.items():
        for name, values in quantities.items():
            by_name = name in FAMILIES
            size, p = (_association if by_name else _explained)(values[rows], material.labels[rows])
            found.append(
                Difference(
                    name=name,
                    group=group,
                    measure="Cramér's V" if by_name else "eta²",
                    size=size,
                    p=min(1.0, p * len(quantities)),
                )
            )
    return found


def _explained(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Eta² and the p-value of a one-way analysis of variance."""
    from scipy.stats import f_oneway

    groups = [values[labels == label] for label in np.unique(labels)]
    between = sum(len(group) * (group.mean() - values.mean()) ** 2 for group in groups)
    return float(between / ((values - values.mean()) ** 2).sum()), float(f_oneway(*groups).pvalue)


def _association(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Cramér's V and the p-value of a χ² test of independence."""
    from scipy.stats import chi2_contingency

    counts = np.array([[(values[labels == label] == name).sum() for name in np.unique(values)]
                       for label in np.unique(labels)])  # fmt: skip
    statistic, p = np.array(tuple(chi2_contingency(counts))[:2], float)
    return float(np.sqrt(statistic / (counts.sum() * (min(counts.shape) - 1)))), float(p)
