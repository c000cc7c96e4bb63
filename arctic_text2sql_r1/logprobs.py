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
from functools import partial
from typing import Any
from typing import Protocol

import torch
from torch.utils.checkpoint import checkpoint

from arctic_text2sql_r1.errors import ModelError

Projection = Callable[[torch.Tensor], torch.Tensor]

# Bytes of float32 logits at once: on a GPU 441 positions of 151,936 tokens, on a CPU about what its cache holds.
CHUNK_BYTES = 256 << 20
CPU_CHUNK_BYTES = 16 << 20


@dataclass(frozen=True)
class Scoring:
    """How completions are scored.

    `temperature` is the sampler's. `chunk_bytes` bounds the float32 logits alive at once; unset, a value for the
    device. `entropy_gradient` lets gradients flow into the entropy as well: an entropy bonus needs it, and it costs a
    second projection of every chunk.
    """

    temperature: float
    chunk_bytes: int | None = None
    entropy_gradient: bool = False


class ScoredRows(Protocol):
    """Any batch whose completion tokens can be scored, such as `batch.MicroBatch`.

    `inputs` are the keyword arguments of the model's forward pass, the token ids among them as `input_ids` (n, L).
    `completion_mask` (N, T), 1 marks a completion token. `sources` and `targets` (M,) have one entry per marked token,
    in the order of the mask: where in the flattened `input_ids` the token stands whose state predicts it, and its id.
    """

    completion_mask: torch.Tensor
    sources: torch.Tensor
    targets: torch.Tensor

    @property
    def inputs(self) -> dict[str, Any]: ...


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
    chunk_positions: int,
    entropy_gradient: bool = False,
    frozen: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`token_logprobs` of project(hidden) / temperature, with at most `chunk_positions` rows of logits alive.

    `hidden` (M, H), `targets` (M,) → (M,), (M,). With gradients enabled each chunk's logits are computed again in
    the backward pass instead of being kept; or, if `frozen` says that nothing in `project` is trained and the entropy
    needs no gradient, everything that the backward pass needs is computed at once, see `_FrozenHead`.
    """

    def score(part: torch.Tensor, part_targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return token_logprobs(project(part).float().div_(temperature), part_targets, entropy_gradient)

    differentiated = torch.is_grad_enabled() and hidden.requires_grad
    if differentiated and frozen and not entropy_gradient:
        return _FrozenHead.apply(hidden, targets, score, chunk_positions)  # type: ignore[no-any-return, no-untyped-call]
    parts = list(zip(hidden.split(chunk_positions), targets.split(chunk_positions), strict=True))
    if differentiated and len(parts) > 1:
        # A head draws no random numbers, whose states would be five kilobytes a chunk.
        again = partial(checkpoint, score, use_reentrant=False, preserve_rng_state=False)
        scored = [again(part, wanted) for part, wanted in parts]
    else:
        scored = [score(part, wanted) for part, wanted in parts]
    return torch.cat([logprobs for logprobs, _ in scored]), torch.cat([entropy for _, entropy in scored])


class _FrozenHead(torch.autograd.Function):
    """Scores in chunks, with the gradient to the hidden states found on the way while a chunk's logits are at hand.

    A position's log-probability depends on its own state alone, so its gradient is a vector (H,) times whatever the
    backward pass brings for that position: (M, H) numbers to keep, and no logits to keep or to compute again.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, targets: torch.Tensor, score: Callable[..., Any], chunk_positions: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        slopes, logprobs, entropies = [], [], []
        for part, wanted in zip(hidden.split(chunk_positions), targets.split(chunk_positions), strict=True):
            with torch.enable_grad():
                state = part.detach().requires_grad_()
                found, entropy = score(state, wanted)
                slopes += torch.autograd.grad(found.sum(), state)
            logprobs.append(found.detach())
            entropies.append(entropy)
        ctx.save_for_backward(torch.cat(slopes))
        entropy = torch.cat(entropies)
        ctx.mark_non_differentiable(entropy)
        return torch.cat(logprobs), entropy

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        return slopes * gradients[0].unsqueeze(1).to(slopes.dtype), None, None, None


@contextmanager
def scoring_head(head: torch.nn.Module, rows: ScoredRows, scoring: Scoring) -> Iterator[list[torch.Tensor]]:
    """While active, `head` (a model's output embedding) returns (N, T, 2): log-probability and entropy.

    Entries where the mask of `rows` is 0 are exactly 0. Yields a list to which every call of the head adds what it
    returned, detached. The head's own forward is back in place afterwards, also when the model raises.
    """
    marked = rows.completion_mask.nonzero(as_tuple=True)  # (M,), (M,)
    project = head.forward
    frozen = not any(parameter.requires_grad for parameter in head.parameters())
    default = CPU_CHUNK_BYTES if rows.targets.device.type == "cpu" else CHUNK_BYTES
    chunk_positions = max(1, (scoring.chunk_bytes or default) // (4 * int(head.out_features)))  # type: ignore[arg-type]
    returned: list[torch.Tensor] = []

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        picked = hidden.flatten(0, 1).index_select(0, rows.sources)  # (M, H)
        logprobs, entropy = chunked_logprobs(
            picked, project, rows.targets, scoring.temperature, chunk_positions, scoring.entropy_gradient, frozen
        )
        scores = hidden.new_zeros((*rows.completion_mask.shape, 2), dtype=torch.float32)
        scores = scores.index_put(marked, torch.stack((logprobs, entropy), dim=-1))
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


def score_rows(
    model: Callable[..., Any], module: torch.nn.Module, rows: ScoredRows, scoring: Scoring
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability and entropy of every completion token: (N, T), (N, T), 0 where the mask is 0.

    `module` is the transformers model, `model` what is called: the same, or an engine wrapped around it whose hooks
    must see the forward pass. Gradients flow unless the caller switched them off. Raises `ModelError` for a model that
    does something to its logits after the head, as soft-capping and logit scales do.
    """
    head = module.get_output_embeddings()  # type: ignore[operator]
    with scoring_head(head, rows, scoring) as returned:
        scores = model(**rows.inputs, use_cache=False).logits  # (N, T, 2)
    _check_untouched(scores.detach(), returned, type(module).__name__)
    entropy = scores[..., 1]
    return scores[..., 0], entropy if scoring.entropy_gradient else entropy.detach()


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
