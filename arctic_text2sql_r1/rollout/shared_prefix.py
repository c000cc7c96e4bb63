# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A key-value cache in which the rows of a group share the cache of their prompt, and the attention that reads it.

All completions of a prompt attend to the same keys and values. They are kept once per group (`prefix`) instead of
once per row, and read by one matrix product per group instead of one vector product per row; only what a row has
written itself (`suffix`) is its own. The two scores meet in one softmax, so the result is ordinary attention.

Shapes: `B` groups, `N` rows in the order of their groups, `W` rows of the largest group, `K` key-value heads, `R`
query heads per key-value head, `D` head size, `P` padded prompt length, `t` tokens written so far. The loop that
drives this is in `decode.py`. transformers knows the cache by its methods, not by its class.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import Any

import torch

from arctic_text2sql_r1.attention import attention_mode
from arctic_text2sql_r1.attention import plain_scale
from arctic_text2sql_r1.errors import ModelError

ATTENTION = "shared_prefix"
# The suffix grows by this many columns at a time: it is copied when it grows, and half of it may lie idle.
GROWTH = 64


class GroupLayout:
    """Which rows belong to which group: `group_of_row` is sorted, and every group has at least one row."""

    def __init__(self, group_of_row: Sequence[int], device: torch.device) -> None:
        counts = list(Counter(group_of_row).values())
        self.groups, self.width = len(counts), max(counts)
        self.regular = min(counts) == self.width
        firsts = [end - count for end, count in zip(accumulate(counts), counts, strict=True)]
        within = range(self.width)
        slots = [[first + min(w, count - 1) for w in within] for first, count in zip(firsts, counts, strict=True)]
        places = [index * self.width + w for index, count in enumerate(counts) for w in range(count)]
        self._slots = torch.tensor(slots, device=device).flatten()  # (B * W,): a short group repeats its last row
        self._places = torch.tensor(places, device=device)  # (N,): where in them each row stands

    def by_group(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, ...) to (B, W, ...)."""
        picked = rows if self.regular else rows.index_select(0, self._slots)
        return picked.reshape(self.groups, self.width, *rows.shape[1:])

    def by_row(self, grouped: torch.Tensor) -> torch.Tensor:
        """(B, W, ...) back to (N, ...)."""
        flat = grouped.reshape(self.groups * self.width, *grouped.shape[2:])
        return flat if self.regular else flat.index_select(0, self._places)


class SharedPrefixLayer:
    """One layer's keys and values: those of the prompts once per group, those of the completions per row."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """`keys`, `values` (B, K, P, D), as the prompts' forward pass left them."""
        self.prefix = [keys.contiguous(), values.contiguous()]
        self.suffix: list[torch.Tensor] = []  # two of (N, K, columns, D)
        self.length = 0
        self.layout: GroupLayout | None = None
        self.prompt_bias: torch.Tensor | None = None

    def append(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Writes one more column, (N, K, 1, D) each."""
        new = (keys, values)
        if len(self.suffix) == 0:
            self.suffix = [part.new_empty((*part.shape[:2], GROWTH, part.shape[3])) for part in new]
        elif self.length == self.suffix[0].shape[2]:
            self.suffix = [torch.cat([part, torch.empty_like(part[:, :, :GROWTH])], dim=2) for part in self.suffix]
        for part, column in zip(self.suffix, new, strict=True):
            part[:, :, self.length] = column[:, :, 0]
        self.length += 1

    def select(self, rows: torch.Tensor, groups: torch.Tensor | None) -> None:
        """Keeps these rows; `groups` are those that still have rows, None for all."""
        self.suffix = [part.index_select(0, rows) for part in self.suffix]
        if groups is not None:
            self.prefix = [part.index_select(0, groups) for part in self.prefix]

    def attend(self, query: torch.Tensor, scaling: float, window: int | None = None) -> torch.Tensor:
        """Attention of (N, K * R, 1, D) queries over the last `window` columns of prefix and suffix: (N, 1, K * R, D).

        Prompts are padded on the left, so that a column is as far from every row's newest token. None: all columns.
        """
        layout = self.layout
        assert layout is not None
        columns = self.prefix[0].shape[2]
        first = 0 if window is None else max(0, columns + self.length - window)
        prefix_keys, prefix_values = (part[:, :, first:] for part in self.prefix)
        suffix_keys, suffix_values = (part[:, :, max(0, first - columns) : self.length] for part in self.suffix)
        rows, heads, _, size = query.shape
        shared, length = prefix_keys.shape[1], prefix_keys.shape[2]
        own = query.reshape(rows, shared, heads // shared, size) * scaling  # (N, K, R, D)
        own_scores = layout.by_group(own @ suffix_keys.transpose(-1, -2)).transpose(1, 2)  # (B, K, W, R, t)
        grouped = layout.by_group(own).transpose(1, 2).flatten(2, 3)  # (B, K, W * R, D)
        scores = grouped @ prefix_keys.transpose(-1, -2)  # (B, K, W * R, P)
        if self.prompt_bias is not None:
            scores = scores + self.prompt_bias[..., first:].to(scores.dtype)
        scores = torch.cat([scores, own_scores.flatten(2, 3)], dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        seen = weights[..., :length] @ prefix_values  # (B, K, W * R, D)
        own_weights = weights[..., length:]  # (B, K, W * R, t)
        seen = layout.by_row(seen.unflatten(2, (layout.width, -1)).transpose(1, 2))  # (N, K, R, D)
        written = layout.by_row(own_weights.unflatten(2, (layout.width, -1)).transpose(1, 2)) @ suffix_values
        return (seen + written).reshape(rows, 1, heads, size)


class SharedPrefixCache:
    """What a decoding step hands to a transformers model as `past_key_values`."""

    is_compileable = False

    def __init__(self, prompts: Any, prompt_mask: torch.Tensor, group_of_row: Sequence[int]) -> None:
        """`prompts` is the `DynamicCache` of the prompts' forward pass, `prompt_mask` (B, P) has 1 on their tokens."""
        self.layers = [SharedPrefixLayer(layer.keys, layer.values) for layer in prompts.layers]
        self._mask = prompt_mask
        self.group_of_row = list(group_of_row)
        self._describe()

    def _describe(self) -> None:
        layout = GroupLayout(self.group_of_row, self._mask.device)
        bias = None
        if not bool(self._mask.all()):
            bias = torch.zeros(self._mask.shape, device=self._mask.device)  # (B, P)
            bias = bias.masked_fill(self._mask == 0, -torch.inf)[:, None, None]  # (B, 1, 1, P)
        for layer in self.layers:
            layer.layout, layer.prompt_bias = layout, bias

    def select(self, rows: Sequence[int]) -> None:
        """Keeps these rows, given in rising order; a prompt whose rows are all gone goes with them."""
        device = self._mask.device
        left = [self.group_of_row[row] for row in rows]
        groups = list(dict.fromkeys(left))
        kept = None if len(groups) == self._mask.shape[0] else torch.tensor(groups, device=device)
        for layer in self.layers:
            layer.select(torch.tensor(rows, device=device), kept)
        if kept is not None:
            self._mask = self._mask.index_select(0, kept)
        renumbered = {group: index for index, group in enumerate(groups)}
        self.group_of_row = [renumbered[group] for group in left]
        self._describe()

    # ----- what transformers asks of a cache ----------------------------------------------------------------------

    @property
    def is_sliding(self) -> list[bool]:
        """No layer forgets: one with a window is kept whole, and reads its end."""
        return [False] * len(self.layers)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns held for each row, the prompt's padding included."""
        return int(self._mask.shape[1]) + self.layers[layer_idx].length

    def get_mask_sizes(self, cache_position: torch.Tensor, layer_idx: int) -> tuple[int, int]:
        """Columns seen by the step at `cache_position`, and the offset of the first."""
        return self.get_seq_length(layer_idx) + int(cache_position.shape[0]), 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, cache_kwargs: Any = None
    ) -> tuple[SharedPrefixLayer, SharedPrefixLayer]:
        """Takes one layer's new column; in place of tensors the attention function receives the layer itself."""
        layer = self.layers[layer_idx]
        layer.append(key_states, value_states)
        return layer, layer


def shared_prefix_attention(
    module: Any, query: torch.Tensor, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """The attention function of transformers' interface. Raises `ModelError` where plain attention is not meant."""
    scale, window = plain_scale("Decoding with a shared prefix", module, query, attention_mask, options)
    if query.shape[2] != 1 or key is not value:
        raise ModelError(
            f"Decoding with a shared prefix in {type(module).__name__}: it reads several positions at once."
        )
    return key.attend(query, scaling=scale, window=window), None


def shared_prefix_mode(model: torch.nn.Module) -> AbstractContextManager[None]:
    """Inside, the model's attention layers call `shared_prefix_attention`; their own choice is back afterwards."""
    return attention_mode(model, ATTENTION, shared_prefix_attention)
