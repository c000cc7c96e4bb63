# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A folder prepared with `--for sft` as a data source of ArcticTraining's own `type: sft`.

    data:
      sources:
        - {type: text2sql_messages, path: data/spider}

The framework's `type: huggingface` reads `data/spider/sft/train` as well, but keys its cache by the recipe alone and
goes on serving what was there before; this source puts the folder's content into the key, and refuses messages of a
template that has changed since. How the messages are made is in `data/sft.py`.
"""

from pathlib import Path

from arctic_training.config.data import DataSourceConfig
from arctic_training.data.source import DataSource
from datasets import Dataset
from datasets import load_from_disk
from pydantic import model_validator
from typing_extensions import Self

from arctic_text2sql_r1.data.fingerprints import folder_digest
from arctic_text2sql_r1.data.manifest import read_manifest
from arctic_text2sql_r1.data.sft import sft_folder
from arctic_text2sql_r1.prompts.fingerprint import template_fingerprint
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.training.questions import split_of_folder


class MessagesSourceConfig(DataSourceConfig):
    """One entry of `data.sources` or `data.eval_sources`."""

    type: str = "text2sql_messages"

    path: str
    """ Folder that `text2sql-r1 prepare --for sft` made; relative paths start where the command runs. """

    fingerprint: str = ""
    """ Hash of the messages, filled in; makes the framework's cache notice other ones. """

    @model_validator(mode="after")
    def _fill_fingerprint(self) -> Self:
        folder = self.folder
        if not folder.is_dir():
            raise ValueError(
                f"There are no messages at '{folder}' (looked for from {Path.cwd()}). Expected a folder that "
                f"`text2sql-r1 prepare ... --for sft` made, with the split '{folder.name}'."
            )
        _require_current_template(Path(self.path))
        self.fingerprint = folder_digest(folder, [file.name for file in folder.glob("*.arrow")])
        return self

    @property
    def folder(self) -> Path:
        """Where the messages of this split are."""
        return sft_folder(Path(self.path), split_of_folder(self.split))


def _require_current_template(prepared: Path) -> None:
    """Raise ValueError when the template makes other prompts by now than those in the messages."""
    manifest = read_manifest(prepared)
    if manifest is None:
        raise ValueError(
            f"'{prepared}' has no manifest: its preparation was broken off. Run `text2sql-r1 prepare` again."
        )
    prompt, long_prompts = manifest["prompt"], manifest["options"]["long_prompts"]
    if template_fingerprint(get_template(prompt["name"]), long_prompts) != prompt["fingerprint"]:
        raise ValueError(
            f"The template '{prompt['name']}' has changed since '{prepared}' was prepared with it. "
            f"Run `text2sql-r1 prepare` again."
        )


class MessagesSource(DataSource):
    """The `messages` column as it was saved."""

    name = "text2sql_messages"
    config: MessagesSourceConfig

    def load(self, config: MessagesSourceConfig, split: str) -> Dataset:
        """A dataset with the column `messages`."""
        return load_from_disk(str(config.folder))
