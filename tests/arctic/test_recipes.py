# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The committed recipes, parsed against the real config classes, and what bad recipes are told."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.cli import main
from arctic_text2sql_r1.errors import ModelError
from tests.arctic.toy_project import PROJECT
from tests.arctic.toy_project import TRAINING_DATA
from tests.arctic.toy_project import load_recipe
from tests.tiny_architectures import build_tiny

RECIPES = sorted(str(path.relative_to(PROJECT)) for path in [*PROJECT.glob("*.yaml"), *PROJECT.glob("recipes/*.yaml")])


def parse(recipe: dict[str, Any]) -> Any:
    from arctic_training.config.trainer import get_config

    import arctic_text2sql_r1.arctic  # noqa: F401  (registers the trainer)

    recipe.pop("code", None)
    return get_config(recipe)


def test_the_promised_recipes_exist() -> None:
    systems = ("rl-text2sql", "composite-llama-8b", "sql-rlvr-sft", "sql-rlvr-grpo", "gemma-multi-reward")
    assert {"sft-tiny.yaml", "grpo-tiny.yaml", "grpo-qwen-3b.yaml"} <= set(RECIPES)
    assert {f"recipes/{name}.yaml" for name in (*systems, "paper-7b-full")} <= set(RECIPES)


# What the described systems and the published recipe name, by its place in the recipe. Prompts are of one rank.
PROMISED: dict[str, dict[str, Any]] = {
    "rl-text2sql": dict(
        preset_name="grpo", model__type="quantized", model__dtype__name="BF16", rewards__0__name="granular",
        model__peft_config__target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], data__template="plain",
        checkpoint__0__save_every_n_epochs=1, checkpoint__0__keep_last=1, checkpoint__0__auto_resume=True,
    ),
    "composite-llama-8b": dict(
        model__type="quantized", model__peft_config__r=256, model__peft_config__lora_alpha=128, micro_batch_size=8,
        num_samples_per_prompt=4, epochs=3, kl_coef=0.1, optimizer__learning_rate=2e-4, rewards__0__name="composite",
        rewards__0__options=dict(syntax_weight=0.2, execution_weight=0.6, semantic_weight=0.2), wandb__enable=False,
    ),
    "sql-rlvr-sft": dict(model__peft_config__r=32, data__sources__0__type="text2sql_messages"),
    "sql-rlvr-grpo": dict(rewards__0__name="f1", starting_adapter__name="global_step_3", data__template="plain"),
    "gemma-multi-reward": dict(
        model__type="policy", model__dtype__name="BF16", num_samples_per_prompt=4, max_new_tokens=768,
        data__max_length=256 + 768, epochs=2, train_iters=50, optimizer__learning_rate=5e-6,
        optimizer__betas=(0.9, 0.99), optimizer__weight_decay=0.1, scheduler__name="cosine",
        scheduler__warmup_ratio=0.1, deepspeed__gradient_clipping=0.1, data__template="solution",
        rewards__0__name="format_exact", rewards__1__name="format_approximate", rewards__2__name="answer_match",
    ),
    "paper-7b-full": dict(
        micro_batch_size=256 // 8, num_samples_per_prompt=16, updates_per_inner_epoch=2, temperature=0.8,
        kl_coef=0.001, clip_range=0.2, optimizer__learning_rate=1e-6, model__peft_config=None,
        data__template="arctic_prefill/omnisql", rewards__0__name="execution",
    ),
}  # fmt: skip


def at(config: Any, place: str) -> Any:
    """What stands at a place such as `rewards__0__name` of a config."""
    for step in place.split("__"):
        if isinstance(config, list):
            config = config[int(step)]
        else:
            config = config[step] if isinstance(config, dict) else getattr(config, step)
    return config


