# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of `type: run`: one folder per saved step, to evaluate, to continue from, to go back to.

A step's folder holds the policy as evaluation loads it (PEFT adapter, or the model without PEFT) and in `resume/` what
training needs besides the recipe: the engine's state without the frozen weights, random states, and facts to check.
Folders, links and manifests are `run_folders.py`, facts and random states `checkpoint_state.py`; where in the data a
resumed run stands follows from the number of updates, see `steps.py`. When to save is decided by the classes that mix
this one in: `arctic/checkpoint.py`, `standalone/checkpoints.py`.

All ranks come to every call. Rank 0 alone changes folders; each rank hashes its share of the files.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeVar

import torch

from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.run_folders import TRAINING_RECORD
from arctic_text2sql_r1.run_folders import Best
from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.run_folders import digest
from arctic_text2sql_r1.run_folders import files_below
from arctic_text2sql_r1.run_folders import first_fault
from arctic_text2sql_r1.run_folders import new_run
from arctic_text2sql_r1.run_folders import newest_run
from arctic_text2sql_r1.run_folders import read_manifest
from arctic_text2sql_r1.training.checkpoint_state import check_origin
from arctic_text2sql_r1.training.checkpoint_state import make_base_path_absolute
from arctic_text2sql_r1.training.checkpoint_state import origin
from arctic_text2sql_r1.training.checkpoint_state import random_state
from arctic_text2sql_r1.training.checkpoint_state import require_same_run
from arctic_text2sql_r1.training.checkpoint_state import run_facts
from arctic_text2sql_r1.training.checkpoint_state import set_random_state
from arctic_text2sql_r1.training.checkpoint_state import trainable_shapes
from arctic_text2sql_r1.training.checkpoint_state import write_json
from arctic_text2sql_r1.training.provenance import provenance
from arctic_text2sql_r1.training.ranks import barrier
from arctic_text2sql_r1.training.ranks import gather

T = TypeVar("T")

RESUME = "resume"  # folder within a step's
STATE = "state.json"


