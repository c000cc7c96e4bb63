# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The `text2sql-r1` command.

Each command parses flags and hands over: `data/prepare.py` prepares, `data/check.py` checks, `evaluation/run.py`
evaluates, `scoring.py` scores. Commands that stand in _COMMANDS bring their own flags.
Modules that take time to import are imported by the command that needs them.
"""

import argparse
import functools
import json
import os
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from arctic_text2sql_r1.asking import command as ask_command
from arctic_text2sql_r1.data.pass_rate import PassRate
from arctic_text2sql_r1.data.prepare_options import PassRateOptions
from arctic_text2sql_r1.data.prepare_options import PrepareOptions
from arctic_text2sql_r1.data.prepare_options import add_prepare_flags
from arctic_text2sql_r1.data.sources.base import DATA_SOURCES
from arctic_text2sql_r1.environment import load_env_file
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.errors import Text2SQLError
from arctic_text2sql_r1.evaluation import rescore_options
from arctic_text2sql_r1.evaluation.options import COMPARE_HELP
from arctic_text2sql_r1.evaluation.options import EvaluationOptions
from arctic_text2sql_r1.evaluation.options import add_evaluation_flags
from arctic_text2sql_r1.evaluation.options import positive_int
from arctic_text2sql_r1.monitor import doctor_command
from arctic_text2sql_r1.monitor import watch_command
from arctic_text2sql_r1.monitor.report import command as report_command
from arctic_text2sql_r1.prompts.formats import COMPLETION_FORMATS
from arctic_text2sql_r1.publishing import export_command
from arctic_text2sql_r1.publishing import push_command
from arctic_text2sql_r1.types import Text2SQLExample

_COMMANDS: dict[str, tuple[Any, str]] = dict(
    rescore=(rescore_options, "score recorded predictions again, in other modes, without a model"),
    report=(report_command, "one HTML page of runs, evaluations and rollouts"),
    doctor=(doctor_command, "say in plain words what is wrong with a run and what to change"),
    watch=(watch_command, "curves and last completions of a run, as it goes on"),
    ask=(ask_command, "ask a model a question about a database: its SQL and the rows"),
    export=(export_command, "write a plain model, or a bare adapter, with a model card"),
    push=(push_command, "upload an exported model, or a run's step, to the Hugging Face hub"),
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from arctic_text2sql_r1.data.journal import Journal
    from arctic_text2sql_r1.databases.judge import SQLJudge


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The exit status is 0, 2 for wrong flags, 1 after an error of ours or findings of `doctor`."""
    return run_command(build_parser().parse_args(arguments))


def run_command(flags: argparse.Namespace) -> int:
    """Call the chosen command and turn errors that users can do something about into one message on stderr."""
    try:
        return int(flags.command(flags) or 0)
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Text2SQLError, ValueError, OSError) as error:  # OSError: a full disk, a file that is somebody else's
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(prog="text2sql-r1", description="Train, score and evaluate text-to-SQL models.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('arctic-text2sql-r1')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    evaluation = commands.add_parser("evaluate", help="compare a trained model with its baseline")
    add_evaluation_flags(evaluation)
    evaluation.set_defaults(command=evaluate)
    _add_prepare_flags(
        commands.add_parser("prepare", help="read a dataset, filter it and write what training and evaluation load")
    )
    _add_score_flags(commands.add_parser("score", help="execute and score completions or SQL from a .jsonl file"))
    _add_check_flags(commands.add_parser("check-data", help="run every gold twice; write the usable rows and others"))
    for name, (command, purpose) in _COMMANDS.items():
        flags = commands.add_parser(name, help=purpose)
        command.add_flags(flags)
        flags.set_defaults(command=command.run)
    return parser


def evaluate(flags: argparse.Namespace) -> None:
    """`text2sql-r1 evaluate`; also what `evaluate_models.py` runs."""
    options = EvaluationOptions.from_flags(flags)
    load_env_file()  # gated models
    from arctic_text2sql_r1.evaluation.run import run_evaluation

    run_evaluation(options)


def _add_sql_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout-s",
        type=float,
        default=5.0,
        metavar="S",
        help="most seconds a query may run; a prediction gets ten times its gold's CPU time, at least 1 s, and never "
        "more than this (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=positive_int, default=2, metavar="N", help="processes that run SQL (default: %(default)s)"
    )


