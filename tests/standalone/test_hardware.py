# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The plan for a machine is decided by memory and capability, whatever the machine is called."""

import pytest

from arctic_text2sql_r1.standalone.hardware import GIB
from arctic_text2sql_r1.standalone.hardware import Device
from arctic_text2sql_r1.standalone.hardware import billions
from arctic_text2sql_r1.standalone.hardware import plan_for

CPU = Device("cpu", "CPU", None, 16 * GIB)


def gpu(memory_gib: float, capability: tuple[int, int]) -> Device:
    return Device("cuda", "a card", capability, int(memory_gib * GIB))


T4, L4 = gpu(14.6, (7, 5)), gpu(22.0, (8, 9))
A100_40, A100_80 = gpu(39.4, (8, 0)), gpu(79.2, (8, 0))


# Memory is what torch reports of these cards, which is less than their names say.
@pytest.mark.parametrize(
    ("device", "dtype", "four_bit", "size", "completions", "tokens"),
    [
        (CPU, "fp32", False, "", 512, 4096),
        (gpu(7.6, (6, 1)), "fp16", True, "0.5B", 32, 2048),
        (T4, "fp16", True, "1.5B", 64, 4096),
        (gpu(15.8, (7, 0)), "fp16", True, "1.5B", 64, 4096),
        (L4, "bf16", False, "3B", 64, 8192),
        (gpu(23.6, (7, 5)), "fp16", False, "3B", 64, 8192),
        (A100_40, "bf16", False, "3B", 256, 8192),
        (A100_80, "bf16", False, "7B", 256, 16384),
        (gpu(139.8, (9, 0)), "bf16", False, "7B", 256, 16384),
    ],
)
def test_each_machine_gets_its_row(
    device: Device, dtype: str, four_bit: bool, size: str, completions: int, tokens: int
) -> None:
    plan = plan_for(device)
    assert (plan.dtype, plan.four_bit, plan.tokens_per_micro_batch) == (dtype, four_bit, tokens)
    assert plan.prompts * plan.samples == completions
    assert plan.model == (f"Qwen/Qwen2.5-Coder-{size}-Instruct" if size else "")


@pytest.mark.parametrize(
    ("device", "model", "four_bit"),
    [
        (L4, "Qwen/Qwen2.5-Coder-3B-Instruct", False),  # 6 GB of 22 GiB
        (L4, "meta-llama/Llama-3.1-8B-Instruct", True),  # 16 GB of 22 GiB
        (A100_80, "meta-llama/Llama-3.1-8B-Instruct", False),
        (CPU, "meta-llama/Llama-3.1-8B-Instruct", False),
    ],
)
def test_a_model_too_large_for_sixteen_bits_is_quantised(device: Device, model: str, four_bit: bool) -> None:
    plan = plan_for(device, model)
    assert (plan.model, plan.four_bit) == (model, four_bit)


def test_gemma_computes_in_float32_where_there_is_no_bfloat16() -> None:
    plan = plan_for(T4, "google/gemma-3-1b-it")
    assert (plan.dtype, plan.four_bit) == ("fp32", True)
    assert "Gemma" in plan.lines()[-1]
    assert plan_for(L4, "google/gemma-3-1b-it").dtype == "bf16"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen/Qwen2.5-Coder-1.5B-Instruct", 1.5),
        ("Qwen/Qwen3-4B", 4.0),
        ("google/gemma-3-270m-it", 0.27),
        ("google/gemma-3-1b-it", 1.0),
        ("defog/sqlcoder2", 0.0),
        ("", 0.0),
    ],
)
def test_the_size_of_a_model_is_read_from_its_name(name: str, expected: float) -> None:
    assert billions(name) == pytest.approx(expected)


def test_the_plan_in_words_names_every_value() -> None:
    assert plan_for(T4).lines() == [
        "a card, compute capability 7.5, 14.6 GiB of memory",
        "model Qwen/Qwen2.5-Coder-1.5B-Instruct",
        "computes in fp16, base weights in four bits (NF4), adapter in fp32",
        "8 prompts x 8 samples = 64 completions per update",
        "at a time 32 completions sampled, 4,096 tokens trained on",
        "fp16 with scaled losses, because this GPU has no bf16",
    ]
