# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Our own databases: rebuilt as committed, small, with valid keys and with the awkward values we promise."""

import sqlite3
from pathlib import Path

Connections = dict[str, sqlite3.Connection]


def all_values(connection: sqlite3.Connection) -> list[object]:
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [value for table in tables for row in connection.execute(f"SELECT * FROM {table}") for value in row]


def test_a_rebuild_gives_the_committed_databases(tmp_path: Path, connections: Connections) -> None:
    from build_databases import build_all

    for path in build_all(tmp_path, seed=0):
        connection = sqlite3.connect(path)
        assert list(connection.iterdump()) == list(connections[path.stem].iterdump())
        connection.close()


def test_another_seed_gives_other_rows(tmp_path: Path, connections: Connections) -> None:
    from build_databases import build_database
    from domains import UNSEEN_DOMAIN

    build_database(UNSEEN_DOMAIN, tmp_path / "other.sqlite", seed=1)
    connection = sqlite3.connect(tmp_path / "other.sqlite")
    assert list(connection.iterdump()) != list(connections["cinema"].iterdump())
    connection.close()


def test_foreign_keys_are_declared_and_valid(connections: Connections) -> None:
    for connection in connections.values():
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert sum(len(connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()) for table in tables) >= 2
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_nine_databases_stay_small(data_folder: Path, connections: Connections) -> None:
    assert len(connections) == 9
    for name, connection in connections.items():
        query = "SELECT COUNT(*) FROM sqlite_master AS m JOIN pragma_table_info(m.name) WHERE m.type = 'table'"
        assert 12 <= connection.execute(query).fetchone()[0] <= 20
        assert (data_folder / "databases" / name / f"{name}.sqlite").stat().st_size < 100_000


def test_values_hold_nulls_decimals_quotes_and_other_scripts(connections: Connections) -> None:
    values = [value for connection in connections.values() for value in all_values(connection)]
    texts = [value for value in values if isinstance(value, str)]
    assert None in values
    assert any(isinstance(value, float) and not value.is_integer() for value in values)
    for part in ("'", '"', "東京", "é", "ß"):
        assert any(part in text for text in texts), part


def test_every_database_has_nulls(connections: Connections) -> None:
    assert [name for name, connection in connections.items() if None not in all_values(connection)] == []
