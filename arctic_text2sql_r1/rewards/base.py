# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a reward takes and returns, and the table of rewards.

A reward is a pure function of one `RewardRecord`, and of keyword arguments if it has options; it runs no SQL itself.
Each lives in a file of its own in this package, registered by name; a user's own is named `package.module:function`.
They are weighted and added in `scorer.py`, which asks none about a row that cannot be judged.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TypeVar

from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.prompts.formats import whole_completion
from arctic_text2sql_r1.registry import Registry
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict


@dataclass(frozen=True)
class RewardRecord:
    """Everything a reward may look at: the question, what was written, what was extracted, how it was judged.

    `prefill` is what the prompt's template had already written on the policy's behalf. `verdict.correct` is never
    None here: rows whose gold failed, or under which a worker died, are not scored.
    """

    example: Text2SQLExample
    completion: Completion
    parsed: ParsedCompletion
    verdict: Verdict
    completion_format: str = "think_answer"
    prefill: str = ""

    @property
    def text(self) -> str:
        """The whole completion, with the prefill in front."""
        return whole_completion(self.completion.text, self.prefill)

    @property
    def prediction(self) -> str | None:
        """The extracted SQL."""
        return self.parsed.prediction

    @property
    def result(self) -> ExecutionResult | None:
        """What the prediction did; None when no SQL was extracted."""
        return self.verdict.result


@dataclass(frozen=True)
class RewardOutput:
    """A reward's number and its named parts, if it has any. A `score` of None means "does not apply", not 0."""

    score: float | None
    components: dict[str, float] = field(default_factory=dict)


RewardFunction = Callable[..., RewardOutput]

REWARDS: Registry[RewardFunction] = Registry("reward", "arctic_text2sql_r1.rewards")


@dataclass(frozen=True)
class WeightedReward:
    """One entry of a list of rewards: a registered name or `package.module:function`, its factor, its options."""

    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


_Function = TypeVar("_Function", bound=RewardFunction)
_CAUTION = "caution"
_COMPARES_ROWS = "compares_rows"


def pays_wrong_results(caution: str) -> Callable[[_Function], _Function]:
    """Decorator for a reward under which a wrong result can outscore a right one; `caution` says how."""

    def mark(function: _Function) -> _Function:
        setattr(function, _CAUTION, caution)
        return function

    return mark


def compares_rows(function: _Function) -> _Function:
    """Decorator for a reward that looks at `overlap` or digests of wrong results; others spare the work for both."""
    setattr(function, _COMPARES_ROWS, True)
    return function


def needs_rows(function: RewardFunction) -> bool:
    """Whether a reward was decorated with `compares_rows`."""
    return bool(getattr(function, _COMPARES_ROWS, False))


def caution_of(function: RewardFunction) -> str | None:
    """What `pays_wrong_results` said about a reward."""
    caution: str | None = getattr(function, _CAUTION, None)
    return caution
