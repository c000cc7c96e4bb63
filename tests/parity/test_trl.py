# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Our objectives against TRL's own losses, value and gradient, on the same tensors and the same tiny model.

TRL lives in an environment of its own (`make test-parity` builds it and runs these tests): `trl_losses.py` calls its
trainers there and leaves their figures in a file. Where we differ from TRL on purpose is in RESULTS.md.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.advantages import group_advantages
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.losses import PolicyLossInput
from arctic_text2sql_r1.losses import PolicyLossOutput
from arctic_text2sql_r1.losses import loss_denominator
from arctic_text2sql_r1.losses import policy_loss
from arctic_text2sql_r1.losses import resolve_objective
from tests.parity.cases import ADVANTAGE_SCALINGS
from tests.parity.cases import CASES
from tests.parity.cases import GROUPS
from tests.parity.cases import MAX_NEW_TOKENS
from tests.parity.cases import SAMPLES
from tests.parity.cases import Case
from tests.parity.conftest import TABLE

pytestmark = pytest.mark.skipif("TRL_PYTHON" not in os.environ, reason="needs TRL: run make test-parity")

LENGTHS = [(3, 9), (3, 1), (3, 5), (3, 9), (6, 2), (6, 7), (6, 4), (6, 8)]  # of prompt and completion
VOCABULARY = 64
REWARDS = torch.tensor([1.0, 0.1, 0.0, 0.1, 1.0, 1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Difference:
    """Ours against TRL's, relative: the loss, its slope by the log-probabilities, the parameters' gradient."""

    loss: float
    slopes: float
    gradient: float


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, tensors for every case, and what TRL made of them."""
    folder: Path = tmp_path_factory.mktemp("parity")
    build_model().save_pretrained(folder / "model")
    build_tokenizer().save_pretrained(folder / "model")
    tensors = {name: given_tensors(folder, case) for name, case in CASES.items()}
    torch.save(dict(tensors=tensors, rewards=REWARDS), folder / "case.pt")
    script = Path(__file__).with_name("trl_losses.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [os.environ["TRL_PYTHON"], str(script), str(folder)], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return folder


def build_model() -> Any:
    """A random Qwen2 whose logits are far from equal."""
    from transformers import Qwen2Config
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.2,
    )
    return Qwen2ForCausalLM(config)


def build_tokenizer() -> Any:
    """One word is one token; TRL wants a tokenizer, the tensors need none."""
    from tokenizers import Tokenizer
    from tokenizers import models
    from transformers import PreTrainedTokenizerFast

    words = dict({"<pad>": 0, "<end>": 1, "a": 2}, **{f"w{index}": index for index in range(3, VOCABULARY)})
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


def token_rows() -> list[TrainingRow]:
    """The update's completions, whose tokens are random."""
    generator = torch.Generator().manual_seed(1)
    advantages = torch.randn(len(LENGTHS), generator=generator).tolist()
    rows = []
    for (prompt, completion), advantage in zip(LENGTHS, advantages, strict=True):
        ids = torch.randint(2, VOCABULARY, (prompt + completion,), generator=generator).tolist()
        rows.append(TrainingRow(ids[:prompt], ids[prompt:], advantage, keep=True))
    return rows


def our_scores(folder: Path) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The model, with (N, T) log-probabilities and entropies of the rows under it."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    batch = pack_rows(token_rows(), pad_token_id=0, denominator=1.0)
    return model, *score_rows(model, model, batch, Scoring(temperature=1.0, entropy_gradient=True))


def given_tensors(folder: Path, case: Case) -> dict[str, torch.Tensor]:
    """The update as TRL wants it: prompts padded on the left, old and reference log-probabilities in float64."""
    rows = token_rows()
    _, logprobs, _ = our_scores(folder)
    mask = pack_rows(rows, pad_token_id=0, denominator=1.0).completion_mask
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn((2, *mask.shape), generator=generator, dtype=torch.float64)
    widest = max(len(row.prompt_ids) for row in rows)
    prompts = [[0] * (widest - len(row.prompt_ids)) + list(row.prompt_ids) for row in rows]
    completions = [[*row.completion_ids, *[0] * (mask.shape[1] - len(row.completion_ids))] for row in rows]
    return dict(
        prompt_ids=torch.tensor(prompts),
        prompt_mask=(torch.tensor(prompts) != 0).long(),
        completion_ids=torch.tensor(completions),
        completion_mask=mask.long(),
        advantages=torch.tensor([row.advantage for row in rows], dtype=torch.float64),
        old_per_token_logps=logprobs.detach().double() + case.noise * noise[0],
        ref_per_token_logps=logprobs.detach().double() + 0.5 * noise[1],
    )


def our_loss(
    case: Case, tensors: dict[str, torch.Tensor], logprobs: torch.Tensor, entropy: torch.Tensor
) -> PolicyLossOutput:
    """The whole update as one micro-batch of ours."""
    objective = resolve_objective(case.preset, case.cells)
    mask = tensors["completion_mask"].bool()
    inputs = PolicyLossInput(
        policy_logprobs=logprobs,
        old_logprobs=tensors["old_per_token_logps"].to(logprobs.dtype),
        ref_logprobs=tensors["ref_per_token_logps"].to(logprobs.dtype) if objective.kl_coef > 0 else None,
        completion_mask=mask,
        advantages=tensors["advantages"].to(logprobs.dtype),
        kl_rows=torch.ones(len(mask), dtype=torch.bool),
        denominator=loss_denominator(objective.aggregation, int(mask.sum()), len(mask), MAX_NEW_TOKENS),
        objective=objective,
        entropy=entropy,
    )
    return policy_loss(inputs)


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.fixture(scope="module")
def differences(folder: Path, request: pytest.FixtureRequest) -> dict[str, Difference]:
    """Every case's difference; printed as a table at the end."""
    given, trl = torch.load(folder / "case.pt"), torch.load(folder / "trl.pt")
    found = {}
    for name, case in CASES.items():
        theirs, tensors = trl["losses"][name], given["tensors"][name]
        leaf = theirs["logprobs"].clone().requires_grad_()
        loss = our_loss(case, tensors, leaf, theirs["entropies"]).loss
        slopes = torch.autograd.grad(loss, leaf)[0]
        model, logprobs, entropy = our_scores(folder)
        our_loss(case, tensors, logprobs, entropy).loss.backward()
        pairs = [(p.grad.flatten(), theirs["gradients"][key].flatten()) for key, p in model.named_parameters()]
        found[name] = Difference(
            loss=relative(loss.detach(), torch.tensor(theirs["loss"] / case.scale, dtype=torch.float64)),
            slopes=relative(slopes, theirs["slopes"] / case.scale),
            gradient=relative(torch.cat([ours for ours, _ in pairs]), torch.cat([g for _, g in pairs]) / case.scale),
        )
    request.config.stash[TABLE] = ["| objective | TRL | loss | slopes | gradient |", "| --- | --- | --- | --- | --- |"]
    for name, one in found.items():
        loss = f"{one.loss:.0e}" if CASES[name].compares_loss else "-"
        settings = " ".join(f"{key}={value}" for key, value in CASES[name].trl.items())
        row = f"| {name} | {CASES[name].trainer} {settings} | {loss} | {one.slopes:.0e} | {one.gradient:.0e} |"
        request.config.stash[TABLE].append(row)
    return found


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.noise > 0])
def test_some_tokens_are_clipped_and_some_are_not(name: str, folder: Path) -> None:
    # Otherwise a loss without its clip would equal TRL's.
    tensors, (_, logprobs, entropy) = torch.load(folder / "case.pt")["tensors"][name], our_scores(folder)
    output = our_loss(CASES[name], tensors, logprobs, entropy)
    assert 0 < int(output.clipped_tokens) < int(output.tokens)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.compares_loss])
