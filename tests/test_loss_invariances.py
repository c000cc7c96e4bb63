# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What never moves the policy objective, whatever its cells: padding, micro-batches, masked tokens, idle rows.

Its values are tested in `test_losses.py`.
"""

from dataclasses import replace

import pytest
import torch

from arctic_text2sql_r1.losses import Aggregation
from arctic_text2sql_r1.losses import loss_denominator
from arctic_text2sql_r1.losses import policy_loss
from tests.slow_losses import TENSORS
from tests.slow_losses import TIGHT
from tests.slow_losses import VARIANTS
from tests.slow_losses import gradient
from tests.slow_losses import one_token
from tests.slow_losses import random_case
from tests.slow_losses import slow_kl


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("variant", ["grpo", "gspo", "cispo", "rloo", "entropy", "kl k3_corrected"])
@pytest.mark.parametrize("field", ["policy_logprobs", "old_logprobs", "ref_logprobs", "entropy", "sampler_logprobs"])
def test_masked_tokens_contribute_exactly_zero_whatever_they_hold(field: str, variant: str, poison: float) -> None:
    case = random_case(0, variant)
    held = getattr(case, field).detach().masked_fill(~case.completion_mask, poison)
    if field == "policy_logprobs":
        held.requires_grad_()
    poisoned = replace(case, **{field: held})
    assert policy_loss(poisoned).loss.item() == policy_loss(case).loss.item()
    assert gradient(poisoned).masked_select(~case.completion_mask).eq(0).all()
    assert torch.equal(gradient(poisoned), gradient(case))


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_moves_neither_loss_nor_gradient(variant: str) -> None:
    case = random_case(1, variant)

    def wider(tensor: torch.Tensor, value: float) -> torch.Tensor:
        return torch.nn.functional.pad(tensor.detach(), (0, 4), value=value)

    padded = replace(
        case,
        policy_logprobs=wider(case.policy_logprobs, -3.0).requires_grad_(),
        old_logprobs=wider(case.old_logprobs, -0.5),
        ref_logprobs=wider(case.ref_logprobs, -1.5),
        entropy=wider(case.entropy, 2.5),
        sampler_logprobs=wider(case.sampler_logprobs, -9.0),
        completion_mask=wider(case.completion_mask, False),
    )
    torch.testing.assert_close(policy_loss(padded).loss, policy_loss(case).loss, **TIGHT)
    torch.testing.assert_close(gradient(padded)[:, :5], gradient(case), **TIGHT)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cuts", [(1, 1, 1, 1), (2, 2), (3, 1)])
def test_micro_batches_of_an_update_sum_to_the_whole(variant: str, cuts: tuple[int, ...]) -> None:
    whole = random_case(2, variant, lengths=(5, 4, 1, 2))
    pieces = zip(*(getattr(whole, field).split(cuts) for field in TENSORS), strict=True)
    parts = [replace(whole, **dict(zip(TENSORS, piece, strict=True))) for piece in pieces]
    total = sum(policy_loss(part).loss for part in parts)
    torch.testing.assert_close(total, policy_loss(whole).loss, **TIGHT)
    torch.testing.assert_close(torch.autograd.grad(total, whole.policy_logprobs)[0], gradient(whole), **TIGHT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_on_policy_the_gradient_is_that_of_plain_policy_gradient(variant: str) -> None:
    case = random_case(4, variant)
    case = replace(case, old_logprobs=case.policy_logprobs.detach(), ref_logprobs=None, sampler_logprobs=None)
    case = replace(case, objective=replace(case.objective, entropy_coef=0.0))
    lengths = case.completion_mask.sum(dim=1).clamp(min=1)
    weights = case.advantages / (lengths if case.objective.aggregation == "sequence" else 1)
    plain = -(case.policy_logprobs * weights.unsqueeze(1) * case.completion_mask).sum() / case.denominator
    torch.testing.assert_close(gradient(case), torch.autograd.grad(plain, case.policy_logprobs)[0], **TIGHT)
    output = policy_loss(case)
    assert (output.max_ratio.item(), output.clipped_tokens.item()) == (1.0, 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_of_equal_rewards_give_exactly_zero(variant: str) -> None:
    # Such rows have advantage 0 and leave the KL term; an entropy bonus is not theirs either, as they are not packed.
    case = random_case(5, variant)
    nothing = torch.zeros_like(case.advantages)
    case = replace(case, advantages=nothing, kl_rows=case.kl_rows & False)
    case = replace(case, objective=replace(case.objective, entropy_coef=0.0))
    assert policy_loss(case).loss.item() == 0.0
    assert gradient(case).eq(0).all()


def test_far_apart_policies_stay_finite() -> None:
    far = torch.tensor([[0.0, -500.0]], requires_grad=True)
    case = replace(
        one_token(ratio=1.0, advantage=1.0),
        policy_logprobs=far,
        old_logprobs=torch.tensor([[-500.0, 0.0]]),
        ref_logprobs=torch.tensor([[-500.0, 0.0]]),
        completion_mask=torch.tensor([[True, True]]),
    )
    assert policy_loss(case).loss.isfinite()
    assert gradient(case).isfinite().all()


def test_kl_rows_switches_the_kl_of_a_row() -> None:
    case = replace(random_case(5, lengths=(4, 4, 4, 4)), advantages=torch.zeros(4, dtype=torch.float64))
    pulled = gradient(replace(case, kl_rows=torch.tensor([True, False, False, True]))).abs().sum(dim=1) > 0
    assert pulled.tolist() == [True, False, False, True]


def test_without_reference_no_kl_is_charged_or_reported() -> None:
    case = random_case(5)
    output = policy_loss(replace(case, ref_logprobs=None))
    assert output.kl_sum.item() == 0.0
    torch.testing.assert_close(
        output.loss, policy_loss(replace(case, objective=replace(case.objective, kl_coef=0.0))).loss, **TIGHT
    )


def test_reported_kl_counts_every_completion_token() -> None:
    case = random_case(6)
    gap = (case.policy_logprobs - case.ref_logprobs)[case.completion_mask].tolist()
    kl = torch.tensor(sum(slow_kl("k3", value, 0.0)[0] for value in gap), dtype=torch.float64)
    torch.testing.assert_close(policy_loss(case).kl_sum, kl, **TIGHT)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rows", [0, 1])
def test_an_idle_micro_batch_has_loss_zero_and_a_zero_gradient(variant: str, rows: int) -> None:
    case = random_case(7, variant, lengths=(0,))
    case = replace(case, **{field: getattr(case, field)[:rows] for field in TENSORS})
    output = policy_loss(case)
    assert (output.loss.item(), output.tokens.item(), output.max_ratio.item()) == (0.0, 0, 0.0)
    assert gradient(case).eq(0).all()


# 3 completions of 10 tokens in all, limit 8.
@pytest.mark.parametrize(("aggregation", "expected"), [("token", 10.0), ("sequence", 3.0), ("constant", 24.0)])
def test_denominator_by_hand(aggregation: Aggregation, expected: float) -> None:
    assert loss_denominator(aggregation, tokens=10, completions=3, max_new_tokens=8) == expected


@pytest.mark.parametrize("aggregation", ["token", "sequence", "constant"])
def test_denominator_of_an_update_without_rows_is_one(aggregation: Aggregation) -> None:
    assert loss_denominator(aggregation, tokens=0, completions=0, max_new_tokens=8) == 1.0
