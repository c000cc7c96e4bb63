# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Compare a trained model with its baseline on the same questions, with the same prompt and decoding.

    python evaluate_models.py --baseline MODEL --trained ADAPTER --data DEV.json --out runs/comparison

Flags only; the evaluation is `arctic_text2sql_r1/evaluation/`. The same as `text2sql-r1 evaluate`. Runs from any
folder. Writes comparison.json, comparison.md, predictions_baseline.jsonl and predictions_trained.jsonl.
"""

import argparse
import sys

from arctic_text2sql_r1.cli import evaluate
from arctic_text2sql_r1.cli import run_command
from arctic_text2sql_r1.evaluation.options import add_evaluation_flags


def main() -> int:
    """Parse the flags and evaluate; the exit status is 0, or 1 after an error told in one message."""
    parser = argparse.ArgumentParser(description="Compare a trained text-to-SQL model with its baseline.")
    add_evaluation_flags(parser)
    parser.set_defaults(command=evaluate)
    return run_command(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
