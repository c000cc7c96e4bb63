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
    """1.0, 0.1 or 0.0."""
    if record.verdict.correct:
        return RewardOutput(_CORRECT)
    runs = record.result is not None and record.result.status is ExecutionStatus.OK
    return RewardOutput(_RUNS if runs else 0.0)