def _add_score_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "input",
        type=Path,
        help=".jsonl with id, db_id, gold_sql and completion (text) or prediction (SQL); - is stdin",
    )
    add("--databases", required=True, type=Path, metavar="DIR", help="holds DB_ID/DB_ID.sqlite or DB_ID.sqlite")
    add("--out", required=True, type=Path, metavar="OUT.jsonl", help="- writes to stdout")
    add(
        "--reward",
        default="execution",
        metavar="NAME[,NAME...]",
        help="registered names or package.module:function, summed with weight 1 (default: %(default)s)",
    )
    add("--format", default="think_answer", help=f"{', '.join(COMPLETION_FORMATS)} (default: %(default)s)")
    add("--prefill", default="", metavar="TEXT", help="what the prompt had already written, for example '<think>'")
    add("--parser", default="strict", choices=("strict", "lenient"), help="default: %(default)s")
    add("--compare", default="default", metavar="MODE", help=COMPARE_HELP)
    add("--skip-bad", action="store_true", help="leave out unusable lines, naming each, instead of stopping")
    _add_sql_flags(parser)
    parser.set_defaults(command=score)


def score(flags: argparse.Namespace) -> None:
    """`text2sql-r1 score`: one output row per usable input row, in the order of the input."""
    from arctic_text2sql_r1 import scoring
    from arctic_text2sql_r1.databases.judge import SQLJudge
    from arctic_text2sql_r1.rewards.base import WeightedReward
    from arctic_text2sql_r1.rewards.scorer import RewardScorer

    def on_bad(error: DataError) -> None:
        if not flags.skip_bad:
            raise DataError(f"{error} Use --skip-bad to leave such lines out.") from error
        print(f"skipped: {error}", file=sys.stderr)

    scoring.check_writable(flags.out)
    if flags.out != scoring.STANDARD and flags.out.resolve() == flags.input.resolve():
        raise DataError(f"--out '{flags.out}' is the input. Choose another file.")
    rows = scoring.read_rows(flags.input, databases=flags.databases, on_bad=on_bad)
    with SQLJudge(num_workers=flags.workers, timeout_s=flags.timeout_s, compare=flags.compare) as judge:
        rows = scoring.drop_unreadable(rows, judge, on_bad=on_bad)
        rewards = [WeightedReward(name.strip()) for name in flags.reward.split(",")]
        scorer = RewardScorer(judge, rewards, flags.format, parser=flags.parser, prefill=flags.prefill)
        for caution in scorer.cautions:
            print(f"note: {caution}", file=sys.stderr)
        with progress_bar() as progress:
            scored = scoring.score_rows(rows, scorer, on_progress=report_to(progress, label="scoring"))
    scoring.write_rows(flags.out, [scoring.output_row(row, one) for row, one in zip(rows, scored, strict=True)])
    # Beside the rows, not among them.
    told = sys.stderr if flags.out == scoring.STANDARD else sys.stdout
    print(f"{flags.input}: {len(rows)} rows, comparison mode {flags.compare}, {flags.parser} parser", file=told)
    scoring.print_summary(rows, scored, file=told)


def _add_check_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, help=".json, .jsonl or a folder in Spider's layout")
    add("--databases", type=Path, metavar="DIR", help="folder of the SQLite files (default: beside the data)")
    add("--split", default="train", help="file to take from a data folder (default: %(default)s)")
    add("--out", required=True, type=Path, metavar="KEPT.json", help="the usable rows")
    add("--rejects", required=True, type=Path, metavar="REJECTS.jsonl", help="the other rows, each with its reason")
    _add_sql_flags(parser)
    parser.set_defaults(command=check_data)


