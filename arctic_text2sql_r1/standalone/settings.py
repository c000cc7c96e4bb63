# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A recipe's keys for a run in one process: names and defaults are those of `type: grpo` in ArcticTraining.

Our own keys are in `training/keys.py` and `training/sections.py`; here are those that the framework has as well. Two
are new: `device`, and `gradient_clipping`, which recipes keep below `deepspeed`. Reading a YAML is in `recipes.py`.
"""

from pathlib import Path
from typing import Any
from typing import Literal

import torch
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator
from typing_extensions import Self

from arctic_text2sql_r1.training.keys import GRPOKeys
from arctic_text2sql_r1.training.sections import AdapterKeys
from arctic_text2sql_r1.training.sections import DataKeys
from arctic_text2sql_r1.training.sections import RunCheckpointKeys
from arctic_text2sql_r1.training.sections import Section
from arctic_text2sql_r1.training.sections import SourceKeys
from arctic_text2sql_r1.training.sections import require_trainable_base

DTYPES = dict(
    fp32=("float32", "float", "torch.float32"),
    bf16=("bfloat16", "bfloat", "torch.bfloat16"),
    fp16=("float16", "half", "torch.float16"),
)


class ModelSettings(AdapterKeys):
    """The section `model:`."""

    type: Literal["policy", "quantized"] = "policy"
    """ `quantized` holds the base in four bits (NF4) under the adapter. """

    name_or_path: str
    """ Name on the Hugging Face hub, or folder. """

    dtype: str = "bf16"
    """ What the policy computes in: bf16, fp16 (with loss scaling) or fp32; an adapter is float32 in any case. """

    attn_implementation: str = "sdpa"
    """ Attention as transformers calls it; `auto` takes flash attention where it is installed and a GPU runs. """

    disable_activation_checkpoint: bool = False
    """ Never compute layers again in the backward pass. Unset: decided by the memory that there is. """

    hf_config_kwargs: dict[str, Any] = Field(default_factory=dict)
    """ Replaces entries of the model's own configuration. """

    @field_validator("name_or_path", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> str:
        return str(value)

    @field_validator("dtype", mode="before")
    @classmethod
    def _known_dtype(cls, value: Any) -> str:
        for name, aliases in DTYPES.items():
            if str(value) in (name, *aliases):
                return name
        raise ValueError(f"model.dtype is '{value}', expected {', '.join(DTYPES)}.")

    @field_validator("peft_config")
    @classmethod
    def _lora(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and str(value.get("peft_type")).lower() != "lora":
            raise ValueError(f"model.peft_config.peft_type is {value.get('peft_type')}, expected Lora.")
        if value is not None:
            from peft import LoraConfig

            try:
                LoraConfig(**{key: setting for key, setting in value.items() if key != "peft_type"})
            except TypeError as error:
                raise ValueError(f"model.peft_config: {error}") from error
        return value

    @model_validator(mode="after")
    def _something_can_be_trained(self) -> Self:
        if self.type == "quantized":
            require_trainable_base(self.peft_config)
        if self.peft_config is None and self.dtype != "fp32":
            raise ValueError(
                f"All weights are trained, in {self.dtype}: small updates would be rounded away, since only DeepSpeed "
                "keeps a float32 copy of them. Set model.dtype: fp32, add a model.peft_config, or use arctic_training."
            )
        return self


class SourceSettings(SourceKeys):
    """One entry of `data.sources` or `data.eval_sources`."""

    type: Literal["text2sql"] = "text2sql"

    split: str = ""
    """ Which split of a folder; unset: train or dev, by the key it stands below. """


class DataSettings(DataKeys):
    """The section `data:`."""

    sources: list[SourceSettings] = Field(min_length=1)
    """ Questions to train on. """

    eval_sources: list[SourceSettings] = []
    """ Questions to evaluate on every `eval_interval` updates. """

    max_length: int | None = Field(default=None, ge=2)
    """ Tokens of prompt and completion together; unset: what the model was made for. """

    seed: int = 42
    """ Shuffles the questions once, before `seed` orders the epochs. """

    @field_validator("sources", "eval_sources", mode="before")
    @classmethod
    def _bare_paths(cls, value: Any) -> Any:
        return [dict(path=entry) if isinstance(entry, str) else entry for entry in value]


class OptimizerSettings(Section):
    """The section `optimizer:`."""

    type: Literal["", "fused_adam", "cpu_adam"] = ""
    """ Of DeepSpeed's names those that are AdamW, as the optimizer here is. """

    weight_decay: float = Field(default=0.1, ge=0)
    """ Of weights; biases and norms have none. """

    betas: tuple[float, float] = (0.9, 0.999)
    """ Of the running means of gradient and squared gradient. """

    learning_rate: float = Field(default=5e-4, ge=0, alias="lr")
    """ The schedule's peak. """


class SchedulerSettings(Section):
    """The section `scheduler:`."""

    type: Literal["", "updates"] = ""

    name: str = "linear"
    """ A schedule of transformers: constant, linear, cosine ... """

    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    """ Share of all updates in which the learning rate rises. """

    scheduler_specific_kwargs: dict[str, Any] = Field(default_factory=dict)
    """ Further options of that schedule. """


class CheckpointSettings(RunCheckpointKeys):
    """One entry of `checkpoint:`."""

    type: Literal["run"] = "run"

    output_dir: Path
    """ Runs are its folders run_1, run_2 ...; on Colab a folder of a mounted Drive outlives the machine. """

    enabled: bool = True
    """ Save at all. """

    save_every_n_steps: int = Field(default=0, ge=0)
    """ Save after every so many updates. """

    save_every_n_epochs: int = Field(default=0, ge=0)
    """ Save after every so many epochs. """

    save_end_of_training: bool = False
    """ Save when the run ends. """


class Settings(GRPOKeys):
    """A run. Raises ValueError (pydantic's) for keys that are unknown, or that contradict each other."""

    type: Literal["grpo"] = "grpo"

    model: ModelSettings
    """ The policy. """

    data: DataSettings
    """ Questions and prompts. """

    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    """ AdamW. """

    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    """ The learning rate. """

    checkpoint: list[CheckpointSettings] = []
    """ Where and when the policy is saved. """

    micro_batch_size: int = Field(default=1, ge=1)
    """ Together with `gradient_accumulation_steps`: prompts of one rollout. """

    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """ A factor of `micro_batch_size`. """

    epochs: int = Field(default=1, ge=0)
    """ Passes over the questions. """

    train_iters: int = Field(default=0, ge=0)
    """ Updates in all; 0: as `epochs` says. """

    exit_iteration: int = Field(default=0, ge=0)
    """ End after this update, while the learning rate is scheduled for all; 0: do not. """

    exit_iteration_this_run: int = Field(default=0, ge=0)
    """ End after so many updates of this process; 0: do not. """

    eval_interval: int = Field(default=0, ge=0)
    """ Evaluate after every so many updates; 0: never. """

    seed: int = Field(default=42, ge=0)
    """ Of everything that is drawn at random. """

    gradient_clipping: float = Field(default=1.0, ge=0)
    """ Largest norm of an update's gradient; 0: none. """

    train_log_metrics_path: Path = Path("train-log-metrics.jsonl")
    """ JSONL with a line per rollout; the other logs are written beside it. """

    kill_switch_path: Path | None = None
    """ A file that ends the run after the current update; unset: `stop-training` beside the metrics. """

    device: str = "auto"
    """ cuda, cpu, or `auto`: the first GPU if there is one. """

    @field_validator("checkpoint", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]

    @model_validator(mode="after")
    def _settle(self) -> Self:
        if self.rollout.engine == "vllm":
            raise ValueError("rollout.engine is vllm, which the standalone loop does not run; use arctic_training.")
        if self.data.max_length is None:
            self.data.max_length = context_of(self.model.name_or_path)
        if (len(self.data.eval_sources) > 0) != (self.eval_interval > 0):
            raise ValueError("data.eval_sources and eval_interval need each other; set both or neither.")
        if sum(checkpoint.auto_resume for checkpoint in self.checkpoint) > 1:
            raise ValueError("Only one entry of checkpoint may have auto_resume.")
        self.settle_keys()
        if self.dtype == torch.float16 and overflows_in_float16(self.model.name_or_path):
            raise ValueError(
                f"'{self.model.name_or_path}' is a Gemma model, whose activations exceed what float16 can hold. Set "
                "model.dtype: bf16 where the GPU has it, else fp32."
            )
        return self

    @property
    def dtype(self) -> torch.dtype:
        """What the policy computes in."""
        return dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)[self.model.dtype]


def context_of(model: str) -> int:
    """The tokens that a model was made for. Raises ValueError when it does not say."""
    from transformers import AutoConfig

    length = getattr(AutoConfig.from_pretrained(model), "max_position_embeddings", None)
    if length is None:
        raise ValueError(f"'{model}' does not say how many tokens it was made for. Set data.max_length.")
    return int(length)


def overflows_in_float16(model: str) -> bool:
    """Whether a model is a Gemma, by its configuration."""
    from transformers import AutoConfig

    return str(AutoConfig.from_pretrained(model).model_type).startswith("gemma")
