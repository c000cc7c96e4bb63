# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Completion formats: where the SQL stands in what a policy writes, how to read it, how to write it.

Each format has two parsers. The strict one anchors the whole completion, blank space apart: every tag once, in order,
nothing else outside them. The lenient one takes the last complete place for SQL and allows text around it. Neither
ever takes anything from inside the thought, and both are a fixed number of linear scans: no regular expression runs
over a completion. Which format a prompt asks for is said in `templates.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

_FENCE = "```"
_FENCE_LANGUAGES = ("sql", "sqlite", "sqlite3")
_THINK = ("<think>", "</think>")


@dataclass(frozen=True)
class CompletionFormat:
    """A format: the tags round the thought and round the SQL (None: no such tags), and whether SQL is fenced.

    `fence` is "required", "optional" or "none".
    """

    thought: tuple[str, str] | None
    answer: tuple[str, str] | None
    fence: str


COMPLETION_FORMATS = {
    "think_answer": CompletionFormat(thought=_THINK, answer=("<answer>", "</answer>"), fence="optional"),
    "fenced": CompletionFormat(thought=None, answer=None, fence="required"),
    "plain": CompletionFormat(thought=None, answer=None, fence="none"),
}


@dataclass(frozen=True)
class ParsedCompletion:
    """The SQL found in a completion, or None and the name of the reason.

    Reasons: empty_completion, no_think, unclosed_think, two_thinks, no_answer, unclosed_answer, two_answers,
    wrong_order, text_around, empty_answer, no_fence, bad_fence.
    """

    prediction: str | None
    problem: str | None


class _Unparsable(Exception):
    """Carries the name of the problem to `extract_sql`."""


def extract_sql(
    text: str, completion_format: str = "think_answer", parser: str = "strict", prefill: str = ""
) -> ParsedCompletion:
    """The SQL in a completion.

    `prefill` is what the prompt's template already wrote on the policy's behalf ("<think>"); the completion lacks it,
    so it is put in front before parsing. Raises ValueError for an unknown format or parser.
    """
    layout = get_format(completion_format)
    if parser not in _PARSERS:
        raise ValueError(f"Unknown parser '{parser}'. Known: {', '.join(_PARSERS)}.")
    try:
        if text.strip() == "":
            raise _Unparsable("empty_completion")
        return ParsedCompletion(prediction=_PARSERS[parser](prefill + text, layout), problem=None)
    except _Unparsable as unparsable:
        return ParsedCompletion(prediction=None, problem=str(unparsable))


def render_completion(sql: str, thought: str, completion_format: str = "think_answer") -> str:
    """A completion as a supervised target; its strict parser returns `sql`. Formats without tags drop the thought."""
    layout = get_format(completion_format)
    body = f"{_FENCE}sql\n{sql}\n{_FENCE}" if layout.fence == "required" else sql
    if layout.answer is not None:
        body = f"{layout.answer[0]}{body}{layout.answer[1]}"
    if layout.thought is not None:
        body = f"{layout.thought[0]}{thought}{layout.thought[1]}{body}"
    return body


def get_format(name: str) -> CompletionFormat:
    """The format called `name`. Raises ValueError listing the known ones."""
    if name not in COMPLETION_FORMATS:
        raise ValueError(f"Unknown completion format '{name}'. Known: {', '.join(COMPLETION_FORMATS)}.")
    return COMPLETION_FORMATS[name]


def _strict(text: str, layout: CompletionFormat) -> str:
    text = text.strip()
    if layout.thought is not None:
        text = _after_only_thought(text, layout.thought, layout.answer)
    if layout.answer is not None:
        text = _only_answer(text, layout.answer)
    return _strict_body(text.strip(), layout.fence)


