"""leaderboard/generators/README.md: chapter 4 claim by claim, what lies behind it, and every generator's board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.results import chapter4, studies
from leaderboard.results.generators import LEGEND, Made, agreement, boards, few_labels
from leaderboard.results.words import GENERATED

WAY = "../"
"""From the page to the board's folder."""


def make_generators_page(made: Sequence[Made], found: Mapping[str, dict[str, Any]]) -> str:
    """The whole page, of committed runs of generators and of studies."""
    claims = chapter4.claims(made, found)
    parts = [
        GENERATED,
        "# Generators",
        "Every number below is computed from the records in this folder and in [`studies/`](../studies/). They are runs"
        " of our own; weights are not kept here, so `bench run` with the settings of a record makes them again."
        f" {LEGEND}",
        "## Chapter 4, claim by claim",
        "The thesis's figures are of other data, so that orders compare and numbers do not."
        f" {chapter4.in_short(claims)}",
        chapter4.table_of(claims),
        "## Few labels: a linear machine on features that were learnt without any",
        "Errors on test in %, mean ± deviation over random choices of labels; chance is"
        " 89 % for the shape, and for path and speed what their classes' shares make of it.",
        *studies.linear_machines(found),
        "## Few labels: discriminators of K + 1 classes",
        *few_labels(made),
        "## Do conditional samples listen?",
        "Accuracy, or correlation, of what a second network of another seed reads off samples, with what they were"
        " told.",
        *agreement(made),
        "## The toy: does ALI cover more modes than a GAN, and what is its inference worth?",
        *studies.toy(found, WAY),
        "## What makes recurrent ALI stable?",
        "One factor at a time, all else equal. *collapsed*: seeds whose samples became all but one; *failed*: of"
        " samples, by a criterion that about one true clip in a hundred fails; *unrest*: mean change of the Fréchet"
        " distance's logarithm from one epoch of all data to the next, whichever way; what the discriminator holds to"
        " be real is that of the last epoch, in play: in training mode, of as many clips of train and of valid and of"
        " samples. Means over seeds, least and most in brackets.",
        *studies.stability(found),
        *boards(made),
    ]
    return "\n\n".join(parts) + "\n"
