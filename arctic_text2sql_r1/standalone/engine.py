# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a run asks of DeepSpeed's engine, by torch alone: forward and backward, clipping, AdamW, schedule, its state.

The names are DeepSpeed's, since `training/` drives either engine by them. In float16 losses are scaled, and an update
whose gradients overflow is skipped, as DeepSpeed does. Gradients of any number of backward passes are summed until
`step`.
"""

from pathlib import Path
from typing import Any

import torch

from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.standalone.settings import Settings
from arctic_text2sql_r1.training.schedule import update_scheduler

STATE = "engine.pt"


class TorchEngine:
    """Trains what requires gradients in `module`; `updates` is what the schedule spans.

    `global_steps` counts updates, those that float16 skipped among them.
    """

    def __init__(self, module: Any, settings: Settings, updates: int) -> None:
        self.module = module
        self.global_steps = 0
        self.global_samples = 0
        self._clipping = settings.gradient_clipping
        self._norm = 0.0
        self._trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        chosen, schedule = settings.optimizer, settings.scheduler
        self.optimizer = torch.optim.AdamW(
            weight_groups(self._trained, chosen.weight_decay), lr=chosen.learning_rate, betas=chosen.betas
        )
        self.lr_scheduler = update_scheduler(
            self.optimizer,
            name=schedule.name,
            updates=updates,
            warmup_ratio=schedule.warmup_ratio,
            options=schedule.scheduler_specific_kwargs,
        )
        self.scaler = torch.amp.GradScaler(module.device.type, enabled=settings.dtype == torch.float16)

    def __call__(self, **inputs: Any) -> Any:
        return self.module(**inputs)

    def train(self) -> None:
        """Training mode: layers are recomputed in it, if at all."""
        self.module.train()

    def eval(self) -> None:
        """Evaluation mode."""
        self.module.eval()

    def backward(self, loss: torch.Tensor) -> None:
        """Adds the gradients of `loss`."""
        self.scaler.scale(loss).backward()

    def set_gradient_accumulation_boundary(self, is_boundary: bool) -> None:
        """Nothing: gradients are reduced over no ranks."""

    def step(self) -> None:
        """One update with the gradients there are, after which there are none."""
        self.scaler.unscale_(self.optimizer)
        limit = self._clipping if self._clipping > 0 else float("inf")
        self._norm = float(torch.nn.utils.clip_grad_norm_(self._trained.values(), limit))
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scaler.get_scale() >= scale:  # else the update was skipped
            self.lr_scheduler.step()
        elif self.scaler.get_scale() < 1.0:
            raise TrainingError(
                f"Update {self.global_steps + 1}: gradients overflow float16 even where the loss is not scaled up, so "
                "no update can be made. Set model.dtype: bf16 where the GPU has it, else fp32."
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.global_steps += 1

    def get_lr(self) -> list[float]:
        """The learning rate of the coming update, by group of weights."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def get_global_grad_norm(self) -> float:
        """The norm of the latest update's gradient, before it was clipped."""
        return self._norm

    def gradient_clipping(self) -> float:
        """Largest norm of an update's gradient."""
        return self._clipping

    def zero_optimization_stage(self) -> int:
        """0: nothing is cut into shards."""
        return 0

    def empty_partition_cache(self) -> None:
        """Nothing: nothing is cut into shards."""

    def save_checkpoint(self, folder: Path, tag: str, **_: Any) -> None:
        """Writes trained weights, optimizer, schedule and loss scale below `folder`."""
        state = dict(
            trained={name: parameter.detach() for name, parameter in self._trained.items()},
            optimizer=self.optimizer.state_dict(),
            schedule=self.lr_scheduler.state_dict(),
            scaler=self.scaler.state_dict(),
            global_steps=self.global_steps,
        )
        (folder / tag).mkdir(parents=True)
        torch.save(state, folder / tag / STATE)

    def load_checkpoint(self, folder: Path, tag: str, **_: Any) -> tuple[str | None, dict[str, Any]]:
        """Restores what `save_checkpoint` wrote. Returns its path, None where there is nothing, and an empty dict."""
        path = folder / tag / STATE
        if not path.is_file():
            return None, {}
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(state["trained"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.lr_scheduler.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.global_steps = state["global_steps"]
        return str(path), {}


def weight_groups(trained: dict[str, torch.nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Matrices, which decay, and vectors (biases and norms), which do not; an empty group is left out."""
    matrices = [parameter for parameter in trained.values() if parameter.dim() > 1]
    vectors = [parameter for parameter in trained.values() if parameter.dim() <= 1]
    groups = [(matrices, weight_decay), (vectors, 0.0)]
    return [dict(params=members, weight_decay=decay) for members, decay in groups if len(members) > 0]
