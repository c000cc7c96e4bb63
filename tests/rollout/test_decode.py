# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Decoding with shared prefixes: equal to transformers' `generate`, to the trainer's log-probabilities and to itself
however the rows are batched; what leaves the batch; and which models go through `generate` instead."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.rollout.shared_prefix import GroupLayout
from arctic_text2sql_r1.types import Completion

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15], [16, 17]]
# Ends often: of 64 words ten end a sequence.
STOPS = list(range(1, 11))
SAMPLED = SamplingParams(max_new_tokens=20, temperature=0.8, num_samples=5, seed=3)


def with_lora(model: Any, **options: Any) -> Any:
    from peft import LoraConfig
    from peft import get_peft_model

    torch.manual_seed(1)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", **options))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return adapted.eval()


def by_generate(model: Any, tokenizer: Any) -> HFRolloutEngine:
    engine = HFRolloutEngine(model, tokenizer)
    engine.shares_prefixes = False
    return engine


def token_ids(groups: list[list[Completion]]) -> list[tuple[int, ...]]:
    return [completion.token_ids for group in groups for completion in group]


def texts_and_tokens(groups: list[list[Completion]]) -> list[tuple[str, tuple[int, ...], bool]]:
    return [(row.text, row.token_ids, row.truncated) for group in groups for row in group]


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("stops", [[1], STOPS])
@pytest.mark.parametrize("lora", [False, True])
def test_greedy_completions_equal_those_of_generate(
    model: Any, tokenizer: Any, lora: bool, stops: list[int], num_samples: int
) -> None:
    model.generation_config.eos_token_id = stops
    model = with_lora(model) if lora else model
    engine = HFRolloutEngine(model, tokenizer)
    sampling = SamplingParams(max_new_tokens=20, num_samples=num_samples)
    found = texts_and_tokens(engine.generate(PROMPTS, sampling))
    assert engine.shares_prefixes
    assert found == texts_and_tokens(by_generate(model, tokenizer).generate(PROMPTS, sampling))
    assert stops == [1] or not all(truncated for _, _, truncated in found)


def test_completions_longer_than_the_caches_growth_equal_those_of_generate(model: Any, tokenizer: Any) -> None:
    sampling = SamplingParams(max_new_tokens=100)
    model.generation_config.eos_token_id = 1
    found = token_ids(HFRolloutEngine(model, tokenizer).generate(PROMPTS, sampling))
    assert max(len(ids) for ids in found) == 100
    assert found == token_ids(by_generate(model, tokenizer).generate(PROMPTS, sampling))


