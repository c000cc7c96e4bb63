# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Log-probabilities of completion tokens, without ever holding the logits of a whole batch.

A causal language model ends in a head that turns hidden states (N, L, H) into logits (N, L, V). With V = 151,936
those logits are the commonest out-of-memory report there is. `scoring_head` swaps the head's forward for one call:
it receives the hidden states, picks the positions that predict completion tokens, projects them in chunks, and
returns only each token's log-probability and entropy. The model's own forward, hooks, adapters, gradient
checkpointing and any engine wrapped around it stay in charge, and gradients reach a trainable head.

Everything is divided by the sampling temperature, since the policy that sampled was softmax(logits / temperature),
and computed in float32. Which rows form a batch is decided in `batch.py`.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import torch
from torch.utils.checkpoint import checkpoint

from arctic_text2sql_r1.errors import ModelError

Projection = Callable[[torch.Tensor], torch.Tensor]

# Positions projected at once: 512 x 151,936 float32 logits are 0.3 GB.
CHUNK_POSITIONS = 512


@dataclass(frozen=True)
class Scoring:
    """How completions are scored.

    `temperature` is the sampler's. `chunk_positions` bounds the logits alive at once. `entropy_gradient` lets
    gradients flow into the entropy as well: an entropy bonus needs it, and it costs the backward pass about
    one more tensor of the size of a chunk's logits.
    """

    temperature: float
    chunk_positions: int = CHUNK_POSITIONS
    entropy_gradient: bool = False


class PackedRows(Protocol):
    """Any batch of packed rows, such as `batch.MicroBatch`: (N, L), (N,), (N, T), see `scoring_head`."""

    input_ids: torch.Tensor
    prompt_lengths: torch.Tensor
    completion_mask: torch.Tensor


def token_logprobs(
    logits: torch.Tensor, targets: torch.Tensor, entropy_gradient: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each target and entropy of each distribution, in nats and float32.

    `logits` (M, V), `targets` (M,) → (M,), (M,). The entropy carries no gradient unless asked to.
    """
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        # A logit of -inf has probability 0 and contributes 0, where 0 * -inf would be NaN.
        entropy = -(logprobs.exp() * logprobs.clamp(min=torch.finfo(torch.float32).min)).sum(dim=-1)
    return logprobs.gather(1, targets.unsqueeze(1)).squeeze(1), entropy


def chunked_logprobs(
    hidden: torch.Tensor,
    project: Projection,
    targets: torch.Tensor,
    temperature: float,
    chunk_positions: int = CHUNK_POSITIONS,
    entropy_gradient: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`token_logprobs` of project(hidden) / temperature, with at most `chunk_positions` rows of logits alive.

    `hidden` (M, H), `targets` (M,) → (M,), (M,). With gradients enabled each chunk's logits are computed again in
    the backward pass instead of being kept.
    """

    def score(part: torch.Tensor, part_targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return token_logprobs(project(part).float() / temperature, part_targets, entropy_gradient)

    parts = list(zip(hidden.split(chunk_positions), targets.split(chunk_positions), strict=True))
    if torch.is_grad_enabled() and hidden.requires_grad and len(parts) > 1:
        scored = [checkpoint(score, part, wanted, use_reentrant=False) for part, wanted in parts]
    else:
        scored = [score(part, wanted) for part, wanted in parts]
    return torch.cat([logprobs for logprobs, _ in scored]), torch.cat([entropy for _, entropy in scored])


@contextmanager
def scoring_head(
    head: torch.nn.Module,
    input_ids: torch.Tensor,
    prompt_lengths: torch.Tensor,
    completion_mask: torch.Tensor,
    scoring: Scoring,
) -> Iterator[list[torch.Tensor]]:
    """While active, `head` (a model's output embedding) returns (N, T, 2): log-probability and entropy.

    `input_ids` (N, L) holds prompt, completion and padding on the right; `prompt_lengths` (N,), at least 1;
    `completion_mask` (N, T), 1 marks a completion token. Entries where the mask is 0 are exactly 0. Yields a list to
    which every call of the head adds what it returned, detached. The head's own forward is back in place afterwards,
    also when the model raises.
    """
    rows, steps = completion_mask.nonzero(as_tuple=True)  # (M,), (M,)
    positions = prompt_lengths[rows] + steps
    targets = input_ids[rows, positions]
    project = head.forward
    returned: list[torch.Tensor] = []

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        picked = hidden[rows, positions - 1]  # (M, H): the state before a token predicts it
        logprobs, entropy = chunked_logprobs(
            picked, project, targets, scoring.temperature, scoring.chunk_positions, scoring.entropy_gradient
        )
        scores = hidden.new_zeros((*completion_mask.shape, 2), dtype=torch.float32)
        scores = scores.index_put((rows, steps), torch.stack((logprobs, entropy), dim=-1))
        returned.append(scores.detach())
        return scores

    shadowed = "forward" in vars(head)
    head.forward = forward
    try:
        yield returned
    finally:
        if shadowed:
            head.forward = project
        else:
            del head.forward


def completion_scores(
    model: Callable[..., Any],
    module: torch.nn.Module,
    input_ids: torch.Tensor,
    prompt_lengths: torch.Tensor,
    completion_mask: torch.Tensor,
    temperature: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`score_rows` of three tensors, with an entropy that carries no gradient: (N, T), (N, T)."""
    return score_rows(
        model, module, _Tensors(input_ids, prompt_lengths, completion_mask), Scoring(temperature=temperature)
    )


def score_rows(
    model: Callable[..., Any], module: torch.nn.Module, rows: PackedRows, scoring: Scoring
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability and entropy of every completion token: (N, T), (N, T), 0 where the mask is 0.

    `module` is the transformers model, `model` what is called: the same, or an engine wrapped around it whose hooks
    must see the forward pass. Gradients flow unless the caller switched them off. Raises `ModelError` for a model that
    does something to its logits after the head, as soft-capping and logit scales do.
    """
    head = module.get_output_embeddings()  # type: ignore[operator]
    with scoring_head(head, rows.input_ids, rows.prompt_lengths, rows.completion_mask, scoring) as returned:
        scores = model(input_ids=rows.input_ids, use_cache=False).logits  # (N, T, 2)
    _check_untouched(scores.detach(), returned, type(module).__name__)
    entropy = scores[..., 1]
    return scores[..., 0], entropy if scoring.entropy_gradient else entropy.detach()


@dataclass
class _Tensors:
    input_ids: torch.Tensor
    prompt_lengths: torch.Tensor
    completion_mask: torch.Tensor


def _check_untouched(scores: torch.Tensor, returned: list[torch.Tensor], name: str) -> None:
    """Raises `ModelError` unless `scores` are what the head returned: then they are not log-probabilities."""
    if len(returned) == 1 and returned[0].shape == scores.shape:
        if torch.allclose(scores, returned[0], rtol=0.0, atol=0.0, equal_nan=True):
            return
    raise ModelError(
        f"Computing log-probabilities with {name}: its logits are not what its output embedding returned in a single "
        f"call (soft-capped, scaled or cast afterwards), so they would be wrong. Use a model that returns its output "
        f"embedding's result unchanged, such as Qwen2, Qwen3 or Llama."
    )
