# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What only the real DeepSpeed engine can break: accumulation over micro-batches, offload.

The arithmetic that needs no optimizer step is in `test_objective_in_the_trainer.py`, other recipes through the
command line in `test_command_line.py`, kills in `test_resume.py`, ZeRO's stages in `test_scale.py`.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import pytest
import torch

ENGINES: dict[str, dict[str, Any]] = {
    "ZeRO-2": dict(deepspeed=dict(zero_optimization=dict(stage=2))),
    # Gradients then accumulate in host buffers, by another code path than on the device.
    "ZeRO-2 offloaded": dict(
        deepspeed=dict(zero_optimization=dict(stage=2, offload_optimizer=dict(device="cpu"))),
        optimizer=dict(type="cpu_adam", learning_rate=2e-3, weight_decay=0.0),
    ),
}


class Update(NamedTuple):
    """What one optimizer update left in the engine; the tensors hold all adapter parameters, flattened."""

    micro_batches: int
    grad_norm: float
    first_moment: torch.Tensor
    weights: torch.Tensor


def one_update(trainer: Any) -> Update:
    """Rolls out the first batch and updates on it, with advantages that differ within every group."""
    from deepspeed.utils import safe_get_full_optimizer_state

    from arctic_text2sql_r1.training.updates import training_rows

    rollout = trainer.generate_candidates(next(iter(trainer.train_dataloader)))
    count = len(rollout.completions)
    advantages = torch.tensor([(-1.0) ** index * (1 + index % 3) for index in range(count)])
    keep = torch.ones(count, dtype=torch.bool)
    statistics = trainer.update_policy(rollout, advantages, keep)
    parameters = [p for p in trainer.model_unwrapped.parameters() if p.requires_grad]
    # Adam hides the gradient's size from the weights; its first moment after one update is 0.1 x that gradient.
    moments = [safe_get_full_optimizer_state(p, "exp_avg") for p in parameters]
    return Update(
        micro_batches=len(
            trainer.learner.micro_batches(training_rows(rollout, advantages, keep, trainer.config.cells))
        ),
        grad_norm=statistics.grad_norm,
        first_moment=torch.cat([moment.flatten() for moment in moments]),
        weights=torch.cat([p.detach().flatten() for p in parameters]),
    )


def relative_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_micro_batches_do_not_move_an_update_of_the_real_engine(
    trainer_factory: Callable[..., Any], engine: str
) -> None:
    # Same seed, so both trainers start from the same adapter and roll out the same 32 completions.
    whole = one_update(trainer_factory(kl_coef=0.1, tokens_per_micro_batch=100_000, **ENGINES[engine]))
    cut = one_update(trainer_factory(kl_coef=0.1, tokens_per_micro_batch=1, **ENGINES[engine]))
    assert (whole.micro_batches, cut.micro_batches) == (1, 32)
    assert whole.grad_norm > 1e-3
    assert cut.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
    assert relative_difference(cut.first_moment, whole.first_moment) < 1e-5
    assert relative_difference(cut.weights, whole.weights) < 1e-5
