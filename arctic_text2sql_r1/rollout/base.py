# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a rollout engine is: prompts as token ids in, completions as token ids out.

One file per engine beside this one; each registers itself in `ROLLOUT_ENGINES`. Engines neither build prompts
(`prompts/`) nor judge completions (`rewards/`, `evaluation/`), and they leave the caller's random state alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol

from arctic_text2sql_r1.registry import Registry
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample


@dataclass(frozen=True)
class SamplingParams:
    """How completions are drawn.

    `temperature` 0 means greedy decoding; otherwise the full distribution softmax(logits / temperature) is sampled,
    without top-p, top-k or penalties, because the training ratio assumes exactly that distribution. `num_samples`
    is G, completions per prompt. The same `seed` gives the same completions on the same machine.
    """

    max_new_tokens: int
    temperature: float = 0.0
    num_samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.num_samples < 1 or self.temperature < 0:
            raise ValueError(
                f"Cannot sample with {self}: max_new_tokens and num_samples must be >= 1, temperature >= 0."
            )


@dataclass(frozen=True)
class Rollout:
    """N = B x G sampled rows; the four lists have one entry per row.

    A row belongs to the group `group_ids[row]`, all of whose rows complete the same prompt; nothing may rely on
    where in the lists a group's rows stand.
    """

    examples: list[Text2SQLExample]
    prompts: list[Sequence[int]]
    completions: list[Completion]
    group_ids: list[int]

    def rows(self, indices: Sequence[int]) -> "Rollout":
        """These rows alone, in this order, with their group ids."""
        return Rollout(
            examples=[self.examples[index] for index in indices],
            prompts=[self.prompts[index] for index in indices],
            completions=[self.completions[index] for index in indices],
            group_ids=[self.group_ids[index] for index in indices],
        )

    def joined(self, other: "Rollout") -> "Rollout":
        """The rows of both; the other's groups are numbered after these."""
        offset = max(self.group_ids, default=-1) + 1
        return Rollout(
            examples=self.examples + other.examples,
            prompts=self.prompts + other.prompts,
            completions=self.completions + other.completions,
            group_ids=self.group_ids + [offset + group_id for group_id in other.group_ids],
        )


class RolloutEngine(Protocol):
    """Anything that completes prompts."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        """`sampling.num_samples` completions for each prompt, in the order of the prompts."""
        ...


ROLLOUT_ENGINES: Registry[Any] = Registry("rollout engine", package="arctic_text2sql_r1.rollout")


def roll_out(
    engine: RolloutEngine,
    examples: Sequence[Text2SQLExample],
    prompts: Sequence[Sequence[int]],
    sampling: SamplingParams,
) -> Rollout:
    """`sampling.num_samples` completions of every prompt as one flat `Rollout`; a prompt's index is its group id."""
    groups = engine.generate(prompts, sampling)
    rows = [(index, completion) for index, group in enumerate(groups) for completion in group]
    return Rollout(
        examples=[examples[index] for index, _ in rows],
        prompts=[prompts[index] for index, _ in rows],
        completions=[completion for _, completion in rows],
        group_ids=[index for index, _ in rows],
    )
