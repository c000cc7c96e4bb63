# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The vllm engine against a real server: same tokens, same log-probabilities, never another policy's."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.arctic.engines import policy_adapter
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.errors import RolloutError
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.rollout.base import EngineSetup
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.rollout.vllm import VLLMRolloutEngine
from arctic_text2sql_r1.types import Completion
from tests.vllm.server import Server

pytestmark = pytest.mark.vllm

GREEDY = SamplingParams(max_new_tokens=32)
SAMPLED = SamplingParams(max_new_tokens=32, temperature=0.8, num_samples=8, seed=5)
SETTINGS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MakeEngines = Callable[..., tuple[VLLMRolloutEngine, HFRolloutEngine]]


@pytest.fixture
def policy(toy_model: Path) -> Any:
    """The toy model with a fresh adapter, which does nothing yet."""
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(toy_model, dtype=torch.float32)
    return get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=SETTINGS)).eval()


def change(policy: Any) -> None:
    """Gives the adapter weights that change what is written."""
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)


@pytest.fixture
def make_engines(policy: Any, toy_model: Path, tmp_path: Path) -> MakeEngines:
    """The vllm engine and the hf engine on one policy."""
    from transformers import AutoTokenizer

    def make(server: Server, timeout_s: float = 120.0) -> tuple[VLLMRolloutEngine, HFRolloutEngine]:
        setup = EngineSetup(
            model=policy,
            tokenizer=AutoTokenizer.from_pretrained(toy_model),
            options=SimpleNamespace(url=server.url, timeout_s=timeout_s, max_batch_rows=None),
            synced_gpus=False,
            folder=tmp_path / "adapters",
            updates_made=lambda: 3,
            adapter=lambda: policy_adapter(policy),
            on_rank_0=lambda work: work(),
        )
        return VLLMRolloutEngine.for_training(setup), HFRolloutEngine.for_training(setup)

    return make


@pytest.fixture
def prompts() -> list[list[int]]:
    """Six prompts of 3 to 100 tokens."""
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(5, 2000, (size,), generator=generator).tolist() for size in (12, 3, 30, 40, 7, 100)]


def token_ids(groups: list[list[Completion]]) -> list[tuple[int, ...]]:
    return [completion.token_ids for group in groups for completion in group]


def test_greedy_completions_are_those_of_the_hf_engine_before_and_after_a_sync(
    make_engines: MakeEngines, server: Server, policy: Any, prompts: list[list[int]]
) -> None:
    vllm, hf = make_engines(server)
    before = vllm.generate(prompts, GREEDY)
    assert token_ids(before) == token_ids(hf.generate(prompts, GREEDY))
    change(policy)
    after = vllm.generate(prompts, GREEDY)
    assert token_ids(after) == token_ids(hf.generate(prompts, GREEDY))
    assert sum(a != b for a, b in zip(token_ids(before), token_ids(after), strict=True)) == 6
    assert {completion.truncated for group in [*before, *after] for completion in group} == {True, False}
    # Weights that come back find their prompts in the server's cache again, and only theirs.
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
    assert token_ids(vllm.generate(prompts, GREEDY)) == token_ids(before)


def test_logprobs_of_samples_are_the_trainers(
    make_engines: MakeEngines, server: Server, policy: Any, prompts: list[list[int]]
) -> None:
    change(policy)
    groups = make_engines(server)[0].generate(prompts, SAMPLED)
    rows = [(prompt, one) for prompt, group in zip(prompts, groups, strict=True) for one in group]
    batch = pack_rows([TrainingRow(prompt, one.token_ids, 0.0, True) for prompt, one in rows], 0, denominator=1.0)
    with torch.no_grad():
        scores, _ = score_rows(policy, policy, batch, Scoring(temperature=SAMPLED.temperature))
    sampler = torch.tensor([value for _, one in rows for value in one.logprobs])
    assert len(sampler) > 300
    assert len({one.token_ids for _, one in rows}) > 24
    torch.testing.assert_close(scores[batch.completion_mask], sampler, rtol=0.0, atol=1e-4)


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(
    make_engines: MakeEngines, server: Server, prompts: list[list[int]]
) -> None:
    vllm, _ = make_engines(server)
    other = SamplingParams(max_new_tokens=32, temperature=0.8, num_samples=8, seed=6)
    first = token_ids(vllm.generate(prompts, SAMPLED))
    assert token_ids(vllm.generate(prompts, SAMPLED)) == first
    assert token_ids(vllm.generate(prompts, other)) != first


def test_another_version_of_the_adapter_is_never_sampled_from(
    make_engines: MakeEngines, server: Server, policy: Any, prompts: list[list[int]]
) -> None:
    vllm, _ = make_engines(server)
    name = vllm.policy_name()
    change(policy)
    newer = vllm.policy_name()
    assert set(vllm.server.adapters()) == {newer}
    vllm.policy_name = lambda: name
    with pytest.raises(RolloutError, match=f"refused when asking '{name}' for completions: status 404"):
        vllm.generate(prompts, GREEDY)


def test_an_adapter_that_the_server_cannot_hold_is_refused_with_its_reason(
    make_engines: MakeEngines, server: Server, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr("arctic_text2sql_r1.rollout.vllm_server.FIRST_PAUSE_S", 0.01)
    wide = get_peft_model(AutoModelForCausalLM.from_pretrained(toy_model), LoraConfig(r=64, target_modules=SETTINGS))
    vllm, _ = make_engines(server)
    vllm.policy_name.setup = SimpleNamespace(
        **vars(vllm.policy_name.setup) | dict(adapter=lambda: policy_adapter(wide))
    )
    with pytest.raises(RolloutError, match=r"LoRA rank 64 is greater than max_lora_rank 32.*--max-lora-rank"):
        vllm.generate([[5]], GREEDY)


def test_a_stopped_server_ends_in_a_timeout_error(
    make_engines: MakeEngines, server: Server, prompts: list[list[int]]
) -> None:
    vllm, _ = make_engines(server, timeout_s=2.0)
    server.signal(signal.SIGSTOP)
    try:
        with pytest.raises(RolloutError, match="did not answer within 2 s"):
            vllm.generate(prompts, GREEDY)
    finally:
        server.signal(signal.SIGCONT)


@pytest.mark.parametrize("own_server", [("--logprobs-mode", "processed_logprobs")], indirect=True)
def test_a_server_with_vllms_default_logprobs_is_refused(make_engines: MakeEngines, own_server: Server) -> None:
    with pytest.raises(RolloutError, match="Start it with --logprobs-mode processed_logprobs"):
        make_engines(own_server)[0].generate([[5, 6, 7]], GREEDY)
