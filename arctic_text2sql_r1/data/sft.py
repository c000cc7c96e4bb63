# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Examples as conversations for ArcticTraining's own `type: sft` warm-up.

The prompt is the very one that GRPO and the evaluation use; the supervised completion carries the gold SQL and a
thought that the caller supplies. A recipe loads the folder that `write_sft_dataset` writes with:

    data:
      sources:
        - type: huggingface
          name_or_path: FOLDER

`type: huggingface` takes the `messages` column as it is; without a `type` the framework uses `huggingface_instruct`,
whose default `role_mapping` looks for columns `user` and `assistant` and finds none.

NOTE: the framework caches tokenized data under a hash of the recipe, not of the rows. After writing other rows into
the same folder, use a new folder name or `use_data_cache: false`.
"""

from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.prompts.formats import render_completion
from arctic_text2sql_r1.prompts.schema import schema_text
from arctic_text2sql_r1.prompts.templates import PromptTemplate
from arctic_text2sql_r1.prompts.templates import build_messages
from arctic_text2sql_r1.types import Text2SQLExample

SFTRow = dict[str, list[dict[str, str]]]


def sft_rows(
    examples: Iterable[Text2SQLExample],
    template: PromptTemplate,
    thought: Callable[[Text2SQLExample], str],
) -> list[SFTRow]:
    """One `{"messages": [...]}` per example; the assistant's turn is the gold in the template's completion format."""
    return [_row(example, template=template, thought=thought(example)) for example in examples]


def _row(example: Text2SQLExample, template: PromptTemplate, thought: str) -> SFTRow:
    schema = schema_text(example.db_path, template.schema_style)
    completion = render_completion(example.gold_sql, thought, template.completion_format)
    return dict(
        messages=[*build_messages(template, example, schema), dict(role="assistant", content=completion)],
    )


def write_sft_dataset(rows: list[SFTRow], folder: str | Path) -> None:
    """Save the rows as a `datasets` folder. Raises `DataError` when there are none."""
    from datasets import Dataset

    if len(rows) == 0:
        raise DataError(f"No rows to write to '{folder}'. Expected at least one supervised example.")
    Dataset.from_list(rows).save_to_disk(str(folder))
