# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The recipes' four architectures, from prompt to training pass: chat text, rollouts, log-probabilities."""

from pathlib import Path
from typing import Any
from typing import NamedTuple

import pytest
import torch

from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.packed import pack_groups
from arctic_text2sql_r1.packed import packed_mode
from arctic_text2sql_r1.packed import why_not_packed
from arctic_text2sql_r1.prompts.builder import load_tokenizer
from arctic_text2sql_r1.prompts.builder import prompt_ids
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.types import Text2SQLExample
from tests.tiny_architectures import FAMILIES
from tests.tiny_architectures import PHRASES
from tests.tiny_architectures import build_tiny

pytestmark = pytest.mark.slow


class Tiny(NamedTuple):
    kind: str
    model: Any
    tokenizer: Any


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A model and its tokenizer, as everything here loads them."""
    from transformers import AutoModelForCausalLM

    folder = build_tiny(request.param, tmp_path_factory.mktemp("tiny"))
    return Tiny(request.param, AutoModelForCausalLM.from_pretrained(folder).eval(), load_tokenizer(str(folder)))


@pytest.fixture
def prompts(tiny: Tiny, concert_db: Path) -> list[list[int]]:
    """Two prompts of unequal length, longer than Gemma's window."""
    example = Text2SQLExample("1", "concert", "Who is French? Zoë?", "SELECT 1", str(concert_db))
    return [prompt_ids(tiny.tokenizer, get_template(name), example) for name in ("plain", "solution")]


def test_a_prompt_begins_once_and_holds_the_system_text_and_the_question(tiny: Tiny, prompts: list[list[int]]) -> None:
    bos = tiny.tokenizer.bos_token_id
    for ids, name in zip(prompts, ("plain", "solution"), strict=True):
        assert ids.count(bos) == (0 if bos is None else 1)
        text = tiny.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        assert text.count(get_template(name).system.splitlines()[0]) == 1
        assert text.count("Who is French? Zoë?") == 1


def test_completions_are_short_and_hold_whole_queries(tiny: Tiny, prompts: list[list[int]]) -> None:
    sampling = SamplingParams(max_new_tokens=256, temperature=1.0, num_samples=32, seed=1)
    groups = HFRolloutEngine(tiny.model, tiny.tokenizer).generate(prompts, sampling)
    rows = [row for group in groups for row in group]
    assert not any(row.truncated for row in rows)
    assert sum(len(row.token_ids) for row in rows) / len(rows) < 16
    assert any(row.text == phrase for row in rows for phrase in PHRASES)


def test_greedy_completions_are_those_of_generate(tiny: Tiny, prompts: list[list[int]]) -> None:
    engine, theirs = (HFRolloutEngine(tiny.model, tiny.tokenizer) for _ in range(2))
    theirs.shares_prefixes = False
    sampling = SamplingParams(max_new_tokens=40)
    assert engine.generate(prompts, sampling)[0][0].token_ids == theirs.generate(prompts, sampling)[0][0].token_ids
    assert engine.shares_prefixes


def test_sampler_and_training_pass_agree_with_a_plain_pass(tiny: Tiny, prompts: list[list[int]]) -> None:
    sampling = SamplingParams(max_new_tokens=48, temperature=0.8, num_samples=4, seed=2)
    groups = HFRolloutEngine(tiny.model, tiny.tokenizer).generate(prompts, sampling)
    rows = [(prompt, row) for prompt, group in zip(prompts, groups, strict=True) for row in group]
    batch = pack_groups([TrainingRow(prompt, row.token_ids, 1.0, True) for prompt, row in rows], 0, 1.0)
    assert why_not_packed(tiny.model) is None
    with torch.no_grad(), packed_mode(tiny.model):
        packed, _ = score_rows(tiny.model, tiny.model, batch, Scoring(temperature=0.8))
    for index, (prompt, row) in enumerate(rows):
        ids = torch.tensor([[*prompt, *row.token_ids]])
        with torch.no_grad():
            logits = tiny.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
        plain = torch.log_softmax(logits / 0.8, dim=-1).gather(1, ids[0, len(prompt) :, None]).squeeze(1)
        torch.testing.assert_close(torch.tensor(row.logprobs), plain, rtol=0, atol=1e-4)
        torch.testing.assert_close(packed[index, : len(plain)], plain, rtol=0, atol=1e-4)
