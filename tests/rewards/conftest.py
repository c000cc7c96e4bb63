# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A small real database with one example, and a judge, shared by the tests of this folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.types import Text2SQLExample


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Text2SQLExample:
    path = tmp_path_factory.mktemp("databases") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('pen'), ('ink'), ('pen');")
    return Text2SQLExample("e1", "shop", "Which items are there?", "SELECT name FROM item", str(path))


@pytest.fixture(scope="module")
def judge() -> Iterator[SQLJudge]:
    with SQLJudge(num_workers=2, timeout_s=0.5, max_rows=1000) as instance:
        yield instance
