# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Drawing one token: the cumulative distribution by hand, its edges, and the log-probability that goes with it."""

import math

import pytest
import torch

from arctic_text2sql_r1.rollout.sampling import draw
from arctic_text2sql_r1.rollout.sampling import row_uniforms

# Probabilities 0, 1/4, 0, 3/4, 0: the cumulative sums are 0, 1/4, 1/4, 1, 1.
LOGITS = torch.tensor([[-math.inf, 0.0, -math.inf, math.log(3.0), -math.inf]])


@pytest.mark.parametrize(
    ("uniform", "token", "probability"),
    [(0.0, 1, 0.25), (0.2499, 1, 0.25), (0.25, 3, 0.75), (0.9, 3, 0.75), (1.0, 3, 0.75)],
)
def test_a_token_is_where_the_cumulative_distribution_crosses_the_uniform(
    uniform: float, token: int, probability: float
) -> None:
    tokens, logprobs = draw(LOGITS, temperature=1.0, uniforms=torch.tensor([uniform]))
    assert tokens.tolist() == [token]
    assert logprobs.item() == pytest.approx(math.log(probability))


def test_the_logprob_is_at_the_temperature() -> None:
    # At temperature 1/2 the odds 1 : 3 become 1 : 9.
    tokens, logprobs = draw(LOGITS, temperature=0.5, uniforms=torch.tensor([0.05]))
    assert (tokens.item(), logprobs.item()) == (1, pytest.approx(math.log(0.1)))


def test_greedy_takes_the_likeliest_and_scores_it_without_temperature() -> None:
    tokens, logprobs = draw(LOGITS, temperature=0.0, uniforms=None)
    assert (tokens.item(), logprobs.item()) == (3, pytest.approx(math.log(0.75)))


def test_logits_of_the_caller_are_not_written_to() -> None:
    logits = torch.randn(3, 7)
    before = logits.clone()
    draw(logits, temperature=0.7, uniforms=torch.rand(3))
    assert torch.equal(logits, before)


def test_rows_streams_do_not_depend_on_how_many_rows_there_are() -> None:
    assert torch.equal(row_uniforms(5, rows=3, steps=4), row_uniforms(5, rows=9, steps=4)[:3])
    assert not torch.equal(row_uniforms(5, rows=3, steps=4), row_uniforms(6, rows=3, steps=4))
