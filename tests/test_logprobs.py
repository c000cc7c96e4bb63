# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Log-probabilities read inside the head equal those from full logits, in value and in gradient, on a tiny Qwen2."""

from collections.abc import Callable
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import idle_row
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.batch import split_rows
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.logprobs import CHUNK_BYTES
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import chunked_logprobs
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.logprobs import scoring_head
from arctic_text2sql_r1.logprobs import token_logprobs
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.losses import PolicyLossInput
from arctic_text2sql_r1.losses import policy_loss

VOCABULARY = 67  # a size that no other dimension of the model has
HIDDEN = 32
FIVE_POSITIONS = 5 * VOCABULARY * 4
CLOSE = dict(rtol=1e-4, atol=1e-5)

Scores = tuple[torch.Tensor, torch.Tensor]


def tiny_model(vocabulary: int = VOCABULARY, tied: bool = True) -> Any:
    """A random Qwen2 whose distributions are far from uniform."""
    from transformers import Qwen2Config
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
        initializer_range=0.2,
    )
    return Qwen2ForCausalLM(config).eval()


def lora_model(vocabulary: int = VOCABULARY) -> Any:
    """The tied model with a live adapter."""
    from peft import LoraConfig
    from peft import get_peft_model

    model = get_peft_model(tiny_model(vocabulary), LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def lora_head_model(vocabulary: int = VOCABULARY) -> Any:
    """The untied model with an adapter on the head itself as well."""
    from peft import LoraConfig
    from peft import get_peft_model

    model = get_peft_model(tiny_model(vocabulary, tied=False), LoraConfig(r=2, target_modules=["q_proj", "lm_head"]))
    torch.nn.init.normal_(model.base_model.model.lm_head.lora_B["default"].weight, std=0.3)
    return model


MODELS: dict[str, Callable[..., Any]] = dict(
    tied=tiny_model, untied=lambda: tiny_model(tied=False), lora=lora_model, lora_head=lora_head_model
)


def random_rows(lengths: list[tuple[int, int]]) -> list[TrainingRow]:
    """One row per (prompt length, completion length), advantages alternating in sign."""
    generator = torch.Generator().manual_seed(1)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(VOCABULARY, (count,), generator=generator).tolist())

    return [TrainingRow(ids(p), ids(t), (-1.0) ** i * (i + 1), True) for i, (p, t) in enumerate(lengths)]


ROWS = random_rows([(3, 5), (7, 2), (1, 6), (4, 4)])


def scores(model: Any, batch: MicroBatch, temperature: float = 1.0) -> Scores:
    return score_rows(model, model, batch, Scoring(temperature=temperature))


def by_hand(model: Any, rows: list[TrainingRow], temperature: float = 1.0) -> Scores:
    """The same from full logits, one row at a time without padding: token t stands after prompt + t tokens."""
    steps = max(len(row.completion_ids) for row in rows)
    logprobs, entropies = torch.zeros(len(rows), steps), torch.zeros(len(rows), steps)
    for index, row in enumerate(rows):
        logits = model(input_ids=torch.tensor([[*row.prompt_ids, *row.completion_ids]])).logits[0]
        distributions = torch.log_softmax(logits / temperature, dim=-1)
        for step, token in enumerate(row.completion_ids):
            distribution = distributions[len(row.prompt_ids) + step - 1]
            logprobs[index, step] = distribution[token]
            entropies[index, step] = -(distribution.exp() * distribution).sum().detach()
    return logprobs, entropies


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("kind", MODELS)
def test_scores_equal_those_from_full_logits(kind: str, temperature: float) -> None:
    model = MODELS[kind]()
    found = scores(model, pack_rows(ROWS, pad_token_id=0, denominator=1.0), temperature)
    for mine, theirs in zip(found, by_hand(model, ROWS, temperature), strict=True):
        torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_equal_those_from_full_logits(kind: str) -> None:
    model = MODELS[kind]()
    batch = pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    weights = torch.randn(batch.completion_mask.shape, generator=torch.Generator().manual_seed(2))
    mine = gradients(model, (scores(model, batch, temperature=0.8)[0] * weights).sum())
    theirs = gradients(model, (by_hand(model, ROWS, temperature=0.8)[0] * weights).sum())
    assert any(gradient.abs().max() > 0.1 for gradient in theirs.values())
    torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_a_rows_numbers_depend_on_no_other_row_and_on_no_padding() -> None:
    model = tiny_model()
    together, _ = scores(model, pack_rows(ROWS, pad_token_id=0, denominator=1.0))
    for index, row in enumerate(ROWS):
        alone, _ = scores(model, pack_rows([row], pad_token_id=0, denominator=1.0))
        torch.testing.assert_close(together[index, : alone.shape[1]], alone[0], **CLOSE)
    other_padding, _ = scores(model, pack_rows(ROWS, pad_token_id=9, denominator=1.0))
    torch.testing.assert_close(other_padding, together, rtol=0.0, atol=0.0)