def test_loss_is_trls(name: str, differences: dict[str, Difference]) -> None:
    assert differences[name].loss < CASES[name].tolerance


@pytest.mark.parametrize("name", CASES)
def test_slopes_by_the_log_probabilities_are_trls(name: str, differences: dict[str, Difference]) -> None:
    assert differences[name].slopes < CASES[name].tolerance


@pytest.mark.parametrize("name", CASES)
def test_gradient_by_the_parameters_is_trls(name: str, differences: dict[str, Difference]) -> None:
    # Single precision through two layers, in two releases of transformers.
    assert differences[name].gradient < 1e-5


@pytest.mark.parametrize("scaling", ADVANTAGE_SCALINGS)
def test_advantages_are_trls_but_for_its_larger_epsilon(scaling: Any, folder: Path) -> None:
    theirs = torch.load(folder / "trl.pt")["advantages"][scaling]
    ours = group_advantages(REWARDS, torch.arange(GROUPS).repeat_interleave(SAMPLES), scaling=scaling)
    if scaling == "batch":  # TRL's deviation is that of the rewards, ours that of rewards less their group's mean
        means = REWARDS.view(GROUPS, SAMPLES).mean(dim=1).repeat_interleave(SAMPLES)
        theirs = theirs * REWARDS.std() / (REWARDS - means).std()
    assert relative(ours, theirs) < 3e-4
