# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Packing of rows and the cutting of an update; what a model makes of the tensors is in `test_logprobs.py`."""

import pytest
import torch

from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import idle_row
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.batch import split_rows

PAD = 0


def row(prompt: int, completion: int, advantage: float = 1.0, keep: bool = True) -> TrainingRow:
    """Prompt ids 10, 11, ... and completion ids 20, 21, ... of the given lengths."""
    return TrainingRow(range(10, 10 + prompt), tuple(range(20, 20 + completion)), advantage, keep)


def test_a_row_is_prompt_then_completion_then_padding() -> None:
    batch = pack_rows([row(prompt=2, completion=1), row(prompt=1, completion=3)], PAD, denominator=4.0)
    assert batch.input_ids.tolist() == [[10, 11, 20, PAD], [10, 20, 21, 22]]
    assert batch.prompt_lengths.tolist() == [2, 1]


def test_the_mask_marks_completion_tokens_counted_from_the_prompts_end() -> None:
    batch = pack_rows([row(prompt=2, completion=1), row(prompt=1, completion=3)], PAD, denominator=4.0)
    assert batch.completion_mask.tolist() == [[True, False, False], [True, True, True]]


def test_every_marked_position_finds_its_completion_token() -> None:
    rows = [row(prompt=5, completion=2), row(prompt=1, completion=4), row(prompt=3, completion=1)]
    batch = pack_rows(rows, PAD, denominator=7.0)
    index, step = batch.completion_mask.nonzero(as_tuple=True)
    tokens = batch.input_ids[index, batch.prompt_lengths[index] + step].tolist()
    assert tokens == [token for packed in rows for token in packed.completion_ids]


def test_a_padding_id_inside_a_completion_still_counts() -> None:
    batch = pack_rows([TrainingRow((PAD, 5), (7, PAD), 1.0, True)], PAD, denominator=2.0)
    assert batch.completion_mask.tolist() == [[True, True]]


def test_advantages_keep_flags_and_denominator_travel_with_the_rows() -> None:
    batch = pack_rows([row(1, 1, advantage=-0.5), row(1, 2, advantage=0.25, keep=False)], PAD, denominator=9.0)
    assert batch.advantages.tolist() == [-0.5, 0.25]
    assert batch.kl_rows.tolist() == [True, False]
    assert batch.denominator == 9.0
    assert batch.old_logprobs is None and batch.ref_logprobs is None


def test_dtypes_are_those_the_loss_reads() -> None:
    batch = pack_rows([row(2, 2)], PAD, denominator=2.0)
    assert (batch.input_ids.dtype, batch.prompt_lengths.dtype) == (torch.long, torch.long)
    assert (batch.completion_mask.dtype, batch.kl_rows.dtype) == (torch.bool, torch.bool)
    assert batch.advantages.dtype == torch.float32


def test_no_rows_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="no rows"):
        pack_rows([], PAD, denominator=1.0)


def test_a_row_without_prompt_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match=r"rows \[1\].*at least one token"):
        pack_rows([row(2, 2), row(0, 2)], PAD, denominator=4.0)


def test_micro_batches_come_longest_first_and_lose_no_row() -> None:
    rows = [row(2, 1), row(1, 8), row(4, 3), row(1, 1), row(5, 5)]
    parts = split_rows(rows, rows_per_micro_batch=2)
    lengths = [[len(part.prompt_ids) + len(part.completion_ids) for part in batch] for batch in parts]
    assert lengths == [[10, 9], [7, 3], [2]]


def test_rows_of_equal_length_keep_their_order() -> None:
    rows = [row(2, 2, advantage=value) for value in (0.1, 0.2, 0.3)]
    assert split_rows(rows, rows_per_micro_batch=3) == [rows]


def test_rows_without_gradient_are_left_out() -> None:
    kept = row(2, 2)
    assert split_rows([row(3, 3, keep=False), kept, row(1, 1, keep=False)], rows_per_micro_batch=4) == [[kept]]
    assert split_rows([row(3, 3, keep=False)], rows_per_micro_batch=4) == []


def test_splitting_leaves_the_callers_list_alone() -> None:
    rows = [row(1, 1), row(3, 3)]
    split_rows(rows, rows_per_micro_batch=1)
    assert rows == [row(1, 1), row(3, 3)]


def test_an_idle_row_packs_to_a_prompt_without_completion_tokens() -> None:
    batch = pack_rows([idle_row(PAD)], PAD, denominator=8.0)
    assert batch.input_ids.tolist() == [[PAD]]
    assert batch.completion_mask.tolist() == [[False]]
    assert (batch.advantages.tolist(), batch.kl_rows.tolist()) == ([0.0], [False])
