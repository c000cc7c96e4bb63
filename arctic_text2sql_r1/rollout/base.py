# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a rollout engine is: prompts as token ids in, completions as token ids out.

One file per engine beside this one; each registers itself in `ROLLOUT_ENGINES`. Engines neither build prompts
(`prompts/`) nor judge completions (`rewards/`, `evaluation/`), and they leave the caller's random state alone.
An engine that a recipe may name has `for_training`, which takes what it needs from an `EngineSetup`.
"""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True)
class EngineSetup:
    """What a training run offers to the engine that its recipe names.

    `options` is the section `rollout:`. `synced_gpus` is true when ranks must run the model in step. `folder` is this
    run's own, for files that a server shall read. `updates_made` counts optimizer updates. `adapter` gives the
    policy's adapter as it is now: its PEFT configuration and its tensors. `on_rank_0` runs a function on rank 0 alone
    and returns its result, or raises its error, on every rank. `gather` is to be entered around every use of the
    model. All ranks must call these last three together.
    """

    model: Any
    tokenizer: Any
    options: Any
    synced_gpus: bool
    folder: Path
    updates_made: Callable[[], int]
    adapter: Callable[[], tuple[dict[str, Any], dict[str, Any]]]
    on_rank_0: Callable[[Callable[[], Any]], Any]
    gather: Callable[[], AbstractContextManager[Any]] = nullcontext


class RolloutEngine(Protocol):
    """Anything that completes prompts.

    `samples_elsewhere` is true when other code than the training pass computes the distribution that is sampled:
    its log-probabilities then differ a little, which training corrects for, so every completion must carry them.
    `needs_adapter` is true when the engine can follow a policy only through its adapter.
    """

    samples_elsewhere: bool
    needs_adapter: bool

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        """`sampling.num_samples` completions for each prompt, in the order of the prompts."""
        ...


ROLLOUT_ENGINES: Registry[Any] = Registry("rollout engine", package="arctic_text2sql_r1.rollout")


def training_engine(name: str) -> Any:
    """The engine class that a recipe calls `name`. Raises ValueError when it cannot follow a policy in training."""
    engine = ROLLOUT_ENGINES.get(name)
    if not hasattr(engine, "for_training"):
        known = [other for other in ROLLOUT_ENGINES.names() if hasattr(ROLLOUT_ENGINES.get(other), "for_training")]
        raise ValueError(
            f"Rollout engine '{name}' has no for_training: it cannot follow a policy in training. "
            f"Engines that can: {', '.join(known)}."
        )
    return engine


def to_completion(
    new_ids: Sequence[int], stops: Sequence[int], limit: int, tokenizer: Any, logprobs: Sequence[float] = ()
) -> Completion:
    """Cuts what was appended after the first id of `stops`; that id stays part of the completion, not of its text."""
    stop = next((index for index, token in enumerate(new_ids) if token in stops), None)
    token_ids = new_ids[:limit] if stop is None else new_ids[: stop + 1]
    written = token_ids if stop is None else new_ids[:stop]  # not every end-of-sequence id is a special token
    return Completion(
        # Cleaning up would move spaces around punctuation, inside SQL string literals too.
        text=tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False),
        token_ids=tuple(token_ids),
        truncated=stop is None,
        logprobs=tuple(logprobs[: len(token_ids)]),
    )


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
