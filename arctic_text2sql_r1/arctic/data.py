# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Questions as an ArcticTraining data source, prompts as its data factory, whole rollout batches as its dataloader.

Golds are run once when a source is first loaded: rows whose gold fails, times out or returns nothing are dropped,
counted and listed, never trained on. Prompts that do not fit the context are dropped and listed as well, never cut.
Reading files lives in `data/readers.py`, prompt text in `prompts/`; here they meet the framework's cache.
"""

import hashlib
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from arctic_training.config.data import DataConfig
from arctic_training.config.data import DataSourceConfig
from arctic_training.data.factory import DataFactory
from arctic_training.data.source import DataSource
from datasets import Dataset
from pydantic import field_validator
from pydantic import model_validator
from torch.utils.data import DataLoader
from torch.utils.data import Sampler
from typing_extensions import Self

from arctic_text2sql_r1.arctic.ranks import gather
from arctic_text2sql_r1.data.check import check_gold
from arctic_text2sql_r1.data.readers import read_examples
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.evaluation.predict import prompt_ids
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.types import Text2SQLExample

LISTED_REJECTS = 10


class Text2SQLSourceConfig(DataSourceConfig):
    """One `data.sources` entry: a JSON file, a JSONL file, or a folder in Spider's layout."""

    type: str = "text2sql"

    path: str
    """ File or folder with the questions; relative paths start where the command runs. """

    databases: str | None = None
    """ Folder with <db_id>/<db_id>.sqlite or <db_id>.sqlite. Unset: looked for beside `path`. """

    fingerprint: str = ""
    """ Hash of the questions and databases, filled in; makes the framework's cache notice changed files. """

    @model_validator(mode="after")
    def _fill_fingerprint(self) -> Self:
        self.fingerprint = _fingerprint(self)
        return self


class Text2SQLDataConfig(DataConfig):
    """The `data:` section of `type: grpo`."""

    template: str = "arctic"
    """ Prompt template by name, see `prompts/templates.py`. """

    template_version: int = 0
    """ Filled in from the template; part of the cache key, so that a changed template is not served stale. """

    @field_validator("template")
    @classmethod
    def _known_template(cls, value: str) -> str:
        return get_template(value).name

    @field_validator("train_eval_split")
    @classmethod
    def _no_split_by_row(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[1] > 0:
            raise ValueError(
                "train_eval_split would split by row and put questions over one database on both sides. Name "
                "questions over other databases under eval_sources."
            )
        return value

    @model_validator(mode="after")
    def _fill_version(self) -> Self:
        self.template_version = get_template(self.template).version
        return self


class Text2SQLDataSource(DataSource):
    """Reads questions and keeps those whose gold returns rows."""

    name = "text2sql"
    config: Text2SQLSourceConfig

    @property
    def cache_path_args(self) -> tuple[dict[str, Any], ...]:
        """The framework's key for its cache, and the limits under which golds are checked."""
        return (*super().cache_path_args, self.trainer.config.sql.model_dump())

    def load(self, config: Text2SQLSourceConfig, split: str) -> Dataset:
        """A dataset with the columns of `Text2SQLExample`. Raises `DataError` when no gold is usable."""
        examples = read_examples(config.path, databases=config.databases, split=_spider_split(split))
        sql = self.trainer.config.sql
        with SQLJudge(num_workers=sql.workers, timeout_s=sql.timeout_s, max_rows=sql.max_rows) as judge:
            kept, rejected = check_gold(examples, judge)
        if len(rejected) > 0:
            _announce(
                f"{config.path}: {len(rejected)} of {len(examples)} golds are unusable and were dropped",
                [f"{example.example_id} ({example.db_id}): {reason}" for example, reason in rejected],
            )
        if len(kept) == 0:
            raise DataError(
                f"None of the {len(examples)} gold queries in '{config.path}' returned rows; the first failed with: "
                f"{rejected[0][1] if rejected else 'no rows in the file'}. Run text2sql-r1 check-data for the list."
            )
        return Dataset.from_list([asdict(example) for example in kept])


class Text2SQLDataFactory(DataFactory):
    """Turns examples into tokenized prompts and serves one rollout's prompts per batch."""

    name = "text2sql"
    config: Text2SQLDataConfig
    default_source_cls = Text2SQLDataSource

    def __call__(self) -> tuple[DataLoader, DataLoader | None]:
        """Training and evaluation loader; the latter in file order, nothing dropped, as long on every rank."""
        training, evaluation = super().__call__()
        training.batch_sampler.require_one_batch()
        loaded = [loader.dataset["example_id"] for loader in (training, evaluation) if loader is not None]
        require_same_questions(gather(hashlib.sha256(repr([list(ids) for ids in loaded]).encode()).hexdigest()))
        if evaluation is None:
            return training, None
        size = len(evaluation.dataset)
        shard = [row % size for row in range(self.global_rank, _round_up(size, self.world_size), self.world_size)]
        batches = [
            shard[start : start + self.micro_batch_size] for start in range(0, len(shard), self.micro_batch_size)
        ]
        return training, DataLoader(evaluation.dataset, batch_sampler=batches, collate_fn=self._collate)

    def process(self, dataset: Dataset) -> Dataset:
        """Adds `input_ids`, the same prompt that evaluation uses, to every example."""
        return dataset.map(self._tokenize, desc="Building prompts")

    def create_dataloader(self, dataset: Dataset) -> DataLoader:
        """Batches of all prompts that this rank contributes to one rollout."""
        fitting = self._drop_long_prompts(dataset)
        sampler = PromptBatchSampler(
            size=len(fitting),
            prompts_per_rank=self.micro_batch_size,
            rank=self.global_rank,
            world_size=self.world_size,
            seed=self.trainer.config.seed,
        )
        return DataLoader(fitting, batch_sampler=sampler, collate_fn=self._collate)

    def _tokenize(self, row: dict[str, Any]) -> dict[str, list[int]]:
        template = get_template(self.config.template)
        return dict(input_ids=prompt_ids(self.tokenizer, template, Text2SQLExample(**row)))

    def _drop_long_prompts(self, dataset: Dataset) -> Dataset:
        limit = self.config.max_length - self.trainer.config.max_new_tokens
        lengths = [len(ids) for ids in dataset["input_ids"]]
        fitting = [index for index, length in enumerate(lengths) if length <= limit]
        if len(fitting) < len(dataset) and self.global_rank == 0:
            ids = dataset["example_id"]
            _announce(
                f"{len(dataset) - len(fitting)} of {len(dataset)} prompts were dropped: they exceed {limit} tokens "
                f"(data.max_length {self.config.max_length} less max_new_tokens {self.config.max_length - limit})",
                [f"{ids[index]}: {length} tokens" for index, length in enumerate(lengths) if length > limit],
            )
        if len(fitting) == 0:
            raise DataError(
                f"No prompt fits {limit} tokens; the shortest has {min(lengths)}. Raise data.max_length, lower "
                "max_new_tokens, or choose a template with a shorter schema style."
            )
        return dataset.select(fitting)

    def _collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`prompts` and `examples` as lists; `input_ids` (B, P) padded, because the framework measures it."""
        prompts = [torch.tensor(row["input_ids"], dtype=torch.long) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        names = [field.name for field in fields(Text2SQLExample)]
        examples = [Text2SQLExample(**{name: row[name] for name in names}) for row in rows]
        return dict(input_ids=padded, prompts=[row["input_ids"] for row in rows], examples=examples)


class PromptBatchSampler(Sampler[list[int]]):
    """The prompts of each rollout: a seeded permutation per epoch, cut into global batches, one stripe per rank.

    The same global batches come out for any number of ranks. `set_position` moves to a rollout of an epoch, which is
    how a resumed run continues where it stopped; the length always counts a whole epoch. Leftover prompts that do
    not fill a rollout wait for the next epoch's permutation.
    """

    def __init__(self, *, size: int, prompts_per_rank: int, rank: int, world_size: int, seed: int) -> None:
        self.size, self.rank, self.world_size, self.seed = size, rank, world_size, seed
        self.prompts_per_rank = prompts_per_rank
        self.epoch = 0
        self.first_batch = 0

    def set_position(self, epoch: int, first_batch: int = 0) -> None:
        """The next iteration serves `epoch`'s permutation from rollout `first_batch` on."""
        self.epoch, self.first_batch = epoch, first_batch

    def require_one_batch(self) -> None:
        """Raises `DataError` when there are not enough prompts for a single rollout."""
        if len(self) == 0:
            needed = self.prompts_per_rank * self.world_size
            raise DataError(
                f"One rollout takes {needed} prompts ({self.prompts_per_rank} per rank x {self.world_size} ranks) but "
                f"only {self.size} are left after filtering. Lower micro_batch_size x gradient_accumulation_steps, or "
                "add questions."
            )

    def __len__(self) -> int:
        return self.size // (self.prompts_per_rank * self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order(self.epoch)
        for batch in range(self.first_batch, len(self)):
            start = (batch * self.world_size + self.rank) * self.prompts_per_rank
            yield order[start : start + self.prompts_per_rank]

    def rollout_prompts(self, rollout_number: int) -> list[int]:
        """The prompts of all ranks in the rollout of that number, counted from the start of the run."""
        epoch, batch = divmod(rollout_number, len(self))
        per_rollout = self.prompts_per_rank * self.world_size
        return self._order(epoch)[batch * per_rollout : (batch + 1) * per_rollout]

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order: list[int] = torch.randperm(self.size, generator=generator).tolist()
        return order


def require_same_questions(digests: Sequence[str]) -> None:
    """Raises `DataError` unless all ranks loaded the same questions; `digests` of them, in rank order.

    Ranks with different questions would train on some twice, or wait for each other for ever.
    """
    others = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
    if len(others) > 0:
        raise DataError(
            f"Ranks {others} of {len(digests)} loaded other questions than rank 0. Nodes that each keep a cache of "
            "their own must see the same files, and golds must end the same way on all: put data.cache_dir on a file "
            "system that all nodes share, or raise sql.timeout_s and remove the caches."
        )


def own_rows(size: int, rank: int, world_size: int) -> int:
    """How many of a rank's evaluation rows are its own; what follows them repeats other rows to even out the ranks."""
    return len(range(rank, size, world_size))


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _spider_split(split: str) -> str:
    """The framework calls its evaluation split "eval"; Spider's folder calls it "dev"."""
    return "dev" if split == "eval" else split


def _fingerprint(config: Text2SQLSourceConfig) -> str:
    """SHA-256 over the question file(s) and every database's name, size and modification time."""
    digest = hashlib.sha256()
    source = Path(config.path)
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    for file in files:
        if not file.is_file():
            raise ValueError(f"data source '{file}' does not exist (looked for from {Path.cwd()}).")
        digest.update(file.read_bytes())
    roots = [Path(config.databases)] if config.databases else [source if source.is_dir() else source.parent]
    for root in roots:
        for database in sorted(root.rglob("*.sqlite")):
            status = database.stat()
            digest.update(f"{database.name} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _announce(headline: str, lines: list[str]) -> None:
    """Prints what was left out: the count, and the first few by name."""
    print(f"[text2sql] {headline}:")
    for line in lines[:LISTED_REJECTS]:
        print(f"[text2sql]   {line}")
    if len(lines) > LISTED_REJECTS:
        print(f"[text2sql]   ... and {len(lines) - LISTED_REJECTS} more")
