# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""From sampled token ids to the tensors a training pass reads, and the cutting of an update into micro-batches.

Here a row is prompt, completion, padding: with padding on the right only, a causal model needs no attention mask and
a row's numbers do not depend on its neighbours. `packed.py` has the layout without padding, for the models that can
read it. Shapes: `N` rows, `L` padded row length, `T` padded completion length, `M` completion tokens. Scores and
rewards are computed elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal

import torch


@dataclass
class TrainingRow:
    """One sampled completion with what training needs to know about it.

    `keep` is false for rows of a group without spread: they carry neither advantage nor KL, but count in the
    denominator. `counted` is false for rows that are masked out altogether: they count nowhere. `old_logprobs` and
    `ref_logprobs` (length of the completion,) are None until they are scored, see `remember_logprobs`;
    `policy_logprobs` are those of the latest pass, for whoever must explain it; `sampler_logprobs` those of another
    program that sampled the completion, None where that was the policy itself. `index` is the row's place in its
    rollout.
    """

    prompt_ids: Sequence[int]
    completion_ids: Sequence[int]
    advantage: float
    keep: bool
    counted: bool = True
    old_logprobs: torch.Tensor | None = None
    ref_logprobs: torch.Tensor | None = None
    policy_logprobs: torch.Tensor | None = None
    index: int = -1
    sampler_logprobs: torch.Tensor | None = None


@dataclass
class MicroBatch:
    """Rows of one forward and backward pass.

    `inputs` are the keyword arguments of the model's forward pass, with `input_ids` (N, L) or, packed, (1, S).
    `completion_mask` (N, T) bool with 1 on completion tokens; `sources` (M,) says where in the flattened `input_ids`
    the token stands that predicts each of them, `targets` (M,) their ids. `advantages` (N,), `kl_rows` (N,) bool,
    `denominator` of the whole update. `old_logprobs`, `ref_logprobs`, `policy_logprobs` and `sampler_logprobs` (N, T)
    are those of `rows`, None where one of these has none.
    """

    inputs: dict[str, Any]
    sources: torch.Tensor
    targets: torch.Tensor
    completion_mask: torch.Tensor
    advantages: torch.Tensor
    kl_rows: torch.Tensor
    denominator: float
    rows: Sequence[TrainingRow] = ()
    old_logprobs: torch.Tensor | None = None
    ref_logprobs: torch.Tensor | None = None
    policy_logprobs: torch.Tensor | None = None
    sampler_logprobs: torch.Tensor | None = None

    @property
    def tokens(self) -> int:
        """Tokens that the model reads, padding included."""
        return int(self.inputs["input_ids"].numel())


