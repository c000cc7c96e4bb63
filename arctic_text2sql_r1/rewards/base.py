# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a reward takes and returns, and the table of rewards.

A reward is a pure function of one `RewardRecord`; it runs no SQL itself. Each lives in a file of its own in this
package, registered by name; a user's own is named `package.module:function`. They are weighted and added in
`scorer.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.registry import Registry
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict


@dataclass(frozen=True)
class RewardRecord:
    """Everything a reward may look at: the question, what was written, what was extracted, how it was judged."""

    example: Text2SQLExample
    completion: Completion
    parsed: ParsedCompletion
    verdict: Verdict


@dataclass(frozen=True)
class RewardOutput:
    """A reward's number and its named parts, if it has any. A `score` of None means "does not apply", not 0."""

    score: float | None
    components: dict[str, float] = field(default_factory=dict)


RewardFunction = Callable[[RewardRecord], RewardOutput]

REWARDS: Registry[RewardFunction] = Registry("reward", "arctic_text2sql_r1.rewards")
