# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Dynamic sampling: which groups are trained on, where fresh prompts come from, on the real trainer.

Two ranks with it are in `test_horizon.py`, whose run counts completions as well.
"""

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.monitor.rollouts import RolloutRecord
from arctic_text2sql_r1.monitor.rollouts import read_rollouts
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training import sampling
from arctic_text2sql_r1.training.order import PromptBatchSampler
from arctic_text2sql_r1.training.sampling import ScoredRollout
from arctic_text2sql_r1.training.sampling import fresh_prompts
from arctic_text2sql_r1.training.sampling import rows_to_train
from arctic_text2sql_r1.training.sampling import sample_step
from tests.arctic.toy_project import few_questions

SMALL = dict(micro_batch_size=4, num_samples_per_prompt=2, max_new_tokens=4)


@pytest.fixture
def toy_recipe(toy_recipe: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The toy recipe with a few questions, which take less time to prepare."""
    return {**toy_recipe, "data": {**toy_recipe["data"], "sources": [few_questions(tmp_path, 64)]}}


def scored_groups(*keep: bool) -> ScoredRollout:
    """One group of two rows for each entry of `keep`."""
    ids = [group for group in range(len(keep)) for _ in range(2)]
    flags = torch.tensor([keep[group] for group in ids])
    nothing: Any = [None] * len(ids)
    return ScoredRollout(Rollout(nothing, nothing, nothing, ids), nothing, flags.float(), flags, fresh=flags & False)


def pay(trainer: Any, reward: Callable[[str, int], float | None]) -> None:
    """The trainer's rewards become `reward(example id, row number)`; everything else stays real."""
    judge = trainer.compute_rewards

    def scored(rollout: Rollout) -> list[Any]:
        rows = zip(judge(rollout), rollout.examples, strict=True)
        return [replace(row, reward=reward(example.example_id, n)) for n, (row, example) in enumerate(rows)]

    trainer.compute_rewards = scored


def teaches(example_id: str) -> bool:
    """A coin per prompt that falls alike in every process."""
    return zlib.crc32(example_id.encode()) % 2 == 0


def first_step(trainer: Any) -> list[RolloutRecord]:
    trainer.step(next(iter(trainer.train_dataloader)))
    return [record for record in read_rollouts(trainer.config.rollouts_file) if record.step == 1]


def test_groups_with_spread_come_first_and_others_fill_up() -> None:
    sampled = scored_groups(False, True, False, True, False)
    assert rows_to_train(sampled, wanted=2) == [2, 3, 6, 7]
    assert rows_to_train(sampled, wanted=4) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_surplus_of_groups_with_spread_is_left_out() -> None:
    assert rows_to_train(scored_groups(True, True, True), wanted=2) == [0, 1, 2, 3]


def test_fresh_prompts_are_outside_the_rollout_and_no_two_ranks_share_one() -> None:
    samplers = [PromptBatchSampler(size=20, prompts_per_rank=3, rank=rank, world_size=2, seed=5) for rank in (0, 1)]
    own = set(samplers[0].rollout_prompts(4))
    drawn = [list(islice(fresh_prompts(sampler, 4), 7)) for sampler in samplers]
    assert sorted(drawn[0] + drawn[1]) == sorted(set(range(20)) - own)


def test_rollout_prompts_are_those_that_the_loader_serves() -> None:
    sampler = PromptBatchSampler(size=20, prompts_per_rank=3, rank=1, world_size=2, seed=5)
    sampler.set_position(epoch=1, first_batch=2)
    # three rollouts an epoch: rollout 5 is the last of epoch 1, and rank 1 has its second half
    assert next(iter(sampler)) == sampler.rollout_prompts(5)[3:]