def check_data(flags: argparse.Namespace) -> None:
    """`text2sql-r1 check-data`."""
    from arctic_text2sql_r1.data.check import MISSING_DATABASE
    from arctic_text2sql_r1.data.check import check_data as examine
    from arctic_text2sql_r1.data.jsonl import write_json
    from arctic_text2sql_r1.data.jsonl import write_json_lines
    from arctic_text2sql_r1.data.readers import example_row
    from arctic_text2sql_r1.data.readers import read_examples
    from arctic_text2sql_r1.databases.judge import SQLJudge
    from arctic_text2sql_r1.scoring import check_writable

    if len({path.resolve() for path in (flags.data, flags.out, flags.rejects)}) < 3:
        raise DataError("The data, --out and --rejects name the same file twice. Choose three different files.")
    for path in (flags.out, flags.rejects):
        check_writable(path)
    if flags.out.suffix != ".json":
        raise DataError(f"--out '{flags.out}' does not end in .json: the kept rows are written as one JSON list.")
    unusable: list[dict[str, Any]] = []
    examples = read_examples(
        flags.data,
        databases=flags.databases,
        split=flags.split,
        require_databases=False,
        on_bad=lambda row, error: unusable.append(dict(row=row, reason=f"unusable_row: {error}")),
    )
    with SQLJudge(num_workers=flags.workers, timeout_s=flags.timeout_s) as judge, progress_bar() as progress:
        check = examine(examples, judge, on_progress=report_to(progress, label="running golds"))
    write_json(flags.out, [example_row(example) for example in check.kept])
    rejects = [dict(**example_row(item.example), reason=item.reason) for item in check.rejected]
    write_json_lines(flags.rejects, rejects + unusable)
    print(check.summary() + (f"; {len(unusable)} unusable rows" if len(unusable) > 0 else ""))
    if check.kinds().get(MISSING_DATABASE) == len(examples):
        raise DataError("No database was found. Name the folder that holds them with --databases.")


def _add_prepare_flags(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_subparsers(required=True, metavar="SOURCE", dest="source")
    for name in DATA_SOURCES.names():
        kind = DATA_SOURCES.get(name)
        source = sources.add_parser(name, help=kind.help)
        kind.add_flags(source)
        add_prepare_flags(source)
        source.set_defaults(command=prepare)


def prepare(flags: argparse.Namespace) -> None:
    """`text2sql-r1 prepare SOURCE`."""
    load_env_file()  # a token for datasets and models of the hub
    from arctic_text2sql_r1.data.prepare import prepare as make
    from arctic_text2sql_r1.data.prepare_report import print_report

    options = PrepareOptions.from_flags(flags)
    source = DATA_SOURCES.get(flags.source).from_flags(flags)
    ask_model = None if options.pass_rate is None else functools.partial(_ask_model, options, options.pass_rate)
    with progress_bar() as progress:
        outcome = make(options, flags.source, source, lambda label: report_to(progress, label), ask_model)
    print_report(outcome, options.out)


def _ask_model(
    options: PrepareOptions,
    asked: PassRateOptions,
    examples: Sequence[Text2SQLExample],
    judge: "SQLJudge",
    journal: "Journal",
    on_progress: Callable[[int, int], None],
) -> Mapping[str, PassRate]:
    """See `data.steps.AskModel`. The model is loaded when its turn comes, after the filters that cost less."""
    from arctic_text2sql_r1.evaluation.pass_rates import pass_rates
    from arctic_text2sql_r1.evaluation.samplers import SamplerOptions
    from arctic_text2sql_r1.evaluation.samplers import open_sampler

    sampler = open_sampler(
        SamplerOptions(
            model=asked.model,
            engine=asked.engine,
            url=asked.url,
            template=options.template,
            num_samples=asked.samples,
            temperature=asked.temperature,
            max_new_tokens=asked.max_new_tokens,
            seed=options.seed,
        )
    )
    part = f"pass_rate {json.dumps(sampler.identity, sort_keys=True)}"
    return pass_rates(
        examples,
        sampler,
        judge,
        known=journal.found(part),
        on_rated=functools.partial(journal.add, part),
        on_progress=on_progress,
    )


def progress_bar() -> "Progress":
    """A progress bar on stderr with count and time left."""
    from rich.console import Console
    from rich.progress import BarColumn
    from rich.progress import MofNCompleteColumn
    from rich.progress import Progress
    from rich.progress import TextColumn
    from rich.progress import TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def report_to(progress: "Progress", label: str) -> Callable[[int, int], None]:
    """An `on_progress` callback that moves a new task of the bar."""
    task = progress.add_task(label, total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
