# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What TRL's own trainers make of given tensors: runs in TRL's environment, with a folder that `test_trl.py` filled.

Nothing of TRL is written again here: `_compute_loss` is called on every micro-batch of an update as its training loop
does, and advantages come out of `_generate_and_score_completions` with canned completions and rewards.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from cases import ADVANTAGE_SCALINGS
from cases import CASES
from cases import COMMON
from cases import GROUPS
from cases import SAMPLES
from cases import Case
from datasets import Dataset
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast
from trl import GRPOConfig
from trl import GRPOTrainer
from trl import RLOOConfig
from trl import RLOOTrainer

Tensors = dict[str, torch.Tensor]


def canned(base: type) -> type:
    """`base` with given completions in place of sampled ones, and what it scored kept, in float64."""

    class Canned(base):  # type: ignore[misc,valid-type]
        completions: list[list[int]] = []

        def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[Any, None]:
            return self.completions, None

        def _get_per_token_logps_and_entropies(self, *arguments: Any, **keywords: Any) -> Any:
            logprobs, entropies, aux = super()._get_per_token_logps_and_entropies(*arguments, **keywords)
            self.logprobs, self.entropies = logprobs.double(), entropies.double()
            self.logprobs.retain_grad()
            return self.logprobs, self.entropies, aux

    return Canned


def build(folder: Path, trainer: str, settings: dict[str, Any], rewards: list[float]) -> Any:
    """TRL's trainer on the folder's model, ready to train."""
    config, base = dict(GRPO=(GRPOConfig, GRPOTrainer), RLOO=(RLOOConfig, RLOOTrainer))[trainer]
    built = canned(base)(
        model=AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32),
        processing_class=PreTrainedTokenizerFast.from_pretrained(folder / "model"),
        reward_funcs=lambda completions, **_: rewards,
        args=config(output_dir=str(folder / "trl"), **dict(COMMON, **settings)),
        train_dataset=Dataset.from_list([dict(prompt="a")] * GROUPS),
    )
    built.model.train()  # or TRL takes the update for an evaluation and leaves its accumulation out of the loss
    return built


def losses(folder: Path, case: Case, tensors: Tensors) -> dict[str, Any]:
    """One update: its loss, log-probabilities and entropies (N, T), the loss's slope by the former, all gradients."""
    trainer = build(folder, case.trainer, case.trl, rewards=[])
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    total, scored = 0.0, []
    for start in range(0, GROUPS * SAMPLES, trainer.args.per_device_train_batch_size):
        part = {name: rows[start : start + trainer.args.per_device_train_batch_size] for name, rows in tensors.items()}
        part["num_items_in_batch"] = tensors["completion_mask"].sum()
        if case.trainer == "RLOO":
            part["old_logps"] = (part["old_per_token_logps"] * part["completion_mask"]).sum(1)
        loss = trainer.compute_loss(trainer.model, part)
        if case.trainer == "RLOO":  # its training loop does this, where the other trainer's loss has done it itself
            loss = loss / trainer.args.gradient_accumulation_steps
        loss.backward()
        total += float(loss.detach())
        scored.append((trainer.logprobs.detach(), trainer.logprobs.grad, trainer.entropies.detach()))
    logprobs, slopes, entropies = (torch.cat(parts) for parts in zip(*scored, strict=True))
    gradients = {name: parameter.grad for name, parameter in trainer.model.named_parameters()}
    return dict(loss=total, logprobs=logprobs, slopes=slopes, entropies=entropies, gradients=gradients)


def advantages(folder: Path, scaling: str, rewards: list[float]) -> torch.Tensor:
    """(N,) advantages of those rewards, groups one after the other."""
    trainer = build(folder, "GRPO", dict(scale_rewards=scaling, beta=0.0), rewards)
    trainer.completions = [[3, 4]] * len(rewards)
    batch = trainer._generate_and_score_completions([dict(prompt="a") for _ in rewards])
    found: torch.Tensor = batch["advantages"]
    return found


def main() -> None:
    """Reads `case.pt`, writes `trl.pt`."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    given = torch.load(folder / "case.pt")
    found = {name: losses(folder, case, given["tensors"][name]) for name, case in CASES.items()}
    rewards = given["rewards"].tolist()
    assert len(rewards) == GROUPS * SAMPLES
    scaled = {scaling: advantages(folder, scaling, rewards) for scaling in ADVANTAGE_SCALINGS}
    torch.save(dict(losses=found, advantages=scaled), folder / "trl.pt")


if __name__ == "__main__":
    main()
