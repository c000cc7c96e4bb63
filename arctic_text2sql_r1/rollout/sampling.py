# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Drawing the next token of each row, and its log-probability, from the logits of one step.

Every row has its own stream of uniform numbers, fixed before the first token is drawn, and a token is where the
cumulative distribution crosses its number. So what a row draws depends on its logits and its place in the call, not
on which rows share its batch, not on rows that have ended, and not on any global random state.
"""

import torch


def row_uniforms(seed: int, rows: int, steps: int) -> torch.Tensor:
    """(rows, steps) float32 numbers in [0, 1), on the CPU: the random stream of each row.

    The first rows of a longer call are those of a shorter one; another number of steps gives other streams.
    """
    return torch.rand((rows, steps), generator=torch.Generator().manual_seed(seed))


def draw(logits: torch.Tensor, temperature: float, uniforms: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """One token of each row and its log-probability in nats: (N,) int64, (N,) float32.

    `logits` (N, V), `uniforms` (N,) in [0, 1), unused at temperature 0. Tokens follow softmax(logits / temperature),
    the whole of it, and the log-probability is under that distribution, computed in float32. At temperature 0 the
    token is the likeliest and its log-probability that of softmax(logits). A token of probability 0 is never drawn.
    """
    scores = logits.float()
    if temperature == 0 or uniforms is None:
        tokens = scores.argmax(dim=-1)
    else:
        scores = scores / temperature
        tokens = _invert(torch.softmax(scores, dim=-1), uniforms)
    logprobs = scores.gather(1, tokens.unsqueeze(1)).squeeze(1) - torch.logsumexp(scores, dim=-1)
    return tokens, logprobs


def _invert(probabilities: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """The first token at which the cumulative sum of (N, V) exceeds the share `uniforms` (N,) of its total.

    Overwrites `probabilities`, so that only one more array of that size exists.
    """
    cumulative = probabilities.cumsum_(dim=-1)
    total = cumulative[:, -1]
    # Rounding could lift the product to the total itself, which nothing exceeds.
    reached = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    tokens = torch.searchsorted(cumulative, reached.unsqueeze(1), right=True).squeeze(1)
    return tokens.clamp_(max=probabilities.shape[1] - 1)
