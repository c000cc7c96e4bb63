# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Decoding groups of completions: each prompt read once, its cache shared, ended rows dropped from the batch.

`decode` takes one batch of prompts with the number of completions each is to have and returns tokens and
log-probabilities. `why_not` says whether a model can be decoded so at all. Batches, text and the fallback are in
`hf.py`, the cache in `shared_prefix.py`, drawing in `sampling.py`. `N` rows, `T` most new tokens.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from arctic_text2sql_r1.attention import other_layers
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.rollout.sampling import draw
from arctic_text2sql_r1.rollout.shared_prefix import SharedPrefixCache
from arctic_text2sql_r1.rollout.shared_prefix import shared_prefix_mode

# The batch is compacted when this share of its rows has ended: copying the caches costs about half a step.
COMPACT_SHARE = 0.125


@dataclass(frozen=True)
class DecodeBatch:
    """`counts[i]` rows complete `prompts[i]`; rows stand in that order. `uniforms` (N, T), None for greedy decoding.

    `synced`: ranks go on until the slowest has finished, since each forward pass is a collective operation.
    """

    prompts: Sequence[Sequence[int]]
    counts: Sequence[int]
    max_new_tokens: int
    temperature: float
    uniforms: torch.Tensor | None
    stops: Sequence[int]
    pad_token_id: int
    synced: bool = False


