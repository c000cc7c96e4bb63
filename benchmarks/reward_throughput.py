# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Measures what scoring a batch of completions costs beyond executing its SQL, as ratios taken in one run.

    python benchmarks/reward_throughput.py WORKLOAD_DIR [--limit N] [--workers N] [--timeout-s S]

The floor is plain sqlite3: one process, one kept read-only connection per database, each distinct text of the rows
without endless queries fetched once, golds apart. Against it stands `RewardScorer` over `SQLJudge`, once on the same
rows (CPU seconds of parent and workers, whose start and end count too) and once on all rows (wall time). The floor's
verdicts are plain comparisons, so they check the scorer's. Each measurement has a fresh process, for children's CPU
time is known once they have ended, and peak memory belongs to a process. Progress goes to stderr, one JSON line per
result to stdout. Needs Linux (/proc). `reward_workload.py` makes a WORKLOAD_DIR, `sqlite_floor.py` is the floor.

On a busy machine trust the ratios of CPU seconds; wall time counts what everybody else does.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlite_floor import Floor
from sqlite_floor import WorkloadRow
from sqlite_floor import load_rows
from sqlite_floor import run_floor
from sqlite_floor import say

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

_TIMES_GOLD, _SMALLEST_CPU_LIMIT_S = 10.0, 1.0  # as SQLJudge documents its limit on a prediction's CPU time
# The clock of /proc ticks every 10 ms, and reading it takes about a tick.
_ALLOWED = dict(cpu_ratio=1.3, wall_ratio=1.2, rss_growth_mb=50.0, idle_cpu_s=0.02)


