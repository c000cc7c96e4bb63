# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What the examples of a split go through between reading and writing, in order.

    gold         the gold runs, returns rows, and the same rows each time (`check.py`)
    duplicates   one question over one database stays once (`duplicates.py`)
    -            a difficulty, where the source has none (`hardness.py`)
    messages     with `--for sft`: gold and rationale can be written as a completion that reads back (`sft.py`)
    -            values that the question mentions (`values.py`)
    tokens       the prompt fits (`prompts/builder.py`)
    pass_rate    a model finds it neither too hard nor too easy (`pass_rate.py`)

A training split passes all of it. The other splits are for figures that others compare with theirs: only golds that
cannot run, or be written, leave them, not questions that are repeated, long, or answered by no row.
"""

import functools
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple
from typing import Protocol

from arctic_text2sql_r1.data.check import EMPTY
from arctic_text2sql_r1.data.check import NONDETERMINISTIC
from arctic_text2sql_r1.data.check import Rejected
from arctic_text2sql_r1.data.check import check_data
from arctic_text2sql_r1.data.duplicates import drop_duplicates
from arctic_text2sql_r1.data.hardness import hardness
from arctic_text2sql_r1.data.journal import Journal
from arctic_text2sql_r1.data.pass_rate import PassRate
from arctic_text2sql_r1.data.pass_rate import keep_between
from arctic_text2sql_r1.data.prepare_options import PrepareOptions
from arctic_text2sql_r1.data.sft import drop_unwritable
from arctic_text2sql_r1.data.sources.base import OnProgress
from arctic_text2sql_r1.data.splits import TRAIN
from arctic_text2sql_r1.data.value_store import cache_folder
from arctic_text2sql_r1.data.values import ValueIndex
from arctic_text2sql_r1.data.values import with_values
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.prompts.builder import fit_prompt
from arctic_text2sql_r1.prompts.builder import load_tokenizer
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.types import Text2SQLExample

_STANDS_IN_FIGURES = (EMPTY, NONDETERMINISTIC)

Examples = list[Text2SQLExample]


class AskModel(Protocol):
    """Asks the model of `--pass-rate-model`: the rate of each example by its id; see `evaluation/pass_rates.py`."""

    def __call__(
        self,
        examples: Sequence[Text2SQLExample],
        judge: SQLJudge,
        journal: Journal,
        on_progress: OnProgress,
    ) -> Mapping[str, PassRate]: ...


class Done(NamedTuple):
    """One filter over one split: how many examples it was given, and which it left out."""

    filter: str
    given: int
    left_out: list[Rejected]


class Steps:
    """The steps of one call of `prepare`; use as a context manager.

    The journal is for what a killed call shall not have to find out again; `track` starts progress bars.
    """

    def __init__(
        self,
        options: PrepareOptions,
        journal: Journal,
        track: Callable[[str], OnProgress],
        ask_model: AskModel | None,
    ) -> None:
        self._options = options
        self._journal = journal
        self._track = track
        self._ask_model = ask_model

    def __enter__(self) -> "Steps":
        if self._options.tokenizer is not None:  # a wrong name is told before the work, not after it
            self._tokenizer = load_tokenizer(self._options.tokenizer)
        self._judge = SQLJudge(num_workers=self._options.workers, timeout_s=self._options.timeout_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._judge.close()

    def run(self, split: str, examples: Examples) -> tuple[Examples, list[Done]]:
        """The examples that are kept, in their order and with difficulty and values, and what each filter did."""
        done: list[Done] = []
        for name, step in self._steps(split):
            kept, left_out = step(examples)
            if name != "":
                done.append(Done(name, given=len(examples), left_out=left_out))
            examples = kept
        return examples, done

    def _steps(self, split: str) -> Iterator[tuple[str, Callable[[Examples], tuple[Examples, list[Rejected]]]]]:
        training = split == TRAIN
        yield "gold", lambda examples: self._check_golds(split, examples)
        if training:
            yield "duplicates", drop_duplicates
        yield "", lambda examples: ([with_difficulty(example) for example in examples], [])
        if self._options.purpose == "sft":
            yield "messages", functools.partial(drop_unwritable, template=get_template(self._options.template))
        if self._options.values_per_column > 0:
            yield "", lambda examples: (self._with_values(split, examples), [])
        if training and self._options.max_prompt_tokens is not None:
            yield "tokens", self._drop_long_prompts
        if training and self._options.pass_rate is not None:
            yield "pass_rate", self._keep_between

    def _check_golds(self, split: str, examples: Examples) -> tuple[Examples, list[Rejected]]:
        part = f"gold {split}"
        check = check_data(
            examples,
            self._judge,
            self._track(f"{split}: running golds"),
            known=self._journal.found(part),
            on_checked=lambda reasons: self._journal.add(part, reasons),
        )
        if split == TRAIN:
            return check.kept, check.rejected
        rejected = [one for one in check.rejected if one.kind not in _STANDS_IN_FIGURES]
        left_out = {one.example.example_id for one in rejected}
        return [example for example in examples if example.example_id not in left_out], rejected

    def _with_values(self, split: str, examples: Examples) -> Examples:
        """The examples with the values that their question and evidence mention."""
        groups: dict[str, Examples] = defaultdict(list)
        for example in examples:
            groups[example.db_path].append(example)
        on_progress = self._track(f"{split}: looking up values")
        found: dict[str, Text2SQLExample] = {}
        with ThreadPoolExecutor(self._options.workers) as pool:
            for group in pool.map(self._with_values_of, groups, groups.values()):
                found.update((example.example_id, example) for example in group)
                on_progress(len(found), len(examples))
        return [found[example.example_id] for example in examples]

    def _with_values_of(self, db_path: str, examples: Examples) -> Examples:
        """Examples over one database. The index of a database that a source built is not worth keeping."""
        is_built = Path(db_path).resolve().is_relative_to((self._options.out / "databases").resolve())
        with ExitStack() as stack:
            kept_in = cache_folder(self._options.cache_dir)
            folder = stack.enter_context(TemporaryDirectory()) if is_built else kept_in
            index = stack.enter_context(ValueIndex.open(db_path, folder))
            return [with_values(example, index, self._options.values_per_column) for example in examples]

    def _drop_long_prompts(self, examples: Examples) -> tuple[Examples, list[Rejected]]:
        limit = self._options.max_prompt_tokens
        template, on_progress = get_template(self._options.template), self._track("train: counting tokens")
        kept: Examples = []
        rejected: list[Rejected] = []
        for example in examples:
            fit = fit_prompt(self._tokenizer, template, example, limit, self._options.long_prompts)
            if fit.ids is not None:
                kept.append(example)
            else:
                rejected.append(Rejected(example, f"too_long: {fit.tokens} tokens, limit {limit}"))
            on_progress(len(kept) + len(rejected), len(examples))
        return kept, rejected

    def _keep_between(self, examples: Examples) -> tuple[Examples, list[Rejected]]:
        options = self._options.pass_rate
        assert options is not None and self._ask_model is not None
        rates = self._ask_model(examples, self._judge, self._journal, self._track("train: sampling"))
        return keep_between(examples, rates, options.low, options.high)


def with_difficulty(example: Text2SQLExample) -> Text2SQLExample:
    """The example with its query's hardness as difficulty, unless its source has given it one."""
    return example if example.difficulty != "" else replace(example, difficulty=hardness(example.gold_sql))
