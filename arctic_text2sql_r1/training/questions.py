# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A run's questions: read, golds checked, made into prompts that fit; what is left out is counted and listed.

Golds are run once when a source is loaded: rows whose gold fails, times out or returns nothing are dropped, never
trained on. Prompts that do not fit the context are dropped, or shortened where the recipe says so, never cut. Reading
files lives in `data/readers.py`, the prompts' text in `prompts/`; in which order they are taken is in `order.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from arctic_text2sql_r1.data.check import check_gold
from arctic_text2sql_r1.data.readers import read_examples
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.prompts.builder import fit_prompt
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.types import Text2SQLExample

LISTED_REJECTS = 10


@dataclass(frozen=True)
class PromptRoom:
    """The room that prompts have: `max_length` tokens less `max_new_tokens`; `long_prompts` as in a recipe."""

    max_length: int
    max_new_tokens: int
    long_prompts: str

    @property
    def limit(self) -> int:
        """Tokens that a prompt may have."""
        return self.max_length - self.max_new_tokens


def split_of_folder(split: str) -> str:
    """ArcticTraining calls its evaluation split "eval"; Spider's folder calls it "dev"."""
    return "dev" if split == "eval" else split


def usable_examples(path: str, databases: str | None, split: str, sql: Any) -> list[Text2SQLExample]:
    """The questions at `path` whose gold returns rows; what is dropped is told. `sql` is the recipe's section.

    Raises `DataError` when no gold is usable.
    """
    examples = read_examples(path, databases=databases, split=split_of_folder(split))
    with SQLJudge(num_workers=sql.workers, timeout_s=sql.timeout_s, max_rows=sql.max_rows) as judge:
        kept, rejected = check_gold(examples, judge)
    if len(rejected) > 0:
        announce(
            f"{path}: {len(rejected)} of {len(examples)} golds are unusable and were dropped",
            [f"{example.example_id} ({example.db_id}): {reason}" for example, reason in rejected],
        )
    if len(kept) == 0:
        raise DataError(
            f"None of the {len(examples)} gold queries in '{path}' returned rows; the first failed with: "
            f"{rejected[0][1] if rejected else 'no rows in the file'}. Run text2sql-r1 check-data for the list."
        )
    return kept


def prompt_columns(tokenizer: Any, template: str, example: Text2SQLExample, room: PromptRoom) -> dict[str, Any]:
    """A question's prompt as evaluation uses it as well: `input_ids`, none if it does not fit, and how it came out."""
    fit = fit_prompt(tokenizer, get_template(template), example, room.limit, room.long_prompts)
    return dict(input_ids=fit.ids or [], prompt_tokens=fit.tokens, shortened=fit.shortened)


def fitting_rows(columns: Any, room: PromptRoom, tell: bool = True) -> list[int]:
    """Rows whose prompt fits. `columns` holds lists: `example_id` and what `prompt_columns` gives of each question.

    With `tell`, what was dropped and what was shortened is told. Raises `DataError` when no prompt fits.
    """
    lengths = [len(ids) for ids in columns["input_ids"]]
    tokens = list(columns["prompt_tokens"])
    if tell:
        rows = list(zip(columns["example_id"], tokens, columns["shortened"], lengths, strict=True))
        _announce_long_prompts(rows, room)
    fitting = [index for index, length in enumerate(lengths) if length > 0]
    if len(fitting) == 0:
        raise DataError(
            f"No prompt fits {room.limit} tokens; the shortest has {min(tokens)}. Raise data.max_length, lower "
            "max_new_tokens, choose a template with a shorter schema style, or data.long_prompts: shorten (it is "
            f"{room.long_prompts})."
        )
    return fitting


def _announce_long_prompts(rows: Sequence[tuple[str, int, str, int]], room: PromptRoom) -> None:
    dropped = [f"{example_id}: {tokens} tokens" for example_id, tokens, _, length in rows if length == 0]
    if len(dropped) > 0:
        announce(
            f"{len(dropped)} of {len(rows)} prompts were dropped: they exceed {room.limit} tokens "
            f"(data.max_length {room.max_length} less max_new_tokens {room.max_new_tokens})",
            dropped,
        )
    shorter = [(step, f"{row}: {tokens} tokens, now {length}") for row, tokens, step, length in rows if step != ""]
    if len(shorter) > 0:
        steps = ", ".join(f"{count} {step}" for step, count in sorted(Counter(s for s, _ in shorter).items()))
        announce(
            f"{len(shorter)} of {len(rows)} prompts exceed {room.limit} tokens and show a shorter schema ({steps})",
            [line for _, line in shorter],
        )


def collate(prompts: list[list[int]], examples: list[Text2SQLExample], pad_token_id: int) -> dict[str, Any]:
    """`prompts` and `examples` as they are; `input_ids` (B, P) padded, because ArcticTraining measures it."""
    padded = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(prompt, dtype=torch.long) for prompt in prompts], batch_first=True, padding_value=pad_token_id
    )
    return dict(input_ids=padded, prompts=prompts, examples=examples)


def announce(headline: str, lines: list[str]) -> None:
    """Prints what was left out: the count, and the first few by name."""
    print(f"[text2sql] {headline}:")
    for line in lines[:LISTED_REJECTS]:
        print(f"[text2sql]   {line}")
    if len(lines) > LISTED_REJECTS:
        print(f"[text2sql]   ... and {len(lines) - LISTED_REJECTS} more")