@dataclass(frozen=True)
class Scoring:
    """One call of the scorer: its cost, and per row whether it was judged right and the status it ended with."""

    cpu_s: float
    wall_s: float
    rss_growth_mb: float
    idle_cpu_s: float
    correct: list[bool | None]
    statuses: list[str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line per result."""
    parser = argparse.ArgumentParser(description="Cost of scoring completions, against executing their SQL once.")
    parser.add_argument("workload", type=Path, help="folder with workload.jsonl and databases/<db>/<db>.sqlite")
    parser.add_argument("--limit", type=int, help="use the first N rows only")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the scorer")
    parser.add_argument("--timeout-s", type=float, default=5.0, help="limit on one statement")
    options = parser.parse_args(arguments)
    rows = load_rows(options.workload, options.limit)
    normal = [row for row in rows if row.kind != "endless"]
    say(f"{len(rows)} rows, {len(rows) - len(normal)} of them endless")
    floor = _in_fresh_process(run_floor, normal, sorted({(r.db_path, r.gold) for r in rows}), options.timeout_s)
    say(f"floor: {floor.cpu_s:.2f} CPU s, golds {floor.golds_cpu_s:.2f} CPU s; now the scorer without endless rows")
    scoring = _in_fresh_process(run_scorer, normal, options.workers, options.timeout_s)
    results = [
        floor_result(floor, normal, options.timeout_s),
        normal_result(floor, scoring, normal, options.workers),
        agreement_result(floor, scoring, normal),
    ]
    if len(normal) < len(rows):
        say(f"scorer: {scoring.cpu_s:.2f} CPU s; now the scorer with endless rows")
        scoring = _in_fresh_process(run_scorer, rows, options.workers, options.timeout_s)
        results.append(endless_result(floor, scoring, rows, workers=options.workers, timeout_s=options.timeout_s))
    for result in results:
        print(json.dumps(result), flush=True)


def run_scorer(rows: Sequence[WorkloadRow], workers: int, timeout_s: float) -> Scoring:
    """Score all rows in one call, then watch the processes for a second before they end."""
    examples = [Text2SQLExample(str(i), row.db_path, "", row.gold, row.db_path) for i, row in enumerate(rows)]
    completions = [Completion(row.completion) for row in rows]
    cpu_before = used_cpu_s()
    with SQLJudge(num_workers=workers, timeout_s=timeout_s) as judge:
        scorer = RewardScorer(judge)
        rss_before = _restart_peak_memory()
        started = time.monotonic()
        scored = scorer.score(examples, completions)
        wall_s = time.monotonic() - started
        rss_growth_mb = _memory_mb("VmHWM") - rss_before
        tree_before = _tree_cpu_s()
        time.sleep(1.0)
        idle_cpu_s = _tree_cpu_s() - tree_before
    return Scoring(
        cpu_s=used_cpu_s() - cpu_before,
        wall_s=wall_s,
        rss_growth_mb=rss_growth_mb,
        idle_cpu_s=idle_cpu_s,
        correct=[one.verdict.correct for one in scored],
        statuses=[
            one.parsed.problem or "no_sql" if one.verdict.result is None else one.verdict.result.status.value
            for one in scored
        ],
    )


def floor_result(floor: Floor, normal: Sequence[WorkloadRow], timeout_s: float) -> dict[str, Any]:
    """What the floor ran and its CPU seconds."""
    return dict(
        result="floor",
        rows=len(normal),
        distinct=len(floor.predictions),
        golds=len(floor.golds),
        timeout_s=timeout_s,
        distinct_cpu_s=round(floor.cpu_s, 2),
        golds_cpu_s=round(floor.golds_cpu_s, 2),
    )


def normal_result(floor: Floor, scoring: Scoring, rows: Sequence[WorkloadRow], workers: int) -> dict[str, Any]:
    """The scorer's cost on rows without endless queries, as ratios to the floor without and with the golds.

    `floor_cpu_s_of_timeouts` is what the floor, whose limit is not tied to gold's time, spent on the statements that
    the scorer cut short.
    """
    cpu_ratio = scoring.cpu_s / floor.cpu_s
    late = {(r.db_path, r.prediction) for r, s in zip(rows, scoring.statuses, strict=True) if s == "timeout"}
    return dict(
        result="normal",
        rows=len(scoring.correct),
        workers=workers,
        **_costs(scoring),
        floor_cpu_s_of_timeouts=round(sum(floor.predictions[key].cpu_s for key in late & floor.predictions.keys()), 2),
        cpu_ratio_to_distinct=round(cpu_ratio, 3),
        cpu_ratio_to_distinct_and_golds=round(scoring.cpu_s / (floor.cpu_s + floor.golds_cpu_s), 3),
        allowed=_ALLOWED,
        within=cpu_ratio <= _ALLOWED["cpu_ratio"] and _leaves_little(scoring),
        statuses=dict(Counter(scoring.statuses)),
    )


def endless_result(
    floor: Floor, scoring: Scoring, rows: Sequence[WorkloadRow], workers: int, timeout_s: float
) -> dict[str, Any]:
    """The scorer's wall time on all rows against an even share of the floor and of the limit of each endless text.

    `applied` counts the limit that the judge sets from gold's time, `timeout` the whole of `timeout_s`.
    """
    limits: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.kind == "endless":
            gold_s = floor.golds[row.db_path, row.gold].cpu_s
            limit_s = min(timeout_s, max(_SMALLEST_CPU_LIMIT_S, _TIMES_GOLD * gold_s))
            limits[row.db_path, row.prediction] = max(limits.get((row.db_path, row.prediction), 0.0), limit_s)
    applied_s = (floor.cpu_s + sum(limits.values())) / workers
    timeout_bound_s = (floor.cpu_s + len(limits) * timeout_s) / workers
    return dict(
        result="endless",
        rows=len(rows),
        workers=workers,
        distinct_endless=len(limits),
        **_costs(scoring),
        applied_bound_s=round(applied_s, 2),
        wall_ratio_to_applied=round(scoring.wall_s / applied_s, 3),
        cpu_ratio_to_applied=round(scoring.cpu_s / applied_s / workers, 3),
        timeout_bound_s=round(timeout_bound_s, 2),
        wall_ratio_to_timeout=round(scoring.wall_s / timeout_bound_s, 3),
        allowed=_ALLOWED,
        within=scoring.wall_s / timeout_bound_s <= _ALLOWED["wall_ratio"] and _leaves_little(scoring),
        load=round(os.getloadavg()[0], 1),
        statuses=dict(Counter(scoring.statuses)),
    )


def agreement_result(floor: Floor, scoring: Scoring, rows: Sequence[WorkloadRow]) -> dict[str, Any]:
    """How many verdicts plain comparison contradicts: right though the bags differ, or wrong though the lists agree.

    Between the two (`order_decides`: equal bags in another order) the scorer is right either way, as gold orders.
    """
    wrong, order_decides = [], 0
    for row, correct, status in zip(rows, scoring.correct, scoring.statuses, strict=True):
        same_list, same_bag = floor.bounds(row)
        order_decides += same_bag and not same_list
        if (correct and not same_bag) or (not correct and same_list):
            wrong.append(f"{row.kind} row judged {correct} ({status}): {row.prediction!r} for gold {row.gold!r}")
    for line in wrong[:5]:
        say(f"disagreement: {line}")
    right = sum(correct is True for correct in scoring.correct)
    return dict(result="agreement", rows=len(rows), right=right, disagreements=len(wrong), order_decides=order_decides)


def _costs(scoring: Scoring) -> dict[str, float]:
    return dict(
        cpu_s=round(scoring.cpu_s, 2),
        wall_s=round(scoring.wall_s, 2),
        rss_growth_mb=round(scoring.rss_growth_mb, 1),
        idle_cpu_s=round(scoring.idle_cpu_s, 2),
    )


def _leaves_little(scoring: Scoring) -> bool:
    """Whether memory and CPU time after the call are within what is allowed."""
    little = scoring.rss_growth_mb <= _ALLOWED["rss_growth_mb"]
    return little and round(scoring.idle_cpu_s, 2) <= _ALLOWED["idle_cpu_s"]


def _in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns in a new interpreter."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def used_cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _tree_cpu_s() -> float:
    """CPU seconds of this process and of all below it that live now."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    tree = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return sum(ticks[pid] for pid in tree) / os.sysconf("SC_CLK_TCK")


def _restart_peak_memory() -> float:
    """The resident memory now in MB, from which the kernel's peak counts again."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float:
    """A figure of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


if __name__ == "__main__":
    main()
