# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Makes the scripts of the project's training_data folder importable, and builds their sets once for all tests."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "projects" / "arctic_text2sql_r1" / "training_data"
sys.path.insert(0, str(FOLDER))

Row = dict[str, str | bool]
Sets = dict[str, list[Row]]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def committed() -> Sets:
    """rl, dev and dev_unseen as the repository holds them."""
    names = ("rl", "dev", "dev_unseen")
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in names}


@pytest.fixture(scope="session")
def rebuilt() -> Sets:
    """All four sets, built anew with the documented sizes."""
    from build_questions import build_sets

    return build_sets(FOLDER / "databases", seed=0, sizes=dict(dev_unseen=200, dev=480, rl=1600, warmup=16000))


@pytest.fixture(scope="session")
def connections() -> Iterator[dict[str, sqlite3.Connection]]:
    """A read-only connection to each committed database."""
    files = sorted((FOLDER / "databases").glob("*/*.sqlite"))
    opened = {file.stem: sqlite3.connect(f"file:{file}?mode=ro", uri=True) for file in files}
    yield opened
    for connection in opened.values():
        connection.close()
