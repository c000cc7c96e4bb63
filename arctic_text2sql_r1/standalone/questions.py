# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The questions of a run as dataloaders, in memory; the plugin's, cached by ArcticTraining, are in `arctic/data.py`.

Both take the same questions in the same order: shuffled once as ArcticTraining's `datasets` do, then by the epoch.
"""

from dataclasses import dataclass
from typing import Any

import numpy
from torch.utils.data import DataLoader

from arctic_text2sql_r1.standalone.settings import Settings
from arctic_text2sql_r1.standalone.settings import SourceSettings
from arctic_text2sql_r1.training.order import PromptBatchSampler
from arctic_text2sql_r1.training.order import evaluated_rows
from arctic_text2sql_r1.training.order import evaluation_batches
from arctic_text2sql_r1.training.questions import PromptRoom
from arctic_text2sql_r1.training.questions import collate
from arctic_text2sql_r1.training.questions import fitting_rows
from arctic_text2sql_r1.training.questions import prompt_columns
from arctic_text2sql_r1.training.questions import usable_examples
from arctic_text2sql_r1.types import Text2SQLExample


@dataclass(frozen=True)
class Question:
    """An example and its prompt."""

    example: Text2SQLExample
    input_ids: list[int]


def dataloaders(settings: Settings, tokenizer: Any) -> tuple[Any, Any]:
    """Training and evaluation loader, the latter None without `data.eval_sources`.

    Raises `DataError` when there are no usable questions, or not enough for one rollout.
    """

    def joined(batch: list[Question]) -> dict[str, Any]:
        prompts = [question.input_ids for question in batch]
        return collate(prompts, [question.example for question in batch], tokenizer.pad_token_id)

    questions = load_questions(settings, settings.data.sources, "train", tokenizer)
    sampler = PromptBatchSampler(
        size=len(questions), prompts_per_rank=settings.micro_batch_size, rank=0, world_size=1, seed=settings.seed
    )
    sampler.require_one_batch()
    training = _loader(questions, sampler, joined)
    if len(settings.data.eval_sources) == 0:
        return training, None
    found = load_questions(settings, settings.data.eval_sources, "eval", tokenizer)
    asked = [found[row] for row in evaluated_rows(len(found), settings.evaluation.questions, settings.seed)]
    batches = evaluation_batches(len(asked), settings.micro_batch_size, rank=0, world_size=1)
    return training, _loader(asked, batches, joined)


def load_questions(settings: Settings, sources: list[SourceSettings], split: str, tokenizer: Any) -> list[Question]:
    """The usable questions of all sources whose prompt fits, shuffled by `data.seed`; the rest is told."""
    data = settings.data
    assert data.max_length is not None, "filled in by Settings"
    room = PromptRoom(data.max_length, settings.max_new_tokens, data.long_prompts)
    examples = [
        example
        for source in sources
        for example in usable_examples(source.path, source.databases, source.split or split, settings.sql)
    ]
    # As `datasets.Dataset.shuffle` does.
    examples = [examples[place] for place in numpy.random.default_rng(data.seed).permutation(len(examples))]
    prompts = [prompt_columns(tokenizer, data.template, example, room) for example in examples]
    columns = {name: [prompt[name] for prompt in prompts] for name in prompts[0]}
    fitting = fitting_rows(dict(columns, example_id=[example.example_id for example in examples]), room)
    return [Question(examples[row], prompts[row]["input_ids"]) for row in fitting]


def _loader(questions: list[Question], batches: Any, join: Any) -> Any:
    loader: Any = DataLoader(questions, batch_sampler=batches, collate_fn=join)  # type: ignore[arg-type]
    return loader
