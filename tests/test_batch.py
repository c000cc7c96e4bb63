# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Packing of rows and the cutting of an update; what a model makes of the tensors is in `test_logprobs.py`."""

import pytest
import torch

from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import counted_sizes
from arctic_text2sql_r1.batch import idle_row
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.batch import remember_logprobs
from arctic_text2sql_r1.batch import row_length
from arctic_text2sql_r1.batch import split_groups
from arctic_text2sql_r1.batch import split_rows

PAD = 0


def row(prompt: int, completion: int, advantage: float = 1.0, keep: bool = True) -> TrainingRow:
    """Prompt ids 10, 11, ... and completion ids 20, 21, ... of the given lengths."""
    return TrainingRow(range(10, 10 + prompt), tuple(range(20, 20 + completion)), advantage, keep)


def test_a_row_is_prompt_then_completion_then_padding() -> None:
    batch = pack_rows([row(prompt=2, completion=1), row(prompt=1, completion=3)], PAD, denominator=4.0)
    assert batch.inputs["input_ids"].tolist() == [[10, 11, 20, PAD], [10, 20, 21, 22]]
    assert batch.tokens == 8


def test_the_mask_marks_completion_tokens_counted_from_the_prompts_end() -> None:
    batch = pack_rows([row(prompt=2, completion=1), row(prompt=1, completion=3)], PAD, denominator=4.0)
    assert batch.completion_mask.tolist() == [[True, False, False], [True, True, True]]


def test_every_completion_token_is_predicted_from_the_token_before_it() -> None:
    # Ids 10, 11, ... in the prompt and 20, 21, ... in the completion: 20 follows the prompt's last, 21 follows 20.
    rows = [row(prompt=5, completion=2), row(prompt=1, completion=4), row(prompt=3, completion=1)]
    batch = pack_rows(rows, PAD, denominator=7.0)
    assert batch.targets.tolist() == [20, 21, 20, 21, 22, 23, 20]
    assert batch.inputs["input_ids"].flatten()[batch.sources].tolist() == [14, 20, 10, 20, 21, 22, 12]


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
    assert (batch.inputs["input_ids"].dtype, batch.sources.dtype, batch.targets.dtype) == (torch.long,) * 3
    assert (batch.completion_mask.dtype, batch.kl_rows.dtype) == (torch.bool, torch.bool)
    assert batch.advantages.dtype == torch.float32


def test_no_rows_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="no rows"):
        pack_rows([], PAD, denominator=1.0)


def test_a_row_without_prompt_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match=r"rows \[1\].*at least one token"):
        pack_rows([row(2, 2), row(0, 2)], PAD, denominator=4.0)


def test_micro_batches_come_longest_first_and_lose_no_row() -> None:
    # Two rows of 10 with padding fit into 20 tokens, two of 7, but no third of 7.
    rows = [row(2, 1), row(1, 8), row(4, 3), row(1, 1), row(5, 5)]
    parts = split_rows(rows, tokens_per_micro_batch=20)
    assert [[row_length(part) for part in batch] for batch in parts] == [[10, 9], [7, 3], [2]]


def test_a_row_longer_than_the_budget_goes_alone() -> None:
    parts = split_rows([row(9, 9), row(2, 2), row(8, 9)], tokens_per_micro_batch=8)
    assert [[row_length(part) for part in batch] for batch in parts] == [[18], [17], [4]]


def test_rows_of_equal_length_keep_their_order() -> None:
    rows = [row(2, 2, advantage=value) for value in (0.1, 0.2, 0.3)]
    assert split_rows(rows, tokens_per_micro_batch=12) == [rows]


def test_rows_without_gradient_are_left_out() -> None:
    kept = row(2, 2)
    assert split_rows([row(3, 3, keep=False), kept, row(1, 1, keep=False)], tokens_per_micro_batch=40) == [[kept]]
    assert split_rows([row(3, 3, keep=False)], tokens_per_micro_batch=40) == []


def test_splitting_leaves_the_callers_list_alone() -> None:
    rows = [row(1, 1), row(3, 3)]
    split_rows(rows, tokens_per_micro_batch=1)
    assert rows == [row(1, 1), row(3, 3)]


def test_an_idle_row_packs_to_a_prompt_without_completion_tokens() -> None:
    batch = pack_rows([idle_row(PAD)], PAD, denominator=8.0)
    assert batch.inputs["input_ids"].tolist() == [[PAD]]
    assert batch.completion_mask.tolist() == [[False]]
    assert (batch.advantages.tolist(), batch.kl_rows.tolist()) == ([0.0], [False])


def test_groups_stay_whole_and_are_dealt_evenly() -> None:
    ids = [0, 1, 2, 3, 3, 2, 1, 0]
    parts = split_groups(ids, parts=2, seed=5)
    assert sorted(index for part in parts for index in part) == list(range(8))
    groups = [{ids[index] for index in part} for part in parts]
    assert [len(group) for group in groups] == [2, 2]
    assert groups[0] & groups[1] == set()


def test_the_deal_depends_on_the_seed_alone_and_one_part_keeps_the_order() -> None:
    ids = [group for group in range(20) for _ in range(2)]
    assert split_groups(ids, parts=4, seed=1) == split_groups(ids, parts=4, seed=1)
    assert split_groups(ids, parts=4, seed=1) != split_groups(ids, parts=4, seed=2)
    assert split_groups(ids, parts=1, seed=1) == [list(range(40))]


def test_masked_rows_leave_numerator_and_denominator_alike() -> None:
    # Of three completions of 2, 3 and 4 tokens the last is masked; the second teaches nothing, but counts.
    rows = [row(1, 2), row(1, 3, keep=False), TrainingRow((1,), (1, 2, 3, 4), 1.0, True, counted=False)]
    assert counted_sizes(rows) == (5, 2)
    assert split_rows(rows, tokens_per_micro_batch=40) == [[rows[0]]]


def test_remembered_logprobs_come_back_however_the_rows_are_packed() -> None:
    rows = [row(1, 3), row(1, 1)]
    batch = pack_rows(rows, PAD, denominator=1.0)
    assert (batch.old_logprobs, batch.ref_logprobs) == (None, None)
    remember_logprobs(batch, "old_logprobs", torch.tensor([[-1.0, -2.0, -3.0], [-4.0, 0.0, 0.0]]))
    again = pack_rows([rows[1], rows[0]], PAD, denominator=1.0)
    assert again.old_logprobs is not None
    assert again.old_logprobs.tolist() == [[-4.0, 0.0, 0.0], [-1.0, -2.0, -3.0]]
    assert again.ref_logprobs is None


def test_an_idle_row_does_not_hide_what_the_others_remember() -> None:
    real = row(1, 2)
    remember_logprobs(pack_rows([real], PAD, 1.0), "ref_logprobs", torch.tensor([[-1.0, -2.0]]))
    packed = pack_rows([real, idle_row(PAD)], PAD, 1.0).ref_logprobs
    assert packed is not None
    assert packed.tolist() == [[-1.0, -2.0], [0.0, 0.0]]
