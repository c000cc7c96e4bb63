# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Alarms: the two ways in which a run is worthless and nothing says so, each with its remedy.

They read the metrics of `step_report.py` and return text; printing it loudly is the trainer's part.
"""

from collections.abc import Mapping


class Alarms:
    """Watches one run, step by step.

    `max_truncation` is a share; `no_spread_steps` counts consecutive steps in which every group's rewards were equal.
    An alarm sounds when its condition begins, and again every `repeat_steps` steps while it lasts.
    """

    def __init__(self, max_truncation: float = 0.15, no_spread_steps: int = 5, repeat_steps: int = 10) -> None:
        self.max_truncation = max_truncation
        self.no_spread_steps = no_spread_steps
        self.repeat_steps = repeat_steps
        self._truncated_steps = 0
        self._flat_steps = 0

    def check(self, metrics: Mapping[str, float]) -> list[str]:
        """The alarms that one more step sets off, as text for people; usually none."""
        return [text for text in (self._truncation(metrics), self._no_spread(metrics)) if text is not None]

    def _truncation(self, metrics: Mapping[str, float]) -> str | None:
        rate = metrics.get("truncation_rate", 0.0)
        self._truncated_steps = self._truncated_steps + 1 if rate > self.max_truncation else 0
        if not self._is_due(self._truncated_steps, first=1):
            return None
        return (
            f"{rate:.0%} of the completions were cut at the length limit (alarm above {self.max_truncation:.0%}); cut "
            f"completions cannot earn a reward. Raise max_new_tokens, ask for shorter thoughts in the template, or "
            f"check that the model's end-of-sequence tokens are those of its chat template."
        )

    def _no_spread(self, metrics: Mapping[str, float]) -> str | None:
        # a step in which no completion could be rewarded taught nothing either
        flat = metrics.get("equal_groups", 1.0) == 1.0
        self._flat_steps = self._flat_steps + 1 if flat else 0
        if not self._is_due(self._flat_steps, first=self.no_spread_steps):
            return None
        return (
            f"for {self._flat_steps} steps in a row every group's rewards were equal (mean reward "
            f"{metrics.get('reward_mean', 0.0):.3f}), so nothing was learned. {self._no_spread_remedy(metrics)}"
        )

    def _no_spread_remedy(self, metrics: Mapping[str, float]) -> str:
        if metrics.get("reward_1", 0.0) == 1.0:
            return "Every completion is right: use harder questions, or stop here."
        return (
            "Raise num_samples_per_prompt or temperature, warm the model up with supervised examples, use easier "
            "questions, and read the rollouts log: a parser that finds no SQL looks the same."
        )

    def _is_due(self, steps: int, first: int) -> bool:
        return steps >= first and (steps - first) % self.repeat_steps == 0
