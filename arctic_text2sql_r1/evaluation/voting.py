# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Majority voting (self-consistency): of a question's completions, the one whose result most of them share.

Only candidates that ran and returned a result set vote, an empty one included; gold is never looked at, except that
the votes must have been judged with all their rows (`judge_predictions` with `compare_rows`). Results are the same as
the comparison mode takes values: by default and in the spider modes as bags of rows, in mode `bird` as sets; the order
of rows is free, as it depends on gold whether it counts. Ties go to the result that holds the candidate with the
highest mean log-probability, or, where the engine told none, to the one that came first; so does the choice among
candidates with the winning result.

Published variants differ, and their figures with them: Arctic-Text2SQL-R1 votes by soft similarity of the results,
among candidates whose result is not empty; CSC-SQL asks a second model to choose between the two largest groups.
"""

import math
from collections.abc import Sequence

from arctic_text2sql_r1.databases.compare import SPIDER_MODES
from arctic_text2sql_r1.databases.compare import digests_agree
from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.samples import by_question
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus


def vote(outcomes: Sequence[Outcome], mode: str) -> list[Outcome]:
    """The chosen outcome of every question, in the order of the questions.

    `mode` is the one in which the outcomes were judged. Where no candidate may vote, the first completion stands.
    """
    return [_chosen(group, mode) for group in by_question(outcomes).values()]


def shared_results(candidates: Sequence[Outcome], mode: str) -> list[list[Outcome]]:
    """The candidates of one question that may vote, by result: the winning result first, its choice leading each.

    Behind the winner come the others by their votes, ties as in the module's text. Empty where nobody may vote.
    """
    groups: list[list[Outcome]] = []
    for candidate in candidates:
        if not _votes(candidate):
            continue
        group = next((group for group in groups if _same_result(group[0], candidate, mode)), None)
        if group is None:
            groups.append([candidate])
        else:
            group.append(candidate)
    # sorted() is stable: among equals what came up first stays first
    ordered = [sorted(group, key=_logprob, reverse=True) for group in groups]
    return sorted(ordered, key=lambda group: (len(group), _logprob(group[0])), reverse=True)


def _chosen(candidates: Sequence[Outcome], mode: str) -> Outcome:
    groups = shared_results(candidates, mode)
    return candidates[0] if len(groups) == 0 else groups[0][0]


def _votes(candidate: Outcome) -> bool:
    result = candidate.verdict.result
    return result is not None and result.status is ExecutionStatus.OK


def _logprob(candidate: Outcome) -> float:
    known = candidate.prediction.mean_logprob
    return -math.inf if known is None else known


def _same_result(one: Outcome, other: Outcome, mode: str) -> bool:
    mine, its = one.verdict.result, other.verdict.result
    assert mine is not None and its is not None
    if mine.digests is None or its.digests is None:  # not all rows were looked at
        raise ValueError("Votes have to be judged with `compare_rows`, so that every result has its digests.")
    if mode != "bird" and _shape(mine) != _shape(its):
        return mode in SPIDER_MODES and mine.row_count == its.row_count == 0
    kind = "distinct" if mode == "bird" else "permuted_bag" if mode in SPIDER_MODES else "bag"
    return digests_agree(getattr(mine.digests, kind), getattr(its.digests, kind))


def _shape(result: ExecutionResult) -> tuple[int, int]:
    return result.row_count, result.column_count