def architecture(name: str, **options: Any) -> Any:
    """A tiny random model of another class."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, name + ("TextConfig" if name == "Gemma3" else "Config"))(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=128, initializer_range=0.3, eos_token_id=1,
        bos_token_id=None, pad_token_id=0, **options,
    )  # fmt: skip
    return getattr(transformers, f"{name}ForCausalLM")(config).eval()


# Windows: shorter than some prompts, than all of them with their completions, and longer than any.
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("Llama", {}),
    "Qwen3": ("Qwen3", {}),
    "Mistral": ("Mistral", dict(sliding_window=None)),
    "Mistral with a window": ("Mistral", dict(sliding_window=4)),
    "Mistral with a short window": ("Mistral", dict(sliding_window=2)),
    "Mistral with a long window": ("Mistral", dict(sliding_window=64)),
    "Gemma3": (
        "Gemma3",
        dict(layer_types=["sliding_attention", "full_attention"], sliding_window=5, query_pre_attn_scalar=8),
    ),
}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("case", OTHERS)
def test_other_models_are_decoded_too(case: str, attention: str, tokenizer: Any) -> None:
    name, options = OTHERS[case]
    model = architecture(name, attn_implementation=attention, **options)
    engine = HFRolloutEngine(model, tokenizer)
    sampling = SamplingParams(max_new_tokens=12, num_samples=2)
    found = token_ids(engine.generate(PROMPTS, sampling))
    assert engine.shares_prefixes
    assert model.config._attn_implementation == attention
    assert found == token_ids(by_generate(model, tokenizer).generate(PROMPTS, sampling))


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("Gemma2", {}, "softcap"),
        ("Gemma2", dict(layer_types=["full_attention"] * 2), "softcap"),
    ],
)
def test_a_model_that_cannot_be_decoded_so_goes_through_generate(
    name: str, options: dict[str, Any], reason: str, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = architecture(name, **options)
    engine = HFRolloutEngine(model, tokenizer)
    sampling = SamplingParams(max_new_tokens=12)
    with caplog.at_level("INFO"):
        found = engine.generate(PROMPTS, sampling)
    assert not engine.shares_prefixes
    assert reason in caplog.text and "go through generate" in caplog.text
    assert found == by_generate(model, tokenizer).generate(PROMPTS, sampling)


def test_half_precision_models_are_decoded_too(model: Any, tokenizer: Any) -> None:
    engine = HFRolloutEngine(model.to(torch.bfloat16), tokenizer)
    assert [len(group) for group in engine.generate(PROMPTS, SAMPLED)] == [5] * 4
    assert engine.shares_prefixes


@pytest.mark.parametrize("max_batch_rows", [1, 3, 5, 10, 13])
def test_sampled_completions_do_not_depend_on_the_batching(model: Any, tokenizer: Any, max_batch_rows: int) -> None:
    model.generation_config.eos_token_id = STOPS
    whole = token_ids(HFRolloutEngine(model, tokenizer).generate(PROMPTS, SAMPLED))
    assert len({len(ids) for ids in whole}) > 3
    assert token_ids(HFRolloutEngine(model, tokenizer, max_batch_rows).generate(PROMPTS, SAMPLED)) == whole


@pytest.mark.parametrize("case", OTHERS)
def test_the_samplers_logprobs_are_those_of_a_plain_pass(case: str, tokenizer: Any) -> None:
    name, options = OTHERS[case]
    model = architecture(name, **options)
    model.generation_config.eos_token_id = STOPS
    engine = HFRolloutEngine(model, tokenizer)
    for prompt, group in zip(PROMPTS, engine.generate(PROMPTS, SAMPLED), strict=True):
        for row in group:
            ids = torch.tensor([[*prompt, *row.token_ids]])
            logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1] / SAMPLED.temperature
            expected = torch.log_softmax(logits, dim=-1).gather(1, ids[0, len(prompt) :, None]).squeeze(1)
            assert float((torch.tensor(row.logprobs) - expected.detach()).abs().max()) < 2e-5
    assert engine.shares_prefixes


@pytest.mark.parametrize("temperature", [0.8, 0.0])
@pytest.mark.parametrize("lora", [False, True])
def test_the_samplers_logprobs_are_those_the_trainer_computes(
    model: Any, tokenizer: Any, lora: bool, temperature: float
) -> None:
    model.generation_config.eos_token_id = STOPS
    model = with_lora(model) if lora else model
    sampling = SamplingParams(max_new_tokens=20, temperature=temperature, num_samples=5, seed=3)
    groups = HFRolloutEngine(model, tokenizer).generate(PROMPTS, sampling)
    rows = [(prompt, row) for prompt, group in zip(PROMPTS, groups, strict=True) for row in group]
    batch = pack_rows([TrainingRow(prompt, row.token_ids, 0.0, True) for prompt, row in rows], 0, 1.0)
    with torch.no_grad():
        scores, _ = score_rows(model, model, batch, Scoring(temperature=temperature or 1.0))
    for index, (_, row) in enumerate(rows):
        assert len(row.logprobs) == len(row.token_ids)
        found, expected = torch.tensor(row.logprobs), scores[index, : len(row.logprobs)]
        assert float((found - expected).abs().max()) < 2e-5


def test_rows_that_have_ended_leave_the_batch(model: Any, tokenizer: Any) -> None:
    model.generation_config.eos_token_id = STOPS
    engine = HFRolloutEngine(model, tokenizer)
    lengths = [len(ids) for ids in token_ids(engine.generate(PROMPTS, SAMPLED))]
    rows: list[int] = []
    model.register_forward_pre_hook(
        lambda _module, _arguments, options: rows.append(options["input_ids"].shape[0]), with_kwargs=True
    )
    engine.generate(PROMPTS, SAMPLED)
    # After the prompts' pass, the k-th step reads token k of every row that goes on, and of at most an eighth more.
    needed = [sum(length > step for length in lengths) for step in range(1, max(lengths))]
    assert len(rows) - 1 == len(needed)
    assert all(want <= found <= want / (1 - 0.125) for want, found in zip(needed, rows[1:], strict=True))


def test_a_layout_gathers_rows_by_group_and_puts_them_back() -> None:
    rows = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    layout = GroupLayout([0, 1, 1, 1], torch.device("cpu"))
    assert layout.by_group(rows).squeeze(-1).tolist() == [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]  # the short group repeats
    assert torch.equal(layout.by_row(layout.by_group(rows)), rows)


def test_logits_that_are_not_finite_are_refused(model: Any, tokenizer: Any) -> None:
    engine = HFRolloutEngine(model, tokenizer)
    engine.generate(PROMPTS, SAMPLED)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="not finite.*use bf16 or fp32"):
        engine.generate(PROMPTS, SAMPLED)


def test_an_empty_prompt_is_named(model: Any, tokenizer: Any) -> None:
    with pytest.raises(ValueError, match=r"Cannot complete prompts \[1\]"):
        HFRolloutEngine(model, tokenizer).generate([[5], []], SAMPLED)


def forwards_of_one_rank(rank: int, folder: str, make_model: Callable[..., Any], counts: Any) -> None:
    """What a spawned rank does: one synced generation, its forward passes counted."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.set_num_threads(1)
    model = make_model()
    # Rank 0 ends at once, rank 1 never.
    ends = range(64) if rank == 0 else [63]
    model.generation_config.eos_token_id = [*ends]
    tokenizer = FakeTokenizer()
    passed: list[int] = []
    model.register_forward_pre_hook(lambda *_: passed.append(1))
    groups = HFRolloutEngine(model, tokenizer, max_batch_rows=4, synced_gpus=True).generate(PROMPTS, SAMPLED)
    counts[2 * rank], counts[2 * rank + 1] = len(passed), sum(len(row.token_ids) for group in groups for row in group)
    torch.distributed.destroy_process_group()


class FakeTokenizer:
    """Enough of a tokenizer for a spawned process."""

    eos_token_id, pad_token_id = 63, 0

    def decode(self, ids: list[int], **_: Any) -> str:
        """The ids as text."""
        return " ".join(map(str, ids))


@pytest.mark.slow
def test_synced_ranks_make_equally_many_forward_passes(make_model: Callable[..., Any], tmp_path: Any) -> None:
    context = torch.multiprocessing.get_context("spawn")
    counts = context.Array("i", 4)
    arguments = [(rank, str(tmp_path), make_model, counts) for rank in range(2)]
    ranks = [context.Process(target=forwards_of_one_rank, args=argument) for argument in arguments]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
    assert [process.exitcode for process in ranks] == [0, 0]
    assert counts[0] == counts[2] > 20
    assert counts[1] == 20  # every row of rank 0 ended with its first token, and kept just that
