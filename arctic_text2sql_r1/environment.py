# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Tokens and settings from a `.env` file, for the commands that reach the hub and for training.

The file is looked for in the current folder, then in its parents up to the root of the repository around it; outside
a repository in the current folder alone. What the environment sets already is never overridden. Values are put into
the environment of this process and nowhere else: they are not printed, logged or returned. `.env.example` lists what
is worth setting.
"""

import os
import sys
from pathlib import Path

ENV_FILE = ".env"


def load_env_file() -> None:
    """Sets the variables of the nearest `.env` that are not set; lines that are no NAME=value are told by number."""
    path = _nearest(Path.cwd())
    if path is None:
        return
    from dotenv.parser import parse_stream

    with open(path, encoding="utf-8-sig", errors="replace") as file:
        for binding in parse_stream(file):
            if binding.error or (binding.key is not None and binding.value is None):
                line = binding.original.line
                print(f"note: line {line} of '{path}' is not NAME=value and was left out", file=sys.stderr)
            elif binding.key is not None and binding.value:  # NAME= in a copied example means: not set
                os.environ.setdefault(binding.key, binding.value)


def _nearest(start: Path) -> Path | None:
    folders = [start, *start.parents]
    root = next((index for index, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    return next((folder / ENV_FILE for folder in folders[: root + 1] if (folder / ENV_FILE).is_file()), None)
