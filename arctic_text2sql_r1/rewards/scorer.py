# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Scores a batch of completions: extract the SQL, judge it once, add up the weighted rewards.

Which number a verdict earns is each reward's own file; how SQL is extracted is `prompts/formats.py`, how it is judged
`databases/judge.py`, which right results look bought `suspicion.py`.
"""

import functools
import inspect
import math
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import RewardError
from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.prompts.formats import extract_sql
from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardFunction
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.base import caution_of
from arctic_text2sql_r1.rewards.base import needs_rows
from arctic_text2sql_r1.rewards.suspicion import suspicions
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict

DEFAULT_REWARDS = (WeightedReward("execution"),)
_NO_SQL = ParsedCompletion(prediction=None, problem="empty_completion")


@dataclass(frozen=True)
class ScoredCompletion:
    """A completion's reward and how it came about.

    `reward` is None when the row cannot be judged (gold failed, or the worker died twice) or no reward applies to it:
    it must not be trained on. `components` holds each reward's unweighted score under its name and its named parts
    under `name/part`. `suspicions` names what makes a right result look bought (see `suspicion.py`).
    """

    parsed: ParsedCompletion
    verdict: Verdict
    reward: float | None
    components: dict[str, float]
    suspicions: tuple[str, ...] = ()


class RewardScorer:
    """A weighted list of rewards over one judge. The judge stays the caller's to close."""

    def __init__(
        self,
        judge: SQLJudge,
        rewards: Sequence[WeightedReward] = DEFAULT_REWARDS,
        completion_format: str = "think_answer",
        parser: str = "strict",
        prefill: str = "",
    ) -> None:
        check_rewards(rewards)
        extract_sql("", completion_format=completion_format, parser=parser)  # an unknown name fails here, not later
        self._judge = judge
        self._rewards = [(reward, _bound(reward)) for reward in rewards]
        self._completion_format = completion_format
        self._parser = parser
        self._prefill = prefill

    @property
    def cautions(self) -> list[str]:
        """One line for each reward under which a wrong result can outscore a right one; to be shown once at start."""
        named = ((reward.name, caution_of(REWARDS.get(reward.name))) for reward, _ in self._rewards)
        return [f"reward '{name}': {caution}" for name, caution in named if caution is not None]

    def score(
        self,
        examples: Sequence[Text2SQLExample],
        completions: Sequence[Completion],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[ScoredCompletion]:
        """Score `completions[i]` as written for `examples[i]`, in order. Raises what `SQLJudge.judge` raises.

        `on_progress` is called with (rows judged, all rows).
        """
        parsed = [
            extract_sql(
                completion.text,
                completion_format=self._completion_format,
                parser=self._parser,
                prefill=self._prefill,
            )
            for completion in completions
        ]
        verdicts = self._verdicts(examples, parsed, on_progress)
        rows = zip(examples, completions, parsed, verdicts, strict=True)
        return [self._scored(RewardRecord(*row, self._completion_format, self._prefill)) for row in rows]

    def score_sql(
        self,
        examples: Sequence[Text2SQLExample],
        sql: Sequence[str | None],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[ScoredCompletion]:
        """Score bare statements, taken as they are, as completions in the `plain` format."""
        parsed = [_NO_SQL if text is None or text.strip() == "" else ParsedCompletion(text, None) for text in sql]
        verdicts = self._verdicts(examples, parsed, on_progress)
        completions = (Completion(text=text or "") for text in sql)
        rows = zip(examples, completions, parsed, verdicts, strict=True)
        return [self._scored(RewardRecord(*row, completion_format="plain")) for row in rows]

    def _verdicts(
        self,
        examples: Sequence[Text2SQLExample],
        parsed: Sequence[ParsedCompletion],
        on_progress: Callable[[int, int], None] | None,
    ) -> list[Verdict]:
        requests = [
            JudgeRequest(db_path=example.db_path, gold_sql=example.gold_sql, prediction=one.prediction)
            for example, one in zip(examples, parsed, strict=True)
        ]
        compare_rows = any(needs_rows(REWARDS.get(reward.name)) for reward, _ in self._rewards)
        return self._judge.judge(requests, on_progress, compare_rows)

    def _scored(self, record: RewardRecord) -> ScoredCompletion:
        components: dict[str, float] = {}
        total: float | None = None
        for reward, function in self._rewards if _can_be_judged(record.verdict) else ():
            output = _outcome(reward.name, function, record)
            components.update((f"{reward.name}/{part}", value) for part, value in output.components.items())
            if output.score is not None:
                components[reward.name] = output.score
                total = (total or 0.0) + reward.weight * output.score
        found = suspicions(record.verdict, record.example.gold_sql)
        return ScoredCompletion(record.parsed, record.verdict, total, components, found)


def check_rewards(rewards: Sequence[WeightedReward]) -> None:
    """Raise ValueError for an empty list, a reward listed twice, a weight or an option that cannot be used.

    Raises `RegistryError` for an unknown name.
    """
    if len(rewards) == 0 or any(reward.name == "" for reward in rewards):
        raise ValueError(f"No reward given; expected at least one of {', '.join(REWARDS.names())} with a weight.")
    names = [reward.name for reward in rewards]
    if len(set(names)) < len(names):
        raise ValueError(f"A reward is listed twice in {names}; give each one weight.")
    for reward in rewards:
        if not math.isfinite(reward.weight):
            raise ValueError(f"Weight of reward '{reward.name}' is {reward.weight}; expected a finite number.")
        _bound(reward)


def _bound(reward: WeightedReward) -> RewardFunction:
    """The reward's function with its options filled in. Raises ValueError for an option that it does not have."""
    function = REWARDS.get(reward.name)
    if len(reward.options) == 0:
        return function
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = sorted(set(reward.options) - set(known))
    if len(unknown) > 0 and not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        raise ValueError(
            f"Reward '{reward.name}' has no option {', '.join(map(repr, unknown))}. "
            f"Its options: {', '.join(known) or 'none'}."
        )
    return functools.partial(function, **reward.options)


def _can_be_judged(verdict: Verdict) -> bool:
    """Whether the outcome is the prediction's own: gold ran, and no worker of ours died under it."""
    died = verdict.result is not None and verdict.result.status is ExecutionStatus.WORKER_DIED
    return verdict.correct is not None and not died


def _outcome(name: str, function: RewardFunction, record: RewardRecord) -> RewardOutput:
    """What a reward returns for a record, or `RewardError` naming both when it is no reward."""
    where = f"Reward '{name}' failed on example '{record.example.example_id}'"
    try:
        output = function(record)
    except Exception as error:  # whatever a function of the user's may raise
        raise RewardError(f"{where}: {type(error).__name__}: {error}. Correct the function.") from error
    if not isinstance(output, RewardOutput):
        raise RewardError(f"{where}: it returned {output!r:.200}, expected a RewardOutput.")
    if output.score is not None and not math.isfinite(output.score):
        raise RewardError(f"{where}: it returned {output.score}, expected a finite number, or None: does not apply.")
    return output