def _after_only_thought(text: str, thought: tuple[str, str], answer: tuple[str, str] | None) -> str:
    """What follows the one thought that `text` must begin with."""
    opening, closing = thought
    counts = text.count(opening), text.count(closing)
    if max(counts) > 1:
        raise _Unparsable("two_thinks")
    if counts[0] == 0:
        raise _Unparsable("no_think")
    if counts[1] == 0:
        raise _Unparsable("unclosed_think")
    start, end = text.find(opening), text.find(closing)
    if end < start or (answer is not None and answer[0] in text[:end]):
        raise _Unparsable("wrong_order" if answer is None or text.count(answer[0]) < 2 else "two_answers")
    if start > 0:
        raise _Unparsable("text_around")
    return text[end + len(closing) :]


def _only_answer(text: str, answer: tuple[str, str]) -> str:
    """The inside of the one answer that `text` must be."""
    opening, closing = answer
    counts = text.count(opening), text.count(closing)
    if max(counts) > 1:
        raise _Unparsable("two_answers")
    if counts[0] == 0:
        raise _Unparsable("no_answer")
    if counts[1] == 0:
        raise _Unparsable("unclosed_answer")
    text = text.strip()
    if text.find(closing) < text.find(opening):
        raise _Unparsable("wrong_order")
    if not (text.startswith(opening) and text.endswith(closing)):
        raise _Unparsable("text_around")
    return text[len(opening) : -len(closing)]


def _strict_body(body: str, fence: str) -> str:
    """SQL as it stands, or inside the one fence that is all of `body`."""
    fences = body.count(_FENCE)
    if fences == 0 and fence == "required":
        raise _Unparsable("no_fence" if body else "empty_answer")
    if fences > 0:
        if fence == "none" or fences != 2 or not (body.startswith(_FENCE) and body.endswith(_FENCE)):
            raise _Unparsable("bad_fence")
        body = _without_language(body[len(_FENCE) : -len(_FENCE)])
    return _not_empty(body)


def _lenient(text: str, layout: CompletionFormat) -> str:
    text = _outside_thought(text, layout.thought or _THINK)
    if layout.answer is not None:
        text = _last_answer(text, layout.answer)
    return _lenient_body(text.strip(), layout.fence)


def _outside_thought(text: str, thought: tuple[str, str]) -> str:
    """What follows the last closed thought, up to where another one opens."""
    opening, closing = thought
    end = text.rfind(closing)
    rest = text if end < 0 else text[end + len(closing) :]
    reopened = rest.find(opening)
    if reopened >= 0:
        rest = rest[:reopened]
    if reopened >= 0 and rest.strip() == "":
        raise _Unparsable("unclosed_think")
    return rest


def _last_answer(text: str, answer: tuple[str, str]) -> str:
    opening, closing = answer
    end = text.rfind(closing)
    start = text.rfind(opening, 0, max(end, 0))
    if start < 0:
        raise _Unparsable("unclosed_answer" if opening in text else "no_answer")
    return text[start + len(opening) : end]


def _lenient_body(body: str, fence: str) -> str:
    """The last complete fence if there is one, else all of it where a fence is not required."""
    fences = body.count(_FENCE)
    if fences >= 2:
        # Fences open and close in turn, so an odd last one is unclosed and does not count.
        return _not_empty(_without_language(body.rsplit(_FENCE, 2 + fences % 2)[1]))
    if fences == 1:
        raise _Unparsable("bad_fence")
    if fence == "required":
        raise _Unparsable("no_fence" if body else "empty_answer")
    return _not_empty(body)


def _without_language(fenced: str) -> str:
    """Drop the language that may follow an opening fence."""
    head = fenced[: max(map(len, _FENCE_LANGUAGES)) + 1]
    for language in _FENCE_LANGUAGES:
        rest = head[len(language) :]
        if head.lower().startswith(language) and (rest == "" or rest[0].isspace()):
            return fenced[len(language) :]
    return fenced


def _not_empty(sql: str) -> str:
    sql = sql.strip()
    if sql == "":
        raise _Unparsable("empty_answer")
    return sql


_PARSERS: dict[str, Callable[[str, CompletionFormat], str]] = {"strict": _strict, "lenient": _lenient}
