# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Step logs across interruptions: one file tells one run, each step once, and nothing is lost.

Works on any JSONL whose rows carry a step number: the rollout log and ArcticTraining's metrics file, which otherwise
would mix runs and repeat the steps between a checkpoint and a kill.
"""

import shutil
from pathlib import Path

from arctic_text2sql_r1.data.jsonl import read_json_log
from arctic_text2sql_r1.data.jsonl import write_json_lines


def continue_log(path: Path, *, step_key: str, last_step: int, keep_earlier: bool = False) -> None:
    """Prepare `path` for a run that has made `last_step` steps.

    A new run (0 steps) moves an earlier run's rows to the first free `NAME.1.jsonl`, `NAME.2.jsonl`, ... A resumed
    one drops rows of steps after `last_step`, which it is about to make again; with `keep_earlier`, for a run that
    branches off another, the whole file is first copied to such a name. A missing or empty file is left alone.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    if last_step == 0:
        path.rename(_free_name(path))
        return
    if keep_earlier:
        shutil.copyfile(path, _free_name(path))
    write_json_lines(path, [row for row in read_json_log(path) if row[step_key] <= last_step])


def _free_name(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return candidate
