# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rollouts by the model itself: greedy against a loop without cache, sampling against the exact softmax, and what
must not leak in (the checkpoint's generation config) or out (random state, modes)."""

from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.rollout.hf import eos_token_ids
from arctic_text2sql_r1.types import Completion

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15]]
GREEDY = SamplingParams(max_new_tokens=10)
SAMPLED = SamplingParams(max_new_tokens=10, temperature=1.0, num_samples=4, seed=3)


def argmax_loop(model: Any, prompt: list[int], steps: int, stops: tuple[int, ...] = (1,)) -> tuple[int, ...]:
    """Greedy decoding without cache and without padding, one full forward pass per token."""
    ids = list(prompt)
    for _ in range(steps):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        if ids[-1] in stops:
            break
    return tuple(ids[len(prompt) :])


def token_ids(groups: list[list[Completion]]) -> list[tuple[int, ...]]:
    return [completion.token_ids for group in groups for completion in group]


def tried(engine: HFRolloutEngine) -> HFRolloutEngine:
    """The engine after its trial of the model, whose forward passes are its own affair."""
    engine.generate([[5]], SamplingParams(max_new_tokens=1))
    assert engine.shares_prefixes
    return engine


@contextmanager
def recorded_inputs(model: Any) -> Any:
    """A list that receives the shape of `input_ids` at each forward pass."""
    shapes: list[tuple[int, ...]] = []
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    yield shapes
    hook.remove()


@pytest.mark.parametrize("max_batch_rows", [None, 1, 2])
def test_greedy_completions_equal_an_uncached_loop_over_each_prompt_alone(
    model: Any, tokenizer: Any, max_batch_rows: int | None
) -> None:
    # Prompts of three lengths in one call: padding on the left must not change what follows.
    groups = HFRolloutEngine(model, tokenizer, max_batch_rows).generate(PROMPTS, GREEDY)
    assert token_ids(groups) == [argmax_loop(model, prompt, steps=10) for prompt in PROMPTS]


def test_greedy_samples_of_each_prompt_are_the_same(model: Any, tokenizer: Any) -> None:
    groups = HFRolloutEngine(model, tokenizer, max_batch_rows=4).generate(PROMPTS, SamplingParams(5, num_samples=3))
    assert token_ids(groups) == [argmax_loop(model, prompt, steps=5) for prompt in PROMPTS for _ in range(3)]


def test_after_the_prompt_each_forward_pass_reads_one_token(model: Any, tokenizer: Any) -> None:
    model.gradient_checkpointing_enable()
    model.train()
    engine = tried(HFRolloutEngine(model, tokenizer))
    with recorded_inputs(model) as shapes:
        engine.generate(PROMPTS, GREEDY)
    assert shapes == [(3, 7)] + [(3, 1)] * 9


@pytest.mark.parametrize(
    ("max_batch_rows", "prompts", "rows"),
    [(None, [3], 12), (5, [1, 1, 1], 4), (8, [2, 1], 8), (12, [3], 12), (100, [3], 12), (3, [1] * 6, 3)],
)
def test_rows_of_one_call_are_bounded(
    model: Any, tokenizer: Any, max_batch_rows: int | None, prompts: list[int], rows: int
) -> None:
    # 3 prompts x 4 samples; groups stay together where a whole one fits.
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(64).index_fill(0, torch.tensor([1]), -1e9))  # no early end
    engine = tried(HFRolloutEngine(model, tokenizer, max_batch_rows))
    with recorded_inputs(model) as shapes:
        groups = engine.generate([[5, 6], [8, 9], [9, 10]], SAMPLED)
    assert [shape[0] for shape in shapes if shape[1] > 1] == prompts
    assert max(shape[0] for shape in shapes if shape[1] == 1) == rows
    assert [len(group) for group in groups] == [4, 4, 4]


def test_every_end_token_of_the_checkpoint_ends_a_completion(model: Any, tokenizer: Any) -> None:
    free = argmax_loop(model, PROMPTS[0], steps=10)
    stop = free[4]
    model.generation_config.eos_token_id = [stop, 1]
    ((completion,),) = HFRolloutEngine(model, tokenizer).generate([PROMPTS[0]], GREEDY)
    assert completion.token_ids == free[: free.index(stop) + 1]
    assert not completion.truncated


