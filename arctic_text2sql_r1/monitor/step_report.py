# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What one training step tells: its rollout metrics and one console line.

Counts are taken per rank, merged over ranks (`StepCounts.merge`), and only then divided, so that the metrics do not
depend on how prompts were spread. Loss, KL and the like are computed by the trainer and only shown here. Alarms over
these metrics are in `alarms.py`; single completions are logged by `rollouts.py`.
"""

from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any

from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Verdict

NO_SQL = "no_sql"
SHORTEST_LOOP = 16


@dataclass(frozen=True)
class StepCounts:
    """Sums over the completions of one step; `merge` adds those of another rank.

    `right`, `runs` and `wrong` follow the verdict, whatever the reward function pays; completions whose gold failed
    are in `gold_failed` instead and have no reward.
    """

    completions: int = 0
    rewarded: int = 0
    reward_sum: float = 0.0
    right: int = 0
    runs: int = 0
    wrong: int = 0
    gold_failed: int = 0
    groups: int = 0
    equal_groups: int = 0
    too_easy: int = 0
    too_hard: int = 0
    repetitive: int = 0
    truncated: int = 0
    length_sum: int = 0
    length_max: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    suspicious: dict[str, int] = field(default_factory=dict)

    def merge(self, other: "StepCounts") -> "StepCounts":
        """The counts of both together."""
        special: dict[str, Any] = dict(
            length_max=max(self.length_max, other.length_max),
            statuses=dict(Counter(self.statuses) + Counter(other.statuses)),
            suspicious=dict(Counter(self.suspicious) + Counter(other.suspicious)),
        )
        names = [one.name for one in fields(self) if one.name not in special]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return StepCounts(**sums, **special)


def count_step(
    completions: Sequence[Completion],
    verdicts: Sequence[Verdict],
    rewards: Sequence[float | None],
    group_ids: Sequence[Hashable],
    keep: Sequence[bool],
    suspicions: Iterable[Sequence[str]] = (),
) -> StepCounts:
    """Count N completions; all sequences have the same order. Raises ValueError when their lengths differ.

    `keep` is true where a completion's group has different rewards as training compares them. Of the other groups
    those are too easy whose completions are all right, and too hard the rest. `suspicions` names, for each completion,
    what makes a right result look bought (`rewards/suspicion.py`).
    """
    groups: dict[Hashable, list[tuple[bool, bool]]] = defaultdict(list)
    for group_id, reward, verdict, kept in zip(group_ids, rewards, verdicts, keep, strict=True):
        if reward is not None:
            groups[group_id].append((kept, verdict.correct is True))
    equal = [rows for rows in groups.values() if not any(kept for kept, _ in rows)]
    too_easy = sum(all(right for _, right in rows) for rows in equal)
    paid = [reward for reward in rewards if reward is not None]
    tiers = Counter(tier(verdict) for verdict in verdicts)
    lengths = [len(completion.token_ids) for completion, _ in zip(completions, verdicts, strict=True)]
    return StepCounts(
        completions=len(completions),
        rewarded=len(paid),
        reward_sum=sum(paid),
        right=tiers["right"],
        runs=tiers["runs"],
        wrong=tiers["wrong"],
        gold_failed=tiers["gold_failed"],
        groups=len(groups),
        equal_groups=len(equal),
        too_easy=too_easy,
        too_hard=len(equal) - too_easy,
        repetitive=sum(is_repetitive(completion.token_ids) for completion in completions),
        truncated=sum(completion.truncated for completion in completions),
        length_sum=sum(lengths),
        length_max=max(lengths, default=0),
        statuses=dict(Counter(_status(verdict) for verdict in verdicts)),
        suspicious=dict(Counter(sign for signs in suspicions for sign in signs)),
    )


def tier(verdict: Verdict) -> str:
    """`right`, `runs` (it ran but is wrong), `wrong`, `gold_failed`, or `worker_died` (our fault, so not judged)."""
    if verdict.correct is None:
        return "gold_failed"
    if _status(verdict) == ExecutionStatus.WORKER_DIED.value:
        return "worker_died"
    if verdict.correct:
        return "right"
    return "runs" if _status(verdict) == ExecutionStatus.OK.value else "wrong"


def is_repetitive(token_ids: Sequence[int]) -> bool:
    """Whether more than half of the runs of four tokens have occurred before in the completion; false below 16 tokens.

    Prose and SQL stay far below that share; a loop exceeds it whatever its period, once it has gone round often
    enough.
    """
    runs = list(zip(token_ids, token_ids[1:], token_ids[2:], token_ids[3:], strict=False))
    return len(token_ids) >= SHORTEST_LOOP and 2 * len(set(runs)) < len(runs)


def _status(verdict: Verdict) -> str:
    return NO_SQL if verdict.result is None else verdict.result.status.value


def step_metrics(counts: StepCounts) -> dict[str, float]:
    """Averages and shares by the names they are logged under; `METRICS` explains each.

    Shares of nothing are left out: a step without rewards has no `reward_mean`.
    """
    judged = counts.right + counts.runs + counts.wrong
    shares = {
        "reward_mean": (counts.reward_sum, counts.rewarded),
        "reward_1": (counts.right, judged),
        "reward_0.1": (counts.runs, judged),
        "reward_0": (counts.wrong, judged),
        "equal_groups": (counts.equal_groups, counts.groups),
        "truncation_rate": (counts.truncated, counts.completions),
        "repetition": (counts.repetitive, counts.completions),
        "completion_length_mean": (counts.length_sum, counts.completions),
    }
    metrics = {name: part / whole for name, (part, whole) in shares.items() if whole > 0}
    metrics.update(too_easy=counts.too_easy, too_hard=counts.too_hard)
    metrics.update(completion_length_max=counts.length_max, gold_failed=counts.gold_failed)
    metrics.update({f"status_{status}": count for status, count in sorted(counts.statuses.items())})
    metrics.update({f"suspicious_{sign}": count for sign, count in sorted(counts.suspicious.items())})
    return metrics


METRICS = {
    "reward_mean": "mean reward over the step's completions",
    "reward_1": "share of completions whose result equals gold's",
    "reward_0.1": "share whose SQL ran but gave another result",
    "reward_0": "share with no SQL, or SQL that did not run",
    "equal_groups": "share of groups whose completions all got the same reward: they teach nothing",
    "too_easy": "groups with equal rewards whose completions are all right",
    "too_hard": "the other groups with equal rewards",
    "resampled": "share of the step's prompts that `dynamic_sampling` drew in further rounds",
    "truncation_rate": "share of completions that the length limit ended",
    "repetition": "share of completions more than half of whose runs of four tokens occurred before in them",
    "completion_length_mean": "mean tokens per completion",
    "completion_length_max": "longest completion, in tokens",
    "gold_failed": "completions left without reward because gold failed in this step",
    "status_STATUS": "completions by execution status; no_sql: none was extracted",
    "suspicious_SIGN": "right results that look bought: empty_result, constant_select, no_from; read those",
    "loss": "policy loss plus KL term; near 0 is normal on-policy, watch the reward instead",
    "kl": "mean estimate (`kl_estimator`) of the divergence from the reference, over trained tokens",
    "clip_fraction": "share of trained tokens whose ratio was clipped",
    "entropy": "mean entropy of the policy per trained token, in nats",
    "grad_norm": "gradient norm before clipping",
    "max_ratio": "largest ratio of new to sampling probability; exactly 1 in a rollout's first update",
    "importance_mean": "mean ratio of trainer's to sampler's probability before the cap, near 1; engine vllm only",
    "importance_max": "largest such ratio",
    "importance_capped": "share of trained tokens whose ratio was above `importance_cap`",
    "sampler_distance": "mean |log-probability of trainer - of sampler| per trained token; 0.1 and more is a fault",
    "trained_tokens": "completion tokens that carried a gradient; groups with equal rewards are skipped",
    "reward/NAME": "mean of one reward component over the completions it applies to",
    "lr": "learning rate of the step's last update",
    "iter": "optimizer updates made so far",
    "rollbacks": "how often `guards.rollback` has restored the best checkpoint",
    "epoch": "passes over the questions finished so far",
    "tokens_per_s": "completion tokens generated per second",
    "seconds_generate": "seconds spent generating",
    "seconds_reward": "seconds spent executing SQL and scoring",
    "seconds_train": "seconds spent in log-probs, loss, backward and update",
    "step_time": "seconds of the whole step",
}


def _tiers(right: float, runs: float, wrong: float) -> str:
    return f"1/.1/0 {100 * right:.0f}/{100 * runs:.0f}/{100 * wrong:.0f}%"


def _seconds(*phases: float) -> str:
    return "gen/sql/train " + "/".join(f"{phase:.0f}" if phase >= 100 else f"{phase:.1f}" for phase in phases) + "s"


Entry = tuple[tuple[str, ...], Callable[..., str]]

# blocks of (metrics, how they are shown); an entry appears when all its metrics are there
_LINE: tuple[tuple[Entry, ...], ...] = (
    (
        (("reward_mean",), "reward {:.3f}".format),
        (("reward_1", "reward_0.1", "reward_0"), _tiers),
        (("equal_groups",), "eq {:.0%}".format),
    ),
    (
        (("kl",), "kl {:.2g}".format),
        (("clip_fraction",), "clip {:.1%}".format),
        (("entropy",), "ent {:.2f}".format),
        (("grad_norm",), "grad {:.2g}".format),
    ),
    (
        (("completion_length_mean",), "len {:.0f}".format),
        (("truncation_rate",), "cut {:.0%}".format),
        (("tokens_per_s",), "{:.0f} tok/s".format),
    ),
    ((("seconds_generate", "seconds_reward", "seconds_train"), _seconds),),
)


def format_step_line(metrics: Mapping[str, float], total_steps: int | None = None) -> str:
    """One console line, at most 160 columns for up to 9999 steps; metrics that are absent are left out."""
    head = f"step {metrics['step']:.0f}" if "step" in metrics else "step"
    if total_steps is not None:
        head += f"/{total_steps}"
    blocks = [_block(block, metrics) for block in _LINE]
    return " | ".join([head, *(block for block in blocks if block != "")])


def _block(entries: Sequence[Entry], metrics: Mapping[str, float]) -> str:
    known = [(names, shown) for names, shown in entries if all(name in metrics for name in names)]
    return " ".join(shown(*(metrics[name] for name in names)) for names, shown in known)
