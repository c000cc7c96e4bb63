# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy objective against a slow version in plain Python, hand calculations, and its invariances.

`slow_loss_and_gradient` below shares no code with the package: per row, per token, with the derivative written out.
Gradients through a model are in `test_logprobs.py`.
"""

import math
from dataclasses import replace

import pytest
import torch

from arctic_text2sql_r1.losses import OBJECTIVES
from arctic_text2sql_r1.losses import Aggregation
from arctic_text2sql_r1.losses import PolicyLossInput
from arctic_text2sql_r1.losses import k3_kl
from arctic_text2sql_r1.losses import loss_denominator
from arctic_text2sql_r1.losses import policy_loss

MAX_NEW_TOKENS = 7
TIGHT = dict(rtol=1e-10, atol=1e-12)


def random_case(seed: int, objective: str = "grpo", lengths: tuple[int, ...] = (5, 3, 1, 0)) -> PolicyLossInput:
    """Float64 inputs with ratios on both sides of the clip range and one row outside the KL term."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), 5)

    def noise(scale: float) -> torch.Tensor:
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    old = -noise(1.0).abs() - 0.1
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    aggregation = OBJECTIVES[objective].aggregation
    return PolicyLossInput(
        policy_logprobs=(old + noise(0.4)).requires_grad_(),
        old_logprobs=old,
        ref_logprobs=old + noise(0.5),
        completion_mask=mask,
        advantages=torch.randn(len(lengths), generator=generator, dtype=torch.float64),
        kl_rows=torch.tensor([index != 1 for index in range(len(lengths))]),
        denominator=loss_denominator(aggregation, int(mask.sum()), len(lengths), MAX_NEW_TOKENS),
        kl_coef=0.3,
        aggregation=aggregation,
    )


def gradient(case: PolicyLossInput) -> torch.Tensor:
    """d loss / d policy_logprobs, (N, T)."""
    return torch.autograd.grad(policy_loss(case).loss, case.policy_logprobs)[0]


def slow_loss_and_gradient(case: PolicyLossInput) -> tuple[float, list[list[float]]]:
    """The objective's value and its derivative by each policy log-probability, token by token in plain floats."""
    policy, old, ref = (x.tolist() for x in (case.policy_logprobs, case.old_logprobs, case.ref_logprobs))
    mask, advantages, kl_rows = (x.tolist() for x in (case.completion_mask, case.advantages, case.kl_rows))
    total, slopes = 0.0, [[0.0] * len(row) for row in policy]
    divisors = dict(token=sum(map(sum, mask)), sequence=len(mask), constant=len(mask) * MAX_NEW_TOKENS)
    for i, row in enumerate(mask):
        divisor = divisors[case.aggregation] * (sum(row) if case.aggregation == "sequence" else 1)
        for t in (step for step, counts in enumerate(row) if counts):
            ratio, advantage = math.exp(policy[i][t] - old[i][t]), advantages[i]
            if advantage > 0 and ratio > 1 + case.clip_range:
                cost, slope = -(1 + case.clip_range) * advantage, 0.0
            elif advantage < 0 and ratio < 1 - case.clip_range:
                cost, slope = -(1 - case.clip_range) * advantage, 0.0
            else:
                cost, slope = -ratio * advantage, -ratio * advantage
            if kl_rows[i]:
                gap = ref[i][t] - policy[i][t]
                cost += case.kl_coef * (math.exp(gap) - gap - 1)
                slope += case.kl_coef * (1 - math.exp(gap))
            total += cost / divisor
            slopes[i][t] = slope / divisor
    return total, slopes


def two_by_three(aggregation: Aggregation) -> PolicyLossInput:
    """Ratios (1, 1.5, masked) with advantage 1 and (0.5, 1.1, 1) with advantage -0.5; no KL."""
    ratios = torch.tensor([[1.0, 1.5, 9.0], [0.5, 1.1, 1.0]], dtype=torch.float64)
    return PolicyLossInput(
        policy_logprobs=(ratios.log() - 2.0).requires_grad_(),
        old_logprobs=torch.full_like(ratios, -2.0),
        ref_logprobs=None,
        completion_mask=torch.tensor([[True, True, False], [True, True, True]]),
        advantages=torch.tensor([1.0, -0.5], dtype=torch.float64),
        kl_rows=torch.tensor([True, True]),
        denominator=loss_denominator(aggregation, tokens=5, completions=2, max_new_tokens=4),
        aggregation=aggregation,
    )


