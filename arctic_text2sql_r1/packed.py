# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A micro-batch without padding in which each prompt stands once, and the attention that makes this exact.

Everything in a transformer but attention works token by token. So all prompts and completions of a micro-batch can be
one row of `S` tokens, a prompt followed by all its completions, if attention is told who sees whom: a prompt sees
itself, a completion sees its prompt and itself, both causally. The prompt's keys and values are the same tensors for
all its completions, hence its gradient is the sum over them, as if it had been read once for each. Positions go on
from the prompt's end in every completion, and a completion's last token is left out: nothing is predicted from it.

Which models can be trained so is found by trying (`why_not_packed`). Rows and the padded layout are in `batch.py`,
what is computed from the states in `logprobs.py`. Shapes: `H` query heads, `K` key-value heads, `D` head size, `G`
completions of a group, `P` prompt length, `T` length of the group's longest completion, less one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from arctic_text2sql_r1.attention import attention_mode
from arctic_text2sql_r1.attention import other_layers
from arctic_text2sql_r1.attention import plain_scale
from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import micro_batch
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.batch import require_prompts
from arctic_text2sql_r1.batch import row_length
from arctic_text2sql_r1.batch import teaching_rows
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows

ATTENTION = "packed_groups"


@dataclass(frozen=True)
class Layout:
    """Where groups stand in a packed row: for each its prompt's length and those of its completions, less one.

    Completions of which nothing is left are not listed. A class of its own, so that an engine that walks through the
    arguments of a forward pass in search of tensors leaves it alone.
    """

    groups: tuple[tuple[int, tuple[int, ...]], ...]


# ----- packing ----------------------------------------------------------------------------------------------------


def by_prompt(rows: Sequence[TrainingRow]) -> list[list[TrainingRow]]:
    """Rows with equal prompts together, in the order in which the prompts first appear."""
    groups: dict[tuple[int, ...], list[TrainingRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row.prompt_ids), []).append(row)
    return list(groups.values())


def pack_groups(
    rows: Sequence[TrainingRow], pad_token_id: int, denominator: float, device: torch.device | str = "cpu"
) -> MicroBatch:
    """One `MicroBatch` of `rows` without padding, to be read inside `packed_mode`; its rows stand prompt by prompt.

    `pad_token_id` is not used: the signature is that of `batch.pack_rows`, and so are the errors.
    """
    require_prompts(rows)
    groups = by_prompt(rows)
    tokens: list[int] = []
    positions: list[int] = []
    sources: list[int] = []
    for group in groups:
        prompt = group[0].prompt_ids
        last = len(tokens) + len(prompt) - 1
        tokens += prompt
        positions += range(len(prompt))
        for row in group:
            written = row.completion_ids[: _written(row)]
            sources += [last, *range(len(tokens), len(tokens) + len(written))][: len(row.completion_ids)]
            tokens += written
            positions += range(len(prompt), len(prompt) + len(written))
    layout = Layout(
        tuple(
            (len(group[0].prompt_ids), tuple(_written(row) for row in group if _written(row) > 0)) for group in groups
        )
    )
    inputs = dict(
        input_ids=torch.tensor([tokens], device=device), position_ids=torch.tensor([positions], device=device)
    )
    return micro_batch([row for group in groups for row in group], {**inputs, "layout": layout}, sources, denominator)


def _written(row: TrainingRow) -> int:
    return max(0, len(row.completion_ids) - 1)


def split_packed(rows: Sequence[TrainingRow], tokens_per_micro_batch: int) -> list[list[TrainingRow]]:
    """The rows that carry a gradient, cut into lists that hold at most that many tokens when packed, longest first.

    Groups stay whole where they fit; a larger one is cut into parts that repeat the prompt, and a row that is longer
    than the budget goes alone. Otherwise as `batch.split_rows`.
    """
    parts: list[list[TrainingRow]] = []
    for group in by_prompt(sorted(teaching_rows(rows), key=row_length, reverse=True)):
        room = -1
        for row in group:
            if _written(row) > room:
                parts.append([])
                room = tokens_per_micro_batch - len(row.prompt_ids)
            parts[-1].append(row)
            room -= _written(row)
    return _filled(parts, tokens_per_micro_batch)


def packed_tokens(part: Sequence[TrainingRow]) -> int:
    """Tokens of rows that share one prompt."""
    return len(part[0].prompt_ids) + sum(_written(row) for row in part)


def _filled(parts: list[list[TrainingRow]], budget: int) -> list[list[TrainingRow]]:
    """Parts of groups put together, the largest first, each into the first list that has room for it."""
    lists: list[list[TrainingRow]] = []
    rooms: list[int] = []
    for part in sorted(parts, key=packed_tokens, reverse=True):
        size = packed_tokens(part)
        place = next((index for index, room in enumerate(rooms) if size <= room), None)
        if place is None:
            lists.append(list(part))
            rooms.append(budget - size)
        else:
            lists[place] += part
            rooms[place] -= size
    return lists


