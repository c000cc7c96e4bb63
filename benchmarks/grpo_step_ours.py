# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""One side of `grpo_step.py`: the GRPO trainer of this package through DeepSpeed's engine, one update a turn.

Started by the benchmark with the folder of work and the number of updates; see `grpo_step_work.py`.
"""

import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any

from grpo_step_work import CLIP_RANGE
from grpo_step_work import DATABASES
from grpo_step_work import GRADIENT_CLIPPING
from grpo_step_work import KL_COEF
from grpo_step_work import LEARNING_RATE
from grpo_step_work import LORA
from grpo_step_work import PickedStatements
from grpo_step_work import Turns
from grpo_step_work import Work
from grpo_step_work import digest
from grpo_step_work import read_questions


def recipe(work: Work, folder: Path, updates: int) -> dict[str, Any]:
    """The recipe of one epoch per update over the same prompts; what is not here is the default."""
    return dict(
        type="grpo",
        micro_batch_size=work.prompts,
        num_samples_per_prompt=work.samples,
        epochs=updates,
        seed=1,
        temperature=1.0,
        max_new_tokens=work.new_tokens,
        objective="grpo",
        kl_coef=KL_COEF,
        clip_range=CLIP_RANGE,
        sql=dict(workers=1, timeout_s=30),
        model=dict(
            name_or_path=str(folder / "model"),
            dtype="fp32",
            disable_activation_checkpoint=True,
            peft_config=dict(peft_type="Lora", task_type="CAUSAL_LM", target_modules="all-linear", **LORA),
        ),
        data=dict(
            sources=[dict(type="text2sql", path=str(folder / "questions.json"), databases=str(DATABASES))],
            template="tiny",
            max_length=4 * (work.prompt_tokens + work.new_tokens),
            num_proc=1,
            cache_dir=str(folder / "cache"),
        ),
        optimizer=dict(learning_rate=LEARNING_RATE, weight_decay=0.0),
        scheduler=dict(name="constant", warmup_ratio=0.0),
        deepspeed=dict(
            zero_optimization=dict(stage=2), steps_per_print=1_000_000, gradient_clipping=GRADIENT_CLIPPING
        ),
        train_log_metrics_path=str(folder / "metrics.jsonl"),
        checkpoint=[],
        logger=dict(level="WARNING"),
    )


def main() -> None:
    """Sets the trainer up, answers with what shows that the work is equal, then trains in turns."""
    folder, updates = Path(sys.argv[1]), int(sys.argv[2])
    turns, work, questions = Turns(), Work.load(folder), read_questions(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    os.environ["DS_ACCELERATOR"] = "cpu"
    import torch
    from arctic_training.config.trainer import get_config
    from arctic_training.registry import get_registered_trainer

    import arctic_text2sql_r1.arctic  # noqa: F401  (registers the trainer)

    torch.set_num_threads(1)
    trainer = get_registered_trainer("grpo")(get_config(recipe(work, folder, updates)))
    trainer.scorer = PickedStatements(questions, trainer.judge)
    (batch,) = trainer.train_dataloader
    turns.answer(
        prompts=digest(batch["prompts"]),
        trainable=sum(p.numel() for p in trainer.model_unwrapped.parameters() if p.requires_grad),
        rewards=trainer.scorer.standard_rewards(sorted(batch["examples"], key=lambda e: int(e.example_id))),
    )
    take_turns(trainer, turns)
    trainer.train()


def take_turns(trainer: Any, turns: Turns) -> None:
    """Makes the trainer stop after each update, and measures its phases."""
    step, generate = trainer.step, trainer.generate_candidates
    score, update = trainer.compute_rewards, trainer.update_policy
    facts: dict[str, Any] = {}

    def generate_candidates(batch: dict[str, Any]) -> Any:
        with turns.phase("generate"):
            rollout = generate(batch)
        facts["generated_tokens"] = sum(len(completion.token_ids) for completion in rollout.completions)
        return rollout

    def compute_rewards(rollout: Any) -> Any:
        with turns.phase("reward"):
            scored = score(rollout)
        facts["mean_reward"] = sum(row.reward for row in scored) / len(scored)
        return scored

    def update_policy(*arguments: Any) -> Any:
        with turns.phase("train"):
            statistics = update(*arguments)
        facts["trained_tokens"] = int(statistics.sums["tokens"])
        return statistics

    def one_step(batch: dict[str, Any]) -> None:
        step(batch)
        turns.answer(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, **facts)

    trainer.generate_candidates, trainer.compute_rewards = generate_candidates, compute_rewards
    trainer.update_policy, trainer.step = update_policy, one_step


if __name__ == "__main__":
    main()
