# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A base in NF4 under the real engine and command: four bits, an adapter that learns, and the same base afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.evaluation.models import load_policy
from arctic_text2sql_r1.rollout.merged import merged_adapters
from arctic_text2sql_r1.training.updates import training_rows
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import run_checkpoint

pytestmark = pytest.mark.slow

BuildTrainer = Callable[..., Any]


@pytest.fixture
def quantized_recipe(toy_recipe: dict[str, Any], wide_model: Path) -> dict[str, Any]:
    toy_recipe["model"].update(type="quantized", name_or_path=str(wide_model))
    toy_recipe.update(kl_coef=0.1, rewards=["toy_rewards:share_of_letter_e"])
    return toy_recipe


def rolled_out(trainer: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    rollout = trainer.generate_candidates(next(iter(trainer.train_dataloader)))
    count = len(rollout.completions)
    advantages = torch.tensor([(-1.0) ** index * (1 + index % 3) for index in range(count)])
    return rollout, advantages, torch.ones(count, dtype=torch.bool)


def base_weights(trainer: Any) -> list[torch.Tensor]:
    return [p.detach().clone() for p in trainer.model_unwrapped.parameters() if not p.requires_grad]


@pytest.mark.parametrize(("dtype", "checkpointing"), [("fp32", False), ("fp32", True), ("bf16", True)])
def test_kl_starts_at_zero_and_only_the_adapter_moves(
    trainer_factory: BuildTrainer, quantized_recipe: dict[str, Any], dtype: str, checkpointing: bool
) -> None:
    quantized_recipe["model"].update(dtype=dtype, disable_activation_checkpoint=not checkpointing)
    trainer = trainer_factory()
    update, frozen = rolled_out(trainer), base_weights(trainer)
    adapter = [p for p in trainer.model_unwrapped.parameters() if p.requires_grad]
    before = [parameter.detach().clone() for parameter in adapter]
    assert trainer.update_policy(*update).sums["kl"] == 0.0
    assert trainer.update_policy(*update).sums["kl"] > 0.0
    assert all(not torch.equal(parameter, old) for parameter, old in zip(adapter, before, strict=True))
    assert all(torch.equal(new, old) for new, old in zip(base_weights(trainer), frozen, strict=True))


def test_linear_weights_take_half_a_byte_and_the_rest_keeps_its_dtype(
    trainer_factory: BuildTrainer, quantized_recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = trainer_factory()
    named = dict(trainer.model_unwrapped.named_parameters())
    packed = {name: tensor for name, tensor in named.items() if tensor.dtype == torch.uint8}
    assert {name.split(".")[-3] for name in packed} == {
        f"{kind}_proj" for kind in ("q", "k", "v", "o", "gate", "up", "down")
    }
    assert sum(tensor.nbytes for tensor in packed.values()) == 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 192) // 2
    assert {tensor.dtype for name, tensor in named.items() if name not in packed} == {torch.float32}
    # 2,048 x 64 embedded words, per layer the weights above, 128 biases of q, k, v and two norms, one norm at the end
    base = 2048 * 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 192 + 128 + 128) + 64
    trained = sum(tensor.numel() for tensor in named.values() if tensor.requires_grad)
    assert f"trainable parameters: {trained:,} of {base + trained:,}" in capsys.readouterr().out


def test_rollouts_share_prompts_and_merge_nothing_into_four_bits(
    trainer_factory: BuildTrainer, quantized_recipe: dict[str, Any]
) -> None:
    trainer = trainer_factory()
    update = rolled_out(trainer)
    assert trainer.engine.shares_prefixes
    with merged_adapters(trainer.model_unwrapped, merge=True) as count:
        assert count == 0
    batch = trainer.learner.micro_batches(training_rows(*update, trainer.config.cells))[0]
    sampled = {
        (tuple(p), c.token_ids): c.logprobs for p, c in zip(update[0].prompts, update[0].completions, strict=True)
    }
    for row, logprobs in zip(batch.rows, trainer.learner.logprobs(batch), strict=True):
        expected = torch.tensor(sampled[tuple(row.prompt_ids), tuple(row.completion_ids)])
        torch.testing.assert_close(logprobs[: len(expected)], expected, rtol=0.0, atol=1e-4)


def test_the_command_trains_saves_and_resumes_and_evaluation_loads_the_same_base(
    run_recipe: Callable[..., ToyRun], trainer_factory: BuildTrainer, quantized_recipe: dict[str, Any], tmp_path: Path
) -> None:
    quantized_recipe["checkpoint"] = run_checkpoint(tmp_path, save_every_n_steps=1)
    run = run_recipe(quantized_recipe)
    assert run.code == 0, run.output[-3000:]
    assert (run.metrics[0]["kl"], run.metrics[1]["kl"] > 0.0) == (0.0, True)
    trainer = trainer_factory(checkpoint=quantized_recipe["checkpoint"])
    assert trainer.global_step == 2
    evaluated = load_policy(str(tmp_path / "run_1" / "last"))
    ids = torch.arange(5, 25).unsqueeze(0)
    with torch.no_grad():
        trained = trainer.model_unwrapped.eval()(input_ids=ids).logits
        assert torch.equal(evaluated.model(input_ids=ids).logits, trained)
        unquantised = load_policy(str(tmp_path / "run_1" / "last"), dtype="float32").model
        assert float((unquantised(input_ids=ids).logits - trained).abs().max()) > 1e-3
    assert evaluated.dtype == "float32 over nf4"
