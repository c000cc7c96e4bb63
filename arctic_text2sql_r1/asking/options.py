# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What is asked of which model over which database: the settings of `ask`, and the flags that fill them.

Standard library only, so that `--help` answers at once. Asking is in `asker.py`.
"""

import argparse
import math
from dataclasses import dataclass
from dataclasses import fields
from pathlib import Path

from arctic_text2sql_r1.evaluation.options import DTYPE_CHOICES
from arctic_text2sql_r1.evaluation.options import positive_int

_PARSERS = ("lenient", "strict")


@dataclass(frozen=True)
class AskOptions:
    """See the help text of each flag in `add_flags`; the names are the same.

    `template`, `parser` and `max_new_tokens` None are what the model's training recorded, else arctic, lenient and
    1,024. `temperature` None is greedy for one completion, 1 for a vote. `values` False looks up no cell values.
    """

    model: str
    db: str
    vote: int = 1
    evidence: str = ""
    template: str | None = None
    parser: str | None = None
    temperature: float | None = None
    max_new_tokens: int | None = None
    max_rows: int = 20
    timeout_s: float = 30.0
    seed: int = 0
    values: bool = True
    cache_dir: Path | None = None
    base_model: str | None = None
    engine: str | None = None
    dtype: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise ValueError(f"--temperature is {self.temperature:g}; expected 0, for greedy decoding, or more.")
        if not 0 < self.timeout_s < math.inf:
            raise ValueError(f"--timeout-s is {self.timeout_s:g}; expected a number of seconds above 0.")
        if self.temperature == 0 and self.vote > 1:
            raise ValueError(
                f"--vote {self.vote} with --temperature 0 would draw the same completion {self.vote} times. Set a "
                f"temperature above 0, or leave it out."
            )

    @classmethod
    def from_flags(cls, flags: argparse.Namespace) -> "AskOptions":
        """The options that parsed flags stand for. Raises ValueError for flags that contradict each other."""
        return cls(**{field.name: getattr(flags, field.name) for field in fields(cls)})

    def temperature_for(self, vote: int) -> float:
        """At which temperature `vote` completions of one question are drawn."""
        if self.temperature is not None:
            return self.temperature
        return 0.0 if vote == 1 else 1.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    _add_what(parser)
    _add_how(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("question", nargs="?", help="left out: questions are read from the terminal, or one a line from stdin")
    add("--model", required=True, metavar="MODEL", help="folder, hub name, adapter folder, or vllm:URL[#ADAPTER]")
    add("--db", required=True, metavar="FILE", help="SQLite file; it is only ever read")
    add("--evidence", default="", metavar="TEXT", help="a hint that belongs to the question, as BIRD has them")
    add("--vote", type=positive_int, default=1, metavar="K", help="draw K completions; the most common result wins")
    add("--json", action="store_true", help="one JSON object for each question, and nothing else on stdout")
    add("--max-rows", type=positive_int, default=20, metavar="N", help="rows that are shown (default: %(default)s)")


def _add_how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how").add_argument
    add("--template", metavar="T", help="NAME or NAME/SCHEMA-STYLE (default: as the model was trained, else arctic)")
    add("--parser", choices=_PARSERS, help="how SQL is found (default: as the model was trained, else lenient)")
    add("--temperature", type=float, metavar="T", help="0 decodes greedily (default: 0; with --vote: 1)")
    add(
        "--max-new-tokens",
        type=positive_int,
        metavar="N",
        help="longest completion (default: as the model was trained, else 1024)",
    )
    add("--timeout-s", type=float, default=30.0, metavar="S", help="seconds a query may run (default: %(default)s)")
    add("--seed", type=int, default=0, help="for sampling (default: %(default)s)")
    add("--no-values", dest="values", action="store_false", help="do not look for cell values in the question")
    add("--cache-dir", type=Path, metavar="DIR", help="where indexes of cell values are kept (default: the user's)")
    add("--base-model", metavar="MODEL", help="base of an adapter (default: the one adapter_config.json names)")
    add("--engine", metavar="MODULE:FUNCTION", help="your own rollout engine; called with options and tokenizer")
    add("--dtype", default="auto", choices=DTYPE_CHOICES, help="default: %(default)s")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
