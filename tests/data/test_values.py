# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Values that a question mentions are found, and found anew when the database has changed."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from arctic_text2sql_r1.data.value_store import build_stores
from arctic_text2sql_r1.data.value_store import current_store
from arctic_text2sql_r1.data.values import ValueIndex
from arctic_text2sql_r1.errors import DataError

SCRIPT = """
CREATE TABLE country (id INTEGER PRIMARY KEY, name TEXT, code TEXT, founded TEXT, "land use" TEXT, seal BLOB);
INSERT INTO country VALUES
    (1, 'Asia', 'A', '1901-01-01', 'rice fields', x'41736961'), (2, 'New York City', 'NY', '1902', 'none', NULL),
    (3, 'Türkiye', 'TR', '1903', NULL, NULL), (4, 'York', 'Y', '1904', 'O''Hare "field"', NULL),
    (5, 'Newark', 'NK', '1905', 'x', NULL);
CREATE TABLE city (name TEXT, mayor TEXT);
INSERT INTO city VALUES ('Newark', 'Ann Lee'), ('Newark', 'Bo Lee');
CREATE VIEW copy AS SELECT name FROM city;
"""


def write(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"BEGIN; {script} COMMIT")
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return write(tmp_path / "world #1?.sqlite", SCRIPT)


def looked_up(database: Path, text: str, per_column: int = 5) -> dict[tuple[str, str], tuple[str, ...]]:
    with ValueIndex.open(database, database.parent / "cache") as index:
        return index.lookup(text, per_column=per_column)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How big is asia?", "Asia"),
        ("Which Asian countries are big?", "Asia"),
        ("Is new york city big?", "New York City"),
        ("Is Turkiye big?", "Türkiye"),
        ("Are the Yorks big?", "York"),
    ],
)
def test_value_is_found_as_a_question_writes_it(database: Path, question: str, name: str) -> None:
    assert looked_up(database, question)["country", "name"][0] == name


def test_every_column_that_holds_the_value_is_named(database: Path) -> None:
    assert looked_up(database, "Who is mayor of Newark?") == {
        ("country", "name"): ("Newark",),
        ("city", "name"): ("Newark",),
    }


def test_column_names_and_values_with_quotes_and_blanks_are_found(database: Path) -> None:
    assert looked_up(database, 'land with an O\'Hare "field"') == {("country", "land use"): ('O\'Hare "field"',)}


def test_value_that_shares_only_one_word_is_not_shown(database: Path) -> None:
    assert looked_up(database, "Who is Bo?") == {}


def test_one_letter_is_found_in_its_own_case_only(database: Path) -> None:
    assert looked_up(database, "is a country big") == {}
    assert looked_up(database, "is country A big") == {("country", "code"): ("A",)}


def test_longer_values_come_first_and_the_limit_holds(tmp_path: Path) -> None:
    # BM25 alone puts the rare "zebra" before "the house", whose words are in most values
    values = "('the house'), ('zebra'), ('the red house'), ('the blue house'), ('the green house')"
    path = write(tmp_path / "house.sqlite", f"CREATE TABLE t (c TEXT); INSERT INTO t VALUES {values};")
    assert looked_up(path, "a zebra in the house") == {("t", "c"): ("the house", "zebra")}
    assert looked_up(path, "a zebra in the house", per_column=1) == {("t", "c"): ("the house",)}


def test_numbers_dates_blobs_and_views_are_not_indexed(database: Path) -> None:
    with closing(sqlite3.connect(current_store(database, database.parent / "cache"))) as connection:
        places = connection.execute("SELECT table_name || '.' || column_name FROM place").fetchall()
    assert [place for (place,) in places] == [
        *("country.name", "country.code", "country.land use"),
        *("city.name", "city.mayor"),
    ]


def test_values_of_more_than_100_characters_are_left_out(tmp_path: Path) -> None:
    long = "word " * 20  # 100 characters
    path = write(tmp_path / "long.sqlite", f"CREATE TABLE t (c TEXT); INSERT INTO t VALUES ('{long}'), ('{long}x');")
    assert looked_up(path, f"{long}x") == {("t", "c"): (long,)}


@pytest.mark.parametrize(
    "text",
    ["", "?!", '" OR *', "NEAR(a b)", "a\0b", "\ud800", "½ ² ไทย 中文", " ".join(map(str, range(5000))), "x" * 10**5],
)
def test_any_text_can_be_looked_up(database: Path, text: str) -> None:
    assert looked_up(database, text) == {}


def test_words_in_very_many_values_are_found_as_pairs(tmp_path: Path) -> None:
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001)"
    script = f"CREATE TABLE t (c TEXT); INSERT INTO t {rows} SELECT 'new ' || i || ' york' FROM n;"
    path = write(tmp_path / "many.sqlite", f"{script} INSERT INTO t VALUES ('New York');")
    assert looked_up(path, "the city of New York") == {("t", "c"): ("New York",)}