def test_entries_outside_the_mask_are_exactly_zero() -> None:
    batch = pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    for values in scores(tiny_model(), batch):
        assert values[~batch.completion_mask].eq(0).all()
        assert values[batch.completion_mask].ne(0).all()


def test_half_precision_logits_are_scored_in_float32() -> None:
    logits = torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(3)).bfloat16()
    logprobs, entropy = token_logprobs(logits, torch.tensor([0, 5, 5, 66]))
    assert (logprobs.dtype, entropy.dtype) == (torch.float32, torch.float32)
    exact = torch.log_softmax(logits.double(), dim=-1)[torch.arange(4), torch.tensor([0, 5, 5, 66])]
    torch.testing.assert_close(logprobs, exact.float(), rtol=1e-5, atol=1e-6)


def test_a_token_that_cannot_be_sampled_leaves_the_entropy_finite() -> None:
    # Two tokens at equal odds and one forbidden: entropy ln 2.
    _, entropy = token_logprobs(torch.tensor([[0.0, 0.0, -float("inf")]]), torch.tensor([0]))
    assert entropy.item() == pytest.approx(0.6931472)


@pytest.mark.parametrize("chunk", [1, 3, 16, 17, 18, 512])
def test_chunks_change_neither_values_nor_gradients(chunk: int) -> None:
    generator = torch.Generator().manual_seed(4)
    hidden = torch.randn(17, HIDDEN, generator=generator, requires_grad=True)
    weight = torch.randn(VOCABULARY, HIDDEN, generator=generator, requires_grad=True)
    targets = torch.randint(VOCABULARY, (17,), generator=generator)

    def project(states: torch.Tensor) -> torch.Tensor:
        return states @ weight.t()

    whole, whole_entropy = token_logprobs(project(hidden) / 1.3, targets)
    logprobs, entropy = chunked_logprobs(hidden, project, targets, temperature=1.3, chunk_positions=chunk)
    torch.testing.assert_close((logprobs, entropy), (whole, whole_entropy), **CLOSE)
    square = (logprobs**2).sum(), (whole**2).sum()
    mine, theirs = (torch.autograd.grad(loss, (hidden, weight), retain_graph=True) for loss in square)
    torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


class LargestLogits(TorchDispatchMode):
    """Records the most rows that any tensor with a vocabulary dimension had, weights apart."""

    rows = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.dim() > 0 and tensor.shape[-1] == VOCABULARY:
                rows = tensor.numel() // VOCABULARY
                self.rows = max(self.rows, 0 if rows == HIDDEN else rows)
        return out


def test_logits_of_more_than_one_chunk_never_exist() -> None:
    model, batch = tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    with LargestLogits() as largest:
        with scoring_head(model.get_output_embeddings(), batch, Scoring(temperature=1.0, chunk_bytes=FIVE_POSITIONS)):
            found = model(**batch.inputs, use_cache=False).logits
        found[..., 0].sum().backward()
    assert largest.rows == 5  # of 17 completion tokens and 4 x 9 positions


def test_no_logits_of_many_chunks_are_kept_for_the_backward_pass() -> None:
    model, batch = tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    kept: list[tuple[int, ...]] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with scoring_head(model.get_output_embeddings(), batch, Scoring(temperature=1.0, chunk_bytes=FIVE_POSITIONS)):
            model(**batch.inputs, use_cache=False)
    assert len(kept) > 0
    assert [shape for shape in kept if shape[-1:] == (VOCABULARY,) and shape[0] != HIDDEN] == []


def peak_bytes(kind: str, vocabulary: int, steps: int) -> int:
    """Most memory that forward and backward pass of one micro-batch hold at once, weights apart."""
    torch.manual_seed(0)
    model = MODELS[kind](vocabulary)
    batch = pack_rows(random_rows([(3, steps)] * 4), pad_token_id=0, denominator=1.0)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        logprobs, _ = score_rows(model, model, batch, Scoring(temperature=1.0, chunk_bytes=1 << 16))
        logprobs.sum().backward()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


@pytest.mark.parametrize("kind", ["lora", "lora_head"])
def test_peak_memory_does_not_grow_with_vocabulary_times_length(kind: str) -> None:
    small, wide = peak_bytes(kind, vocabulary=500, steps=10), peak_bytes(kind, vocabulary=8000, steps=10)
    long, both = peak_bytes(kind, vocabulary=500, steps=40), peak_bytes(kind, vocabulary=8000, steps=40)
    # 160 positions of 8,000 logits are 5.1 MB; what grows with either alone may stay, with both together nothing.
    assert both - wide < long - small + 3 * (1 << 16)