def pad_left(
    rows: Sequence[Sequence[int]], pad_token_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both (len(rows), longest), 1 in the mask on tokens."""
    width = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), width), pad_token_id, dtype=torch.long)
    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        input_ids[index, width - len(row) :] = torch.tensor(row, dtype=torch.long)
        attention_mask[index, width - len(row) :] = 1
    return input_ids.to(device), attention_mask.to(device)


def decode(model: Any, batch: DecodeBatch) -> tuple[list[list[int]], list[list[float]]]:
    """Tokens and their log-probabilities, one list per row, to be cut after the first stop token.

    A row runs until a stop token or the limit. Raises `ModelError` if a log-probability is not finite.
    """
    device = model.device
    input_ids, mask = pad_left(batch.prompts, batch.pad_token_id, device)
    logits, prompts = _prefill(model, input_ids, mask)
    group_of_row = [index for index, count in enumerate(batch.counts) for _ in range(count)]
    groups = torch.tensor(group_of_row, device=device)
    steps = _Steps(batch, len(group_of_row), device)
    cache = SharedPrefixCache(prompts, mask, group_of_row)
    del prompts
    lengths, width = mask.sum(dim=1)[groups], mask.shape[1]
    drawn = steps.take(logits.index_select(0, groups))
    del logits
    with shared_prefix_mode(model):
        while steps.goes_on():
            kept = steps.compact()
            if kept is not None:
                cache.select(kept)
                drawn, lengths = drawn[kept], lengths[kept]
            written = steps.written - 1
            logits = model(
                input_ids=drawn.unsqueeze(1),
                position_ids=(lengths + written).unsqueeze(1),
                past_key_values=cache,
                use_cache=True,
                cache_position=torch.tensor([width + written], device=device),
                logits_to_keep=1,
            ).logits
            drawn = steps.take(logits[:, -1])
    return steps.result(type(model).__name__)


def _prefill(model: Any, input_ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Logits (B, V) after each prompt and the prompts' cache."""
    from transformers import DynamicCache

    output = model(
        input_ids=input_ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        past_key_values=DynamicCache(),  # without the configuration, so that no layer forgets
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1], output.past_key_values


class _Steps:
    """What has been drawn, by row, and which rows are still in the batch."""

    def __init__(self, batch: DecodeBatch, rows: int, device: torch.device) -> None:
        self.batch = batch
        self.tokens = torch.full((rows, batch.max_new_tokens), batch.pad_token_id, device=device)
        self.logprobs = torch.zeros((rows, batch.max_new_tokens), device=device)
        self.uniforms = None if batch.uniforms is None else batch.uniforms.to(device)
        self.stops = torch.tensor(list(batch.stops), device=device)
        self.rows = torch.arange(rows, device=device)  # of the whole batch, those that are still decoded
        self.ended = [False] * rows  # of those
        self.written = 0

    def take(self, logits: torch.Tensor) -> torch.Tensor:
        """Draws and notes one token of each row from (n, V) logits."""
        uniforms = None if self.uniforms is None else self.uniforms[self.rows, self.written]
        drawn, logprobs = draw(logits, self.batch.temperature, uniforms)
        self.tokens[self.rows, self.written] = drawn
        self.logprobs[self.rows, self.written] = logprobs
        self.written += 1
        stopped = torch.isin(drawn, self.stops).tolist()
        self.ended = [before or now for before, now in zip(self.ended, stopped, strict=True)]
        return drawn

    def goes_on(self) -> bool:
        """Whether another token is wanted, here or on another rank."""
        unfinished = self.written < self.batch.max_new_tokens and not all(self.ended)
        if not self.batch.synced:
            return unfinished
        flag = torch.tensor(float(unfinished), device=self.rows.device)
        torch.distributed.all_reduce(flag)
        return bool(flag > 0)

    def compact(self) -> list[int] | None:
        """Positions of the rows to go on with, None when it does not pay to drop any. At least one always stays."""
        running = [position for position, ended in enumerate(self.ended) if not ended]
        kept = running or [0]  # a rank that has finished keeps the others company
        gone = len(self.ended) - len(kept)
        if gone == 0 or gone < COMPACT_SHARE * len(self.ended):
            return None
        self.rows = self.rows[kept]
        self.ended = [self.ended[position] for position in kept]
        return kept

    def result(self, name: str) -> tuple[list[list[int]], list[list[float]]]:
        """See `decode`."""
        if not bool(torch.isfinite(self.logprobs).all()):
            raise ModelError(
                f"Sampling from {name}: a drawn token's log-probability is not finite, so the logits hold NaN or "
                "infinity. The weights have diverged, or the numbers overflow the model's dtype; use bf16 or fp32."
            )
        return self.tokens[:, : self.written].tolist(), self.logprobs[:, : self.written].tolist()


# ----- whether a model can be decoded so --------------------------------------------------------------------------


@torch.no_grad()
def why_not(model: Any, token_ids: Sequence[int], synced: bool) -> str | None:
    """Why `decode` cannot be trusted with this model, None when it can.

    Asks for attention over everything before or a window of it in every layer, then tries: a few greedy tokens after
    two prompts of unequal length must have the log-probabilities that one uncached pass over them gives. `token_ids`
    are any few ordinary tokens. Makes the same number of forward passes on every rank.
    """
    found = _structural_obstacle(model)
    if found is not None:
        return found
    prompts = [list(token_ids), list(token_ids[:1])]
    batch = DecodeBatch(
        prompts=prompts,
        counts=[2, 1],
        max_new_tokens=3,
        temperature=0.0,
        uniforms=None,
        stops=[-1],
        pad_token_id=int(token_ids[0]),
        synced=synced,
    )
    try:
        tokens, logprobs = decode(model, batch)
        worst = max(
            float((torch.tensor(row) - _uncached_logprobs(model, prompt, ids)).abs().max())
            for prompt, ids, row in zip([prompts[0], *prompts], tokens, logprobs, strict=True)
        )
    except torch.OutOfMemoryError:
        raise
    # A model made otherwise than expected may fail anywhere in its own code.
    except (ModelError, RuntimeError, AttributeError, TypeError, ValueError, LookupError) as error:
        return f"a trial failed with {type(error).__name__}: {error}"
    allowed = 1e-3 if model.dtype == torch.float32 else 0.15
    return None if worst <= allowed else f"in a trial its log-probabilities were {worst:.2g} off those without cache"


def _uncached_logprobs(model: Any, prompt: list[int], ids: list[int]) -> torch.Tensor:
    """Log-probabilities (len(ids),) of `ids` after `prompt`, from one pass without cache, on the CPU."""
    input_ids = torch.tensor([[*prompt, *ids]], device=model.device)
    logits = model(input_ids=input_ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits.float(), dim=-1).gather(1, input_ids[0, len(prompt) :, None]).squeeze(1).cpu()


def _structural_obstacle(model: Any) -> str | None:
    """What about the model's class or configuration rules `decode` out, None when nothing does."""
    from transformers import DynamicCache
    from transformers import PreTrainedModel
    from transformers.cache_utils import DynamicLayer
    from transformers.cache_utils import DynamicSlidingWindowLayer

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not isinstance(base, PreTrainedModel):
        return f"{type(base).__name__} is not a transformers model"
    if base.config.is_encoder_decoder:
        return "it is an encoder-decoder model"
    if not getattr(base, "_supports_attention_backend", False):
        return f"{type(base).__name__} does not let its attention function be replaced"
    missing = {"position_ids", "past_key_values", "cache_position", "logits_to_keep"} - set(
        inspect.signature(base.forward).parameters
    )
    if len(missing) > 0:
        return f"the forward pass of {type(base).__name__} takes no {', '.join(sorted(missing))}"
    cache = DynamicCache(config=model.config)
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers):
        return "some of its layers keep a state of another kind than keys and values"
    return other_layers(model)
