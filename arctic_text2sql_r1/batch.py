# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""From sampled token ids to the tensors a training pass reads, and the cutting of an update into micro-batches.

Rows are packed as prompt, completion, padding: with padding on the right only, a causal model needs no attention
mask and a row's numbers do not depend on its neighbours. Shapes: `N` rows, `L` padded row length, `T` padded
completion length. Scores and rewards are computed elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TrainingRow:
    """One sampled completion with what training needs to know about it.

    `keep` is false for rows of a group without spread: they carry neither advantage nor KL.
    """

    prompt_ids: Sequence[int]
    completion_ids: Sequence[int]
    advantage: float
    keep: bool


@dataclass
class MicroBatch:
    """Rows of one forward and backward pass.

    `input_ids` (N, L), `prompt_lengths` (N,), `completion_mask` (N, T) bool with 1 on completion tokens,
    `advantages` (N,), `kl_rows` (N,) bool, `denominator` of the whole update. `old_logprobs` (N, T) is None until
    the first pass over the batch, which defines it; `ref_logprobs` (N, T) is None when no KL is wanted.
    """

    input_ids: torch.Tensor
    prompt_lengths: torch.Tensor
    completion_mask: torch.Tensor
    advantages: torch.Tensor
    kl_rows: torch.Tensor
    denominator: float
    old_logprobs: torch.Tensor | None = None
    ref_logprobs: torch.Tensor | None = None


def pack_rows(
    rows: Sequence[TrainingRow], pad_token_id: int, denominator: float, device: torch.device | str = "cpu"
) -> MicroBatch:
    """One `MicroBatch` of `rows`, padded on the right to the longest.

    Raises ValueError for no rows, and for a row without prompt: nothing would predict its first completion token.
    """
    if len(rows) == 0:
        raise ValueError("Cannot pack a micro-batch of no rows.")
    bare = [index for index, row in enumerate(rows) if len(row.prompt_ids) == 0]
    if len(bare) > 0:
        raise ValueError(f"Cannot pack rows {bare}: their prompt is empty, expected at least one token.")
    width = max(len(row.prompt_ids) + len(row.completion_ids) for row in rows)
    steps = max(1, max(len(row.completion_ids) for row in rows))
    input_ids = torch.full((len(rows), width), pad_token_id, dtype=torch.long)
    completion_mask = torch.zeros((len(rows), steps), dtype=torch.bool)
    for index, row in enumerate(rows):
        tokens = [*row.prompt_ids, *row.completion_ids]
        input_ids[index, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        completion_mask[index, : len(row.completion_ids)] = True
    return MicroBatch(
        input_ids=input_ids.to(device),
        prompt_lengths=torch.tensor([len(row.prompt_ids) for row in rows], dtype=torch.long, device=device),
        completion_mask=completion_mask.to(device),
        advantages=torch.tensor([row.advantage for row in rows], dtype=torch.float32, device=device),
        kl_rows=torch.tensor([row.keep for row in rows], dtype=torch.bool, device=device),
        denominator=denominator,
    )


def split_rows(rows: Sequence[TrainingRow], rows_per_micro_batch: int) -> list[list[TrainingRow]]:
    """The rows that carry a gradient, sorted by length (longest first) and cut into lists of at most that many.

    Rows with `keep` false would contribute exactly 0, so they are left out. Longest first makes an out-of-memory
    error appear in the first micro-batch of the first update. May be empty.
    """
    kept = [row for row in rows if row.keep]
    kept.sort(key=lambda row: len(row.prompt_ids) + len(row.completion_ids), reverse=True)
    return [kept[start : start + rows_per_micro_batch] for start in range(0, len(kept), rows_per_micro_batch)]


def idle_row(row: TrainingRow) -> TrainingRow:
    """A row without completion tokens, for ranks that have fewer micro-batches than the others: loss 0, gradient 0."""
    return TrainingRow(prompt_ids=row.prompt_ids, completion_ids=(), advantage=0.0, keep=False)
