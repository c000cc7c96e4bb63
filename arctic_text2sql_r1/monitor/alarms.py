# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Alarms: the ways in which a run becomes worthless while nothing says so, each with its remedy.

They read the metrics of `step_report.py` and return text; printing it loudly is the trainer's part, stopping or
rolling back is `training/guards.py`'s. What is normal differs from model to model, a tiny one has an entropy of 0.08
nats, so entropy, repetition and reward are compared with the run's own.
"""

from collections import deque
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

# Metrics of single steps are noisy: alarms compare means over this many.
WINDOW = 5

MAX_CLIP_FRACTION = 0.4
MAX_RATIO = 1000.0
MAX_KL = 1.0
MAX_SAMPLER_DISTANCE = 0.1
COLLAPSED_ENTROPY = 0.1
EXPLODED_ENTROPY = (3.0, 0.5)
MORE_REPETITION = 0.25
LOST_REWARD = 0.5
NOISE_FACTOR = 4.0


class Alarm(NamedTuple):
    """What is wrong with a run, and what to do about it."""

    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.evidence} {self.remedy}"


class Trail:
    """One metric over a run: the mean of its first `WINDOW` values, of the latest, and the best such mean."""

    def __init__(self) -> None:
        self.start: float | None = None
        self.best: float | None = None
        self._latest: deque[float] = deque(maxlen=WINDOW)
        self._last: float | None = None
        self._changes = 0
        self._change_squares = 0.0

    def add(self, value: float) -> None:
        """Takes the value of one more step."""
        if self._last is not None:
            self._changes += 1
            self._change_squares += (value - self._last) ** 2
        self._last = value
        self._latest.append(value)
        if self.now is not None:
            self.start = self.now if self.start is None else self.start
            self.best = self.now if self.best is None else max(self.best, self.now)

    def forget_latest(self) -> None:
        """Begins the current mean anew, from weights that are not those of the latest steps."""
        self._latest.clear()
        self._last = None

    @property
    def now(self) -> float | None:
        """Mean of the last `WINDOW` values, None before there are so many."""
        return sum(self._latest) / WINDOW if len(self._latest) == WINDOW else None

    @property
    def noise(self) -> float:
        """Deviation of a single value as its steps tell it; a trend hardly counts.

        Root of half the mean square of successive differences. Source: von Neumann et al. 1941.
        """
        return float((self._change_squares / max(1, self._changes) / 2) ** 0.5)


class Alarms:
    """Watches one run, step by step.

    `max_truncation` is a share; `no_spread_steps` counts consecutive steps in which every group's rewards were equal.
    An alarm sounds when its condition begins, and again every `repeat_steps` steps while it lasts. `flat_steps` is
    the present number of such steps, `no_spread` what is to be said of them. `present` has the conditions that hold
    at the latest step by name (truncation, no_spread, ratio, sampler, entropy, kl, repetition, reward).
    """

    def __init__(self, max_truncation: float = 0.15, no_spread_steps: int = 5, repeat_steps: int = 10) -> None:
        self.max_truncation = max_truncation
        self.no_spread_steps = no_spread_steps
        self.repeat_steps = repeat_steps
        self.flat_steps = 0
        self.no_spread = ""
        self.present: dict[str, Alarm] = {}
        self.lasting_collapse: str | None = None
        self._trails = {name: Trail() for name in ("entropy", "kl", "clip_fraction", "repetition", "reward_mean")}
        self._collapses: list[Callable[[Mapping[str, float]], Alarm | None]] = [
            self._entropy,
            self._kl,
            self._repetition,
            self._reward,
        ]
        self._conditions = [self._truncation, self._no_spread, self._ratio, self._sampler, *self._collapses]
        self._lasted = dict.fromkeys(self._conditions, 0)

    def check(self, metrics: Mapping[str, float]) -> list[str]:
        """The alarms that one more step sets off, as text for people; usually none.

        Leaves in `lasting_collapse` the text of a collapse that has sounded before and lasts, None without one.
        """
        for name, trail in self._trails.items():
            if name in metrics:
                trail.add(metrics[name])
        texts = []
        self.lasting_collapse = None
        self.present = {}
        for condition in self._conditions:
            alarm = condition(metrics)
            self._lasted[condition] = self._lasted[condition] + 1 if alarm is not None else 0
            if alarm is None:
                continue
            self.present[condition.__name__.removeprefix("_")] = alarm
            if (self._lasted[condition] - 1) % self.repeat_steps == 0:
                texts.append(str(alarm))
            if self._lasted[condition] > self.repeat_steps and condition in self._collapses:
                self.lasting_collapse = str(alarm)
        return texts

    def forget_collapse(self) -> None:
        """Begins all current means anew, because earlier weights were restored."""
        self.lasting_collapse = None
        self._lasted = dict.fromkeys(self._conditions, 0)
        for trail in self._trails.values():
            trail.forget_latest()

    def _truncation(self, metrics: Mapping[str, float]) -> Alarm | None:
        rate = metrics.get("truncation_rate", 0.0)
        if rate <= self.max_truncation:
            return None
        return Alarm(
            f"{rate:.0%} of the completions were cut at the length limit (alarm above {self.max_truncation:.0%}); cut "
            f"completions cannot earn a reward.",
            "Raise max_new_tokens, ask for shorter thoughts in the template, or check that the model's "
            "end-of-sequence tokens are those of its chat template.",
        )

    def _no_spread(self, metrics: Mapping[str, float]) -> Alarm | None:
        # a step in which no completion could be rewarded taught nothing either
        flat = metrics.get("equal_groups", 1.0) == 1.0
        self.flat_steps = self.flat_steps + 1 if flat else 0
        alarm = Alarm(
            f"for {self.flat_steps} steps in a row every group's rewards were equal (mean reward "
            f"{metrics.get('reward_mean', 0.0):.3f}), so nothing was learned.",
            no_spread_remedy(metrics),
        )
        self.no_spread = str(alarm)
        return alarm if self.flat_steps >= self.no_spread_steps else None

    def _ratio(self, metrics: Mapping[str, float]) -> Alarm | None:
        clipped, largest = self._trails["clip_fraction"].now, metrics.get("max_ratio", 1.0)
        if (clipped is None or clipped <= MAX_CLIP_FRACTION) and largest <= MAX_RATIO:
            return None
        return Alarm(
            f"the policy has moved far from the one that sampled: {clipped or 0.0:.0%} of the tokens clipped over the "
            f"last {WINDOW} steps, largest ratio {largest:.3g} (alarm above {MAX_CLIP_FRACTION:.0%} and "
            f"{MAX_RATIO:,.0f}).",
            "Lower the learning rate, inner_epochs or updates_per_inner_epoch.",
        )

    def _sampler(self, metrics: Mapping[str, float]) -> Alarm | None:
        distance = metrics.get("sampler_distance", 0.0)
        if distance <= MAX_SAMPLER_DISTANCE:
            return None
        return Alarm(
            f"the server's log-probabilities are {distance:.3g} nats per token from the trainer's (alarm above "
            f"{MAX_SAMPLER_DISTANCE:g}), so it samples from another policy.",
            "Start it on the recipe's base model, with the precision of model.dtype.",
        )

    def _kl(self, metrics: Mapping[str, float]) -> Alarm | None:
        kl = self._trails["kl"].now
        if "kl" not in metrics or kl is None or kl <= MAX_KL:
            return None
        return Alarm(
            f"KL to the reference was {kl:.3g} nats per token over the last {WINDOW} steps (alarm above {MAX_KL:g}): "
            f"the policy is leaving its own language.",
            "Lower the learning rate or raise kl_coef.",
        )

    def _entropy(self, metrics: Mapping[str, float]) -> Alarm | None:
        start, now = self._trails["entropy"].start, self._trails["entropy"].now
        if "entropy" not in metrics or start is None or now is None:
            return None
        if now < COLLAPSED_ENTROPY * start:
            return Alarm(
                f"entropy has collapsed from {start:.3g} to {now:.3g} nats per token (means of {WINDOW} steps): "
                f"completions of a prompt hardly differ any more.",
                "Raise temperature or the upper clip range, add entropy_coef, or lower the learning rate.",
            )
        factor, margin = EXPLODED_ENTROPY
        if now > factor * start + margin:
            return Alarm(
                f"entropy has risen from {start:.3g} to {now:.3g} nats per token (means of {WINDOW} steps): "
                f"completions become noise.",
                "Lower the learning rate, the upper clip range or entropy_coef, or raise kl_coef.",
            )
        return None

    def _repetition(self, metrics: Mapping[str, float]) -> Alarm | None:
        start, now = self._trails["repetition"].start, self._trails["repetition"].now
        if "repetition" not in metrics or start is None or now is None or now <= start + MORE_REPETITION:
            return None
        return Alarm(
            f"{now:.0%} of the completions repeat themselves, {start:.0%} at the start (means of {WINDOW} steps).",
            "Read the rollouts log; lower the learning rate, raise kl_coef, or mask truncated completions.",
        )

    def _reward(self, metrics: Mapping[str, float]) -> Alarm | None:
        trail = self._trails["reward_mean"]
        if "reward_mean" not in metrics or trail.best is None or trail.now is None:
            return None
        if trail.best - trail.now <= max(LOST_REWARD * abs(trail.best), NOISE_FACTOR * trail.noise):
            return None
        return Alarm(
            f"the mean reward has fallen to {trail.now:.3f} from {trail.best:.3f} at its best (means of {WINDOW} "
            f"steps).",
            "Go back to a checkpoint of that time with a lower learning rate or a higher kl_coef, and read what the "
            "rollouts log holds since.",
        )


def no_spread_remedy(metrics: Mapping[str, float]) -> str:
    """What to do when all rewards of every group are equal."""
    if metrics.get("reward_1", 0.0) == 1.0:
        return "Every completion is right: use harder questions, or stop here."
    return (
        "Raise num_samples_per_prompt or temperature, warm the model up with supervised examples, use easier "
        "questions, and read the rollouts log: a parser that finds no SQL looks the same."
    )
