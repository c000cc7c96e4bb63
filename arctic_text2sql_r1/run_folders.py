# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Folders of training runs: numbered runs, complete steps, and two links that say which step is last and which best.

    OUTPUT_DIR/run_1/
    ├── step_000004/          what evaluation loads: adapter or model, tokenizer, text2sql_r1.json
    │   ├── resume/           what training continues from
    │   └── manifest.json     size and SHA-256 of every file
    ├── step_000006/
    ├── best -> step_000004
    └── last -> step_000006

A step is written under another name and renamed when it is whole, so that a kill leaves only complete ones under their
names; the manifest finds what happens to them later. The links follow from the folders and can always be made anew.
What stands inside a step is `training/run_checkpoints.py`'s affair; nothing here needs torch.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from arctic_text2sql_r1.errors import ModelError

MANIFEST = "manifest.json"
TRAINING_RECORD = "text2sql_r1.json"  # how the weights beside it were trained, and what they scored
INCOMPLETE = ".incomplete"
DAMAGED = ".damaged"
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Digest:
    """What the manifest knows of a file."""

    size: int
    sha256: str


class Best(NamedTuple):
    """The step with the highest execution accuracy on the evaluation questions; the earliest of several."""

    step: int
    accuracy: float


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    def step_folder(self, step: int) -> Path:
        """Where the checkpoint after `step` updates lies, or will."""
        return self.path / f"step_{step:06d}"

    def steps(self) -> list[int]:
        """The steps that were completely saved, ascending."""
        names = (re.fullmatch(r"step_(\d+)", entry.name) for entry in self.path.iterdir())
        return sorted(int(match[1]) for match in names if match is not None)

    def best(self) -> Best | None:
        """None when no step that is left was evaluated."""
        scored = [(step, recorded_accuracy(self.step_folder(step))) for step in self.steps()]
        found = [Best(step, accuracy) for step, accuracy in scored if accuracy is not None]
        return max(found, key=lambda best: best.accuracy, default=None)  # max keeps the first of equals

    def begin(self, step: int) -> Path:
        """An empty folder to write `step` in."""
        scratch = _with_suffix(self.step_folder(step), INCOMPLETE)
        _remove(scratch)
        scratch.mkdir()
        return scratch

    def finish(self, step: int, digests: Mapping[str, Digest]) -> None:
        """Gives the folder of `begin` its manifest and its name, once everything in it is on disk."""
        scratch = _with_suffix(self.step_folder(step), INCOMPLETE)
        write_manifest(scratch, digests)
        for path in (scratch / MANIFEST, *(entry for entry in scratch.rglob("*") if entry.is_dir()), scratch):
            _flush(path)
        scratch.rename(self.step_folder(step))
        _flush(self.path)

    def point_links(self) -> None:
        """Makes `last` and `best` name the right steps; a link without a step to name is removed."""
        steps, best = self.steps(), self.best()
        self._point("last", None if len(steps) == 0 else self.step_folder(steps[-1]).name)
        self._point("best", None if best is None else self.step_folder(best.step).name)

    def delete_old(self, keep_last: int) -> None:
        """Deletes all steps but the newest `keep_last` and the best."""
        best = self.best()
        for step in self.steps()[:-keep_last]:
            if best is None or step != best.step:
                # Under its own name a half deleted step would look complete.
                doomed = _with_suffix(self.step_folder(step), INCOMPLETE)
                self.step_folder(step).rename(doomed)
                shutil.rmtree(doomed)

    def set_aside(self, step: int) -> None:
        """Renames a damaged step, so that it can be examined and is not counted."""
        aside = _with_suffix(self.step_folder(step), DAMAGED)
        _remove(aside)
        self.step_folder(step).rename(aside)

    def sweep(self) -> None:
        """Removes what interrupted writing left behind."""
        for leftover in self.path.glob(f"*{INCOMPLETE}"):
            _remove(leftover)

    def _point(self, name: str, target: str | None) -> None:
        link = self.path / name
        if target is None or (link.is_dir() and not link.is_symlink()):  # a copy may have made a folder of it
            _remove(link)
        if target is not None:
            scratch = _with_suffix(link, INCOMPLETE)
            _remove(scratch)
            scratch.symlink_to(target)  # relative, so that a run can be moved
            scratch.replace(link)


def newest_run(output_dir: Path) -> RunFolder | None:
    """The run with the highest number; None when there is none."""
    numbers = _run_numbers(output_dir)
    return RunFolder(output_dir / f"run_{max(numbers)}") if len(numbers) > 0 else None


def new_run(output_dir: Path) -> RunFolder:
    """Makes the folder of the next free number."""
    path = output_dir / f"run_{max(_run_numbers(output_dir), default=0) + 1}"
    path.mkdir(parents=True)
    return RunFolder(path)


def files_below(folder: Path) -> list[str]:
    """Names of all files, relative to `folder`, sorted; without the manifest."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST)


def digest(path: Path, *, flush: bool = False) -> Digest:
    """Size and hash of a file; `flush` also waits until the file is on disk."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            sha256.update(block)
        if flush:
            os.fsync(file.fileno())
        return Digest(size=file.tell(), sha256=sha256.hexdigest())


def write_manifest(folder: Path, digests: Mapping[str, Digest]) -> None:
    """Writes what `read_manifest` reads."""
    content = json.dumps({name: asdict(digests[name]) for name in sorted(digests)}, indent=2)
    (folder / MANIFEST).write_text(content + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Digest]:
    """File name to digest. Raises `ModelError` when it is missing or unreadable: the checkpoint cannot be trusted."""
    path = folder / MANIFEST
    try:
        return {name: Digest(**entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"'{path}' is missing or unreadable ({type(error).__name__}: {error})") from error


def first_fault(folder: Path, expected: Mapping[str, Digest]) -> str | None:
    """What is wrong with the first of `expected` that is not as it was written, with found and expected; else None."""
    for name, digest_then in expected.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            return f"'{name}' is missing, expected {digest_then.size} bytes"
        if size != digest_then.size:
            return f"'{name}' has {size} bytes, expected {digest_then.size}"
        found = digest(path).sha256
        if found != digest_then.sha256:
            return f"'{name}' has SHA-256 {found[:12]}, expected {digest_then.sha256[:12]}"
    return None


def recorded_accuracy(folder: Path) -> float | None:
    """The execution accuracy noted beside a checkpoint's weights; None when that step was not evaluated."""
    try:
        accuracy = json.loads((folder / TRAINING_RECORD).read_text(encoding="utf-8")).get("execution_accuracy")
    except (OSError, ValueError):
        return None  # damaged: found and told when somebody loads it
    return None if accuracy is None else float(accuracy)


def _run_numbers(output_dir: Path) -> list[int]:
    names = (re.fullmatch(r"run_(\d+)", entry.name) for entry in output_dir.glob("run_*"))
    return [int(match[1]) for match in names if match is not None]


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
