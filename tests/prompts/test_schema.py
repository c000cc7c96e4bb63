# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Schema text on a small database that has every kind of thing a schema line must cope with."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.prompts.schema import quote_identifier
from arctic_text2sql_r1.prompts.schema import schema_text

GOLDEN = Path(__file__).parent / "golden"
SCRIPT = """
CREATE TABLE zoo (id INTEGER PRIMARY KEY, name TEXT NOT NULL, logo BLOB);
CREATE TABLE "order" (zoo_id INTEGER REFERENCES zoo, "ticket no" INTEGER, note, PRIMARY KEY (zoo_id, "ticket no"));
CREATE TABLE animal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    zoo_id INTEGER,
    visit_zoo INTEGER,
    visit_no INTEGER,
    legs INTEGER GENERATED ALWAYS AS (4) STORED,
    FOREIGN KEY (zoo_id) REFERENCES zoo (id),
    FOREIGN KEY (visit_zoo, visit_no) REFERENCES "order" (zoo_id, "ticket no")
);
CREATE VIEW big AS SELECT * FROM zoo;
INSERT INTO zoo VALUES (1, 'Basel', x'00'), (2, 'Two
Lines', NULL), (5, 'O''Hare', NULL),
    (3, 'a name that is much too long to be shown as a sample', NULL), (4, 'Basel', NULL);
INSERT INTO "order" VALUES (1, 7, 'late'), (1, 8, 2.5);
"""


@pytest.fixture
def zoo(tmp_path: Path) -> str:
    path = tmp_path / "zoo #1?.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return str(path)


@pytest.mark.parametrize("style", ["ddl", "compact"])
def test_schema_is_the_golden_text(zoo: str, style: str) -> None:
    assert schema_text(zoo, style) + "\n" == (GOLDEN / f"schema_{style}.txt").read_text(encoding="utf-8")


def test_ddl_is_sql_that_builds_the_same_schema(zoo: str, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.sqlite")
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(schema_text(zoo, "ddl"))
    assert schema_text(copy, "compact") == schema_text(zoo, "compact")


def test_changed_file_gives_new_text(zoo: str) -> None:
    before = schema_text(zoo, "compact")
    with closing(sqlite3.connect(zoo)) as connection:
        connection.execute("CREATE TABLE keeper (id INTEGER)")
        connection.commit()
    os.utime(zoo, ns=(0, 0))
    assert schema_text(zoo, "compact") == f"{before}\nkeeper: id"


def test_reading_a_schema_leaves_no_file_behind(zoo: str) -> None:
    schema_text(zoo)
    assert os.listdir(os.path.dirname(zoo)) == [os.path.basename(zoo)]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.sqlite.*No such file"):
        schema_text(str(tmp_path / "nowhere.sqlite"))


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("not a database " * 100)
    with pytest.raises(DataError, match=r"text\.sqlite.*not a database"):
        schema_text(str(tmp_path / "text.sqlite"))


def test_database_without_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(DataError, match="has no tables"):
        schema_text(str(tmp_path / "empty.sqlite"))


def test_unknown_style_lists_the_known_ones(zoo: str) -> None:
    with pytest.raises(ValueError, match="'xml'.*ddl, compact"):
        schema_text(zoo, "xml")


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("a_1", "a_1"), ("1a", '"1a"'), ("select", '"select"'), ("é", '"é"'), ('a"b', '"a""b"'), ("", '""')],
)
def test_identifiers_are_quoted_when_needed(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted
