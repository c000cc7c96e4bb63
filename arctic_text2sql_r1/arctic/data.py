# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Prompts as ArcticTraining's data factory, whole rollout batches as its dataloader.

Here `training/questions.py` and `training/order.py` meet the framework's cache and its ranks; where the questions come
from is in `arctic/source.py`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from arctic_training.config.data import DataConfig
from arctic_training.data.factory import DataFactory
from datasets import Dataset
from datasets import Features
from datasets import Value
from pydantic import field_validator
from pydantic import model_validator
from torch.utils.data import DataLoader
from typing_extensions import Self

from arctic_text2sql_r1.arctic.source import Text2SQLDataSource
from arctic_text2sql_r1.arctic.source import example_of
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.prompts.fingerprint import template_fingerprint
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.training.order import PromptBatchSampler
from arctic_text2sql_r1.training.order import evaluated_rows
from arctic_text2sql_r1.training.order import evaluation_batches
from arctic_text2sql_r1.training.questions import PromptRoom
from arctic_text2sql_r1.training.questions import collate
from arctic_text2sql_r1.training.questions import fitting_rows
from arctic_text2sql_r1.training.questions import prompt_columns
from arctic_text2sql_r1.training.ranks import gather
from arctic_text2sql_r1.training.sections import DataKeys


class Text2SQLDataConfig(DataConfig, DataKeys):
    """The `data:` section of `type: grpo`."""

    template_version: int = 0
    """ Filled in from the template, for people. """

    template_hash: str = ""
    """ Filled in: a hash of what the template makes of a sample; the framework's cache notices a changed template. """

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
        template = get_template(self.template)
        self.template_version = template.version
        self.template_hash = template_fingerprint(template, self.long_prompts)
        return self


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
        config, found = self.trainer.config, evaluation.dataset
        rows = evaluated_rows(len(found), config.evaluation.questions, config.seed)
        questions = found if len(rows) == len(found) else found.select(rows)
        batches = evaluation_batches(len(questions), self.micro_batch_size, self.global_rank, self.world_size)
        return training, DataLoader(questions, batch_sampler=batches, collate_fn=self._collate)

    @property
    def prompt_room(self) -> PromptRoom:
        """The room that prompts have."""
        config = self.config
        return PromptRoom(config.max_length, self.trainer.config.max_new_tokens, config.long_prompts)

    def process(self, dataset: Dataset) -> Dataset:
        """Adds the prompt that evaluation uses as well, as `fit_prompt` returns it; no `input_ids` if none fits."""
        prompt = dict(input_ids=[Value("int64")], prompt_tokens=Value("int64"), shortened=Value("string"))
        features = Features({**dataset.features, **prompt})
        return dataset.map(self._tokenize, features=features, desc="Building prompts")

    def create_dataloader(self, dataset: Dataset) -> DataLoader:
        """Batches of all prompts that this rank contributes to one rollout."""
        columns = {name: dataset[name] for name in ("example_id", "input_ids", "prompt_tokens", "shortened")}
        fitting = dataset.select(fitting_rows(columns, self.prompt_room, tell=self.global_rank == 0))
        sampler = PromptBatchSampler(
            size=len(fitting),
            prompts_per_rank=self.micro_batch_size,
            rank=self.global_rank,
            world_size=self.world_size,
            seed=self.trainer.config.seed,
        )
        return DataLoader(fitting, batch_sampler=sampler, collate_fn=self._collate)

    def _tokenize(self, row: dict[str, Any]) -> dict[str, Any]:
        return prompt_columns(self.tokenizer, self.config.template, example_of(row), self.prompt_room)

    def _collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        prompts = [row["input_ids"] for row in rows]
        return collate(prompts, [example_of(row) for row in rows], self.tokenizer.pad_token_id)


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