@pytest.mark.parametrize("own_forward", [False, True])
def test_the_heads_forward_is_back_after_success_and_after_an_exception(own_forward: bool) -> None:
    model, batch = tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    head = model.get_output_embeddings()
    if own_forward:  # as accelerate and others leave it: an attribute that shadows the class's method
        head.forward = type(head).forward.__get__(head)
    before = dict(vars(head))
    scores(model, batch)
    assert dict(vars(head)) == before

    def broken(**_: Any) -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        score_rows(broken, model, batch, Scoring(temperature=1.0))
    assert dict(vars(head)) == before
    assert model(**batch.inputs).logits.shape == (*batch.inputs["input_ids"].shape, VOCABULARY)


def test_a_model_that_alters_its_logits_is_refused() -> None:
    model, batch = tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0)

    def soft_capped(**inputs: Any) -> Any:
        return SimpleNamespace(logits=30 * torch.tanh(model(**inputs).logits / 30))

    with pytest.raises(ModelError, match="Qwen2ForCausalLM"):
        score_rows(soft_capped, model, batch, Scoring(temperature=1.0))


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    model, batch = tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    plain = gradients(model, scores(model, batch)[0].sum())
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    torch.testing.assert_close(gradients(model.train(), scores(model, batch)[0].sum()), plain, **CLOSE)


def test_without_gradients_nothing_is_recorded() -> None:
    with torch.no_grad():
        logprobs, _ = scores(tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0))
    assert not logprobs.requires_grad


def test_entropy_carries_no_gradient() -> None:
    batch = pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    logits = torch.zeros(1, VOCABULARY, requires_grad=True)
    for logprobs, entropy in (scores(tiny_model(), batch), token_logprobs(logits, torch.tensor([3]))):
        assert (logprobs.requires_grad, entropy.requires_grad) == (True, False)


def update_gradient(model: Any, parts: list[list[TrainingRow]]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradient of one on-policy update with KL, summed over micro-batches as training does it."""
    total = torch.zeros(())
    for part in parts:
        batch = pack_rows(part, pad_token_id=0, denominator=17.0)
        logprobs, _ = scores(model, batch)
        loss_input = PolicyLossInput(
            policy_logprobs=logprobs,
            old_logprobs=logprobs.detach(),
            ref_logprobs=logprobs.detach() - 0.3,
            completion_mask=batch.completion_mask,
            advantages=batch.advantages,
            kl_rows=batch.kl_rows,
            denominator=batch.denominator,
            objective=Objective(kl_coef=0.1),
        )
        total = total + policy_loss(loss_input).loss
    return total.item(), gradients(model, total)


@pytest.mark.parametrize("tokens", [1, 20, 30])
def test_cutting_an_update_keeps_the_models_gradient(tokens: int) -> None:
    model = lora_model()
    loss, whole = update_gradient(model, split_rows(ROWS, tokens_per_micro_batch=100))
    cut_loss, cut = update_gradient(model, split_rows(ROWS, tokens))
    assert cut_loss == pytest.approx(loss, rel=1e-4)
    torch.testing.assert_close(cut, whole, rtol=1e-3, atol=1e-5)


def test_an_idle_micro_batch_gives_every_parameter_a_zero_gradient() -> None:
    loss, found = update_gradient(lora_model(), [[idle_row(0)]])
    assert loss == 0.0
    assert all(gradient.eq(0).all() for gradient in found.values())


def test_the_entropys_gradient_flows_when_asked_and_equals_the_one_by_hand() -> None:
    # dH / dz_k = -p_k (log p_k + H)
    logits = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float32, requires_grad=True)
    _, entropy = token_logprobs(logits, torch.tensor([0]), entropy_gradient=True)
    p = torch.softmax(logits.detach(), dim=-1)
    by_formula = -p * (p.log() + entropy.detach())
    torch.testing.assert_close(torch.autograd.grad(entropy.sum(), logits)[0], by_formula, rtol=1e-5, atol=1e-6)
    assert not token_logprobs(logits, torch.tensor([0]))[1].requires_grad


def test_the_entropys_gradient_does_not_depend_on_chunks_and_survives_the_model() -> None:
    model, batch = tiny_model(), pack_rows(ROWS, pad_token_id=0, denominator=1.0)
    found = []
    for chunk_bytes in (CHUNK_BYTES, FIVE_POSITIONS):
        scoring = Scoring(temperature=0.7, chunk_bytes=chunk_bytes, entropy_gradient=True)
        logprobs, entropy = score_rows(model, model, batch, scoring)
        assert not entropy[~batch.completion_mask].any()
        found.append(gradients(model, entropy.sum()))
    assert max(float(gradient.abs().max()) for gradient in found[0].values()) > 1e-3
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-5)
