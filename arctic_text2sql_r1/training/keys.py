# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The recipe keys of GRPO, with their checks, for the plugin (`arctic/config.py`) and for `standalone/settings.py`.

Batch arithmetic counts prompts: `micro_batch_size` x `gradient_accumulation_steps` prompts per rank form one update.
Frameworks count that accumulation per dataloader batch, which a rollout cannot use (all samples of an update are
needed before its first loss), so the product is folded into the batch here.
Where the keys take effect: `steps.py`, `learner.py`; sections: `sections.py`.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import PrivateAttr
from pydantic import field_validator

from arctic_text2sql_r1.advantages import AdvantageScaling
from arctic_text2sql_r1.errors import RegistryError
from arctic_text2sql_r1.losses import OBJECTIVES
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.losses import resolve_objective
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.scorer import check_rewards
from arctic_text2sql_r1.rollout.base import training_engine
from arctic_text2sql_r1.training.sections import EvaluationConfig
from arctic_text2sql_r1.training.sections import GuardsConfig
from arctic_text2sql_r1.training.sections import LogsConfig
from arctic_text2sql_r1.training.sections import RewardConfig
from arctic_text2sql_r1.training.sections import RolloutConfig
from arctic_text2sql_r1.training.sections import Section
from arctic_text2sql_r1.training.sections import SQLConfig

if TYPE_CHECKING:
    import torch


