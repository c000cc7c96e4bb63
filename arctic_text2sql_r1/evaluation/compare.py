# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Two models on the same questions: paired wins and losses, an exact test, and an interval for the difference.

Pairs are made by example id, over questions whose gold ran for both models. Single-model figures are in
`metrics.py`; presentation is in `report.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.metrics import first_samples


@dataclass(frozen=True)
class PairedComparison:
    """Trained against baseline over `n` questions.

    `difference` is trained minus baseline accuracy, with its 95 % interval `ci95`. `p_value` is McNemar's exact
    two-sided one. `wins` are ids that only the trained model has right, `losses` only the baseline; `changed` are
    ids whose completion text differs at all; `prompts_differ` counts questions whose prompts had different lengths,
    as they have when the two tokenizers or chat templates differ.
    """

    n: int
    difference: float | None
    ci95: tuple[float, float] | None
    p_value: float
    both_right: int
    both_wrong: int
    wins: tuple[str, ...]
    losses: tuple[str, ...]
    changed: tuple[str, ...]
    prompts_differ: int


def compare(baseline: Sequence[Outcome], trained: Sequence[Outcome]) -> PairedComparison:
    """Pair the first completions by example id. Raises `DataError` when the two cover different questions."""
    pairs = _scored_pairs(baseline, trained)
    both_right = sum(before.correct and after.correct for before, after in pairs)
    wins = tuple(after.example.example_id for before, after in pairs if after.correct and not before.correct)
    losses = tuple(after.example.example_id for before, after in pairs if before.correct and not after.correct)
    n = len(pairs)
    return PairedComparison(
        n=n,
        difference=None if n == 0 else (len(wins) - len(losses)) / n,
        ci95=None if n == 0 else paired_difference_ci95(both_right, wins=len(wins), losses=len(losses), n=n),
        p_value=mcnemar_exact(wins=len(wins), losses=len(losses)),
        both_right=both_right,
        both_wrong=n - both_right - len(wins) - len(losses),
        wins=wins,
        losses=losses,
        changed=tuple(
            after.example.example_id
            for before, after in pairs
            if before.prediction.completion != after.prediction.completion
        ),
        prompts_differ=sum(
            before.prediction.prompt_tokens != after.prediction.prompt_tokens for before, after in pairs
        ),
    )


def _scored_pairs(baseline: Sequence[Outcome], trained: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    before = {outcome.example.example_id: outcome for outcome in first_samples(baseline)}
    after = {outcome.example.example_id: outcome for outcome in first_samples(trained)}
    if before.keys() != after.keys():
        only_one = sorted(before.keys() ^ after.keys())
        raise DataError(
            f"Cannot compare: {len(only_one)} questions were predicted by one model only, first '{only_one[0]}'. "
            f"Predict the same questions with both."
        )
    pairs = [(before[example_id], after[example_id]) for example_id in before]
    return [(one, other) for one, other in pairs if one.scored and other.scored]


def mcnemar_exact(wins: int, losses: int) -> float:
    """Two-sided exact p-value that wins and losses are equally likely; 1.0 when there are none."""
    from scipy.stats import binomtest

    return 1.0 if wins + losses == 0 else float(binomtest(k=wins, n=wins + losses, p=0.5).pvalue)


def paired_difference_ci95(both_right: int, wins: int, losses: int, n: int) -> tuple[float, float]:
    """95 % interval of (wins - losses) / n by Newcombe's score method for paired proportions.

    Chosen over the bootstrap because it needs no random numbers and does not collapse to a point when every pair
    agrees. Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10.
    """
    after, before = both_right + wins, both_right + losses
    after_below, after_above = _wilson_distances(after, n=n)
    before_below, before_above = _wilson_distances(before, n=n)
    phi = _phi(both_right, wins=wins, losses=losses, both_wrong=n - both_right - wins - losses)
    difference = (wins - losses) / n
    below = math.sqrt(max(after_below**2 - 2 * phi * after_below * before_above + before_above**2, 0.0))
    above = math.sqrt(max(before_below**2 - 2 * phi * before_below * after_above + after_above**2, 0.0))
    return max(difference - below, -1.0), min(difference + above, 1.0)


def _wilson_distances(right: int, n: int) -> tuple[float, float]:
    """How far below and above right / n the 95 % Wilson interval reaches."""
    from scipy.stats import binomtest

    interval = binomtest(k=right, n=n).proportion_ci(confidence_level=0.95, method="wilson")
    return right / n - float(interval.low), float(interval.high) - right / n


def _phi(both_right: int, wins: int, losses: int, both_wrong: int) -> float:
    """Newcombe's correlation of the pairs: continuity-corrected when positive, 0 when a margin is empty."""
    margins = (both_right + wins) * (losses + both_wrong) * (both_right + losses) * (wins + both_wrong)
    if margins == 0:
        return 0.0
    numerator: float = both_right * both_wrong - wins * losses
    n = both_right + wins + losses + both_wrong
    if numerator > 0:
        numerator = max(numerator - n / 2, 0.0)
    return numerator / math.sqrt(margins)
