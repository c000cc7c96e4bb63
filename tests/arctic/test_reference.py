# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The three forms of the reference on real engines: KL 0 at first, then positive, and a reference that never moves."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.training.updates import training_rows
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import run_checkpoint

pytestmark = pytest.mark.slow

BuildTrainer = Callable[..., Any]


@pytest.fixture
def starting_adapter(toy_model: Path, tmp_path: Path) -> Path:
    """A LoRA folder, as supervised training leaves one: it changes the model, and its rank is not the recipe's."""
    return save_adapter(toy_model, tmp_path / "sft-adapter", seed=3)


def save_adapter(base: Path, folder: Path, seed: int) -> Path:
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def with_form(trainer_factory: BuildTrainer, toy_recipe: dict[str, Any], starting_adapter: Path) -> BuildTrainer:
    """Builds a trainer whose reference is of a form: `with_form("continued adapter", stage=2, kl_coef=0.1)`."""

    def build(form: str, stage: int = 2, **overrides: Any) -> Any:
        model = dict(toy_recipe["model"])
        if form != "new adapter":
            del model["peft_config"]
        if form == "continued adapter":
            model["adapter"] = str(starting_adapter)
        return trainer_factory(**{"model": model, "deepspeed": zero(stage), "kl_coef": 0.1, **overrides})

    return build


def zero(stage: int) -> dict[str, Any]:
    return dict(zero_optimization=dict(stage=stage), steps_per_print=1_000_000)


def rolled_out(trainer: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    rollout = trainer.generate_candidates(next(iter(trainer.train_dataloader)))
    count = len(rollout.completions)
    advantages = torch.tensor([(-1.0) ** index * (1 + index % 3) for index in range(count)])
    return rollout, advantages, torch.ones(count, dtype=torch.bool)


def scored(trainer: Any, update: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the update's first micro-batch under policy and reference."""
    batch = trainer.learner.micro_batches(training_rows(*update, trainer.config.cells))[0]
    return trainer.learner.logprobs(batch), trainer.learner.reference_logprobs(batch)


@pytest.mark.parametrize(
    ("form", "stage"),
    [("new adapter", 1), ("continued adapter", 2), ("full", 2), ("continued adapter", 3), ("full", 3)],
)
def test_kl_starts_at_zero_then_grows_while_the_reference_stays(
    with_form: BuildTrainer, form: str, stage: int
) -> None:
    trainer = with_form(form, stage)
    gc.collect()  # an engine that only a variable held would take its hooks away
    update = rolled_out(trainer)
    policy, before = scored(trainer, update)
    assert torch.equal(policy, before)
    assert trainer.update_policy(*update).sums["kl"] == 0.0
    assert trainer.update_policy(*update).sums["kl"] > 0.0
    policy, after = scored(trainer, update)
    assert torch.equal(after, before)
    assert not torch.equal(policy, before)


def test_kl_starts_at_zero_in_bf16(with_form: BuildTrainer, toy_recipe: dict[str, Any]) -> None:
    toy_recipe["model"]["dtype"] = "bf16"
    for form in ("continued adapter", "full"):
        trainer = with_form(form)
        assert trainer.update_policy(*rolled_out(trainer)).sums["kl"] == 0.0, form


def test_the_reference_of_a_continued_adapter_is_not_the_base_model(with_form: BuildTrainer) -> None:
    trainer = with_form("continued adapter")
    update = rolled_out(trainer)
    policy, reference = scored(trainer, update)
    with trainer.model_unwrapped.disable_adapter():
        base, _ = scored(trainer, update)
    assert torch.equal(reference, policy)
    assert float((base - reference).abs().max()) > 0.1


@pytest.mark.parametrize("form", ["continued adapter", "full"])
def test_an_objective_without_kl_builds_no_reference(
    with_form: BuildTrainer, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = with_form(form, kl_coef=0)
    assert trainer.learner.reference is None
    assert not hasattr(trainer, "frozen_adapter")
    assert "reference:" not in capsys.readouterr().out


def test_the_policy_starts_from_every_tensor_of_the_adapter(
    with_form: BuildTrainer, starting_adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    trainer = with_form("continued adapter")
    held = get_peft_model_state_dict(trainer.model_unwrapped)
    saved = load_file(starting_adapter / "adapter_model.safetensors")
    assert held.keys() == saved.keys()
    assert all(torch.equal(held[name], saved[name]) for name in saved)
    assert trainer.config.model.peft_config["r"] == 4
    printed = capsys.readouterr().out
    assert "reference: a frozen copy of the adapter that the policy starts from" in printed
    assert "WARNING" not in printed


def test_an_adapter_of_another_base_is_continued_with_a_warning(
    with_form: BuildTrainer, starting_adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = starting_adapter / "adapter_config.json"
    settings.write_text(settings.read_text().replace('"base_model_name_or_path": "', '"base_model_name_or_path": "x'))
    with_form("continued adapter")
    assert "WARNING: the adapter '" in capsys.readouterr().out


def test_a_resumed_run_compares_with_the_adapter_that_it_started_from(
    with_form: BuildTrainer, starting_adapter: Path, tmp_path: Path
) -> None:
    resume = run_checkpoint(tmp_path / "runs", save_every_n_steps=1)
    trainer = with_form("continued adapter", checkpoint=resume)
    update = rolled_out(trainer)
    _, before = scored(trainer, update)
    trainer.update_policy(*update)
    trainer.checkpoint()
    resumed = with_form("continued adapter", checkpoint=resume)
    policy, reference = scored(resumed, update)
    assert resumed.global_step == 1
    assert torch.equal(reference, before)
    assert not torch.equal(policy, before)
    save_adapter(trainer.config.model.name_or_path, starting_adapter, seed=4)
    with pytest.raises(ModelError, match="started from the adapter .*would compare the policy with what it did not"):
        with_form("continued adapter", checkpoint=resume)


def test_two_ranks_continue_an_adapter_and_save_the_policy_alone(
    run_recipe: Callable[..., ToyRun], toy_recipe: dict[str, Any], starting_adapter: Path, tmp_path: Path
) -> None:
    del toy_recipe["model"]["peft_config"]
    toy_recipe["model"]["adapter"] = str(starting_adapter)
    toy_recipe["deepspeed"]["zero_optimization"] = dict(stage=3)
    toy_recipe.update(micro_batch_size=4, kl_coef=0.1, rewards=["toy_rewards:share_of_letter_e"])
    run = run_recipe(toy_recipe, ranks=2)
    assert run.code == 0, run.output[-3000:]
    assert run.metrics[0]["kl"] == 0.0
    assert run.metrics[1]["kl"] > 0.0
    from safetensors.torch import load_file

    folder = tmp_path / "run_1" / "last"
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["resume"]
    assert (
        load_file(folder / "adapter_model.safetensors").keys()
        == load_file(starting_adapter / "adapter_model.safetensors").keys()
    )