class RunCheckpoints:
    """Saves, restores and keeps the steps of one run of `trainer`, as `config` (`sections.RunCheckpointKeys`) says."""

    trainer: Any
    config: Any
    tag = "deepspeed"  # the engine's folder within `resume/`

    run: RunFolder | None = None
    _best_accuracy: float | None = None
    _saved_step: int | None = None
    _scratch: Path | None = None

    @property
    def folder_being_written(self) -> Path:
        """Where `save` is writing."""
        assert self._scratch is not None
        return self._scratch

    @property
    def is_saved(self) -> bool:
        """Whether the policy as it is has been saved: loops ask again at the end of an epoch and of training."""
        return bool(self._saved_step == self.trainer.global_step)

    # ----- saving -------------------------------------------------------------------------------------------------

    def save_step(self, model: Any) -> None:
        """Writes this step's folder, points `last` and `best`, deletes steps beyond `keep_last`."""
        step = self.trainer.global_step
        run = self._open_run()
        self._scratch = self._from_rank_0(lambda: run.begin(step))
        self._write_policy(model)
        self._write_resume_state(model, self._scratch / RESUME)
        barrier()
        files = self._from_rank_0(lambda: files_below(self.folder_being_written))
        self._require_shared_folder(files)
        shares = gather({name: digest(self._scratch / name, flush=True) for name in self._own_share(files)})
        if self.trainer.global_rank == 0:
            run.finish(step, {name: found for share in shares for name, found in share.items()})
            run.point_links()
            run.delete_old(self.config.keep_last)
        barrier()
        if self.is_new_best():
            self._best_accuracy = self.trainer.evaluated_accuracy
        self._scratch, self._saved_step = None, step

    def _write_policy(self, model: Any) -> None:
        """The policy as evaluation loads it, its tokenizer and how it was trained."""
        module = model.module
        self.write_weights(model)
        if self.trainer.global_rank != 0:
            return
        if self.trainer.config.model.peft_config is None:
            module.generation_config.save_pretrained(self.folder_being_written)  # which tokens end a completion
        self.trainer.tokenizer.save_pretrained(self.folder_being_written)
        write_json(self.folder_being_written / TRAINING_RECORD, provenance(self.trainer))
        make_base_path_absolute(self.folder_being_written / "adapter_config.json")

    def write_weights(self, model: Any) -> None:
        """The adapter, or the model without PEFT, into `folder_being_written`."""
        if self.trainer.global_rank == 0:
            model.module.save_pretrained(self.folder_being_written, safe_serialization=True, max_shard_size="4GB")

    def _write_resume_state(self, model: Any, folder: Path) -> None:
        """What training continues from: shards and random state of every rank, counters, facts to be checked."""
        model.save_checkpoint(folder, tag=self.tag, save_latest=False, exclude_frozen_parameters=True)
        torch.save(random_state(), folder / _random_file(self.trainer.global_rank))
        if self.trainer.global_rank == 0:
            state = dict(
                global_step=self.trainer.global_step,
                wandb_run_id=self.trainer.wandb_run_id,
                facts=run_facts(self.trainer),
                origin=origin(self.trainer.config),
                trainable=trainable_shapes(model.module),
            )
            write_json(folder / STATE, state)

    def _require_shared_folder(self, files: list[str]) -> None:
        folder = self.folder_being_written
        missing = [rank for rank in range(self.trainer.world_size) if f"{RESUME}/{_random_file(rank)}" not in files]
        if len(missing) > 0:
            raise TrainingError(
                f"Saving step {self.trainer.global_step}: rank 0 does not see in '{folder}' what ranks {missing} "
                f"wrote. All nodes must see the same output_dir; name a folder on a shared file system."
            )

    def _open_run(self) -> RunFolder:
        """The run this job writes to: the one it continues, or a new one."""
        if self.run is None:
            self.run = self._from_rank_0(lambda: new_run(self.config.output_dir))
        return self.run

    def is_new_best(self) -> bool:
        """Whether the latest evaluation found the policy better than every step that is saved."""
        accuracy = self.trainer.evaluated_accuracy
        return accuracy is not None and (self._best_accuracy is None or accuracy > self._best_accuracy)

    # ----- loading ------------------------------------------------------------------------------------------------

    def load_run(self, model: Any) -> None:
        """Restores the newest intact step of the newest run, or the one that `resume` names.

        Without any run nothing is restored. Raises `ModelError` when a checkpoint is damaged and no older one is
        left, or when it belongs to another recipe.
        """
        if self.config.resume is not None:
            folder = self._from_rank_0(self.config.resume.resolve)
            if (fault := self._fault(folder)) is not None:
                raise ModelError(f"Cannot resume from '{self.config.resume}': {fault}. Name another step's folder.")
            self._continue_from(model, folder)
            self.trainer.wandb_run_id = None
            return
        self.run = self._from_rank_0(lambda: newest_run(self.config.output_dir))
        if self.run is None:
            return
        step = self._newest_intact(self.run)
        best = self._from_rank_0(self._tidy)
        self._best_accuracy = None if best is None else best.accuracy
        if step is not None:
            self._continue_from(model, self.run.step_folder(step))
            self._saved_step = step

    def restore_best(self, model: Any) -> Best:
        """Puts weights and optimizer back to those of `best`; counters, data and the learning-rate schedule go on.

        Returns which step that was. Raises `TrainingError` when this run has no `best`, `ModelError` when it is
        damaged.
        """
        run = self.run
        best = None if run is None else self._from_rank_0(run.best)
        if run is None or best is None:
            raise TrainingError(
                f"Cannot go back to the best checkpoint: the run in '{self.config.output_dir}' has none yet. It needs "
                "data.eval_sources and eval_interval, and an evaluation before the first time it is asked for."
            )
        folder = run.step_folder(best.step)
        if (fault := self._fault(folder)) is not None:
            raise ModelError(f"Cannot go back to the best checkpoint '{folder}': {fault}.")
        counters = dict(global_steps=model.global_steps, global_samples=model.global_samples)
        schedule = model.lr_scheduler.state_dict()
        self._restore(model, folder)
        vars(model).update(counters)
        # A rate that went up again would lead into the same collapse, and the run would end before its schedule.
        model.lr_scheduler.load_state_dict(schedule)
        for group, rate in zip(model.optimizer.param_groups, model.lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
        return best

    def _newest_intact(self, run: RunFolder) -> int | None:
        """The step to continue from; None when none was ever completed. Damaged ones are told and set aside."""
        damaged: list[tuple[int, str]] = []
        for step in reversed(self._from_rank_0(run.steps)):
            fault = self._fault(run.step_folder(step))
            if fault is None:
                for worse, reason in damaged:
                    self._announce_fallback(run, worse, reason, instead=step)
                return step
            damaged.append((step, fault))
        if len(damaged) > 0:
            faults = "; ".join(f"{run.step_folder(step).name}: {fault}" for step, fault in damaged)
            raise ModelError(
                f"Cannot resume from '{run.path}': no checkpoint in it is intact ({faults}). Restore one from a copy, "
                "or start another run with auto_resume: false."
            )
        return None

    def _announce_fallback(self, run: RunFolder, step: int, fault: str, *, instead: int) -> None:
        if self.trainer.global_rank == 0:
            run.set_aside(step)
            print(
                f"[grpo] WARNING: checkpoint '{run.step_folder(step)}' is damaged: {fault}. Continuing from "
                f"'{run.step_folder(instead).name}' instead; the damaged one is kept under another name."
            )
        barrier()

    def _tidy(self) -> Best | None:
        assert self.run is not None
        self.run.sweep()
        self.run.point_links()
        return self.run.best()

    def _fault(self, folder: Path) -> str | None:
        """What is wrong with a checkpoint's files, the same on every rank; None when nothing is."""

        def check() -> str | None:
            try:
                expected = read_manifest(folder)
            except ModelError as error:
                return str(error)
            return first_fault(folder, {name: expected[name] for name in self._own_share(sorted(expected))})

        return next((fault for fault in gather(check()) if fault is not None), None)

    def _continue_from(self, model: Any, folder: Path) -> None:
        state = self._restore(model, folder)
        self.trainer.global_step = model.global_steps = state["global_step"]
        self.trainer.wandb_run_id = state["wandb_run_id"]
        random_file = folder / RESUME / _random_file(self.trainer.global_rank)
        set_random_state(torch.load(random_file, weights_only=False))

    def _restore(self, model: Any, folder: Path) -> dict[str, Any]:
        """Loads weights, optimizer and schedule of `folder` if they are this run's; returns the folder's state."""
        state: dict[str, Any] = json.loads((folder / RESUME / STATE).read_text())
        check_origin(str(folder), saved=state["origin"], current=origin(self.trainer.config))
        require_same_run(folder, state, run_facts(self.trainer), trainable_shapes(model.module))
        # Frozen weights are not in the checkpoint, so the engine must not insist on them; ours were compared above.
        path, _ = model.load_checkpoint(folder / RESUME, tag=self.tag, load_module_strict=False)
        if path is None:
            raise ModelError(f"Nothing was found to load in '{folder / RESUME / self.tag}'.")
        self.after_load(model)
        return state

    def after_load(self, model: Any) -> None:
        """Whatever an engine needs once its state is back."""

    # ----- ranks --------------------------------------------------------------------------------------------------

    def _from_rank_0(self, action: Callable[[], T]) -> T:
        """What rank 0 gets from `action`, on all ranks; folders look different from rank to rank while one changes."""
        result = action() if self.trainer.global_rank == 0 else None
        return gather(result)[0]  # type: ignore[return-value]

    def _own_share(self, files: list[str]) -> list[str]:
        return files[self.trainer.global_rank :: self.trainer.world_size]


def _random_file(rank: int) -> str:
    return f"random_state_rank_{rank}.pt"
