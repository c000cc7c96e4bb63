# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The YAML recipes of `type: grpo` as settings of the standalone loop.

Keys that ask for another way of computing the same are dropped and named; keys that would change the result are
errors, and so are keys that nobody knows.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from typing import NamedTuple

import yaml
from pydantic import ValidationError

from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.standalone.settings import Settings

# Of ArcticTraining: how it computes, logs, caches and starts. The loop here has its own ways.
UNUSED = {
    "": "activation_checkpoint_cpu_offload code deepspeed eval_log_iter_interval logger loss_log_interval "
    "mem_profiler mem_profiler_dir mem_profiler_max_entries skip_validation tiled_mlp_compute train_log_iter_interval "
    "wandb",
    "data": "cache_dir cache_fs_type dl_num_workers fail_on_missing_cache num_proc type use_data_cache",
}
# What only one value of can be had here.
FIXED = dict(sequence_parallel_size=1, min_iterations=0, overfit_first_batch=False)


class Recipe(NamedTuple):
    """Settings, and the keys of the file that have no effect on them."""

    settings: Settings
    unused: list[str]


def from_recipe(path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe at `path` with `changes`, whose keys lead into sections by dots: `{"optimizer.learning_rate": 1e-5}`.

    Raises `TrainingError` that names the recipe and every key at fault.
    """
    return from_mapping(with_keys(read_recipe(path), changes or {}), name=str(path))


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The content of a recipe. Raises `TrainingError` when it cannot be read."""
    try:
        recipe = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"Cannot read the recipe '{path}': {error}") from error
    if not isinstance(recipe, dict):
        raise TrainingError(f"'{path}' is no recipe. Expected a YAML mapping with `type: grpo`.")
    return recipe


def parsed_overrides(texts: Iterable[str]) -> dict[str, Any]:
    """Texts KEY=VALUE as `changes`; values are YAML."""
    changes = {}
    for text in texts:
        dotted, equals, value = text.partition("=")
        if equals == "" or dotted == "":
            raise TrainingError(f"Cannot read '{text}' as an override. Expected KEY=VALUE, such as epochs=3.")
        try:
            changes[dotted] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise TrainingError(f"Cannot read the value of '{text}' as YAML: {error}") from error
    return changes


def with_keys(recipe: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `recipe` with `changes`."""
    changed = deepcopy(dict(recipe))
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        mapping = changed
        for section in sections:
            mapping = mapping.setdefault(section, {})
            if not isinstance(mapping, dict):
                raise TrainingError(f"Cannot set '{dotted}': '{section}' is no section of the recipe.")
        mapping[key] = value
    return changed


def from_mapping(content: Mapping[str, Any], name: str = "of this program") -> Recipe:
    """Settings from a recipe's content, which is left as it is. Raises as `from_recipe`."""
    recipe = deepcopy(dict(content))
    if (clipping := _gradient_clipping(recipe)) is not None:
        recipe.setdefault("gradient_clipping", clipping)
    for key, only in FIXED.items():
        if recipe.pop(key, only) != only:
            raise TrainingError(f"Recipe '{name}': {key} has no meaning in a single process; leave it out.")
    unused = []
    for section, keys in UNUSED.items():
        mapping = recipe if section == "" else recipe.get(section)
        if isinstance(mapping, dict):
            found = [key for key in keys.split() if key in mapping]
            for key in found:
                mapping.pop(key)
            unused += [f"{section}.{key}".lstrip(".") for key in found]
    try:
        return Recipe(Settings(**recipe), sorted(unused))
    except ValidationError as error:
        raise TrainingError(f"Recipe '{name}': " + "; ".join(_told(fault) for fault in error.errors())) from error


def _gradient_clipping(recipe: dict[str, Any]) -> Any:
    section = recipe.get("deepspeed")
    return section.get("gradient_clipping") if isinstance(section, dict) else None


def _told(fault: Any) -> str:
    """One of pydantic's errors; an unknown key with those that are known beside it."""
    place = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        known = ", ".join(_known_keys([part for part in place[:-1] if not part.isdecimal()]))
        return f"unknown key '{'.'.join(place)}'; known here: {known}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(place)}: {message}" if len(place) > 0 else message


def _known_keys(sections: list[str]) -> list[str]:
    """The keys of the section that these keys lead to."""
    found: Any = Settings
    for section in sections:
        annotation = found.model_fields[section].annotation
        inner = [kind for kind in getattr(annotation, "__args__", ()) if hasattr(kind, "model_fields")]
        found = inner[0] if len(inner) > 0 else annotation
    return sorted(found.model_fields)
