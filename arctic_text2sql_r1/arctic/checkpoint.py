# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Two checkpoint engines for ArcticTraining: one to continue training, one to use the adapter.

`type: resume` keeps what a run needs to go on (trainable weights, optimizer, scheduler, counters) through DeepSpeed,
without the frozen base weights. `type: adapter` writes a PEFT folder (or a full model without PEFT) that evaluation
loads. Both finish a checkpoint before they name it, so a killed run leaves only complete ones under their names.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from arctic_training.checkpoint.ds_engine import DSCheckpointEngine
from arctic_training.checkpoint.hf_engine import HFCheckpointEngine
from arctic_training.config.checkpoint import CheckpointConfig
from pydantic import Field

from arctic_text2sql_r1.arctic.models import check_origin
from arctic_text2sql_r1.arctic.models import origin
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.quantized import NF4


class ResumeCheckpointConfig(CheckpointConfig):
    """Configuration of `type: resume`."""

    keep_last: int = Field(default=2, ge=1)
    """ Older checkpoints than the last so many are deleted. """


class ResumeCheckpointEngine(DSCheckpointEngine):
    """Saves and restores trainable weights, optimizer, scheduler and counters; frozen weights are left out.

    NOTE: random state is restored by the framework for the saving rank only; rollouts do not depend on it, they are
    seeded from (seed, update, rank).
    """

    name = "resume"
    config: ResumeCheckpointConfig

    @property
    def checkpoint_tag(self) -> str:
        return f"global_step_{self.trainer.global_step}"

    def save(self, model: Any) -> None:
        """Writes one checkpoint, then points `latest` at it, then deletes those beyond `keep_last`."""
        if _already_saved(self):
            return
        state = dict(self.client_state, trainable=_trainable_shapes(model.module), **origin(self.trainer.config))
        peft = self.trainer.config.model.peft_config is not None
        model.save_checkpoint(
            self.checkpoint_dir, tag=self.checkpoint_tag, client_state=state, exclude_frozen_parameters=peft
        )
        if self.global_rank == 0:
            self._delete_old()

    def load(self, model: Any) -> None:
        """Restores the latest checkpoint, if any. Raises `ModelError` when its tensors are not this model's."""
        if not self.latest_checkpoint_exists:
            return
        peft = self.trainer.config.model.peft_config is not None
        path, state = model.load_checkpoint(self.checkpoint_dir, load_module_strict=not peft)
        if path is None:
            raise ModelError(
                f"Cannot resume from '{self.checkpoint_dir}': the checkpoint named in its file 'latest' is not "
                "readable. Write the name of another global_step_* folder there, or delete the file to start anew."
            )
        check_origin(path, saved=state, current=origin(self.trainer.config))
        _check_shapes(path, saved=state["trainable"], current=_trainable_shapes(model.module))
        self.trainer.global_step = state["global_step"]
        model.global_steps = state["global_step"]
        self.trainer.wandb_run_id = state["wandb_run_id"]

    def _delete_old(self) -> None:
        # By age, not by number: after going back to an older checkpoint the higher numbers are the stale ones.
        folders = sorted(self.checkpoint_dir.glob("global_step_*"), key=lambda path: path.stat().st_mtime_ns)
        for folder in folders[: -self.config.keep_last]:
            shutil.rmtree(folder)


class AdapterCheckpointEngine(HFCheckpointEngine):
    """Writes `global_step_N` folders for evaluation, complete or not at all."""

    name = "adapter"
    config: CheckpointConfig

    _folder: Path | None = None

    @property
    def checkpoint_dir(self) -> Path:
        """The folder being written; the framework's parent class fills it."""
        return self._folder if self._folder is not None else self._final_folder

    def save(self, model: Any) -> None:
        """Writes the adapter, its tokenizer and `text2sql_r1.json`, then renames the folder into place."""
        if _already_saved(self):
            return
        with self._incomplete():
            if self.trainer.config.zero_3_enabled:
                self._save_z3_checkpoint(model)
            elif self.global_rank == 0:
                model.save_pretrained(self.checkpoint_dir, safe_serialization=True, max_shard_size="4GB")
            if self.global_rank == 0:
                self.trainer.tokenizer.save_pretrained(self.checkpoint_dir)
                self._write_provenance()

    @property
    def _final_folder(self) -> Path:
        return Path(self.config.output_dir) / f"global_step_{self.trainer.global_step}"

    @contextmanager
    def _incomplete(self) -> Iterator[None]:
        """A scratch folder that takes the final name only when the block ends without an exception."""
        self._folder = self._final_folder.with_suffix(".incomplete")
        try:
            if self.global_rank == 0:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
            yield
            if self.global_rank == 0:
                shutil.rmtree(self._final_folder, ignore_errors=True)
                self._folder.rename(self._final_folder)
        finally:
            self._folder = None

    def _write_provenance(self) -> None:
        """How the adapter was trained: what evaluation must repeat, and where the base model lies."""
        config = self.trainer.config
        record = dict(
            base_model=str(config.model.name_or_path),
            template=config.data.template,
            template_version=config.data.template_version,
            parser=config.parser,
            max_new_tokens=config.max_new_tokens,
            global_step=self.trainer.global_step,
            seed=config.seed,
            dtype=str(config.model.dtype.value).removeprefix("torch."),
            quantization=NF4 if config.model.type == "quantized" else None,
            **origin(config),
        )
        (self.checkpoint_dir / "text2sql_r1.json").write_text(json.dumps(record, indent=2) + "\n")
        self._make_base_path_absolute()

    def _make_base_path_absolute(self) -> None:
        """PEFT records the base model as the recipe spelt it; a relative folder would depend on where one stands."""
        path = self.checkpoint_dir / "adapter_config.json"
        if not path.exists():
            return
        settings = json.loads(path.read_text())
        base = Path(settings["base_model_name_or_path"])
        if base.is_dir():
            settings["base_model_name_or_path"] = str(base.resolve())
            path.write_text(json.dumps(settings, indent=2) + "\n")


def _already_saved(engine: Any) -> bool:
    """Whether this engine saved at this very step; the framework asks again at the end of an epoch and of training."""
    step = engine.trainer.global_step
    saved = getattr(engine, "_saved_step", None) == step
    engine._saved_step = step
    return saved


def _trainable_shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Name and shape of every trainable parameter (ZeRO-3 shards report their full shape)."""
    named = ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)
    return {name: tuple(getattr(parameter, "ds_shape", parameter.shape)) for name, parameter in named}


def _check_shapes(path: str, saved: dict[str, tuple[int, ...]], current: dict[str, tuple[int, ...]]) -> None:
    wrong = [
        f"{name}: checkpoint {saved.get(name, 'missing')}, model {current.get(name, 'missing')}"
        for name in sorted(set(saved) | set(current))
        if saved.get(name) != current.get(name)
    ]
    if len(wrong) > 0:
        raise ModelError(
            f"Checkpoint '{path}' does not belong to this recipe's model: {len(wrong)} trainable tensors differ, "
            f"first {'; '.join(wrong[:3])}. Use the recipe it was made with (rank and target modules of peft_config), "
            "or another output_dir."
        )