def test_unchanged_database_is_not_indexed_again(database: Path, tmp_path: Path) -> None:
    before = current_store(database, tmp_path).stat()
    assert current_store(database, tmp_path).stat().st_ino == before.st_ino


def test_building_tells_each_column_and_finding_tells_nothing(database: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    current_store(database, tmp_path, lambda done, columns: told.append((done, columns)))
    assert len(told) > 1 and told == [(done, len(told)) for done in range(len(told))]
    current_store(database, tmp_path, lambda done, columns: told.append((done, columns)))
    assert len(told) == told[0][1]


def test_edited_database_is_indexed_again(database: Path) -> None:
    assert looked_up(database, "Atlantis") == {}
    stat = os.stat(database)
    write(database, "UPDATE city SET mayor = 'Atlantis';")
    os.utime(database, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert looked_up(database, "Atlantis") == {("city", "mayor"): ("Atlantis",)}


def test_database_replaced_under_its_old_time_and_size_is_indexed_again(database: Path) -> None:
    assert looked_up(database, "Ann Lee") == {("city", "mayor"): ("Ann Lee",)}
    stat = os.stat(database)
    database.write_bytes(database.read_bytes().replace(b"Ann Lee", b"Ida Lee"))
    os.utime(database, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert looked_up(database, "Ida Lee") == {("city", "mayor"): ("Ida Lee",)}


@pytest.mark.parametrize("left", [b"", b"no database " * 100])
def test_broken_store_is_built_again(database: Path, left: bytes) -> None:
    current_store(database, database.parent / "cache").write_bytes(left)
    assert looked_up(database, "Asia") == {("country", "name"): ("Asia",)}


def test_failed_build_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("not a database " * 100)
    with pytest.raises(DataError, match=r"text\.sqlite.*not a database"):
        current_store(tmp_path / "text.sqlite", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.sqlite.*No such file"):
        current_store(tmp_path / "nowhere.sqlite", tmp_path)


def test_indexing_leaves_no_file_beside_the_database(database: Path, tmp_path: Path) -> None:
    write(database, "COMMIT; PRAGMA journal_mode = WAL; BEGIN;")  # SQLite likes to put two files beside such a one
    before = (database.read_bytes(), sorted(os.listdir(tmp_path)))
    current_store(database, tmp_path / "cache")
    assert (database.read_bytes(), sorted({*os.listdir(tmp_path)} - {"cache"})) == before


def test_databases_of_one_name_have_stores_of_their_own(tmp_path: Path) -> None:
    for folder, value in (("one", "Bern"), ("two", "Rome")):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "x.sqlite", f"CREATE TABLE t (c TEXT); INSERT INTO t VALUES ('{value}');")
    paths = [tmp_path / "one" / "x.sqlite", tmp_path / "two" / "x.sqlite"]
    stores = list(build_stores(paths, tmp_path / "cache", workers=2))
    assert [ValueIndex(store).lookup("from Bern to Rome") for store in stores] == [
        {("t", "c"): ("Bern",)},
        {("t", "c"): ("Rome",)},
    ]


@pytest.mark.slow
def test_building_takes_little_memory_beside_the_values(tmp_path: Path) -> None:
    # 100,000 values of almost 100 characters: 10 MB of text, without what holding each as an object would add.
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    value = "hex(randomblob(20)) || ' ' || hex(randomblob(20)) || ' word ' || i"
    path = write(tmp_path / "big.sqlite", f"CREATE TABLE t (c TEXT); INSERT INTO t {rows} SELECT {value} FROM n;")
    # not ru_maxrss, which starts from that of the process that launched this one
    code = (
        "import sys; from arctic_text2sql_r1.data.value_store import current_store as build\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024\n"
        "before = peak(); build(sys.argv[1], sys.argv[2]); print(peak() - before)"
    )
    command = [sys.executable, "-c", code, path, tmp_path / "cache"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert float(printed) < 11


@pytest.mark.slow
def test_nine_tenths_of_the_texts_in_golds_of_spider_dev_are_found(spider_root: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "value_recall.py"
    command = [sys.executable, str(script), str(spider_root)]
    recall = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[1]
    assert '"stored": 396' in recall
    assert float(recall.split('"text": ')[2].split("}")[0]) >= 0.9


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_values_of_a_database_in_utf_16_are_found(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"PRAGMA encoding = '{encoding}'; CREATE TABLE shop (city TEXT); INSERT INTO shop VALUES ('Zürich');"
        )
    assert looked_up(path, "Which shops are in Zürich?") == {("shop", "city"): ("Zürich",)}
