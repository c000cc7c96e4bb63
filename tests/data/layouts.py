# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Spider and BIRD in miniature: a few rows made by us, in the layout that the real ones have on disk."""

import argparse
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.data.sources.base import DATA_SOURCES
from arctic_text2sql_r1.data.sources.base import SourceContent
from arctic_text2sql_r1.data.sources.base import Workplace

PETS = "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO pet VALUES (1, 'Tom'), (2, 'Zoë');"
# The name of the second shop is Latin-1, as it is in some tables of BIRD.
SHOPS = """
CREATE TABLE shop (`Shop ID` INTEGER PRIMARY KEY, name TEXT, opened TEXT);
INSERT INTO shop VALUES (1, 'Corner', '1999-01-01'), (2, CAST(x'436166e9' AS TEXT), NULL);
"""
DESCRIPTION = "original_column_name,column_name,column_description,data_format,value_description\n"


def database(folder: Path, db_id: str, script: str = PETS) -> Path:
    path = folder / db_id / f"{db_id}.sqlite"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def written(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def spider_row(
    db_id: str, question: str = "How many pets?", query: str = "SELECT count(*) FROM pet"
) -> dict[str, Any]:
    return dict(
        db_id=db_id,
        query=query,
        query_toks=query.split(),
        query_toks_no_value=query.lower().split(),
        question=question,
        question_toks=question.split(),
        sql=dict(select=[False, [[3, [0, [0, 0, False], None]]]], where=[]),
    )


def spider(root: Path) -> Path:
    """Two train rows, one of the others, two dev rows and one test row."""
    for db_id in ("pets_1", "pets_2", "pets_old", "pets_dev"):
        database(root / "database", db_id)
    database(root / "test_database", "pets_test")
    written(
        root / "train_spider.json",
        [spider_row("pets_1"), spider_row("pets_2", "Who is there?", "SELECT name FROM pet")],
    )
    written(root / "train_others.json", [spider_row("pets_old")])
    written(root / "dev.json", [spider_row("pets_dev"), spider_row("pets_dev", "Names?", "SELECT name FROM pet")])
    written(root / "test.json", [spider_row("pets_test")])
    table = dict(table_names_original=["pet"], table_names=["pet"], column_names=[[-1, "*"], [0, "id"], [0, "name"]])
    for name, db_ids in (
        ("tables.json", ("pets_1", "pets_2", "pets_old", "pets_dev")),
        ("test_tables.json", ("pets_test",)),
    ):
        written(root / name, [dict(db_id=db_id, **table) for db_id in db_ids])
    (root / "dev_gold.sql").write_text("SELECT count(*) FROM pet\tpets_dev\n")
    return root


def spider_of(root: Path, databases: Path, train: list[dict[str, Any]], dev: list[dict[str, Any]]) -> Path:
    """Pairs with `question` and `gold_sql` over a folder of databases, laid out as Spider."""
    shutil.copytree(databases, root / "database")
    for name, pairs in (("train_spider.json", train), ("dev.json", dev)):
        written(root / name, [spider_row(pair["db_id"], pair["question"], pair["gold_sql"]) for pair in pairs])
    return root


def bird_of(root: Path, databases: Path, train: list[dict[str, Any]], dev: list[dict[str, Any]]) -> Path:
    """The same, laid out as BIRD, without evidence and descriptions."""
    for name, pairs in (("train", train), ("dev", dev)):
        shutil.copytree(databases, root / name / f"{name}_databases")
        rows = [
            dict(db_id=pair["db_id"], question=pair["question"], evidence="", SQL=pair["gold_sql"]) for pair in pairs
        ]
        written(root / name / f"{name}.json", rows)
    return root


def spider_archive(folder: Path) -> bytes:
    """The folder as its authors pack it, on a machine that adds something of its own."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.rglob("*")):
            zipped.write(path, path.relative_to(folder.parent))
        zipped.writestr("__MACOSX/spider_data/._dev.json", b"\x00\x05\x16\x07")
    return content.getvalue()


def bird_row(db_id: str, number: int | None = None, difficulty: str | None = None) -> dict[str, Any]:
    row = dict(
        db_id=db_id,
        question="How many shops are old?",
        evidence="old refers to opened < '2000-01-01'",
        SQL="SELECT COUNT(`Shop ID`) FROM shop WHERE opened < '2000-01-01'",
    )
    numbered = {} if number is None else dict(question_id=number)
    return {**numbered, **row, **({} if difficulty is None else dict(difficulty=difficulty))}


def bird_database(folder: Path, db_id: str) -> Path:
    """A database with its descriptions: a byte order mark, a Windows-1252 dash, and a file that macOS added."""
    path = database(folder, db_id, SHOPS)
    meanings = path.parent / "database_description"
    meanings.mkdir()
    rows = b"Shop ID,,unique id \x96 never reused,integer,\r\nopened,opening date,,text,\r\n"
    (meanings / "shop.csv").write_bytes(b"\xef\xbb\xbf" + DESCRIPTION.encode() + rows)
    (meanings / "._shop.csv").write_bytes(b"\x00\x05\x16\x07")
    return path


def bird_train(root: Path) -> Path:
    bird_database(root / "train" / "train_databases", "shops")
    written(root / "train" / "train.json", [bird_row("shops"), bird_row("shops")])
    written(root / "train" / "train_tables.json", [])
    (root / "train" / "train_gold.sql").write_text("SELECT 1\tshops\n")
    return root


def bird_dev(root: Path, folder: str = "dev_20240627") -> Path:
    bird_database(root / folder / "dev_databases", "shops_dev")
    rows = [bird_row("shops_dev", 0, "simple"), bird_row("shops_dev", 1, "challenging")]
    written(root / folder / "dev.json", rows)
    written(root / folder / "dev_tables.json", [])
    written(root / folder / "dev_tied_append.json", [])
    return root


def bird_mini_dev(root: Path) -> Path:
    folder = root / "minidev" / "MINIDEV"
    bird_database(folder / "dev_databases", "shops_dev")
    written(folder / "mini_dev_sqlite.json", [bird_row("shops_dev", 1471, "moderate")])
    written(folder / "mini_dev_mysql.json", [bird_row("shops_dev", 1471, "moderate")])
    written(folder / "dev_tables.json", [])
    return root


Bad = list[tuple[str, Any, str]]


def read(source: str, *flags: str, out: Path, bad: Bad | None = None) -> SourceContent:
    """What the source reads with these flags; rows that are no example are appended to `bad`, or fail the test."""

    def on_bad(split: str, row: Any, reason: str) -> None:
        assert bad is not None, reason
        bad.append((split, row, reason))

    def track(label: str) -> Callable[[int, int], None]:
        return lambda done, total: None

    kind = DATA_SOURCES.get(source)
    parser = argparse.ArgumentParser()
    kind.add_flags(parser)
    return kind.from_flags(parser.parse_args(flags)).read(Workplace(folder=out, track=track, on_bad=on_bad))
