# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which engine module serves which database path.

An engine is a module of this package (`base.py` says what it must hold), named like the scheme of its URLs
(`postgresql://...`) or the suffix of its files (`shop.duckdb`). Every other path is a SQLite file. Workers import this
too: standard library only.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from arctic_text2sql_r1.databases.base import Database
from arctic_text2sql_r1.databases.base import Engine
from arctic_text2sql_r1.databases.base import ExecutionLimits

_PACKAGE = __name__.rpartition(".")[0]
_DEFAULT = "sqlite"
_THIS = __name__.rpartition(".")[2]


def engine_name(db_path: str) -> str:
    """The name of the engine module for a path or URL."""
    scheme, separator, _ = db_path.partition("://")
    wanted = scheme if separator else Path(db_path).suffix[1:]
    return wanted if wanted in _module_names() and hasattr(_module(wanted), "open_engine") else _DEFAULT


def locate(db_path: str) -> Database:
    """The database at `db_path` in its present state. Raises `DataError` when it is missing or being written."""
    database: Database = _module(engine_name(db_path)).locate(db_path)
    return database


def open_engine(database: Database, limits: ExecutionLimits) -> Engine:
    """An open engine, inside a worker. Raises `DatabaseUnusable`."""
    engine: Engine = _module(database.engine).open_engine(database.location, limits)
    return engine


def _module_names() -> set[str]:
    return {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])} - {_THIS}


def _module(engine: str) -> ModuleType:
    return importlib.import_module(f"{_PACKAGE}.{engine}")
