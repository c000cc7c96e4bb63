# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Questions as an ArcticTraining data source: read, golds checked, kept under the framework's cache key.

Reading and checking is `training/questions.py`'s, once when a source is first loaded; what prompts are made of the
rows, and how they are served, is in `arctic/data.py`.
"""

import hashlib
from dataclasses import asdict
from dataclasses import fields
from pathlib import Path
from typing import Any

from arctic_training.config.data import DataSourceConfig
from arctic_training.data.source import DataSource
from datasets import Dataset
from pydantic import model_validator
from typing_extensions import Self

from arctic_text2sql_r1.data.readers import column_values
from arctic_text2sql_r1.data.readers import database_folders
from arctic_text2sql_r1.prompts.descriptions import description_folder
from arctic_text2sql_r1.prompts.descriptions import description_state
from arctic_text2sql_r1.training.questions import split_of_folder
from arctic_text2sql_r1.training.questions import usable_examples
from arctic_text2sql_r1.training.sections import SourceKeys
from arctic_text2sql_r1.types import Text2SQLExample


class Text2SQLSourceConfig(DataSourceConfig, SourceKeys):
    """One `data.sources` entry."""

    type: str = "text2sql"

    fingerprint: str = ""
    """ Hash of questions, databases and column meanings, filled in: the framework's cache notices changed files. """

    @model_validator(mode="after")
    def _fill_fingerprint(self) -> Self:
        self.fingerprint = _fingerprint(self)
        return self


class Text2SQLDataSource(DataSource):
    """Reads questions and keeps those whose gold returns rows."""

    name = "text2sql"
    config: Text2SQLSourceConfig

    @property
    def cache_path_args(self) -> tuple[dict[str, Any], ...]:
        """The framework's key for its cache, and the limits under which golds are checked and prompts built."""
        limits = dict(prompt_limit=self.data_factory.prompt_room.limit)
        return (*super().cache_path_args, self.trainer.config.sql.model_dump(), limits)

    def load(self, config: Text2SQLSourceConfig, split: str) -> Dataset:
        """A dataset with the columns of `Text2SQLExample`. Raises `DataError` when no gold is usable."""
        kept = usable_examples(config.path, config.databases, split, self.trainer.config.sql)
        return Dataset.from_list([asdict(example) for example in kept])


def example_of(row: dict[str, Any]) -> Text2SQLExample:
    """The example in a row of such a dataset, whatever other columns the row has."""
    columns = {field.name: row[field.name] for field in fields(Text2SQLExample)}
    values = column_values(columns.pop("values"), where=f"example '{row['example_id']}'")
    return Text2SQLExample(**columns, values=values)


def _fingerprint(config: Text2SQLSourceConfig) -> str:
    """SHA-256 over the question file(s), and over the state of every database and of the meanings beside it."""
    digest = hashlib.sha256()
    source = Path(config.path)
    files = sorted([*source.glob("*.json"), *source.glob("*.jsonl")]) if source.is_dir() else [source]
    for file in files:
        if not file.is_file():
            raise ValueError(f"data source '{file}' does not exist (looked for from {Path.cwd()}).")
        digest.update(file.read_bytes())
    for database in _database_files(config):
        state = database.stat()
        meanings = description_state(description_folder(database))
        # The whole path, because rows in the cache hold it: a folder that was moved or copied is read again.
        digest.update(f"{database.resolve()} {state.st_size} {state.st_mtime_ns} {meanings}".encode(errors="replace"))
    return digest.hexdigest()


def _database_files(config: Text2SQLSourceConfig) -> list[Path]:
    """Every database file in the places where `read_examples` looks for them."""
    source = Path(config.path)
    beside = database_folders(source if source.is_dir() else source.parent, split=split_of_folder(config.split))
    folders = beside if config.databases is None else [Path(config.databases)]
    found = [path for folder in folders for pattern in ("*.sqlite", "*/*.sqlite") for path in folder.glob(pattern)]
    return sorted(path for path in found if path.is_file())