def test_the_tokenizers_end_token_counts_when_the_checkpoint_names_another(model: Any, tokenizer: Any) -> None:
    model.generation_config.eos_token_id = 9
    assert eos_token_ids(model, tokenizer) == [1, 9]


def test_without_any_end_token_the_engine_is_refused(model: Any) -> None:
    model.generation_config.eos_token_id = None
    with pytest.raises(ValueError, match="no completion could ever end"):
        HFRolloutEngine(model, SimpleNamespace(eos_token_id=None, pad_token_id=0))


def test_a_tokenizer_without_padding_pads_with_an_end_token(model: Any, tokenizer: Any) -> None:
    no_pad = SimpleNamespace(eos_token_id=1, pad_token_id=None, decode=tokenizer.decode)
    assert HFRolloutEngine(model, no_pad).pad_token_id == 1
    assert token_ids(HFRolloutEngine(model, no_pad).generate(PROMPTS, GREEDY)) == token_ids(
        HFRolloutEngine(model, tokenizer).generate(PROMPTS, GREEDY)
    )


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
def test_the_checkpoints_generation_config_does_not_leak_into_sampling(
    make_model: Callable[..., Any], tokenizer: Any, sampling: SamplingParams
) -> None:
    clean = HFRolloutEngine(make_model(), tokenizer).generate(PROMPTS, sampling)
    model = make_model()
    leaks = dict(do_sample=True, repetition_penalty=2.0, top_k=1, top_p=0.1, temperature=0.01, max_length=9)
    model.generation_config.update(**leaks, no_repeat_ngram_size=1, suppress_tokens=[clean[0][0].token_ids[0]])
    assert HFRolloutEngine(model, tokenizer).generate(PROMPTS, sampling) == clean


def test_the_same_seed_gives_the_same_completions_and_another_seed_others(model: Any, tokenizer: Any) -> None:
    engine = HFRolloutEngine(model, tokenizer)
    first = engine.generate(PROMPTS, SAMPLED)
    torch.rand(7)  # what the caller draws in between does not matter
    assert engine.generate(PROMPTS, SAMPLED) == first
    assert engine.generate(PROMPTS, SamplingParams(10, temperature=1.0, num_samples=4, seed=4)) != first


def test_samples_of_one_prompt_differ(model: Any, tokenizer: Any) -> None:
    (group,) = HFRolloutEngine(model, tokenizer).generate([PROMPTS[0]], SAMPLED)
    assert len(set(group)) == 4


def break_model(model: Any) -> None:
    """Its second token fails."""

    def broken(_module: Any, _arguments: Any, options: dict[str, Any]) -> None:
        torch.rand(3)
        if options["input_ids"].shape[1] == 1:
            raise RuntimeError("out of memory")

    model.register_forward_pre_hook(broken, with_kwargs=True)


@pytest.mark.parametrize("fails", [False, True])
def test_the_callers_random_state_is_left_alone(model: Any, tokenizer: Any, fails: bool) -> None:
    engine = tried(HFRolloutEngine(model, tokenizer))
    before = torch.get_rng_state()
    if fails:
        break_model(model)
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.generate(PROMPTS, SAMPLED)
    else:
        engine.generate(PROMPTS, SAMPLED)
    assert torch.equal(torch.get_rng_state(), before)


def modes(model: Any) -> list[tuple[str, bool, bool]]:
    """Name, training mode and gradient checkpointing flag of every module."""
    return [(n, m.training, getattr(m, "gradient_checkpointing", False)) for n, m in model.named_modules()]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_modes_of_every_module_are_as_before(model: Any, tokenizer: Any, training: bool, fails: bool) -> None:
    model.gradient_checkpointing_enable()
    model.train(training)
    model.model.layers[0].eval()  # frozen by its owner
    engine = tried(HFRolloutEngine(model, tokenizer))
    before = modes(model)
    if fails:
        break_model(model)
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.generate(PROMPTS, GREEDY)
    else:
        engine.generate(PROMPTS, GREEDY)
    assert modes(model) == before