def one_token(ratio: float, advantage: float) -> PolicyLossInput:
    """A single token with that ratio and advantage, clip range 0.2, no KL, denominator 1."""
    case = two_by_three("token")
    return replace(
        case,
        policy_logprobs=torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True),
        old_logprobs=torch.zeros(1, 1, dtype=torch.float64),
        completion_mask=torch.tensor([[True]]),
        advantages=torch.tensor([advantage], dtype=torch.float64),
        kl_rows=torch.tensor([True]),
        denominator=1.0,
    )


def test_published_names_stand_for_the_published_choices() -> None:
    rows = {name: (row.advantage_scaling, row.aggregation) for name, row in OBJECTIVES.items()}
    assert rows["grpo"] == ("group", "token")
    assert rows["grpo_sequence"] == ("group", "sequence")
    assert rows["dr_grpo"] == ("none", "constant")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_value_and_gradient_equal_the_slow_version(objective: str, seed: int) -> None:
    case = random_case(seed, objective)
    value, slopes = slow_loss_and_gradient(case)
    assert policy_loss(case).loss.item() == pytest.approx(value, rel=1e-10)
    torch.testing.assert_close(gradient(case), torch.tensor(slopes, dtype=torch.float64), **TIGHT)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_gradient_passes_gradcheck(objective: str) -> None:
    case = random_case(3, objective)
    # Kinks lie where the ratio is 0.8 or 1.2; finite differences of 1e-6 must not straddle one.
    ratio = (case.policy_logprobs - case.old_logprobs).exp()
    assert min((ratio - 0.8).abs().min(), (ratio - 1.2).abs().min()) > 1e-3
    assert torch.autograd.gradcheck(
        lambda logprobs: policy_loss(replace(case, policy_logprobs=logprobs)).loss, (case.policy_logprobs,)
    )


# Token costs -min(r A, clip(r) A): row 0: -1, -1.2 (clipped at 1.2); row 1: 0.4 (clipped at 0.8), 0.55, 0.5.
# Row sums -2.2 and 1.45.
@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token", (-2.2 + 1.45) / 5),
        ("sequence", (-2.2 / 2 + 1.45 / 3) / 2),
        ("constant", (-2.2 + 1.45) / (2 * 4)),
    ],
)
def test_two_by_three_example_by_hand(aggregation: Aggregation, expected: float) -> None:
    output = policy_loss(two_by_three(aggregation))
    assert output.loss.item() == pytest.approx(expected, rel=1e-10)
    assert (output.tokens.item(), output.clipped_tokens.item()) == (5, 2)
    assert output.max_ratio.item() == pytest.approx(1.5)


# A good token is not pushed beyond 1 + clip, a bad one not below 1 - clip; on the other side the pull stays whole.
@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "slope", "clipped"),
    [
        (1.0, 1.5, -1.2, 0.0, 1),
        (1.0, 0.5, -0.5, -0.5, 0),
        (-1.0, 0.5, 0.8, 0.0, 1),
        (-1.0, 1.5, 1.5, 1.5, 0),
        (1.0, 1.1, -1.1, -1.1, 0),
        (-1.0, 0.9, 0.9, 0.9, 0),
        (0.0, 1.5, 0.0, 0.0, 0),
    ],
)
def test_clipping_stops_only_the_step_that_goes_too_far(
    advantage: float, ratio: float, loss: float, slope: float, clipped: int
) -> None:
    case = one_token(ratio, advantage)
    output = policy_loss(case)
    assert output.loss.item() == pytest.approx(loss)
    assert gradient(case).item() == pytest.approx(slope)
    assert output.clipped_tokens.item() == clipped


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("field", ["policy_logprobs", "old_logprobs", "ref_logprobs"])
def test_masked_tokens_contribute_exactly_zero_whatever_they_hold(field: str, poison: float) -> None:
    case = random_case(0)
    held = getattr(case, field).detach().masked_fill(~case.completion_mask, poison)
    if field == "policy_logprobs":
        held.requires_grad_()
    poisoned = replace(case, **{field: held})
    assert policy_loss(poisoned).loss.item() == policy_loss(case).loss.item()
    assert gradient(poisoned).masked_select(~case.completion_mask).eq(0).all()
    assert torch.equal(gradient(poisoned), gradient(case))


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_padding_moves_neither_loss_nor_gradient(objective: str) -> None:
    case = random_case(1, objective)

    def wider(tensor: torch.Tensor, value: float) -> torch.Tensor:
        return torch.nn.functional.pad(tensor.detach(), (0, 4), value=value)

    padded = replace(
        case,
        policy_logprobs=wider(case.policy_logprobs, -3.0).requires_grad_(),
        old_logprobs=wider(case.old_logprobs, -0.5),
        ref_logprobs=wider(case.ref_logprobs, -1.5),
        completion_mask=wider(case.completion_mask, False),
    )
    torch.testing.assert_close(policy_loss(padded).loss, policy_loss(case).loss, **TIGHT)
    torch.testing.assert_close(gradient(padded)[:, :5], gradient(case), **TIGHT)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("cuts", [(1, 1, 1, 1), (2, 2), (3, 1)])
