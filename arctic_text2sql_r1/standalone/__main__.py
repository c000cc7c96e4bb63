# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m arctic_text2sql_r1.standalone RECIPE.yaml`: one run in this process."""

import argparse
import sys

from arctic_text2sql_r1.errors import Text2SQLError


def main() -> int:
    """Runs the recipe that the command line names; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m arctic_text2sql_r1.standalone",
        description="Trains by a GRPO recipe in one process, without DeepSpeed and ArcticTraining.",
    )
    parser.add_argument("recipe", help="YAML recipe of `type: grpo`")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="replaces a key: --set epochs=3"
    )
    parser.add_argument("--plan", action="store_true", help="takes precision and batch sizes that suit this machine")
    chosen = parser.parse_args()
    try:
        return _run(chosen)
    except (Text2SQLError, ValueError, OSError) as error:  # OSError: no such model, a full disk
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace) -> int:
    from arctic_text2sql_r1.environment import load_env_file

    load_env_file()  # before the hub's library reads its settings
    from arctic_text2sql_r1.standalone.hardware import detected_device
    from arctic_text2sql_r1.standalone.hardware import plan_for
    from arctic_text2sql_r1.standalone.recipes import from_mapping
    from arctic_text2sql_r1.standalone.recipes import parsed_overrides
    from arctic_text2sql_r1.standalone.recipes import read_recipe
    from arctic_text2sql_r1.standalone.recipes import with_keys
    from arctic_text2sql_r1.standalone.trainer import train

    changes = parsed_overrides(chosen.set)
    content = with_keys(read_recipe(chosen.recipe), changes)
    if chosen.plan:
        model = content.get("model")
        plan = plan_for(detected_device(), model=model.get("name_or_path") if isinstance(model, dict) else None)
        print("\n".join(f"[plan] {line}" for line in plan.lines()))
        content = with_keys(content, {**plan.recipe(), **changes})
    recipe = from_mapping(content, name=chosen.recipe)
    if len(recipe.unused) > 0:
        print(f"[grpo] not used by the standalone loop: {', '.join(recipe.unused)}")
    train(recipe.settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
