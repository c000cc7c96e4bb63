# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The tag reward: +0.5 for each tag of the format that occurs exactly once, -0.5 for each that does not.

With the four tags of `think_answer` or `solution` that is -2 to +2, each tag in a part of its own (`thought_open`,
`thought_close`, `answer_open`, `answer_close`). A format without tags has nothing to count: the reward does not apply.
Where the tags stand is not looked at, that is `format_exact`. What a template has prefilled counts as written, once
even where the policy repeats it. It pays form, not results, so a wrong result with its tags outscores a right one
without: combine it with a reward for results.

Source: a published notebook that pays +0.5 for a correct tag and -0.5 for an incorrect one. Chosen here: a tag that
is missing and a tag that is repeated are both incorrect.
"""

from arctic_text2sql_r1.prompts.formats import get_format
from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import pays_wrong_results

_PER_TAG = 0.5


@REWARDS.register("format_approximate")
@pays_wrong_results("it pays the tags of a completion, whatever its SQL returns.")
def format_approximate(record: RewardRecord) -> RewardOutput:
    """The sum of +0.5 or -0.5 over the tags of the format; None when it has none."""
    tags = _tags(record.completion_format)
    if len(tags) == 0:
        return RewardOutput(None)
    parts = {name: _PER_TAG if record.text.count(tag) == 1 else -_PER_TAG for name, tag in tags.items()}
    return RewardOutput(sum(parts.values()), parts)


def _tags(completion_format: str) -> dict[str, str]:
    """The tags of a format by the names of their parts."""
    layout = get_format(completion_format)
    pairs = dict(thought=layout.thought, answer=layout.answer)
    return {
        f"{name}_{side}": tag
        for name, pair in pairs.items()
        if pair is not None
        for side, tag in zip(("open", "close"), pair, strict=True)
    }
