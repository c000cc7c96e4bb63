# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What both sides of `grpo_step.py` share: the folder of work, the reward, and taking turns.

Imported in either environment: nothing here needs torch, but `build_work`, which the benchmark itself calls once.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

PROJECT = Path(__file__).resolve().parent.parent / "projects" / "arctic_text2sql_r1"
DATABASES = PROJECT / "training_data" / "databases"
VOCABULARY = 4096
LORA = dict(r=16, lora_alpha=32, lora_dropout=0.0)
LEARNING_RATE, KL_COEF, CLIP_RANGE, GRADIENT_CLIPPING = 1e-5, 0.001, 0.2, 1.0


@dataclass(frozen=True)
class Work:
    """One size of work. `mean_tokens` None: every completion has exactly `new_tokens`; else they end when they do."""

    layers: int = 4
    width: int = 256
    prompts: int = 8
    samples: int = 8
    prompt_tokens: int = 256
    new_tokens: int = 96
    mean_tokens: int | None = None

    @classmethod
    def load(cls, folder: Path) -> "Work":
        """What `build_work` left in `folder`."""
        return cls(**json.loads((folder / "work.json").read_text(encoding="utf-8")))


def read_questions(folder: Path) -> list[dict[str, Any]]:
    """The questions of `folder` with the rendered `prompt` of each and the `statements` that a completion may pick."""
    rows: list[dict[str, Any]] = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    return rows


# ----- the reward ------------------------------------------------------------------------------------------------


class PickedStatements:
    """Scores a completion as if it were one of its question's statements, the one that its first token picks.

    A random model writes no SQL; so its completions still cost what executing them costs, and earn 1, 0.1 or 0 as
    they fall. The statements are gold, the gold of another question, and one that names no table of the database.
    """

    def __init__(self, questions: Sequence[dict[str, Any]], judge: SQLJudge) -> None:
        self.scorer = RewardScorer(judge)
        self.cautions = self.scorer.cautions
        self.statements = {row["example_id"]: row["statements"] for row in questions}

    def score(self, examples: Sequence[Text2SQLExample], completions: Sequence[Completion]) -> list[ScoredCompletion]:
        """As `RewardScorer.score`."""
        picked = [
            self.statements[example.example_id][completion.token_ids[0] % 3]
            for example, completion in zip(examples, completions, strict=True)
        ]
        return self.scorer.score_sql(examples, picked)

    def standard_rewards(self, examples: Sequence[Text2SQLExample]) -> list[float | None]:
        """The reward of each statement of each example, so that both sides can be seen to pay alike."""
        rows = [(example, Completion(text="", token_ids=(token,))) for example in examples for token in range(3)]
        return [row.reward for row in self.score([row[0] for row in rows], [row[1] for row in rows])]


# ----- taking turns ----------------------------------------------------------------------------------------------


class Turns:
    """One side's end of the pipe: it waits for a line, makes one update, and answers with what that cost.

    Whatever else the process prints goes to its standard error. CPU seconds are those of the process and of all
    below it, user and system; waiting costs none.
    """

    def __init__(self) -> None:
        self._channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._phases: dict[str, float] = {}
        self._cpu_s = self._wall_s = 0.0

    def answer(self, **facts: Any) -> None:
        """Sends `facts` with the cost since the last turn began, then waits; exits when the other end is closed."""
        cost = dict(cpu_s=cpu_seconds() - self._cpu_s, wall_s=time.monotonic() - self._wall_s, phases=self._phases)
        print(json.dumps(dict(cost, **facts)), file=self._channel, flush=True)
        if sys.stdin.readline() == "":
            raise SystemExit(0)
        self._phases = {}
        self._cpu_s, self._wall_s = cpu_seconds(), time.monotonic()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the CPU seconds spent inside to the turn's phase `name`."""
        started = cpu_seconds()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + cpu_seconds() - started


