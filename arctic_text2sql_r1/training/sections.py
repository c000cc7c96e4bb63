# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Sections of a `type: grpo` recipe: mappings below one key, see `keys.py` for the keys themselves.

Those named ...Keys are what we add to a section that ArcticTraining has as well: `arctic/` mixes them into the
framework's classes, `standalone/settings.py` into its own.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator
from typing_extensions import Self

from arctic_text2sql_r1.adapters import adapter_folder
from arctic_text2sql_r1.adapters import adapter_settings
from arctic_text2sql_r1.databases.compare import check_mode
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.errors import RegistryError
from arctic_text2sql_r1.prompts.builder import DROP
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.quantized import require_bitsandbytes
from arctic_text2sql_r1.rollout.base import training_engine
from arctic_text2sql_r1.training.publishing import check_push


class Section(BaseModel):
    """Keys that are known and no others, checked as ArcticTraining checks its own."""

    model_config = ConfigDict(
        extra="forbid",
        use_enum_values=True,
        validate_default=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
    )


class RewardConfig(Section):
    """One entry of `rewards:`; a bare name means weight 1."""

    name: str
    """ Registered reward, or `package.module:function`. """

    weight: float = 1.0
    """ Factor of this reward in the weighted sum. """

    options: dict[str, Any] = {}
    """ Keyword arguments of this reward, if it has any. """


class RolloutConfig(Section):
    """Which engine completes prompts, and its bounds."""

    engine: str = "hf"
    """ Registered engine, or `package.module:object`: `hf` is the training model itself, `vllm` a server. """

    max_batch_rows: int | None = Field(default=None, ge=1)
    """ Most completions sampled together; lower it when the key-value cache does not fit. Unset: all of a rollout. """

    url: str = Field(default="http://127.0.0.1:8000", pattern="^https?://")
    """ Where the engine's server listens, if it has one. """

    timeout_s: float = Field(default=600.0, gt=0)
    """ Longest wait for a server's answer, in seconds: all samples of one prompt, or the loading of an adapter. """

    @field_validator("engine")
    @classmethod
    def _can_follow_training(cls, value: str) -> str:
        try:
            training_engine(value)
        except RegistryError as error:
            raise ValueError(str(error)) from error
        return value


class SQLConfig(Section):
    """How SQL is executed and compared."""

    timeout_s: float = Field(default=5.0, gt=0)
    """ Longest time one query may run, in seconds of wall time. """

    max_rows: int = Field(default=100_000, ge=1)
    """ A result with more rows than this ends with status `limit`. """

    workers: int = Field(default=2, ge=1)
    """ Worker processes per rank. """

    batch_timeout_s: float = Field(default=600.0, gt=0)
    """ Longest time of one scoring call's golds or predictions; rows that did not run by then are left unscored. """

    compare: str = "default"
    """ When two results are the same: a mode of `databases/compare.py`. """

    @field_validator("compare")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        check_mode(value)
        return value


class LogsConfig(Section):
    """What is logged besides a line per step; where to W&B and TensorBoard is said by the frameworks' own keys."""

    completions_every: int = Field(default=10, ge=0)
    """ Updates between two tables of completions for W&B and TensorBoard, where these are on; 0: none. """

    rollouts_max_gb: float = Field(default=10.0, gt=0)
    """ Most disk that the log of completions takes, in units of 10^9 bytes; beyond it its oldest part is deleted. """


class GuardsConfig(Section):
    """When a run is stopped, or taken back to its best weights; updates that are not finite always stop it."""

    abort_after: int = Field(default=0, ge=0)
    """ Stop after so many steps in a row in which no group had different rewards; 0: only warn. """

    rollback: bool = False
    """ Restore the best checkpoint when a collapse (entropy, KL, repetition, reward) lasts more than ten steps. """