@pytest.fixture(scope="module")
def long_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model made for as many tokens as any recipe wants."""
    return build_tiny("qwen2", tmp_path_factory.mktemp("models") / "qwen2")


@pytest.mark.usefixtures("one_rank")
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_accepted_with_every_value_it_promises(
    name: str, long_model: Path, prepared: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(name, tmp_path)
    recipe["model"]["name_or_path"] = str(long_model)
    put_in_place(recipe, prepared)
    config = parse(recipe)
    promised = PROMISED.get(Path(name).stem, {})
    assert {place: at(config, place) for place in promised} == promised


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder with messages for supervised training."""
    folder = tmp_path_factory.mktemp("prepared")
    flags = ("--databases", TRAINING_DATA / "databases", "--template", "plain", "--for", "sft", "--dev-share", 0.3)
    places = ("--out", folder / "data", "--cache-dir", folder / "values")
    assert main([str(flag) for flag in ("prepare", "json", TRAINING_DATA / "train.json", *flags, *places)]) == 0
    return folder / "data"


def put_in_place(recipe: dict[str, Any], prepared: Path) -> None:
    """What a recipe expects of a command that is typed before it: prepared data, an adapter."""
    from peft import LoraConfig

    sources = [*recipe["data"]["sources"], *recipe["data"].get("eval_sources", [])]
    for path in {Path(source["path"]) for source in sources if "path" in source and not Path(source["path"]).exists()}:
        path.symlink_to(prepared)
    if "adapter" in recipe["model"]:
        settings = LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
        settings.save_pretrained(str(Path(recipe["model"]["adapter"]) / "global_step_3"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_explains_itself(name: str) -> None:
    lines = (PROJECT / name).read_text().splitlines()
    assert sum(line.lstrip().startswith("#") for line in lines) >= len(lines) // 5


@pytest.mark.usefixtures("one_rank")
def test_promised_values_of_the_3b_recipe_are_in_force(toy_model: Path, tmp_path: Path) -> None:
    recipe = load_recipe("grpo-qwen-3b.yaml", tmp_path)
    assert recipe["model"]["name_or_path"] == "Qwen/Qwen2.5-Coder-3B-Instruct"
    recipe["model"]["name_or_path"] = str(toy_model)
    config = parse(recipe)
    assert (config.num_samples_per_prompt, config.temperature) == (16, 0.8)
    assert (config.kl_coef, config.clip_range) == (0.001, 0.2)
    assert (config.model.peft_config["r"], config.model.peft_config["lora_alpha"]) == (16, 32)
    assert len(config.model.peft_config["target_modules"]) == 7
    assert config.micro_batch_size == 16, "accumulation is folded: 16 prompts form one update"
    assert config.deepspeed["train_batch_size"] == 16
    assert config.deepspeed["zero_optimization"] == dict(stage=2, offload_optimizer=dict(device="cpu"))
    assert config.deepspeed["gradient_clipping"] == 1.0
    assert config.deepspeed["bfloat16"] == dict(enabled=True)
    assert config.model.attn_implementation == "sdpa", "auto without a GPU"
    assert (config.scheduler.name, config.scheduler.warmup_ratio) == ("cosine", 0.1)
    assert config.optimizer.weight_decay == 0.01


BAD_RECIPES = {
    "group of one": (dict(num_samples_per_prompt=1), "needs at least 2"),
    "unknown reward": (dict(rewards=["exekution"]), "Unknown reward 'exekution'. Known: .*execution"),
    "unknown option": (dict(rewards=[dict(name="execution", options=dict(half=1))]), "has no option 'half'"),
    "reward twice": (dict(rewards=["execution", "execution"]), "listed twice"),
    "unknown mode": (dict(sql=dict(compare="loose")), "Unknown comparison mode 'loose'. Known modes: default, bird"),
    "no reward": (dict(rewards=[]), "rewards is empty"),
    "unknown objective": (dict(objective="ppo2"), "objective 'ppo2' is unknown; known: grpo"),
    "unknown cell": (dict(objective=dict(preset="dapo", klip=1)), "objective has no cell 'klip'"),
    "impossible cell": (dict(objective=dict(kl_estimator="k9")), "kl_estimator 'k9' is unknown"),
    "cell twice": (dict(objective=dict(preset="grpo", kl_coef=0.1), kl_coef=0.2), "kl_coef is set twice"),
    "three sides": (dict(clip_range=[0.1, 0.2, 0.3]), "clip_range"),
    "no ratio, two epochs": (dict(objective="rloo", inner_epochs=2, checkpoint=[]), "right only while the policy"),
    "uneven updates": (dict(updates_per_inner_epoch=3, checkpoint=[]), "does not divide the 8 prompts"),
    "nothing to roll back to": (dict(guards=dict(rollback=True)), "guards.rollback restores the checkpoint `best`"),
    "NF4 alone": (dict(model=dict(type="quantized", name_or_path="x")), "cannot be trained and there is no adapter"),
    "no such adapter": (
        dict(model=dict(name_or_path="x", adapter="no/such")),
        "model.adapter: 'no/such' holds no ada",
    ),
    "unknown key": (dict(temprature=1.0), "temprature"),
    "no room for a prompt": (dict(max_new_tokens=256), "leaves no room for a prompt"),
    "silent run": (dict(train_log_iter_interval=0), "use 1"),
    "unknown engine": (dict(rollout=dict(engine="wllm")), "Unknown rollout engine 'wllm'. Known: hf"),
    "engine for tests": (dict(rollout=dict(engine="scripted")), "'scripted' has no for_training"),
    "no server": (dict(rollout=dict(engine="vllm", url="localhost:8000")), "rollout.url"),
    "impossible weight": (dict(objective=dict(importance_cap=0.5)), "importance_cap is 0.5; it must be at least 1"),
    "overfitting": (dict(overfit_first_batch=True), "not supported"),
    "sequence parallelism": (dict(sequence_parallel_size=2), "use 1"),
}


@pytest.mark.usefixtures("one_rank")
@pytest.mark.parametrize("case", BAD_RECIPES)
def test_bad_recipe_gets_one_clear_error(case: str, toy_recipe: dict[str, Any]) -> None:
    override, message = BAD_RECIPES[case]
    with pytest.raises(ValueError, match=message):
        parse({**toy_recipe, **override})


@pytest.mark.usefixtures("one_rank")
def test_four_bit_weights_are_not_cut_into_shards(toy_recipe: dict[str, Any]) -> None:
    toy_recipe["model"]["type"] = "quantized"
    assert parse(toy_recipe).model.type == "quantized"
    toy_recipe["deepspeed"]["zero_optimization"] = dict(stage=3)
    with pytest.raises(ValueError, match="four-bit weights cannot be put together again. Use stage 2"):
        parse(toy_recipe)


@pytest.mark.usefixtures("one_rank")
def test_an_adapter_brings_its_own_settings_and_suffers_no_others(toy_recipe: dict[str, Any], tmp_path: Path) -> None:
    from peft import LoraConfig

    LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM").save_pretrained(tmp_path / "sft")
    toy_recipe["model"]["adapter"] = str(tmp_path / "sft")
    with pytest.raises(ValueError, match="both set.*Remove model.peft_config"):
        parse(toy_recipe)
    del toy_recipe["model"]["peft_config"]
    found = parse(toy_recipe).model.peft_config
    assert found == dict(peft_type="Lora", r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")


@pytest.mark.usefixtures("one_rank")
def test_full_fine_tuning_by_an_engine_that_follows_adapters_is_refused(toy_recipe: dict[str, Any]) -> None:
    del toy_recipe["model"]["peft_config"]
    with pytest.raises(ValueError, match="rollout.engine is 'vllm' but model.peft_config is not set"):
        parse({**toy_recipe, "kl_coef": 0, "rollout": dict(engine="vllm")})


@pytest.mark.usefixtures("one_rank")
@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        (dict(template="tyni"), None, "Unknown prompt template 'tyni'"),
        (dict(sources=[dict(type="text2sql", path="no/such.json")]), None, "no/such.json' does not exist"),
    ],
)
def test_bad_data_section_names_the_fault(
    toy_recipe: dict[str, Any], section: dict[str, Any], value: None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parse({**toy_recipe, "data": {**toy_recipe["data"], **section}})


@pytest.mark.usefixtures("one_rank")
def test_kill_switch_and_rollouts_lie_beside_the_metrics_unless_named(
    toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    del toy_recipe["rollouts_path"]
    config = parse(toy_recipe)
    assert config.kill_switch_path == tmp_path / "stop-training"
    assert config.rollouts_file == tmp_path / "rollouts.jsonl"


def test_prompts_longer_than_the_context_are_listed_and_dropped(
    trainer_factory: Callable[..., Any], toy_recipe: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = trainer_factory(data={**toy_recipe["data"], "max_length": 95})
    printed = capsys.readouterr().out
    left = len(trainer.train_dataloader.dataset)
    assert 0 < left < 1600
    assert f"{1600 - left} of 1600 prompts were dropped: they exceed 79 tokens" in printed
    assert max(len(ids) for ids in trainer.train_dataloader.dataset["input_ids"]) <= 79


def test_a_model_without_a_chat_template_is_refused_by_name(
    trainer_factory: Callable[..., Any], toy_recipe: dict[str, Any], toy_model: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare-model"
    shutil.copytree(toy_model, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="bare-model' has no chat template"):
        trainer_factory(model={**toy_recipe["model"], "name_or_path": str(bare)})


@pytest.mark.usefixtures("one_rank")
def test_a_preset_holds_where_the_recipe_is_silent(toy_recipe: dict[str, Any]) -> None:
    for key in ("clip_range", "kl_coef", "advantage_scaling"):
        toy_recipe.pop(key, None)
    cells = parse({**toy_recipe, "objective": "dapo"}).cells
    assert (cells.clip_range, cells.kl_coef, cells.truncated_completions) == ((0.2, 0.28), 0.0, "mask")


@pytest.mark.usefixtures("one_rank")
def test_a_value_of_the_recipe_replaces_the_presets(toy_recipe: dict[str, Any]) -> None:
    objective = dict(preset="dapo", truncated_completions="penalize")
    config = parse({**toy_recipe, "objective": objective, "clip_range": [0.1, 0.3], "kl_coef": 0.01})
    assert (config.cells.clip_range, config.cells.kl_coef) == ((0.1, 0.3), 0.01)
    assert (config.cells.truncated_completions, config.cells.aggregation) == ("penalize", "token")
    from arctic_text2sql_r1.training.plan import describe

    assert describe(config.cells) == (
        "baseline mean, scaling none, ratio token, clip ratio -0.1 +0.3, aggregation token, kl 0.01 k3, "
        "truncated penalize"
    )


def test_plan_horizon_and_position_count_every_update_of_a_rollout(trainer_factory: Callable[..., Any]) -> None:
    from arctic_text2sql_r1.training.plan import batch_arithmetic

    trainer = trainer_factory(inner_epochs=2, updates_per_inner_epoch=4, epochs=3, exit_iteration=16)
    rollouts = len(trainer.train_dataloader)
    assert rollouts == 200, "1,600 questions, eight prompts per rollout"
    assert trainer.training_horizon == 3 * 200 * 8
    assert batch_arithmetic(trainer) == (
        "8 prompts x 4 samples x 1 ranks = 32 completions per rollout; 2 inner epochs x 4 updates of 8 completions on "
        "each; 1,600 updates per epoch; 4,800 updates in all; stops after 16, while the learning rate is scheduled "
        "for all"
    )
    trainer.global_step = 8 * (200 + 7)
    trainer._continue_position()
    assert (trainer.epoch_idx, trainer._first_batch, trainer.train_batch_idx) == (1, 7, 207)