@pytest.mark.parametrize("fails", [False, True])
def test_weights_are_gathered_around_every_forward_pass(model: Any, tokenizer: Any, fails: bool) -> None:
    events: list[str] = []

    @contextmanager
    def gather() -> Any:
        events.append("gathered")
        try:
            yield
        finally:
            events.append("released")

    engine = tried(HFRolloutEngine(model, tokenizer, gather=gather))
    model.register_forward_pre_hook(lambda *_: events.append("forward"))
    events.clear()
    if fails:
        break_model(model)
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.generate(PROMPTS, GREEDY)
    else:
        engine.generate(PROMPTS, GREEDY)
    assert (events[0], events[-1], set(events[1:-1])) == ("gathered", "released", {"forward"})


def test_dropout_is_off_while_sampling(model: Any, tokenizer: Any) -> None:
    clean = HFRolloutEngine(model, tokenizer).generate(PROMPTS, GREEDY)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.9
    model.train()
    assert HFRolloutEngine(model, tokenizer).generate(PROMPTS, GREEDY) == clean


def test_no_gradient_graph_is_built(model: Any, tokenizer: Any) -> None:
    seen: list[bool] = []
    model.register_forward_hook(lambda *arguments: seen.append(arguments[-1].logits.requires_grad))
    HFRolloutEngine(model, tokenizer).generate(PROMPTS, GREEDY)
    assert len(seen) > 0 and not any(seen)


def p_value(model: Any, tokenizer: Any, sampled_at: float, expected_at: float) -> float:
    """Chi-square probability that 2000 first tokens drawn at one temperature follow the softmax at another."""
    from scipy.stats import chisquare

    prompt = [2, 3, 4]
    sampling = SamplingParams(max_new_tokens=1, temperature=sampled_at, num_samples=2000, seed=5)
    (group,) = HFRolloutEngine(model, tokenizer).generate([prompt], sampling)
    drawn = torch.bincount(torch.tensor([completion.token_ids[0] for completion in group]), minlength=8)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1].double()
    return float(chisquare(drawn.numpy(), f_exp=(2000 * torch.softmax(logits / expected_at, dim=-1)).numpy()).pvalue)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_samples_follow_the_softmax_at_the_temperature(
    make_model: Callable[..., Any], tokenizer: Any, temperature: float
) -> None:
    model = make_model(vocabulary=8, spread=0.15)
    assert p_value(model, tokenizer, sampled_at=temperature, expected_at=temperature) > 0.01
    # The test has the power to tell a temperature that is half as high again.
    assert p_value(model, tokenizer, sampled_at=temperature, expected_at=1.5 * temperature) < 1e-4


def test_every_token_of_the_vocabulary_can_be_drawn(model: Any, tokenizer: Any) -> None:
    # At temperature 100 the 64 tokens are about equally likely; transformers' default top-k would leave 50 of them.
    sampling = SamplingParams(max_new_tokens=1, temperature=100.0, num_samples=1500)
    (group,) = HFRolloutEngine(model, tokenizer).generate([PROMPTS[0]], sampling)
    assert {completion.token_ids[0] for completion in group} == set(range(64))


def test_text_is_not_tidied_up(model: Any, tokenizer: Any) -> None:
    # Llama's and GPT-2's tokenizers ask for it; "( 'a , b' )" would become "('a, b')", another string literal.
    asked: list[bool] = []

    def decode(ids: list[int], skip_special_tokens: bool, clean_up_tokenization_spaces: bool | None = None) -> str:
        asked.append(clean_up_tokenization_spaces is False)
        return tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    tidy = SimpleNamespace(eos_token_id=1, pad_token_id=0, decode=decode)
    HFRolloutEngine(model, tidy).generate(PROMPTS, GREEDY)
    assert asked == [True, True, True]


def test_an_adapter_on_the_model_is_what_samples(model: Any, tokenizer: Any) -> None:
    from peft import LoraConfig
    from peft import get_peft_model

    plain = token_ids(HFRolloutEngine(model, tokenizer).generate(PROMPTS, GREEDY))
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    found = token_ids(HFRolloutEngine(adapted, tokenizer).generate(PROMPTS, GREEDY))
    assert found == [argmax_loop(adapted.eval(), prompt, steps=10) for prompt in PROMPTS]
    assert found != plain
