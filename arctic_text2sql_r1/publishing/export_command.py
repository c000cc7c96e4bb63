# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`text2sql-r1 export --adapter DIR --out OUT`: flags and the call."""

import argparse
import sys
from pathlib import Path

from arctic_text2sql_r1.evaluation.models import DTYPES


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    add = parser.add_argument
    add(
        "--adapter",
        "--model",
        dest="model",
        required=True,
        type=Path,
        metavar="DIR",
        help="what training saved: an adapter, or a model all of whose weights were trained",
    )
    add("--out", required=True, type=Path, metavar="DIR", help="folder to make")
    add("--adapter-only", action="store_true", help="write the bare adapter with tokenizer and card; merge nothing")
    add("--dtype", default="bfloat16", choices=DTYPES, help="of merged weights (default: %(default)s)")
    add("--base-model", metavar="MODEL", help="base of the adapter (default: the one adapter_config.json names)")
    add(
        "--original-base",
        action="store_true",
        help="merge an adapter trained over NF4 into the unquantised base, which is not the policy that was trained",
    )
    add(
        "--figures",
        type=Path,
        metavar="JSON",
        help="comparison.json to quote in the card; it must be of these weights (default: looked for beside the run)",
    )


def run(flags: argparse.Namespace) -> None:
    """`text2sql-r1 export`."""
    from arctic_text2sql_r1.environment import load_env_file
    from arctic_text2sql_r1.publishing.export import ExportOptions
    from arctic_text2sql_r1.publishing.export import export

    load_env_file()
    options = ExportOptions(
        model=flags.model,
        out=flags.out,
        adapter_only=flags.adapter_only,
        dtype=flags.dtype,
        base_model=flags.base_model,
        original_base=flags.original_base,
        figures=flags.figures,
    )
    print(export(options, on_stage=lambda text: print(text, file=sys.stderr, flush=True)))
