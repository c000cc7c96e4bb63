# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The other side of `grpo_step.py`: TRL's GRPO trainer, one update a turn. Runs in TRL's own environment.

Started by the benchmark with the folder of work, the number of updates and the rows of one backward pass. What TRL
offers for speed on a CPU is on: key-value cache, no gradient checkpointing, no old log-probabilities where an update
is on-policy, logging off.
"""

import resource
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from grpo_step_work import CLIP_RANGE
from grpo_step_work import GRADIENT_CLIPPING
from grpo_step_work import KL_COEF
from grpo_step_work import LEARNING_RATE
from grpo_step_work import LORA
from grpo_step_work import PickedStatements
from grpo_step_work import Turns
from grpo_step_work import Work
from grpo_step_work import digest
from grpo_step_work import read_questions
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast
from transformers import TrainerCallback
from trl import GRPOConfig
from trl import GRPOTrainer

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

EXAMPLE_FIELDS = ("example_id", "db_id", "question", "gold_sql", "db_path")


class MeasuredTrainer(GRPOTrainer):
    """TRL's trainer, whose phases are measured; the turn's remainder is its training pass, reference included."""

    turns: Turns
    facts: dict[str, Any]

    def _generate(self, prompts: list[Any]) -> Any:
        with self.turns.phase("generate"):
            return super()._generate(prompts)

    def _calculate_rewards(self, *arguments: Any) -> Any:
        with self.turns.phase("reward"):
            return super()._calculate_rewards(*arguments)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        output = super()._generate_and_score_completions(inputs)
        self.facts.update(
            generated_tokens=int(output["completion_mask"].sum()),
            trained_tokens=int(output["num_items_in_batch"]),
            mean_reward=self._metrics["train"]["reward"][-1],
        )
        return output


class TurnTaking(TrainerCallback):
    """Answers after each update, when the optimizer has stepped."""

    def __init__(self, turns: Turns, facts: dict[str, Any], first: dict[str, Any]) -> None:
        self.turns, self.facts, self.first = turns, facts, first

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.turns.answer(**self.first)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.turns.answer(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, **self.facts)


def settings(work: Work, folder: Path, updates: int, rows: int) -> GRPOConfig:
    """TRL's settings for the work; its loss of the same objective, token mean over the update, is `dapo`."""
    return GRPOConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=work.prompts * work.samples // rows,
        max_steps=updates,
        num_generations=work.samples,
        max_completion_length=work.new_tokens,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        loss_type="dapo",
        epsilon=CLIP_RANGE,
        beta=KL_COEF,
        use_bias_correction_kl=False,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        max_grad_norm=GRADIENT_CLIPPING,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=1,
    )


def main() -> None:
    """Sets the trainer up, answers with what shows that the work is equal, then trains in turns."""
    folder, updates, rows = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    turns, work, questions = Turns(), Work.load(folder), read_questions(folder)
    torch.set_num_threads(1)
    # Not AutoTokenizer: for this model type it puts its own way of splitting text in place of the saved one.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "model")
    judge = SQLJudge(num_workers=1, timeout_s=30)
    scorer = PickedStatements(questions, judge)
    examples = [Text2SQLExample(**{name: row[name] for name in EXAMPLE_FIELDS}) for row in questions]

    def reward(completion_ids: list[list[int]], row: list[int], **_: Any) -> list[float | None]:
        completions = [Completion(text="", token_ids=tuple(ids)) for ids in completion_ids]
        return [one.reward for one in scorer.score([examples[index] for index in row], completions)]

    trainer = MeasuredTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32),
        reward_funcs=reward,
        args=settings(work, folder, updates, rows),
        train_dataset=Dataset.from_list([dict(prompt=row["prompt"], row=i) for i, row in enumerate(questions)]),
        processing_class=tokenizer,
        peft_config=LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM", **LORA),
    )
    first = dict(
        prompts=digest(tokenizer([row["prompt"] for row in questions])["input_ids"]),
        trainable=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        rewards=scorer.standard_rewards(examples),
    )
    trainer.turns, trainer.facts = turns, {}
    trainer.add_callback(TurnTaking(turns, trainer.facts, first))
    with judge:
        trainer.train()


if __name__ == "__main__":
    main()
