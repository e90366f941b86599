"""Whether two lists put the same things in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

MOST = 9
"""Most things whose orders are counted one by one: 9! are 363 thousand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankCorrelation:
    """Kendall's tau between two lists: 1 for the same order, -1 for the opposite one (Kendall 1938)."""

    tau: float
    p: float
    """Share of all orders that agree at least as well; one-sided, exact."""


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> RankCorrelation:
    """Compares two lists of 2 to `MOST` numbers about the same things; a tie counts for neither order.

    Raises:
        ValueError: the lists differ in length, or are too short or too long.
    """
    if len(one) != len(other) or not 2 <= len(one) <= MOST:
        raise ValueError(f"lists of {len(one)} and {len(other)} numbers: expected as many in both, from 2 to {MOST}")
    agreement = _agreement(one, other)
    orders = [_agreement(one, order) for order in permutations(other)]
    pairs = len(one) * (len(one) - 1) // 2
    return RankCorrelation(tau=agreement / pairs, p=sum(found >= agreement for found in orders) / len(orders))


def _agreement(one: Sequence[float], other: Sequence[float]) -> int:
    """Pairs in the same order less pairs in opposite orders."""
    signs = [
        ((one[i] > one[j]) - (one[i] < one[j])) * ((other[i] > other[j]) - (other[i] < other[j]))
        for i, j in combinations(range(len(one)), 2)
    ]
    return sum(signs)