def pack_rows(
    rows: Sequence[TrainingRow], pad_token_id: int, denominator: float, device: torch.device | str = "cpu"
) -> MicroBatch:
    """One `MicroBatch` of `rows`, padded on the right to the longest.

    Raises ValueError for no rows, and for a row without prompt: nothing would predict its first completion token.
    """
    require_prompts(rows)
    width = max(len(row.prompt_ids) + len(row.completion_ids) for row in rows)
    input_ids = torch.full((len(rows), width), pad_token_id, dtype=torch.long)
    sources: list[int] = []
    for index, row in enumerate(rows):
        tokens = [*row.prompt_ids, *row.completion_ids]
        input_ids[index, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        last = index * width + len(row.prompt_ids) - 1
        sources += range(last, last + len(row.completion_ids))
    return micro_batch(rows, dict(input_ids=input_ids.to(device)), sources, denominator)


def require_prompts(rows: Sequence[TrainingRow]) -> None:
    """Raises ValueError for rows that cannot be packed: none at all, or one without prompt."""
    if len(rows) == 0:
        raise ValueError("Cannot pack a micro-batch of no rows.")
    bare = [index for index, row in enumerate(rows) if len(row.prompt_ids) == 0]
    if len(bare) > 0:
        raise ValueError(f"Cannot pack rows {bare}: their prompt is empty, expected at least one token.")


def micro_batch(
    rows: Sequence[TrainingRow], inputs: dict[str, Any], sources: Sequence[int], denominator: float
) -> MicroBatch:
    """What every layout has in common; `inputs` and `sources` are those of `MicroBatch`, on the wanted device."""
    device = inputs["input_ids"].device
    steps = max(1, max(len(row.completion_ids) for row in rows))
    lengths = torch.tensor([len(row.completion_ids) for row in rows], device=device)
    completion_mask = torch.arange(steps, device=device) < lengths.unsqueeze(1)
    return MicroBatch(
        inputs=inputs,
        sources=torch.tensor(sources, dtype=torch.long, device=device),
        targets=torch.tensor([id_ for row in rows for id_ in row.completion_ids], dtype=torch.long, device=device),
        completion_mask=completion_mask,
        advantages=torch.tensor([row.advantage for row in rows], dtype=torch.float32, device=device),
        kl_rows=torch.tensor([row.keep for row in rows], dtype=torch.bool, device=device),
        denominator=denominator,
        rows=rows,
        old_logprobs=_padded([row.old_logprobs for row in rows], completion_mask.shape, device),
        ref_logprobs=_padded([row.ref_logprobs for row in rows], completion_mask.shape, device),
        sampler_logprobs=_padded([row.sampler_logprobs for row in rows], completion_mask.shape, device),
    )


def _padded(
    logprobs: Sequence[torch.Tensor | None], shape: torch.Size, device: torch.device | str
) -> torch.Tensor | None:
    """One (N, T) float32 tensor, padded with 0; None when a row has none."""
    if any(row is None for row in logprobs):
        return None
    padded = torch.zeros(shape, dtype=torch.float32, device=device)
    for index, row in enumerate(logprobs):
        if row is not None:
            padded[index, : len(row)] = row
    return padded


def remember_logprobs(
    batch: MicroBatch, field: Literal["old_logprobs", "ref_logprobs", "policy_logprobs"], logprobs: torch.Tensor
) -> None:
    """Gives `batch` and each of its rows their share of `logprobs` (N, T), detached, under the name `field`."""
    setattr(batch, field, logprobs.detach())
    for row, values in zip(batch.rows, logprobs.detach(), strict=True):
        setattr(row, field, values[: len(row.completion_ids)])


def split_groups(group_ids: Sequence[int], parts: int, seed: int) -> list[list[int]]:
    """Row indices cut into `parts` lists by whole groups, the groups shuffled by `seed`; one part keeps the order.

    Parts differ by at most one group. With fewer groups than parts the last ones are empty.
    """
    if parts == 1:
        return [list(range(len(group_ids)))]
    groups = sorted(set(group_ids))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed)).tolist()
    part_of = {groups[group]: place % parts for place, group in enumerate(order)}
    return [[row for row, group in enumerate(group_ids) if part_of[group] == part] for part in range(parts)]


def split_rows(rows: Sequence[TrainingRow], tokens_per_micro_batch: int) -> list[list[TrainingRow]]:
    """The rows that carry a gradient, longest first, cut into lists that hold at most that many tokens when padded.

    Rows with `keep` or `counted` false would contribute exactly 0, so they are left out. A row that is longer than
    the budget goes alone. Longest first makes an out-of-memory error appear in the first micro-batch of the first
    update. May be empty.
    """
    kept = sorted(teaching_rows(rows), key=row_length, reverse=True)
    parts: list[list[TrainingRow]] = []
    for row in kept:
        if len(parts) > 0 and (len(parts[-1]) + 1) * row_length(parts[-1][0]) <= tokens_per_micro_batch:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def teaching_rows(rows: Sequence[TrainingRow]) -> list[TrainingRow]:
    """The rows that carry a gradient."""
    return [row for row in rows if row.keep and row.counted]


def row_length(row: TrainingRow) -> int:
    """Tokens of prompt and completion."""
    return len(row.prompt_ids) + len(row.completion_ids)


def counted_sizes(rows: Sequence[TrainingRow]) -> tuple[int, int]:
    """Tokens and completions that an update's denominator counts: every row but the masked ones, kept or not."""
    counted = [row for row in rows if row.counted]
    return sum(len(row.completion_ids) for row in counted), len(counted)


def idle_row(pad_token_id: int) -> TrainingRow:
    """A row without completion tokens, for ranks that have fewer micro-batches than the others: loss 0, gradient 0."""
    none = torch.zeros(0)
    return TrainingRow(
        prompt_ids=(pad_token_id,),
        completion_ids=(),
        advantage=0.0,
        keep=False,
        counted=False,
        old_logprobs=none,
        ref_logprobs=none,
    )