# ----- attention --------------------------------------------------------------------------------------------------


def packed_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """The attention function of transformers' interface: (1, H, S, D), (1, K, S, D) twice to (1, S, H, D).

    Raises `ModelError` where plain causal attention is not meant.
    """
    layout = options.pop("layout", None)
    scale, window = plain_scale("Training on packed groups", module, query, attention_mask, options)
    if layout is None:
        raise ModelError(f"Training on packed groups in {type(module).__name__}: the layout did not reach its layers.")
    sizes = [size for prompt, completions in layout.groups for size in (prompt, sum(completions))]
    # Tokens first and one split for all: its backward pass is one concatenation.
    queries, keys, values = (tensor[0].transpose(0, 1).split(sizes) for tensor in (query, key, value))
    attended: list[torch.Tensor] = []
    for index, (_, completions) in enumerate(layout.groups):
        prompt, written = 2 * index, 2 * index + 1
        attended.append(_attend_prompt(queries[prompt], keys[prompt], values[prompt], scale, window))
        if len(completions) > 0:
            key, value = (
                torch.cat(
                    [part[prompt].expand(len(completions), -1, -1, -1), _padded(part[written], completions)], dim=1
                )
                for part in (keys, values)
            )  # (G, P + T, K, D)
            query = _padded(queries[written], completions)
            rows = _attention(query, key, value, _seen(query.shape[1], key.shape[1], window, query.device), scale)
            attended += [row[:length] for row, length in zip(rows.unbind(), completions, strict=True)]
    return torch.cat(attended).unsqueeze(0), None


def _padded(tokens: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """(sum of lengths, heads, D) to (G, T, heads, D)."""
    return pad_sequence(tokens.split(list(lengths)), batch_first=True)


def _attend_prompt(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, window: int | None
) -> torch.Tensor:
    """(P, H, D), (P, K, D) twice to (P, H, D)."""
    length = query.shape[0]
    mask = None if window is None or length <= window else _seen(length, length, window, query.device)
    return _attention(query.unsqueeze(0), key.unsqueeze(0), value.unsqueeze(0), mask, scale)[0]


def _seen(steps: int, width: int, window: int | None, device: torch.device) -> torch.Tensor:
    """(steps, width), true where one of the last `steps` of `width` tokens sees another: no later one, and no more
    than `window` in all. Padding stands behind a completion, so that this hides it."""
    seen = torch.ones(steps, width, dtype=torch.bool, device=device).tril(width - steps)
    return seen if window is None else seen.triu(width - steps - window + 1)


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """Attention by PyTorch's fused kernels, causal without a mask: (n, tokens, heads, D) each, to that of `query`."""
    query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
    repeats = query.shape[1] // key.shape[1]
    shares_heads = repeats > 1 and query.device.type == "cpu"
    if repeats > 1 and not shares_heads:
        # On a GPU the kernels that take a mask may want equally many heads; what is left keeps a matrix of scores.
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    attended = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=shares_heads
    )
    return attended.transpose(1, 2)


def packed_mode(model: torch.nn.Module) -> AbstractContextManager[None]:
    """Inside, `model` reads packed rows and nothing else. Stay inside for the backward pass.

    NOTE: gradient checkpointing computes the layers again in the backward pass, with the attention then in force.
    """
    return attention_mode(model, ATTENTION, packed_attention)


# ----- whether a model can be trained so --------------------------------------------------------------------------


@torch.no_grad()
def why_not_packed(model: Any) -> str | None:
    """Why packed rows cannot be trusted with this model, None when they can.

    Tries: two prompts with completions of several lengths must get the log-probabilities that padded rows get. Makes
    the same number of forward passes on every rank.
    """
    if (reason := other_layers(model)) is not None:
        return reason
    prompts = [(1, 2, 3, 4), (5, 6)]
    rows = [
        TrainingRow(prompt, tuple(range(7 + length, 7 + 2 * length)), 0.0, True)
        for prompt in prompts
        for length in (3, 1, 5)
    ]
    scoring = Scoring(temperature=1.0)
    expected, _ = score_rows(model, model, pack_rows(rows, 0, 1.0, model.device), scoring)
    try:
        with packed_mode(model):
            found, _ = score_rows(model, model, pack_groups(rows, 0, 1.0, model.device), scoring)
    except torch.OutOfMemoryError:
        raise
    # A model made otherwise than expected may fail anywhere in its own code.
    except (ModelError, RuntimeError, AttributeError, TypeError, ValueError, LookupError) as error:
        return f"a trial failed with {type(error).__name__}: {error}"
    worst = float((found - expected).abs().max())
    allowed = 1e-3 if model.dtype == torch.float32 else 0.15
    return None if worst <= allowed else f"in a trial its log-probabilities were {worst:.2g} off those of padded rows"
