# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""KL estimators against the KL itself, summed over a whole vocabulary; their part in a loss is in `test_losses.py`."""

import math

import pytest
import torch

from arctic_text2sql_r1.kl import KL_ESTIMATORS
from arctic_text2sql_r1.kl import k3_kl

TIGHT = dict(rtol=1e-10, atol=1e-12)

POLICY = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
REFERENCE = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
SAMPLER = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def expected(estimator: str, sampler: torch.Tensor) -> tuple[float, list[float]]:
    """Mean value and mean gradient (by the policy's logits) of an estimator over tokens drawn from `sampler`."""
    logits = POLICY.log().requires_grad_()
    policy = torch.log_softmax(logits, dim=0)
    values = KL_ESTIMATORS[estimator](policy, REFERENCE.log(), policy - sampler.log())
    mean = (sampler * values).sum()
    return mean.item(), torch.autograd.grad(mean, logits)[0].tolist()


def exact() -> tuple[float, list[float]]:
    """sum p log(p / q), and its gradient p_j (log(p_j / q_j) - KL), by hand."""
    gaps = [math.log(p / q) for p, q in zip(POLICY.tolist(), REFERENCE.tolist(), strict=True)]
    kl = sum(p * gap for p, gap in zip(POLICY.tolist(), gaps, strict=True))
    return kl, [p * (gap - kl) for p, gap in zip(POLICY.tolist(), gaps, strict=True)]


@pytest.mark.parametrize("estimator", ["k1", "k3", "k3_corrected"])
def test_on_policy_the_mean_value_is_the_kl(estimator: str) -> None:
    assert expected(estimator, POLICY)[0] == pytest.approx(exact()[0], rel=1e-10)


@pytest.mark.parametrize("estimator", ["k2", "k3_corrected"])
def test_on_policy_the_mean_gradient_is_that_of_the_kl(estimator: str) -> None:
    assert expected(estimator, POLICY)[1] == pytest.approx(exact()[1], rel=1e-10)


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_on_policy_the_other_gradients_are_not_that_of_the_kl(estimator: str) -> None:
    assert expected(estimator, POLICY)[1] != pytest.approx(exact()[1], rel=0.1)


def test_the_gradient_of_k1_pulls_nowhere() -> None:
    assert expected("k1", POLICY)[1] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


def test_the_corrected_estimator_is_exact_off_policy_too() -> None:
    value, slope = expected("k3_corrected", SAMPLER)
    assert value == pytest.approx(exact()[0], rel=1e-10)
    assert slope == pytest.approx(exact()[1], rel=1e-10)
    assert expected("k3", SAMPLER)[0] != pytest.approx(exact()[0], rel=0.05)


@pytest.mark.parametrize("estimator", KL_ESTIMATORS)
def test_every_estimator_is_zero_when_policy_and_reference_agree(estimator: str) -> None:
    logprobs = torch.tensor([-0.5, -3.0])
    assert KL_ESTIMATORS[estimator](logprobs, logprobs, torch.tensor([0.3, -0.3])).eq(0).all()


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


@pytest.mark.parametrize("gap", [-21.0, -40.0, -80.0])
def test_a_token_the_reference_finds_absurd_is_still_pulled_back(gap: float) -> None:
    # d << 0: exp(d) - d - 1 grows as -d, and its derivative by the policy is 1 - exp(d), which is 1 here.
    policy = torch.tensor(-0.1, requires_grad=True)
    k3_kl(policy, policy.detach() + gap).backward()
    assert policy.grad.item() == pytest.approx(1.0)
