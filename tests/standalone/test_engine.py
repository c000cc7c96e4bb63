# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The optimizer half of the standalone loop: clipping, schedule, skipped updates, state."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.standalone.engine import TorchEngine
from arctic_text2sql_r1.standalone.engine import weight_groups

pytestmark = pytest.mark.slow


class Line(torch.nn.Module):
    """y = w x with w = 1, and a bias that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1, 1))
        self.bias = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        self.device = torch.device("cpu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w * x


def engine(dtype: torch.dtype = torch.float32, clipping: float = 1.0) -> TorchEngine:
    settings: Any = SimpleNamespace(
        dtype=dtype,
        gradient_clipping=clipping,
        optimizer=SimpleNamespace(learning_rate=0.1, weight_decay=0.0, betas=(0.9, 0.999)),
        scheduler=SimpleNamespace(name="linear", warmup_ratio=0.5, scheduler_specific_kwargs={}),
    )
    return TorchEngine(Line(), settings, updates=4)


def update(trained: TorchEngine, *gradients: float) -> None:
    for gradient in gradients:
        trained.backward(trained(x=torch.tensor([[gradient]])).sum())
    trained.step()


def test_the_norm_is_that_of_the_summed_gradient_before_clipping() -> None:
    trained = engine()
    update(trained, 3.0, 4.0)
    assert trained.get_global_grad_norm() == pytest.approx(7.0)


def test_an_update_leaves_no_gradient_to_the_next() -> None:
    trained = engine()
    update(trained, 3.0)
    update(trained, 0.5)
    assert trained.get_global_grad_norm() == pytest.approx(0.5)


def test_adam_moves_by_the_learning_rate_of_the_schedule() -> None:
    trained = engine()
    assert trained.get_lr() == [0.05]  # the first of two updates of warm-up
    update(trained, 2.0)
    assert float(trained.module.w.detach()) == pytest.approx(0.95)  # Adam's first step is the rate itself
    assert trained.get_lr() == [0.1]


def test_only_what_requires_a_gradient_is_trained() -> None:
    assert list(engine()._trained) == ["w"]


def test_an_overflowing_update_is_skipped_and_counted_and_the_scale_is_lowered() -> None:
    trained = engine(torch.float16)
    scale = trained.scaler.get_scale()
    update(trained, float("inf"))
    assert float(trained.module.w.detach()) == 1.0
    assert (trained.global_steps, trained.scaler.get_scale(), trained.get_lr()) == (1, scale / 2, [0.05])


def test_a_run_whose_every_update_overflows_ends_instead_of_skipping_for_ever() -> None:
    trained = engine(torch.float16)
    with pytest.raises(TrainingError, match="gradients overflow float16"):
        for _ in range(40):
            update(trained, float("nan"))
    assert trained.global_steps == 16  # from 65,536 down to 1


def test_scaled_losses_give_the_unscaled_norm_and_step() -> None:
    plain, scaled = engine(), engine(torch.float16)
    for trained in (plain, scaled):
        update(trained, 0.5)
    assert scaled.scaler.get_scale() > 1.0
    assert scaled.get_global_grad_norm() == plain.get_global_grad_norm() == 0.5
    assert torch.equal(scaled.module.w, plain.module.w)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_saved_engine_goes_on_as_if_it_had_not_been_interrupted(dtype: torch.dtype, tmp_path: Path) -> None:
    straight, first = engine(dtype), engine(dtype)
    for trained in (straight, first):
        update(trained, 1.0)
    first.save_checkpoint(tmp_path, tag="torch")
    resumed = engine(dtype)
    assert resumed.load_checkpoint(tmp_path, tag="torch")[0] is not None
    for trained in (straight, resumed):
        update(trained, -3.0)
    assert torch.equal(straight.module.w, resumed.module.w)
    assert (resumed.global_steps, resumed.get_lr()) == (2, straight.get_lr())


def test_nothing_is_restored_from_an_empty_folder(tmp_path: Path) -> None:
    assert engine().load_checkpoint(tmp_path, tag="torch") == (None, {})


def test_vectors_do_not_decay() -> None:
    weights = {"a": torch.nn.Parameter(torch.ones(2, 2)), "norm": torch.nn.Parameter(torch.ones(2))}
    assert [(len(group["params"]), group["weight_decay"]) for group in weight_groups(weights, 0.3)] == [
        (1, 0.3),
        (1, 0.0),
    ]
