# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The default reward: 1 for the right result, 0.1 for SQL that runs, 0 otherwise.

Source: Arctic-Text2SQL-R1 (arXiv 2505.20315). Departures: a statement that ran out of time, rows or memory, that was
refused, or that yields no result set is worth 0, not 0.1; and an example whose gold itself fails is not scored.
No wrong result can score above a right one.
"""

from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.types import ExecutionStatus

_CORRECT = 1.0
_RUNS = 0.1


@REWARDS.register("execution")
def execution(record: RewardRecord) -> RewardOutput:
    """1.0, 0.1 or 0.0; does not apply when gold fails or when our own worker died under the prediction."""
    verdict = record.verdict
    if verdict.correct is None:
        return RewardOutput(None)
    if verdict.correct:
        return RewardOutput(_CORRECT)
    status = None if verdict.result is None else verdict.result.status
    if status is ExecutionStatus.WORKER_DIED:  # not known to be the prediction's fault
        return RewardOutput(None)
    return RewardOutput(_RUNS if status is ExecutionStatus.OK else 0.0)
