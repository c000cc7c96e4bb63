# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The strict format reward: 3 for a completion that the strict parser accepts as a whole, 0 for any other.

Which parser extracts the SQL makes no difference here. What a template has prefilled counts as written, once even
where the policy repeats it. It pays form, not results, so a wrong result in the format outscores a right one outside
it: combine it with a reward for results.
In `plain`, where all of the completion is SQL, whatever is not blank or fenced is in the format.

Source: a published notebook that pays +3 for a match of its whole template. Its template is `solution`; here it is
the format that the prompt asks for. What the format asks for is said in `prompts/formats.py`.
"""

from arctic_text2sql_r1.prompts.formats import extract_sql
from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import pays_wrong_results

_IN_FORMAT = 3.0


@REWARDS.register("format_exact")
@pays_wrong_results("it pays the form of a completion, whatever its SQL returns.")
def format_exact(record: RewardRecord) -> RewardOutput:
    """3.0 or 0.0."""
    parsed = extract_sql(
        record.completion.text,
        completion_format=record.completion_format,
        parser="strict",
        prefill=record.prefill,
    )
    return RewardOutput(_IN_FORMAT if parsed.problem is None else 0.0)