def test_fresh_prompts_depend_on_seed_and_rollout_alone() -> None:
    def order(seed: int, rollout_number: int, epoch: int = 0) -> list[int]:
        """In which order the prompts outside the rollout come, as places among them."""
        sampler = PromptBatchSampler(size=50, prompts_per_rank=3, rank=0, world_size=1, seed=seed)
        sampler.set_position(epoch=epoch)
        drawn = list(islice(fresh_prompts(sampler, rollout_number), 47))
        return [sorted(drawn).index(prompt) for prompt in drawn]

    assert order(1, 2) == order(1, 2, epoch=3)
    assert order(1, 2) != order(1, 3) and order(1, 3) != order(2, 3)


@pytest.mark.slow
def test_groups_without_spread_give_way_to_fresh_prompts(trainer_factory: Callable[..., Any]) -> None:
    trainer = trainer_factory(dynamic_sampling=4, **SMALL)
    pay(trainer, lambda example_id, row: float(row % 2) if teaches(example_id) else 0.0)
    records = first_step(trainer)
    trained = Counter(record.example_id for record in records if record.trained)
    assert sorted(trained.values()) == [2, 2, 2, 2], "the batch is full, and every group teaches"
    assert all(teaches(example_id) for example_id in trained)
    figures = trainer.metrics._figures
    assert figures["resampled"] == pytest.approx(1 - 8 / len(records))
    assert figures["too_easy"] + figures["too_hard"] == len(
        {r.example_id for r in records if not teaches(r.example_id)}
    )


# Sampling is collective under ZeRO-3, one call for every `max_batch_rows` rows: ranks must not make more of them.
@pytest.mark.slow
def test_every_rank_samples_as_many_prompts_as_the_one_that_lacks_most(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory(dynamic_sampling=1, **SMALL)
    pay(trainer, lambda _, row: float(row % 2))
    monkeypatch.setattr(sampling, "reduce_max", lambda lacking, _: max(lacking, 3))  # what another rank lacks
    sampled, rows = sample_step(trainer, next(iter(trainer.train_dataloader)))
    assert int(sampled.fresh.sum()) == 3 * 2
    assert rows == list(range(4 * 2)), "what it did not lack it does not train on"


@pytest.mark.slow
def test_sampling_ends_at_the_bound_and_the_batch_is_full_of_groups_that_move_nothing(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory(dynamic_sampling=2, kl_coef=0.1, **SMALL)
    pay(trainer, lambda _, row: None if row == 0 else 1.0)
    learnt: list[Any] = []
    update = trainer.update_policy
    monkeypatch.setattr(trainer, "update_policy", lambda *given: learnt.append(given) or update(*given))
    weights = [p.detach().clone() for p in trainer.model_unwrapped.parameters() if p.requires_grad]
    records = first_step(trainer)
    rollout, advantages, keep = learnt[0]
    assert len(records) == 3 * 4 * 2 and len(rollout.completions) == 4 * 2
    assert not bool(keep.any()) and bool((advantages == 0.0).all())
    assert trainer.metrics._figures["too_hard"] == 12
    # Neither advantage nor KL: such an update leaves every weight as it was.
    after = [p for p in trainer.model_unwrapped.parameters() if p.requires_grad]
    assert all(torch.equal(before, now) for before, now in zip(weights, after, strict=True))


@pytest.mark.slow
def test_rounds_draw_other_completions_and_leave_the_order_of_prompts_alone(
    trainer_factory: Callable[..., Any],
) -> None:
    trainer = trainer_factory(dynamic_sampling=1, **SMALL)
    pay(trainer, lambda _, row: 0.0)
    batches = iter(trainer.train_dataloader)
    next(batches)
    trainer.global_step = 1
    batch = next(batches)
    sampled, _ = sample_step(trainer, batch)
    again, _ = sample_step(trainer, batch)
    assert [c.token_ids for c in again.rollout.completions] == [c.token_ids for c in sampled.rollout.completions]
    own = [example.example_id for example in batch["examples"]]
    ids = [example.example_id for example in sampled.rollout.examples]
    assert ids[:8:2] == own and set(ids[8:]).isdisjoint(own)
    seeded = trainer.generate_candidates({**batch, "round": 1}).completions
    assert [c.token_ids for c in seeded] != [c.token_ids for c in sampled.rollout.completions[:8]]
