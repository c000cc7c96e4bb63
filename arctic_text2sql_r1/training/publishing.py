# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`push_to_hub` of a recipe's checkpoint: what is checked before training, and the upload behind its regular end.

The upload is what `text2sql-r1 export` and `push` do, in processes of their own on rank 0: whatever becomes of them,
the run ends as it would have, and the commands that would do it later are printed.
"""

import shlex
import subprocess
import sys
from typing import Any

from arctic_text2sql_r1.adapters import ADAPTER_CONFIG
from arctic_text2sql_r1.errors import PublishingError
from arctic_text2sql_r1.publishing.upload import check_repo
from arctic_text2sql_r1.publishing.upload import require_access
from arctic_text2sql_r1.run_folders import RunFolder


def check_push(repo: str | None) -> str | None:
    """`repo`, if an upload to it could begin. Raises `ValueError` where it could not: no name, no token, offline."""
    if repo is None:
        return None
    try:
        check_repo(repo)
        require_access(repo)
    except PublishingError as error:
        raise ValueError(f"push_to_hub: {error}") from error
    return repo


def push_finished(trainer: Any) -> None:
    """Uploads the best step, or the last, of each run whose checkpoint says so; after a regular end, on rank 0."""
    if trainer.global_rank != 0 or not trainer.training_finished:
        return
    for engine in trainer.run_checkpoints:
        if engine.config.push_to_hub is not None and engine.run is not None and len(engine.run.steps()) > 0:
            upload_all(push_commands(engine.config, engine.run))


def push_commands(config: Any, run: RunFolder) -> list[list[str]]:
    """Arguments of `text2sql-r1`, command by command. A model without adapter is one already, and is not merged."""
    best = run.path / "best"
    step = (best if best.exists() else run.path / "last").resolve()
    private = ["--private"] if config.push_private else []
    commands = [["push", str(step), config.push_to_hub, *private]]
    if config.push_merged and (step / ADAPTER_CONFIG).is_file():
        merged = run.path.resolve() / f"merged_{step.name}"
        if not merged.exists():
            commands.append(["export", "--adapter", str(step), "--out", str(merged)])
        commands.append(["push", str(merged), f"{config.push_to_hub}-merged", *private])
    return commands


def upload_all(commands: list[list[str]]) -> None:
    """Runs the commands one after the other; where one fails, it and those left are printed for later."""
    for number, command in enumerate(commands):
        print(f"[grpo] {_told(command)}", flush=True)
        ended = subprocess.run([sys.executable, "-m", "arctic_text2sql_r1.cli", *command], stdin=subprocess.DEVNULL)
        if ended.returncode != 0:
            later = "\n".join(f"    {_told(left)}" for left in commands[number:])
            print(f"[grpo] WARNING: not uploaded; nothing of the run is lost. To do it later:\n{later}", flush=True)
            return


def _told(command: list[str]) -> str:
    return shlex.join(["text2sql-r1", *command])
