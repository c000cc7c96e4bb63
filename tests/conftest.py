# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What every test may ask for: a small database, the Spider folder, and an environment that needs no make.

Fixtures that only one folder uses live in that folder's own conftest.py.
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# `python -m pytest` without make and without an activated environment finds ninja, `arctic_training` and the
# operators that `make ops` compiled; what the caller set stays.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(REPOSITORY / ".cache" / "torch_extensions"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A shell that runs tests in the background switches Ctrl-C off for them and for all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# NULLs (age, theme, singer_id), a duplicate row apart from its key (singers 3 and 4), unicode and quotes in values.
CONCERT_SQL = """
CREATE TABLE stadium (stadium_id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, capacity INTEGER);
CREATE TABLE singer (singer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT, age INTEGER, fee REAL);
CREATE TABLE concert (
    concert_id INTEGER PRIMARY KEY, title TEXT, theme TEXT, held_on TEXT,
    stadium_id INTEGER REFERENCES stadium (stadium_id), singer_id INTEGER REFERENCES singer (singer_id)
);
INSERT INTO stadium VALUES
    (1, 'Stark''s Park', 'Kirkcaldy', 10104), (2, 'Estádio da Luz', 'Lisboa', 64642), (3, '東京ドーム', '東京', 55000);
INSERT INTO singer VALUES
    (1, 'Zoë', 'France', 52, 1500.5), (2, 'John O''Nizinik', 'France', 43, 900.0), (3, 'Rose', 'Japan', 41, 720.25),
    (4, 'Rose', 'Japan', 41, 720.25), (5, '"Tribal" King', 'Netherlands', NULL, 300.0);
INSERT INTO concert VALUES
    (1, 'Auditions', 'Free choice', '2014-06-01', 1, 1), (2, 'Super bootcamp', NULL, '2014-11-30', 2, 2),
    (3, 'Home Visits', 'Bleeding Love', '2015-02-28', 2, 3), (4, 'Week 1', NULL, '2015-03-01', 3, NULL);
"""


@pytest.fixture
def concert_db(tmp_path: Path) -> Path:
    """A SQLite file of three tables (stadium, singer, concert), in the folder layout that readers expect."""
    path = tmp_path / "concert" / "concert.sqlite"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(CONCERT_SQL)
    connection.close()
    return path


@pytest.fixture(scope="session")
def spider_root() -> Path:
    """The Spider folder beside the repository; the test skips where there is none."""
    root = REPOSITORY.parent / "shared" / "spider"
    if not root.is_dir():
        pytest.skip("needs Spider in ../shared/spider, which is not part of the repository")
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips gpu tests where no CUDA device can be used; torch is imported only when there is such a test.

    Files with slow tests come first, so that no core is left alone with one of them at the end.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if len(gpu_items) == 0 or _cuda_is_usable():
        return
    for item in gpu_items:
        item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and DS_ACCELERATOR other than cpu"))


def _cuda_is_usable() -> bool:
    if os.environ.get("DS_ACCELERATOR") == "cpu":
        return False
    import torch

    return torch.cuda.is_available()
