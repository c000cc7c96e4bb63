# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Packed rows against padded ones: the same log-probabilities, entropies and gradients, from fewer tokens."""

from typing import Any

import pytest
import torch

from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import idle_row
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.packed import pack_groups
from arctic_text2sql_r1.packed import packed_mode
from arctic_text2sql_r1.packed import packed_tokens
from arctic_text2sql_r1.packed import split_packed
from arctic_text2sql_r1.packed import why_not_packed

VOCABULARY = 67
SHAPES = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=64,
    initializer_range=0.2,
)


# A window shorter than prompts and completions, in one layer of two.
WINDOWS: dict[str, dict[str, Any]] = {
    "Gemma3": dict(layer_types=["sliding_attention", "full_attention"], sliding_window=4, query_pre_attn_scalar=8),
    "Mistral": dict(sliding_window=4),
}


def tiny(architecture: str = "Qwen2", **options: Any) -> Any:
    """A random model whose distributions are far from uniform; four query heads share two key-value heads."""
    import transformers

    torch.manual_seed(0)
    config_class = getattr(transformers, architecture + ("TextConfig" if architecture == "Gemma3" else "Config"))
    config = config_class(**{**SHAPES, **WINDOWS.get(architecture, {}), **options})
    return getattr(transformers, f"{architecture}ForCausalLM")(config).eval()


def with_lora(model: Any) -> Any:
    from peft import LoraConfig
    from peft import get_peft_model

    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=3, target_modules="all-linear"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return adapted


def ragged_rows() -> list[TrainingRow]:
    """Three prompts, of which one is another's beginning, with completions of one to nine tokens, out of order."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(VOCABULARY, (100,), generator=generator).tolist()
    prompts = [tokens[:9], tokens[:4], tokens[20:21]]
    lengths = [(0, 5), (1, 1), (0, 9), (2, 3), (1, 6), (0, 1), (2, 2), (1, 4), (0, 5)]
    return [TrainingRow(prompts[p], tokens[40 + p + t : 40 + p + 2 * t], 1.0 - t, True) for p, t in lengths]


def in_order(batch: MicroBatch, rows: list[TrainingRow], values: torch.Tensor) -> torch.Tensor:
    """`values` (N, T) of `batch` in the order of `rows`."""
    place = {id(row): index for index, row in enumerate(batch.rows)}
    return values[[place[id(row)] for row in rows]]


def scored(model: Any, rows: list[TrainingRow], packed: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities in the order of `rows`, and the flat gradient of a sum in which each has its own weight."""
    batch = (pack_groups if packed else pack_rows)(rows, 0, 1.0)
    model.zero_grad()
    with packed_mode(model) if packed else torch.enable_grad():
        logprobs, entropy = score_rows(model, model, batch, Scoring(temperature=0.7, entropy_gradient=True))
        logprobs, entropy = in_order(batch, rows, logprobs), in_order(batch, rows, entropy)
        weights = torch.randn(logprobs.shape, generator=torch.Generator().manual_seed(2)).to(logprobs)
        (logprobs * weights + 0.3 * entropy * weights.square()).sum().backward()
    gradients = [p.grad.flatten().float() for p in model.parameters() if p.requires_grad and p.grad is not None]
    return logprobs.detach(), torch.cat(gradients)


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("architecture", ["Qwen2", "Qwen3", "Llama", "Gemma3", "Mistral"])
def test_packed_rows_get_the_values_and_gradients_of_padded_rows(architecture: str, lora: bool) -> None:
    model = with_lora(tiny(architecture)) if lora else tiny(architecture)
    found, found_gradient = scored(model, ragged_rows(), packed=True)
    expected, expected_gradient = scored(model, ragged_rows(), packed=False)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert float(expected_gradient.norm()) > 1.0
    assert float((found_gradient - expected_gradient).norm() / expected_gradient.norm()) < 1e-5


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_computed_again_in_the_backward_pass_are_packed_too(reentrant: bool) -> None:
    model = with_lora(tiny())
    _, expected = scored(model, ragged_rows(), packed=True)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=reentrant))
    model.enable_input_require_grads()
    _, found = scored(model.train(), ragged_rows(), packed=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_half_precision_stays_close() -> None:
    model = tiny()
    expected, expected_gradient = scored(model, ragged_rows(), packed=True)
    found, gradient = scored(model.bfloat16(), ragged_rows(), packed=True)
    assert found.dtype == torch.float32
    assert float((found - expected).abs().mean()) < 0.05
    assert float((gradient - expected_gradient).norm() / expected_gradient.norm()) < 0.1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("architecture", ["Qwen2", "Qwen3", "Llama", "Gemma3"])
def test_logprobs_are_those_of_a_plain_pass_over_each_row_alone(architecture: str, packed: bool) -> None:
    model = tiny(architecture)
    found, _ = scored(model, ragged_rows(), packed=packed)
    for logprobs, row in zip(found, ragged_rows(), strict=True):
        ids = torch.tensor([[*row.prompt_ids, *row.completion_ids]])
        logits = model(input_ids=ids, use_cache=False).logits[0, len(row.prompt_ids) - 1 : -1]
        targets = ids[0, len(row.prompt_ids) :, None]
        expected = torch.log_softmax(logits / 0.7, dim=-1).gather(1, targets).squeeze(1)
        torch.testing.assert_close(logprobs[: len(expected)], expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 8, 64])
