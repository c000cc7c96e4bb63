# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The trainer's own arithmetic on a real DeepSpeed engine: ratio, KL, micro-batches, seeds."""

from collections.abc import Callable
from dataclasses import fields
from dataclasses import replace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training.order import own_rows
from arctic_text2sql_r1.training.statistics import UpdateStatistics
from arctic_text2sql_r1.training.updates import training_rows
from arctic_text2sql_r1.types import Completion

pytestmark = pytest.mark.slow


def rolled_out(trainer: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """One rollout of the trainer's first batch with made-up advantages that differ within every group."""
    batch = next(iter(trainer.train_dataloader))
    rollout = trainer.generate_candidates(batch)
    count = len(rollout.completions)
    advantages = torch.tensor([(-1.0) ** index * (1 + index % 3) for index in range(count)])
    return rollout, advantages, torch.ones(count, dtype=torch.bool)


def gradients(trainer: Any, rollout: Any, advantages: torch.Tensor, keep: torch.Tensor) -> list[torch.Tensor]:
    """The adapter's gradient summed over all micro-batches of one update, before any optimizer step."""
    trainer.learner.statistics = UpdateStatistics()
    for micro_batch in trainer.learner.micro_batches(training_rows(rollout, advantages, keep, trainer.config.cells)):
        if trainer.config.cells.kl_coef > 0:
            micro_batch.ref_logprobs = trainer.learner.reference_logprobs(micro_batch)
        trainer.loss(micro_batch).backward()
    parameters = [p for p in trainer.model_unwrapped.parameters() if p.requires_grad]
    collected = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return collected


@pytest.fixture
def plain_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients land in `.grad` instead of DeepSpeed's buckets, so that a test can read them."""
    monkeypatch.setattr("deepspeed.runtime.engine.DeepSpeedEngine.forward", lambda self, *a, **k: self.module(*a, **k))


def test_first_inner_epoch_has_ratio_exactly_one(trainer_factory: Callable[..., Any]) -> None:
    trainer = trainer_factory(inner_epochs=2)
    rollout, advantages, keep = rolled_out(trainer)
    rows = training_rows(rollout, advantages, keep, trainer.config.cells)
    micro_batches = trainer.learner.micro_batches(rows)
    # A scoring pass of its own, in evaluation mode and without gradients, is what the ratio's denominator claims.
    sampled_under = [trainer.learner.logprobs(micro_batch) for micro_batch in micro_batches]
    trainer.learner.statistics = UpdateStatistics()
    trainer.learner.optimizer_update(micro_batches)
    assert all(
        torch.equal(mb.old_logprobs, logprobs) for mb, logprobs in zip(micro_batches, sampled_under, strict=True)
    )
    assert trainer.learner.statistics.max_ratio == 1.0
    # The same rows packed anew carry what the first pass has defined.
    trainer.learner.optimizer_update(trainer.learner.micro_batches(rows))
    assert trainer.learner.statistics.max_ratio > 1.0


def test_updates_of_one_rollout_compare_themselves_with_the_sampling_policy(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory(inner_epochs=2, updates_per_inner_epoch=4, kl_coef=0.1, train_iters=8)
    rollout, advantages, keep = rolled_out(trainer)
    rows = training_rows(rollout, advantages, keep, trainer.config.cells)
    sampled = {id(row): trainer.learner.logprobs(pack_rows([row], 0, denominator=1.0))[0] for row in rows}
    seen: list[list[Any]] = []
    update = trainer.learner.optimizer_update

    def spy(micro_batches: list[Any]) -> None:
        update(micro_batches)
        seen.append([row for batch in micro_batches for row in batch.rows])

    monkeypatch.setattr(trainer.learner, "optimizer_update", spy)
    monkeypatch.setattr("arctic_text2sql_r1.training.learner.training_rows", lambda *_, **__: rows)
    trainer.update_policy(rollout, advantages, keep)
    assert trainer.global_step == 8
    assert [len(part) for part in seen] == [8] * 8, "two of eight prompts, four completions each"
    for epoch in (seen[:4], seen[4:]):
        assert sorted(id(row) for part in epoch for row in part) == sorted(map(id, rows))
    assert [set(map(id, part)) for part in seen[:4]] != [set(map(id, part)) for part in seen[4:]]
    for row in rows:
        torch.testing.assert_close(row.old_logprobs, sampled[id(row)], rtol=0.0, atol=1e-5)


@pytest.mark.parametrize(("dtype", "passes"), [("fp32", 0), ("bf16", 3)])
def test_only_in_fp32_are_the_samplers_logprobs_taken_for_later_updates(
    trainer_factory: Callable[..., Any],
    toy_recipe: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
    passes: int,
) -> None:
    model = dict(toy_recipe["model"], dtype=dtype)
    trainer = trainer_factory(model=model, updates_per_inner_epoch=4, train_iters=4, kl_coef=0)
    scored: list[Any] = []
    logprobs = trainer.learner.logprobs
    monkeypatch.setattr(trainer.learner, "logprobs", lambda batch: scored.append(batch) or logprobs(batch))
    trainer.update_policy(*rolled_out(trainer))
    assert len(scored) == passes, "one for each update after the first, or none"


def test_kl_is_zero_before_the_first_update_and_positive_after(trainer_factory: Callable[..., Any]) -> None:
    trainer = trainer_factory(kl_coef=0.1)
    rollout, advantages, keep = rolled_out(trainer)
    first = trainer.update_policy(rollout, advantages, keep)
    assert first.sums["kl"] == 0.0
    second = trainer.update_policy(rollout, advantages, keep)
    assert second.sums["kl"] > 0.0


def test_zero_kl_coefficient_runs_no_reference_pass(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory(kl_coef=0)
    monkeypatch.setattr(trainer.learner, "reference_logprobs", lambda batch: pytest.fail("a reference pass was run"))
    statistics = trainer.update_policy(*rolled_out(trainer))
    assert "kl" not in statistics.reduced(trainer.device), "what was not measured is not reported"


@pytest.mark.usefixtures("plain_backward")
@pytest.mark.parametrize(
    "objective",
    [
        "grpo",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("gspo", "rloo", dict(preset="dapo", entropy_coef=0.1))
        ),
    ],
)
def test_cutting_an_update_into_micro_batches_does_not_move_its_gradient(
    trainer_factory: Callable[..., Any], objective: Any
) -> None:
    trainer = trainer_factory(objective=objective, kl_coef=0.1, tokens_per_micro_batch=100_000)
    update = rolled_out(trainer)
    whole = gradients(trainer, *update)
    assert max(float(gradient.abs().max()) for gradient in whole) > 1e-4
    for tokens in (1, 300, 1000):
        trainer.config.tokens_per_micro_batch = tokens
        for gradient, expected in zip(gradients(trainer, *update), whole, strict=True):
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.usefixtures("plain_backward")
def test_rows_without_spread_have_no_gradient_and_are_not_computed(trainer_factory: Callable[..., Any]) -> None:
    trainer = trainer_factory(kl_coef=0.1)
    rollout, advantages, keep = rolled_out(trainer)
    half = torch.arange(len(keep)) < len(keep) // 2
    micro_batches = trainer.learner.micro_batches(
        training_rows(rollout, advantages * half, half, trainer.config.cells)
    )
    assert sum(len(mb.rows) for mb in micro_batches) == int(half.sum())
    none_left = gradients(trainer, rollout, advantages * 0, keep & False)
    assert all(bool((gradient == 0).all()) for gradient in none_left)


def test_same_seed_gives_the_same_rollouts_and_another_rank_others(trainer_factory: Callable[..., Any]) -> None:
    trainer = trainer_factory()
    batch = next(iter(trainer.train_dataloader))
    texts = [completion.text for completion in trainer.generate_candidates(batch).completions]
    torch.rand(5)  # other users of the global random state must not matter
    assert [completion.text for completion in trainer.generate_candidates(batch).completions] == texts
    trainer.global_rank = 1
    assert [completion.text for completion in trainer.generate_candidates(batch).completions] != texts


def test_dropout_of_the_peft_config_is_switched_off(
    trainer_factory: Callable[..., Any], toy_recipe: dict[str, Any]
) -> None:
    model = dict(toy_recipe["model"], peft_config=dict(toy_recipe["model"]["peft_config"], lora_dropout=0.5))
    trainer = trainer_factory(model=model)
    rates = [module.p for module in trainer.model_unwrapped.modules() if isinstance(module, torch.nn.Dropout)]
    assert len(rates) > 0
    assert set(rates) == {0.0}


@pytest.mark.parametrize(("size", "world_size"), [(5, 2), (1, 2), (6, 3), (7, 3)])
def test_every_evaluation_row_belongs_to_exactly_one_rank(size: int, world_size: int) -> None:
    assert sum(own_rows(size, rank, world_size) for rank in range(world_size)) == size


def test_evaluation_reports_greedy_execution_accuracy(
    trainer_factory: Callable[..., Any], toy_recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dict(toy_recipe["data"], eval_sources=[dict(toy_recipe["data"]["sources"][0], sample_count=20)])
    trainer = trainer_factory(data=data, eval_interval=1)
    golds = iter([example.gold_sql for batch in trainer.eval_dataloader for example in batch["examples"]])
    wrong_every_fourth = (
        Completion(text=f"<think></think><answer>{'SELECT 1' if n % 4 == 0 else gold}</answer>")
        for n, gold in enumerate(golds)
    )
    generate = lambda prompts, sampling: [[next(wrong_every_fourth)] for _ in prompts]  # noqa: E731
    monkeypatch.setattr(trainer.engine, "generate", generate)
    trainer.evaluate()
    assert trainer.metrics.values["execution_accuracy/eval"] == 0.75


@pytest.mark.usefixtures("plain_backward")
def test_masked_truncated_completions_move_nothing_as_if_they_had_not_been_sampled(
    trainer_factory: Callable[..., Any],
) -> None:
    trainer = trainer_factory(objective=dict(preset="dapo", entropy_coef=0.01), kl_coef=0.1)
    rollout, advantages, keep = rolled_out(trainer)
    cut = torch.arange(len(keep)) % 4 == 3
    completions = [replace(c, truncated=bool(cut[index])) for index, c in enumerate(rollout.completions)]
    rollout = replace(rollout, completions=completions)
    marked = gradients(trainer, rollout, advantages, keep & ~cut)
    left = [index for index in range(len(keep)) if not cut[index]]
    fewer = Rollout(*([getattr(rollout, f.name)[index] for index in left] for f in fields(Rollout)))
    without = gradients(trainer, fewer, advantages[left], keep[left])
    assert max(float(gradient.abs().max()) for gradient in without) > 1e-4
    for gradient, expected in zip(marked, without, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


def test_the_trainers_advantages_follow_the_cells(trainer_factory: Callable[..., Any]) -> None:
    cells = dict(preset="rloo", truncated_completions="mask")
    trainer = trainer_factory(objective=cells)
    # {1, 0.5, 0, 0}: 1 - 1/6, 0.5 - 1/3, 0 - 0.5, 0 - 0.5
    found = trainer.compute_advantages(torch.tensor([1.0, 0.5, 0.0, 0.0]), torch.tensor([3, 3, 3, 3]))
    torch.testing.assert_close(found, torch.tensor([5 / 6, 1 / 6, -0.5, -0.5]))