def test_micro_batches_of_an_update_sum_to_the_whole(objective: str, cuts: tuple[int, ...]) -> None:
    whole = random_case(2, objective, lengths=(5, 4, 1, 2))
    fields = ("policy_logprobs", "old_logprobs", "ref_logprobs", "completion_mask", "advantages", "kl_rows")
    pieces = zip(*(getattr(whole, field).split(cuts) for field in fields), strict=True)
    parts = [replace(whole, **dict(zip(fields, piece, strict=True))) for piece in pieces]
    total = sum(policy_loss(part).loss for part in parts)
    torch.testing.assert_close(total, policy_loss(whole).loss, **TIGHT)
    torch.testing.assert_close(torch.autograd.grad(total, whole.policy_logprobs)[0], gradient(whole), **TIGHT)


def test_on_policy_the_gradient_is_that_of_plain_policy_gradient() -> None:
    case = replace(random_case(4), kl_coef=0.0)
    case = replace(case, old_logprobs=case.policy_logprobs.detach())
    plain = -(case.policy_logprobs * case.advantages.unsqueeze(1) * case.completion_mask).sum() / case.denominator
    torch.testing.assert_close(gradient(case), torch.autograd.grad(plain, case.policy_logprobs)[0], **TIGHT)
    output = policy_loss(case)
    assert (output.max_ratio.item(), output.clipped_tokens.item()) == (1.0, 0)


def test_k3_by_hand() -> None:
    # d = ref - policy = ln 2: 2 - ln 2 - 1 = 0.3068528; d = -ln 2: 0.5 + ln 2 - 1 = 0.1931472; d = 0: 0.
    policy = torch.tensor([-1.0, -1.0, -1.0], dtype=torch.float64)
    ref = policy + torch.tensor([math.log(2), -math.log(2), 0.0], dtype=torch.float64)
    assert k3_kl(policy, ref).tolist() == pytest.approx([0.3068528, 0.1931472, 0.0], abs=1e-7)


def test_k3_is_never_negative_and_zero_when_equal() -> None:
    generator = torch.Generator().manual_seed(0)
    policy = -10 * torch.rand(1000, generator=generator)
    ref = policy + torch.randn(1000, generator=generator) * 10 ** -(8 * torch.rand(1000, generator=generator))
    assert k3_kl(policy, ref).min() >= 0
    assert k3_kl(policy, policy).eq(0).all()


def test_k3_is_the_mean_that_kl_is() -> None:
    # Averaged over tokens drawn from the policy, exp(d) - d - 1 is sum p (q / p - log(q / p) - 1) = KL(p || q).
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    torch.testing.assert_close((p * k3_kl(p.log(), q.log())).sum(), (p * (p / q).log()).sum(), **TIGHT)


@pytest.mark.parametrize("gap", [-21.0, -40.0, -80.0])
def test_a_token_the_reference_finds_absurd_is_still_pulled_back(gap: float) -> None:
    # d << 0: exp(d) - d - 1 grows as -d, and its derivative by the policy is 1 - exp(d), which is 1 here.
    policy = torch.tensor(-0.1, requires_grad=True)
    k3_kl(policy, policy.detach() + gap).backward()
    assert policy.grad.item() == pytest.approx(1.0)


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
    torch.testing.assert_close(output.loss, policy_loss(replace(case, kl_coef=0.0)).loss, **TIGHT)


def test_reported_kl_counts_every_completion_token() -> None:
    case = random_case(6)
    kl = k3_kl(case.policy_logprobs, case.ref_logprobs)[case.completion_mask].sum()
    torch.testing.assert_close(policy_loss(case).kl_sum, kl.detach(), **TIGHT)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("rows", [0, 1])
def test_an_idle_micro_batch_has_loss_zero_and_a_zero_gradient(objective: str, rows: int) -> None:
    case = random_case(7, objective, lengths=(0,))
    fields = ("policy_logprobs", "old_logprobs", "ref_logprobs", "completion_mask", "advantages", "kl_rows")
    case = replace(case, **{field: getattr(case, field)[:rows] for field in fields})
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
