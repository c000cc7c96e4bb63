# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What every rollout engine promises, checked for each registered one; engines' own behaviour has its own files."""

from collections.abc import Callable
from typing import Any

import pytest

from arctic_text2sql_r1.rollout.base import ROLLOUT_ENGINES
from arctic_text2sql_r1.rollout.base import RolloutEngine
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.base import roll_out
from arctic_text2sql_r1.rollout.base import training_engine
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.rollout.scripted import ScriptedRolloutEngine
from arctic_text2sql_r1.rollout.vllm import VLLMRolloutEngine
from arctic_text2sql_r1.rollout.vllm_server import VLLMServer
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample
from tests.rollout.fake_vllm import FakeVLLM

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
LIMIT = 6
SCRIPT = ["w3 w4", "w5", "w6 w7 w8 w9 w10 w11", "w3 w3 w3 w3 w3 w3 w3 w3 w3", "", "w4 w5 w6 w7 w8"]


def hf_engine(make_model: Callable[..., Any], tokenizer: Any, fake_vllm: FakeVLLM) -> RolloutEngine:
    """Over 8 words of which one ends a sequence, so that within the limit some completions end and some do not."""
    return HFRolloutEngine(make_model(vocabulary=8, spread=0.2), tokenizer)


def scripted_engine(make_model: Callable[..., Any], tokenizer: Any, fake_vllm: FakeVLLM) -> RolloutEngine:
    return ScriptedRolloutEngine(SCRIPT, tokenizer=tokenizer)


def vllm_engine(make_model: Callable[..., Any], tokenizer: Any, fake_vllm: FakeVLLM) -> RolloutEngine:
    """Over 8 words of which one ends a sequence."""
    server = VLLMServer(fake_vllm.url, timeout_s=20)
    return VLLMRolloutEngine(server, tokenizer, stops=[1], policy_name=lambda: "base")


FACTORIES = dict(hf=hf_engine, scripted=scripted_engine, vllm=vllm_engine)


@pytest.fixture(params=ROLLOUT_ENGINES.names())
def engine(
    request: pytest.FixtureRequest, make_model: Callable[..., Any], tokenizer: Any, fake_vllm: FakeVLLM
) -> RolloutEngine:
    """Each registered engine; a new one is added to FACTORIES."""
    return FACTORIES[request.param](make_model, tokenizer, fake_vllm)


@pytest.fixture
def groups(engine: RolloutEngine) -> list[list[Completion]]:
    """8 samples of each of the 3 prompts."""
    prompts = [[token % 8 for token in prompt] for prompt in PROMPTS]
    return engine.generate(prompts, SamplingParams(max_new_tokens=LIMIT, temperature=1.0, num_samples=8, seed=1))


def test_whoever_samples_elsewhere_says_under_which_logprobs(
    engine: RolloutEngine, groups: list[list[Completion]]
) -> None:
    completions = [completion for group in groups for completion in group]
    whole = all(len(completion.logprobs) == len(completion.token_ids) for completion in completions)
    assert whole or not engine.samples_elsewhere


def test_an_engine_that_recipes_may_name_can_follow_training() -> None:
    assert training_engine("hf") is HFRolloutEngine
    with pytest.raises(ValueError, match="'scripted' has no for_training.*Engines that can: hf, vllm"):
        training_engine("scripted")


def test_every_prompt_gets_its_number_of_samples(groups: list[list[Completion]]) -> None:
    assert [len(group) for group in groups] == [8, 8, 8]


def test_no_prompts_give_no_completions(engine: RolloutEngine) -> None:
    assert engine.generate([], SamplingParams(max_new_tokens=2)) == []


def test_no_completion_is_longer_than_the_limit(groups: list[list[Completion]]) -> None:
    assert max(len(completion.token_ids) for group in groups for completion in group) == LIMIT


def test_a_completion_ends_with_the_end_token_or_is_truncated(groups: list[list[Completion]], tokenizer: Any) -> None:
    completions = [completion for group in groups for completion in group]
    for completion in completions:
        ended = completion.token_ids[-1] == tokenizer.eos_token_id
        assert completion.truncated == (not ended)
        assert ended or len(completion.token_ids) == LIMIT
        assert tokenizer.eos_token_id not in completion.token_ids[:-1]
    assert {completion.truncated for completion in completions} == {True, False}


def test_the_text_is_that_of_the_token_ids(groups: list[list[Completion]], tokenizer: Any) -> None:
    for completion in (completion for group in groups for completion in group):
        assert completion.text == tokenizer.decode(completion.token_ids, skip_special_tokens=True)


def example(index: int) -> Text2SQLExample:
    return Text2SQLExample(str(index), db_id="db", question="?", gold_sql="SELECT 1", db_path="")


def test_a_rollout_keeps_each_completion_with_its_prompt_and_example(engine: RolloutEngine) -> None:
    prompts, examples = [[5], [6, 7]], [example(0), example(1)]
    rollout = roll_out(engine, examples, prompts, SamplingParams(max_new_tokens=3, temperature=1.0, num_samples=3))
    assert rollout.group_ids == [0, 0, 0, 1, 1, 1]
    assert rollout.prompts == [prompts[index] for index in rollout.group_ids]
    assert rollout.examples == [examples[index] for index in rollout.group_ids]
    assert len(rollout.completions) == 6


@pytest.mark.parametrize("wrong", [dict(max_new_tokens=0), dict(num_samples=0), dict(temperature=-0.1)])
def test_sampling_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Cannot sample with .*max_new_tokens and num_samples must be"):
        SamplingParams(**{"max_new_tokens": 4, **wrong})