def cpu_seconds() -> float:
    """CPU seconds of this process, to the nanosecond, and of its children, living (to the tick) or ended."""
    used = time.process_time()
    times = os.times()
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        ticks[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    below = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        if len(more) == 0:
            break
        below |= more
    living = sum(ticks.get(pid, 0) for pid in below - {os.getpid()}) / os.sysconf("SC_CLK_TCK")
    return used + times.children_user + times.children_system + living


def digest(prompts: Sequence[Sequence[int]]) -> str:
    """One word for a set of prompts as token ids, whatever their order."""
    return blake2b(json.dumps(sorted(map(list, prompts))).encode(), digest_size=8).hexdigest()


# ----- building the work ------------------------------------------------------------------------------------------


def build_work(work: Work, folder: Path) -> None:
    """Writes model, tokenizer and questions to `folder`; the same work gives the same files."""
    from transformers import AutoTokenizer

    sys.path.insert(0, str(PROJECT))
    folder.mkdir(parents=True)
    rows = json.loads((PROJECT / "training_data" / "rl.json").read_text(encoding="utf-8"))
    _build_tokenizer(rows).save_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    _build_model(work, tokenizer, folder / "model")
    questions = _questions(work, tokenizer, rows)
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    (folder / "work.json").write_text(json.dumps(asdict(work)), encoding="utf-8")


def _build_tokenizer(rows: Sequence[dict[str, Any]]) -> Any:
    """The demo's tokenizer, filled up to `VOCABULARY`, and behind it an end-of-sequence token beyond the model's."""
    import tiny_model

    tokenizer = tiny_model.build_tokenizer(text for row in rows for text in (row["question"], row["gold_sql"]))
    tokenizer.add_tokens([f"<|unused{index}|>" for index in range(VOCABULARY - len(tokenizer))])
    tokenizer.add_special_tokens(dict(eos_token="<|never|>"))
    return tokenizer


def _build_model(work: Work, tokenizer: Any, folder: Path) -> None:
    """A random Qwen2 that never writes the tokenizer's end of sequence, since it has no logit for it.

    For ragged completions a share of the vocabulary ends them: the logits of a small random model are nearly equal.
    """
    import torch
    from rollout_speed import end_probability
    from rollout_speed import qwen2_config
    from transformers import GenerationConfig
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    config = qwen2_config(work.layers, work.width, eos_token_id=None, pad_token_id=tokenizer.pad_token_id)
    model = Qwen2ForCausalLM(config)
    ends = round(VOCABULARY * end_probability(work.mean_tokens, work.new_tokens))
    ending = [tokenizer.eos_token_id, *range(VOCABULARY - ends, VOCABULARY)]
    model.generation_config = GenerationConfig(eos_token_id=ending, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(folder)


def _questions(work: Work, tokenizer: Any, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One question per prompt over one database each, with evidence enough to reach the prompt's length.

    Lengths are spread evenly over an eighth of `work.prompt_tokens` to either side.
    """
    from arctic_text2sql_r1.prompts.schema import schema_text
    from arctic_text2sql_r1.prompts.templates import build_messages
    from arctic_text2sql_r1.prompts.templates import get_template

    template, questions = get_template("tiny"), []
    for index in range(work.prompts):
        db_id = sorted({row["db_id"] for row in rows})[index % 8]
        own = [row for row in rows if row["db_id"] == db_id][index // 8 :]
        db_path = str(DATABASES / db_id / f"{db_id}.sqlite")
        schema = schema_text(db_path, template.schema_style)
        wanted = work.prompt_tokens * (7 * work.prompts + 2 * index) // (8 * work.prompts)
        prompt, evidence, hints = "", "", iter(own[2:])
        while prompt == "" or len(tokenizer(prompt)["input_ids"]) < wanted:
            example = Text2SQLExample(str(index), db_id, own[0]["question"], own[0]["gold_sql"], db_path, evidence)
            messages = build_messages(template, example, schema)
            prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            evidence = f"{evidence} {next(hints)['question']}".strip()
        other = next(row["gold_sql"] for row in own if row["gold_sql"] != example.gold_sql)
        statements = [example.gold_sql, other, "SELECT name FROM no_such_table"]
        questions.append(dict(asdict(example), prompt=prompt, statements=statements))
    return questions
