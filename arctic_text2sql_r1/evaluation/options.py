# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The settings of an evaluation of any number of models, and the command-line flags that fill them.

Standard library only, so that `--help` answers at once; the evaluation itself is in `run.py`.
"""

import argparse
import re
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields
from pathlib import Path

from arctic_text2sql_r1.databases.compare import COMPARE_MODES
from arctic_text2sql_r1.evaluation.models import DTYPES
from arctic_text2sql_r1.prompts.builder import DROP
from arctic_text2sql_r1.prompts.builder import LONG_PROMPTS
from arctic_text2sql_r1.quantized import NF4

VLLM = "vllm:"
PAIR = ("baseline", "trained")
DTYPE_CHOICES = ("auto", *DTYPES, NF4)
_NAME = re.compile(r"[\w.-]+")

COMPARE_HELP = f"when two results are equal: {', '.join(COMPARE_MODES)} (default: %(default)s)"


@dataclass(frozen=True)
class EvaluationOptions:
    """See the help text of each flag in `add_evaluation_flags`; the names are the same.

    `models` are by the names that they have in tables and files, the first one being what the others are compared
    with. `knowledge` is the text whose perplexity is measured: a file, or None where nothing beside SQL is measured;
    "" stands for a text of our own.
    """

    models: Mapping[str, str]
    data: tuple[str, ...]
    out: Path
    base_model: str | None = None
    databases: str | None = None
    split: str = "dev"
    limit: int | None = None
    template: str = "arctic"
    long_prompts: str = DROP
    parser: str = "lenient"
    compare: str = "default"
    temperature: float = 0.0
    num_samples: int = 1
    max_new_tokens: int = 512
    batch_rows: int = 64
    timeout_s: float = 5.0
    workers: int = 2
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    knowledge: str | None = None

    def __post_init__(self) -> None:
        if self.temperature == 0 and self.num_samples > 1:
            raise ValueError(
                f"num_samples {self.num_samples} with temperature 0 would draw the same completion "
                f"{self.num_samples} times. Set a temperature above 0, or num_samples 1."
            )

    @staticmethod
    def from_flags(flags: argparse.Namespace) -> "EvaluationOptions":
        """The options that the parsed flags stand for. Raises ValueError for models that contradict each other."""
        told = [name for name in PAIR if getattr(flags, name) is not None]
        if flags.models is None and len(told) < len(PAIR):
            raise ValueError("Name what to evaluate: --models MODEL ..., or --baseline MODEL and --trained MODEL.")
        if flags.models is not None and len(told) > 0:
            raise ValueError(f"--models and --{told[0]} were both given. Name all models with --models.")
        pair = {name: getattr(flags, name) for name in PAIR}
        given = [field.name for field in fields(EvaluationOptions) if field.name != "models"]
        values = {**{name: getattr(flags, name) for name in given}, "data": tuple(flags.data)}
        return EvaluationOptions(models=pair if flags.models is None else named_models(flags.models), **values)


def named_models(given: Sequence[str]) -> dict[str, str]:
    """Each model by a name that a file may have: the one given as NAME=MODEL, else the last part of the model's own.

    Models of the same name are told apart by the folder above, else by a number. Raises ValueError for a name that is
    given twice.
    """
    models: dict[str, str] = {}
    for text in given:
        name, has_name, model = text.partition("=")
        if has_name == "" or _NAME.fullmatch(name) is None:
            models[_free_name(text, taken=models)] = text
        elif name in models:
            raise ValueError(f"Two models are named '{name}'. Give each a name of its own.")
        else:
            models[name] = model
    return models


def _free_name(model: str, taken: Collection[str]) -> str:
    """The first name for a model that is not taken: NAME, FOLDER-NAME, then NAME-2, NAME-3 ..."""
    if model.startswith(VLLM):
        model = model.partition("#")[2] or "vllm"
    parts = [part for part in re.split(r"[^\w.-]+", model) if part.strip(".") != ""] or ["model"]
    numbered = [f"{parts[-1]}-{number}" for number in range(2, len(taken) + 3)]
    return next(name for name in [parts[-1], "-".join(parts[-2:]), *numbered] if name not in taken)


def add_evaluation_flags(parser: argparse.ArgumentParser) -> None:
    """Add every flag of an evaluation to a parser."""
    _add_what(parser)
    _add_how(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is evaluated").add_argument
    add("--baseline", metavar="MODEL", help="model before training: folder, hub name, adapter folder, or vllm:URL")
    add("--trained", metavar="MODEL", help="model after training: usually an adapter folder")
    add(
        "--models",
        nargs="+",
        metavar="[NAME=]MODEL",
        help="any number of models in their place, compared with the first; vllm:URL is what a vLLM server serves, "
        "vllm:URL#MODEL an adapter folder that it is handed",
    )
    add("--base-model", metavar="MODEL", help="base of the adapters (default: the one adapter_config.json names)")
    add(
        "--data",
        required=True,
        action="append",
        metavar="PATH",
        help=".json, .jsonl or a folder in Spider's layout; repeat for more datasets, the first one leads the report",
    )
    add("--databases", metavar="DIR", help="folder of the SQLite files (default: beside the data)")
    add("--split", default="dev", help="file to take from a data folder (default: %(default)s)")
    add("--limit", type=positive_int, metavar="N", help="only the first N questions of each dataset")
    add(
        "--knowledge",
        nargs="?",
        const="",
        metavar="TEXT",
        help="measure what the models still can beside SQL: the perplexity of TEXT (a file; default: a text of our "
        "own) and simple instructions",
    )
    add(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="where the report and the predictions are written; an evaluation that was killed goes on there",
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how").add_argument
    add("--template", default="arctic", help="NAME or NAME/SCHEMA-STYLE, as trained with (default: %(default)s)")
    add(
        "--long-prompts",
        default=DROP,
        choices=LONG_PROMPTS,
        help="prompts without room in the context: count as wrong, or write the schema shorter (default: %(default)s)",
    )
    add("--parser", default="lenient", choices=("lenient", "strict"), help="default: %(default)s")
    add("--compare", default="default", metavar="MODE", help=COMPARE_HELP)
    add("--temperature", type=float, default=0.0, help="0 decodes greedily (default: %(default)s)")
    add("--num-samples", type=positive_int, default=1, metavar="K", help="completions per question")
    add("--max-new-tokens", type=positive_int, default=512, metavar="N", help="default: %(default)s")
    add("--batch-rows", type=positive_int, default=64, metavar="N", help="completions generated together")
    add("--timeout-s", type=float, default=5.0, metavar="S", help="seconds a query may run (default: %(default)s)")
    add("--workers", type=positive_int, default=2, metavar="N", help="processes that run SQL (default: %(default)s)")
    add("--seed", type=int, default=0, help="for sampling; greedy decoding ignores it (default: %(default)s)")
    add(
        "--dtype",
        default="auto",
        choices=DTYPE_CHOICES,
        help="auto: as the device computes best, and an adapter trained over NF4 on NF4; nf4: both models on NF4",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")


def positive_int(text: str) -> int:
    """argparse type: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {value}")
    return value