class EvaluationConfig(Section):
    """How `data.eval_sources` are asked every `eval_interval` updates, whatever the rollouts do."""

    before_training: bool = True
    """ Evaluate before the first update as well: what the run starts from. """

    questions: int | None = Field(default=None, ge=1)
    """ Most questions of one evaluation, the same ones every time; unset: all. """

    temperature: float = Field(default=0.0, ge=0)
    """ 0 decodes greedily. """

    num_samples: int = Field(default=1, ge=1)
    """ Completions per question; the accuracy is their mean. """

    max_new_tokens: int | None = Field(default=None, ge=1)
    """ Completion length limit in tokens, at most the rollouts'; unset: the same. """

    @model_validator(mode="after")
    def _greedy_samples_are_alike(self) -> Self:
        if self.temperature == 0 and self.num_samples > 1:
            raise ValueError(
                f"evaluation.num_samples is {self.num_samples} with evaluation.temperature 0, which would draw the "
                f"same completion {self.num_samples} times. Set a temperature above 0, or num_samples 1."
            )
        return self


class DataKeys(Section):
    """How questions become prompts."""

    template: str = "arctic"
    """ Prompt template as NAME or NAME/SCHEMA-STYLE, see `prompts/templates.py` and `prompts/styles.py`. """

    long_prompts: str = DROP
    """ What happens to prompts without room in the context: `drop`, or `shorten`, which writes the schema shorter, but
    every table and column. """

    @field_validator("template")
    @classmethod
    def _known_template(cls, value: str) -> str:
        return get_template(value).name


class SourceKeys(Section):
    """One entry of `data.sources`: a JSON or JSONL file, a folder that `prepare` wrote, or one in Spider's layout."""

    path: str
    """ File or folder with the questions; relative paths start where the command runs. """

    databases: str | None = None
    """ Folder with <db_id>/<db_id>.sqlite or <db_id>.sqlite. Unset: looked for beside `path`. """


class AdapterKeys(Section):
    """What a policy starts from besides its base model."""

    peft_config: dict[str, Any] | None = None
    """ LoRA settings as PEFT's LoraConfig takes them, and `peft_type: Lora`; unset: all weights are trained. """

    adapter: Path | None = None
    """ LoRA folder that the policy starts from, trained before by this or another trainer, or a folder in which the
    framework's own checkpoints stand, of which the newest is taken. Its rank, target modules and so on are then those
    of the policy, and it is the reference of the KL term. Unset: a new adapter by `peft_config`. """

    @model_validator(mode="after")
    def _settings_of_the_adapter(self) -> Self:
        if self.adapter is None:
            return self
        try:
            self.adapter = adapter_folder(self.adapter)
            settings = adapter_settings(self.adapter)
        except ModelError as error:
            raise ValueError(f"model.adapter: {error}") from error
        if self.peft_config not in (None, settings):
            raise ValueError(
                f"model.adapter and model.peft_config are both set, but the settings of an adapter that exists are "
                f"its own: those of '{self.adapter}' are {settings}. Remove model.peft_config."
            )
        self.peft_config = settings
        return self


def require_trainable_base(peft_config: dict[str, Any] | None) -> None:
    """Raises ValueError where a quantised model would have nothing to train, or cannot be loaded at all."""
    if peft_config is None:
        raise ValueError(
            "model.type is quantized, but four-bit weights cannot be trained and there is no adapter. Add "
            "model.peft_config, or name one that exists as model.adapter."
        )
    try:
        require_bitsandbytes()
    except ModelError as error:
        raise ValueError(str(error)) from error


class RunCheckpointKeys(Section):
    """Keys of a checkpoint of `type: run`."""

    auto_resume: bool = False
    """ Continue the newest run of `output_dir`; else a new one begins. """

    keep_last: int = Field(default=2, ge=1)
    """ Saved steps to keep besides `best`; older ones are deleted. """

    resume: Path | None = None
    """ Begin a new run from this step's folder, such as OUTPUT_DIR/run_1/best, instead of continuing the newest. """

    push_to_hub: str | None = None
    """ USER/NAME: at the regular end of training the best step, or the last, is uploaded there with its card. """

    push_merged: bool = False
    """ Upload the merged bfloat16 model too, as USER/NAME-merged. """

    push_private: bool = False
    """ Make private repositories; a public one that is there is then refused. """

    @field_validator("push_to_hub")
    @classmethod
    def _upload_can_begin(cls, value: str | None) -> str | None:
        return check_push(value)

    @model_validator(mode="after")
    def _resume_is_asked_for(self) -> Self:
        # ArcticTraining loads only where auto_resume is set.
        self.auto_resume = self.auto_resume or self.resume is not None
        return self