class GRPOKeys(Section):
    """What `type: grpo` adds to a recipe. Whoever mixes it in has the other keys, and calls `settle_keys` last."""

    if TYPE_CHECKING:  # of the class that mixes this one in
        model: Any
        data: Any
        checkpoint: list[Any]
        micro_batch_size: int
        gradient_accumulation_steps: int
        eval_interval: int
        train_iters: int
        train_log_metrics_path: Path
        kill_switch_path: Path | None

    num_samples_per_prompt: int = 16
    """ G, completions sampled for each prompt; at least 2, since they are compared with each other. """

    temperature: float = Field(default=0.8, gt=0)
    """ Sampling temperature; the policy that is trained is softmax(logits / temperature). """

    max_new_tokens: int = Field(default=1024, ge=1)
    """ T, completion length limit in tokens. Prompts may use `data.max_length - max_new_tokens`. """

    objective: str | dict[str, Any] = "grpo"
    """ Row of the preset table in `losses.py`, or a mapping of `preset` and any cells that shall differ from it. """

    advantage_scaling: AdvantageScaling | None = None
    """ Divide centred rewards by the deviation of the group, of the whole batch, or not; unset: as `objective`. """

    clip_range: float | tuple[float, float] | None = None
    """ epsilon of the clipped ratio, or a pair (low, high); unset: as `objective`. """

    kl_coef: float | None = None
    """ beta, weight of the KL to the reference (the policy as it starts, see `training/reference.py`); 0 runs no
    reference pass; unset: as `objective`. """

    inner_epochs: int = Field(default=1, ge=1)
    """ How often the optimizer passes over all completions of a rollout. """

    updates_per_inner_epoch: int = Field(default=1, ge=1)
    """ Optimizer updates of one such pass, each over an equal share of the prompts, dealt anew for each pass. """

    tokens_per_micro_batch: int = Field(default=8192, ge=1)
    """ Most tokens of one forward and backward pass, each prompt counted once; lower it when memory runs out. """

    dynamic_sampling: int = Field(default=0, ge=0)
    """ K: groups whose rewards are all equal give way to groups of fresh prompts, sampled in at most K further rounds
    per rollout; 0: they stay and teach nothing. """

    rollout: RolloutConfig = Field(default_factory=RolloutConfig)
    """ Which engine completes prompts, and its bounds. """

    rewards: list[RewardConfig] = [RewardConfig(name="execution")]
    """ Weighted list; each component is logged under its own name. """

    parser: Literal["strict", "lenient"] = "lenient"
    """ How completions are read: `strict` wants nothing but the format, `lenient` allows text around it. """

    sql: SQLConfig = Field(default_factory=SQLConfig)
    """ SQL execution. """

    guards: GuardsConfig = Field(default_factory=GuardsConfig)
    """ When a run is stopped or taken back to its best weights. """

    logs: LogsConfig = Field(default_factory=LogsConfig)
    """ How much is logged. """

    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """ How `data.eval_sources` are asked every `eval_interval` updates. """

    rollouts_path: Path | None = None
    """ JSONL of every completion with its reward. Unset: `rollouts.jsonl` beside `train_log_metrics_path`. """

    _preset_name: str = PrivateAttr(default="grpo")
    _cells: Objective = PrivateAttr(default=OBJECTIVES["grpo"])

    @field_validator("num_samples_per_prompt")
    @classmethod
    def _a_group_needs_two(cls, value: int) -> int:
        if value < 2:
            raise ValueError(
                f"num_samples_per_prompt is {value}, but GRPO compares the completions of a prompt with each other "
                "and needs at least 2 (16 in the published recipe)."
            )
        return value

    @field_validator("rewards", mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        entries = value if isinstance(value, list) else [value]
        if len(entries) == 0:
            raise ValueError("rewards is empty; name at least one, for example `rewards: [execution]`.")
        return [dict(name=entry) if isinstance(entry, str) else entry for entry in entries]

    @field_validator("rewards")
    @classmethod
    def _usable_rewards(cls, value: list[RewardConfig]) -> list[RewardConfig]:
        try:
            check_rewards([WeightedReward(**reward.model_dump()) for reward in value])
        except RegistryError as error:
            raise ValueError(str(error)) from error
        return value

    def settle_keys(self) -> None:
        """Checks keys against each other and fills in what follows from them; raises ValueError.

        Called by a validator of the class that mixes this one in: its other validators must have run.
        """
        self._choose_attention()
        self._resolve_objective()
        self._require_engine_that_follows()
        self._require_room_for_completions()
        self._require_intervals_of_rollouts()
        self._require_target_of_rollbacks()
        self._fold_accumulation()
        if "kill_switch_path" not in self.model_fields_set:
            # ArcticTraining's default is one fixed file for every job on the machine.
            self.kill_switch_path = self.train_log_metrics_path.parent / "stop-training"

    def _choose_attention(self) -> None:
        """`model.attn_implementation: auto` is flash attention where it is installed and a GPU runs, else sdpa."""
        if self.model.attn_implementation == "auto":
            import torch

            flash = torch.cuda.is_available() and importlib.util.find_spec("flash_attn") is not None
            self.model.attn_implementation = "flash_attention_2" if flash else "sdpa"

    def _resolve_objective(self) -> None:
        cells = dict(self.objective) if isinstance(self.objective, dict) else dict(preset=self.objective)
        self._preset_name = str(cells.pop("preset", "grpo"))
        for name in ("advantage_scaling", "clip_range", "kl_coef"):
            value = getattr(self, name)
            if value is not None and name in cells:
                raise ValueError(f"{name} is set twice: as a key of its own and below objective. Keep one.")
            if value is not None:
                cells[name] = value
        self._cells = resolve_objective(self._preset_name, cells)
        if self._cells.ratio_level == "none" and self.updates_per_rollout > 1:
            raise ValueError(
                f"objective {self._preset_name} has ratio_level none, which is right only while the policy is the one "
                f"that sampled, but a rollout makes {self.updates_per_rollout} updates. Set inner_epochs and "
                "updates_per_inner_epoch to 1, or objective: {preset: ..., ratio_level: token}."
            )

    def _require_engine_that_follows(self) -> None:
        if training_engine(self.rollout.engine).needs_adapter and self.model.peft_config is None:
            raise ValueError(
                f"rollout.engine is '{self.rollout.engine}' but model.peft_config is not set: that engine follows the "
                "policy through its adapter. Add a peft_config, or use rollout.engine: hf for full fine-tuning."
            )

    def _require_room_for_completions(self) -> None:
        from transformers import AutoConfig

        if self.max_new_tokens >= self.data.max_length:
            raise ValueError(
                f"max_new_tokens ({self.max_new_tokens}) leaves no room for a prompt in data.max_length "
                f"({self.data.max_length}), which counts prompt and completion together."
            )
        limit = self.evaluation.max_new_tokens
        if limit is not None and limit > self.max_new_tokens:
            raise ValueError(
                f"evaluation.max_new_tokens is {limit}, but prompts may leave no more than max_new_tokens "
                f"({self.max_new_tokens}) of data.max_length. Raise both, or leave the former out."
            )
        context = getattr(AutoConfig.from_pretrained(self.model.name_or_path), "max_position_embeddings", None)
        if context is not None and self.data.max_length > context:
            raise ValueError(
                f"data.max_length is {self.data.max_length}, but '{self.model.name_or_path}' was made for {context} "
                "tokens."
            )

    def _require_intervals_of_rollouts(self) -> None:
        intervals = {f"checkpoint.{c.type}.save_every_n_steps": c.save_every_n_steps for c in self.checkpoint}
        intervals.update(eval_interval=self.eval_interval, train_iters=self.train_iters)
        for name, value in intervals.items():
            if value % self.updates_per_rollout != 0:
                raise ValueError(
                    f"{name} is {value}, but a rollout makes {self.updates_per_rollout} updates (inner_epochs x "
                    f"updates_per_inner_epoch) at once; use a multiple of {self.updates_per_rollout}."
                )

    def _require_target_of_rollbacks(self) -> None:
        kinds = [checkpoint.type for checkpoint in self.checkpoint]
        if self.guards.rollback and not ("run" in kinds and self.eval_interval > 0):
            raise ValueError(
                f"guards.rollback restores the checkpoint `best`, but nothing would write one: checkpoint types are "
                f"{kinds or 'none'} and eval_interval is {self.eval_interval}. Add a checkpoint of `type: run`, and "
                "eval_interval with data.eval_sources."
            )

    def _fold_accumulation(self) -> None:
        self.micro_batch_size *= self.gradient_accumulation_steps
        self.gradient_accumulation_steps = 1
        if self.micro_batch_size % self.updates_per_inner_epoch != 0:
            raise ValueError(
                f"updates_per_inner_epoch is {self.updates_per_inner_epoch}, which does not divide the "
                f"{self.micro_batch_size} prompts of a rank (micro_batch_size x gradient_accumulation_steps)."
            )

    @property
    def cells(self) -> Objective:
        """The objective in force: the preset's row with the recipe's own values in their places."""
        return self._cells

    @property
    def preset_name(self) -> str:
        """The row that the recipe named, for people to read."""
        return self._preset_name

    @property
    def starting_adapter(self) -> Path | None:
        """The adapter that the policy starts from, None for a new one or none."""
        adapter: Path | None = getattr(self.model, "adapter", None)
        return adapter

    @property
    def updates_per_rollout(self) -> int:
        """Optimizer updates made on one rollout."""
        return self.inner_epochs * self.updates_per_inner_epoch

    @property
    def evaluates(self) -> bool:
        """Whether there is anything to evaluate, and a time for it."""
        return self.eval_interval > 0 and len(self.data.eval_sources) > 0

    @property
    def rollouts_file(self) -> Path:
        """Where every completion is logged."""
        return self.rollouts_path or self.train_log_metrics_path.parent / "rollouts.jsonl"

    @property
    def dtype(self) -> "torch.dtype":
        """What the policy computes in."""
        raise NotImplementedError