def test_a_window_of_any_size_is_the_models_own(window: int) -> None:
    model = tiny("Mistral", sliding_window=window)
    found, _ = scored(model, ragged_rows(), packed=True)
    expected, _ = scored(model, ragged_rows(), packed=False)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    everything, _ = scored(tiny("Mistral", sliding_window=None), ragged_rows(), packed=True)
    assert torch.equal(found, everything) == (window == 64), "a window that is shorter than a row changes it"


def test_a_prompt_stands_once_and_no_token_predicts_nothing() -> None:
    # Prompts of 9, 4 and 1 tokens once each; completions of 5 9 1 5, 1 6 4, 3 2 without their last: 16, 8, 3.
    batch = pack_groups(ragged_rows(), 0, 1.0)
    assert batch.tokens == (9 + 4 + 1) + (16 + 8 + 3)
    assert int(batch.completion_mask.sum()) == 36 == len(batch.sources) == len(batch.targets)


def test_a_packed_rows_numbers_depend_on_no_neighbour() -> None:
    model = tiny()
    together, _ = scored(model, ragged_rows(), packed=True)
    for index, row in enumerate(ragged_rows()):
        alone, _ = scored(model, [row], packed=True)
        torch.testing.assert_close(together[index, : alone.shape[1]], alone[0], rtol=1e-4, atol=1e-5)


def test_an_idle_packed_row_gives_every_parameter_a_zero_gradient() -> None:
    model = with_lora(tiny())
    _, gradient = scored(model, [idle_row(0)], packed=True)
    assert len(gradient) == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert gradient.eq(0).all()


def row(prompt: int, completion: int) -> TrainingRow:
    """A row whose group is named by the length of its prompt."""
    return TrainingRow(range(prompt), tuple(range(completion)), 1.0, True)


def sizes(parts: list[list[TrainingRow]]) -> list[list[tuple[int, int]]]:
    return [[(len(row.prompt_ids), len(row.completion_ids)) for row in part] for part in parts]


def test_groups_stay_whole_where_they_fit_and_the_largest_goes_first() -> None:
    # Packed tokens of the groups: 3 + 1 + 0 = 4, 9 + 4 + 2 = 15, 5 + 1 = 6. A budget of 19 takes 15 + 4.
    rows = [row(3, 2), row(9, 3), row(5, 2), row(3, 1), row(9, 5)]
    assert sizes(split_packed(rows, 19)) == [[(9, 5), (9, 3), (3, 2), (3, 1)], [(5, 2)]]


def test_a_group_larger_than_the_budget_is_cut_and_repeats_its_prompt() -> None:
    # 10 + 5 + 5 = 20 tokens hold two of the four completions.
    parts = split_packed([row(10, 6) for _ in range(4)], 20)
    assert [packed_tokens(part) for part in parts] == [20, 20]
    assert sizes(split_packed([row(10, 6), row(10, 1)], 4)) == [[(10, 6)], [(10, 1)]], "too long rows go alone"


def test_packing_loses_no_row_and_leaves_out_what_teaches_nothing() -> None:
    rows = ragged_rows()
    silent = TrainingRow((1, 2), (3,), 0.0, keep=False)
    for budget in (1, 15, 30, 1000):
        parts = split_packed([*rows, silent], budget)
        assert sorted(id(row) for part in parts for row in part) == sorted(map(id, rows))


@pytest.mark.parametrize("architecture", ["Qwen2", "Qwen3", "Llama", "Gemma3", "Mistral"])
def test_common_models_can_be_packed(architecture: str) -> None:
    assert why_not_packed(with_lora(tiny(architecture))) is None


def test_a_model_that_caps_its_scores_is_not_packed_and_keeps_its_attention() -> None:
    model = tiny("Gemma2", final_logit_softcapping=None)
    before = model.config._attn_implementation
    assert "softcap" in str(why_not_packed(model))
    assert model.config._attn_implementation == before


def test_layers_of_a_kind_that_is_not_known_are_not_packed() -> None:
    model = tiny()
    model.config.layer_types = ["full_attention", "chunked_attention"]
    assert why_not_packed(model) == "it has layers of other kinds: chunked_attention"


def test_a_model_that_drops_the_layout_is_not_packed() -> None:
    model = tiny()
    forward = model.forward
    model.forward = lambda layout=None, **inputs: forward(**inputs)
    assert "did not reach" in str(why_not_packed(model))


def test_positions_that_do_not_go_on_from_the_prompt_are_found() -> None:
    model = tiny()
    forward = model.forward
    model.forward = lambda position_ids=None, **inputs: forward(**inputs)
    assert "off those of padded rows" in str(why_not_packed(model))


def test_packed_attention_refuses_rows_that_are_not_packed() -> None:
    model = tiny()
    with packed_mode(model), pytest.raises(ModelError, match="layout"):
        model(input_ids=torch.tensor([[1, 2, 3]]))
    assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, VOCABULARY)
