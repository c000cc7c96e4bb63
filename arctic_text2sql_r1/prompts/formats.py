# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Completion formats: where the SQL stands in what a policy writes, how to read it, how to write it.

Each format has two parsers. The strict one anchors the whole completion, blank space apart: every tag once, spelled
exactly, in order, nothing else outside them. The lenient one takes what the strict one takes, and else allows text
around, tags in any ASCII case, a thought or its opening tag missing, an end-of-sequence marker, and several answers or
fences, of which the last complete one counts.

Where the thought is, for the lenient parser: everything up to the last closing thought tag, and everything from the
next opening one on. Only what lies between the two is read, so nothing from inside a thought is run, be it closed,
nested, reopened, unclosed or closed by another format's tag, and no answer that stands before the thought. Thought
tags of every format, and `<thinking>`, `<thought>`, `<reasoning>`, count in every format: a model may think in its own
tags whatever the prompt asks for.

A fence may name an SQL dialect. One that names another language (python, text, json) holds no SQL for either parser;
of several fences the lenient one takes the last that names SQL, else the last that names nothing.

A tag is a tag wherever it stands, also inside a string literal or a comment: neither parser reads SQL before it knows
where the SQL is. `SELECT '</answer>'` is refused by the strict parser and cut at the tag by the lenient one. The same
holds for three backticks. Not read as anything but SQL: `~~~` (`SELECT ~~~1` is valid), a language word without a
fence, HTML escapes such as `&lt;` (a literal may hold one). An answer or fence that is never closed yields nothing.

Every parser is a fixed number of linear scans: no regular expression runs over a completion. Which format a prompt
asks for is said in `templates.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

_FENCE = "```"
_FENCE_LANGUAGES = ("sql", "sqlite", "sqlite3", "mysql", "postgresql", "postgres", "psql", "plsql", "tsql", "duckdb")
_QUERY_WORDS = ("select", "with", "values")
_END_MARKERS = (
    *("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<|return|>"),
    *("<end_of_turn>", "</s>", "<eos>", "<pad>", "<｜end▁of▁sentence｜>"),
)
_MOST_NAME_CHARACTERS = 30
_THINK = ("<think>", "</think>")
_WORKING_OUT = ("<start_working_out>", "<end_working_out>")
_OTHER_THOUGHTS = tuple((f"<{word}>", f"</{word}>") for word in ("thinking", "thought", "reasoning"))
_THOUGHTS = (_THINK, _WORKING_OUT, *_OTHER_THOUGHTS)


@dataclass(frozen=True)
class CompletionFormat:
    """A format: the tags round the thought and round the SQL (both None: no tags), and whether SQL is fenced.

    `fence` is "required", "optional" or "none".
    """

    thought: tuple[str, str] | None
    answer: tuple[str, str] | None
    fence: str


COMPLETION_FORMATS = {
    "think_answer": CompletionFormat(thought=_THINK, answer=("<answer>", "</answer>"), fence="optional"),
    "solution": CompletionFormat(thought=_WORKING_OUT, answer=("<SOLUTION>", "</SOLUTION>"), fence="optional"),
    "fenced": CompletionFormat(thought=None, answer=None, fence="required"),
    "plain": CompletionFormat(thought=None, answer=None, fence="none"),
}


@dataclass(frozen=True)
class ParsedCompletion:
    """The SQL found in a completion, or None and the name of the reason.

    Reasons, "think" and "answer" standing for the format's own tags: empty_completion, no_think, unclosed_think,
    two_thinks, no_answer, unclosed_answer, two_answers, wrong_order, text_around, thought_in_answer, empty_answer,
    no_fence, bad_fence.
    """

    prediction: str | None
    problem: str | None


class _Unparsable(Exception):
    """Carries the name of the problem to `extract_sql`."""


def extract_sql(
    text: str, completion_format: str = "think_answer", parser: str = "strict", prefill: str = ""
) -> ParsedCompletion:
    """The SQL in a completion.

    `prefill` is what the prompt already wrote on the policy's behalf ("<think>"); see `whole_completion`. Raises
    ValueError for an unknown format or parser.
    """
    layout = get_format(completion_format)
    if parser not in _PARSERS:
        raise ValueError(f"Unknown parser '{parser}'. Known: {', '.join(_PARSERS)}.")
    try:
        if text.strip() == "":
            raise _Unparsable("empty_completion")
        sql = _PARSERS[parser](whole_completion(text, prefill).strip(), layout)
        return ParsedCompletion(prediction=sql, problem=None)
    except _Unparsable as unparsable:
        return ParsedCompletion(prediction=None, problem=str(unparsable))


def extract_thought(text: str, completion_format: str = "think_answer", prefill: str = "") -> str:
    """What stands before the last closing tag of a thought, without thought tags; for people, nothing is judged by it.

    A thought that is never closed goes on to the end, or to the SQL's tag. Empty for formats that ask for no thought.
    """
    layout = get_format(completion_format)
    if layout.thought is None or layout.answer is None:
        return ""
    whole = whole_completion(text, prefill)
    folded = _folded(whole)
    ends = [folded.rfind(closing) for _, closing in _THOUGHTS]
    end = max(ends) if max(ends) >= 0 else folded.find(_folded(layout.answer[0]))
    thought = whole[:end] if end >= 0 else whole
    for tag in {tag for tags in _THOUGHTS for tag in tags}:
        thought = _without(thought, tag)
    return thought.strip()


def _without(text: str, tag: str) -> str:
    """`text` without a tag in any ASCII case, in linear time."""
    pieces, start, folded = [], 0, _folded(text)
    while (found := folded.find(tag, start)) >= 0:
        pieces.append(text[start:found])
        start = found + len(tag)
    return "".join([*pieces, text[start:]])


def whole_completion(text: str, prefill: str) -> str:
    """`text` with the prefill in front, unless the policy wrote the prefill once more, as many models do.

    One repetition at the very start is forgiven, also by the strict parser: it cannot change which SQL is read, and
    a model with that habit would otherwise never be paid. A second one is the policy's own and counts as `two_thinks`.
    """
    if prefill.strip() != "" and text.lstrip().startswith(prefill.strip()):
        return text
    return prefill + text


def render_completion(sql: str, thought: str, completion_format: str = "think_answer") -> str:
    """A completion as a supervised target; its strict parser returns `sql`. Formats without tags drop the thought.

    Raises ValueError when the parser would not, because `sql` or `thought` holds a tag or a fence or `sql` is blank.
    """
    layout = get_format(completion_format)
    body = f"{_FENCE}sql\n{sql}\n{_FENCE}" if layout.fence == "required" else sql
    if layout.answer is not None:
        body = f"{layout.answer[0]}{body}{layout.answer[1]}"
    if layout.thought is not None:
        body = f"{layout.thought[0]}{thought}{layout.thought[1]}{body}"
    parsed = extract_sql(body, completion_format=completion_format)
    if parsed.prediction != sql.strip():
        raise ValueError(
            f"A '{completion_format}' completion of SQL '{sql[:80]}' and thought '{thought[:80]}' reads back as "
            f"{parsed.problem or 'other SQL'}. Expected the SQL; leave out tags and fences, or drop the example."
        )
    return body


def get_format(name: str) -> CompletionFormat:
    """The format called `name`. Raises ValueError listing the known ones."""
    if name not in COMPLETION_FORMATS:
        raise ValueError(f"Unknown completion format '{name}'. Known: {', '.join(COMPLETION_FORMATS)}.")
    return COMPLETION_FORMATS[name]


def _folded(text: str) -> str:
    """`text` with ASCII letters in lower case, every character at its old place."""
    # NOTE: str.lower() may lengthen a text ("İ"), and takes the Kelvin sign for a "k"; bytes know ASCII alone.
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _strict(text: str, layout: CompletionFormat) -> str:
    if layout.thought is None or layout.answer is None:
        return _strict_body(text.strip(), layout.fence)
    folded = _folded(text)
    thought_start, thought_end = _only_pair(text, folded, layout.thought, "think")
    answer_start, answer_end = _only_pair(text, folded, layout.answer, "answer")
    after_thought = thought_end + len(layout.thought[1])
    if answer_start < after_thought:
        raise _Unparsable("wrong_order")
    outside = text[:thought_start], text[after_thought:answer_start], text[answer_end + len(layout.answer[1]) :]
    if any(part.strip() != "" for part in outside):
        raise _Unparsable("text_around")
    return _strict_body(text[answer_start + len(layout.answer[0]) : answer_end].strip(), layout.fence)


def _only_pair(text: str, folded: str, tags: tuple[str, str], noun: str) -> tuple[int, int]:
    """Where the one opening and the one closing tag begin. A tag in another case is misspelled but still counts."""
    opening, closing = tags
    if max(folded.count(_folded(opening)), folded.count(_folded(closing))) > 1:
        raise _Unparsable(f"two_{noun}s")
    start, end = text.find(opening), text.find(closing)
    if start < 0:
        raise _Unparsable(f"no_{noun}")
    if end < 0:
        raise _Unparsable(f"unclosed_{noun}")
    if end < start:
        raise _Unparsable("wrong_order")
    return start, end


def _strict_body(body: str, fence: str) -> str:
    """SQL as it stands, or inside the one fence that is all of `body`."""
    fences = body.count(_FENCE)
    if fences == 0 and fence == "required":
        raise _Unparsable("no_fence" if body else "empty_answer")
    if fences > 0:
        if fence == "none" or fences != 2 or not (body.startswith(_FENCE) and body.endswith(_FENCE)):
            raise _Unparsable("bad_fence")
        names_sql, body = _read_fence(body[len(_FENCE) : -len(_FENCE)])
        if names_sql is False:
            raise _Unparsable("bad_fence")
    if body.rstrip().endswith(_END_MARKERS):
        raise _Unparsable("text_around")
    folded = _folded(body)
    if any(tag in folded for tags in _THOUGHTS for tag in tags):
        raise _Unparsable("thought_in_answer")
    return _not_empty(body)


def _lenient(text: str, layout: CompletionFormat) -> str:
    try:
        return _strict(text, layout)
    except _Unparsable:
        text = _outside_thoughts(_without_end_markers(text))
    if layout.answer is not None:
        text = _last_answer(text, layout.answer)
    return _lenient_body(text.strip(), layout.fence)


def _without_end_markers(text: str) -> str:
    """`text` without the end-of-sequence markers that a decoder may have left at the end of its last 16 KiB."""
    head, tail = text[:-16_384], text[-16_384:]  # bounded, since each marker removed copies the tail
    while tail.endswith(_END_MARKERS):
        marker = next(marker for marker in _END_MARKERS if tail.endswith(marker))
        tail = tail.removesuffix(marker).rstrip()
    return head + tail


def _outside_thoughts(text: str) -> str:
    """What follows the last closed thought, up to where another one opens."""
    folded = _folded(text)
    starts, ends = [0], []
    for opening, closing in _THOUGHTS:
        closed = folded.rfind(closing)
        starts.append(closed + len(closing) if closed >= 0 else 0)
        reopened = folded.find(opening, starts[-1])
        if reopened >= 0:
            ends.append(reopened)
    start, end = max(starts), min(ends, default=len(text))
    rest = text[start:end]
    # Without a closed thought, what stands before the unclosed one is an answer before the thought.
    if len(ends) > 0 and (start == 0 or rest.strip() == ""):
        raise _Unparsable("unclosed_think")
    return rest


def _last_answer(text: str, answer: tuple[str, str]) -> str:
    """The inside of the last answer that is closed, up to the first tag that closes it."""
    folded, opening, closing = _folded(text), _folded(answer[0]), _folded(answer[1])
    last_end = folded.rfind(closing)
    start = folded.rfind(opening, 0, max(last_end, 0))
    if start < 0:
        raise _Unparsable("unclosed_answer" if opening in folded else "no_answer")
    start += len(opening)
    return text[start : folded.find(closing, start)]


def _lenient_body(body: str, fence: str) -> str:
    """The SQL of a complete fence if there is one, else all of the body where a fence is not required."""
    parts = body.split(_FENCE)
    if len(parts) >= 3:
        # Fences open and close in turn, so an odd last one is unclosed and does not count.
        return _not_empty(_without_end_markers(_best_fence(parts[1 : len(parts) - 1 : 2]).rstrip()))
    if len(parts) == 2:
        raise _Unparsable("bad_fence")
    if fence == "required":
        raise _Unparsable("no_fence" if body else "empty_answer")
    return _not_empty(_without_end_markers(body))


def _best_fence(fences: list[str]) -> str:
    """The last fence that names SQL, else the last that names no language; blank ones only if there is no other."""
    unnamed: str | None = None
    for fence in reversed(fences):
        if fence == "":
            continue
        names_sql, body = _read_fence(fence)
        if names_sql:
            return body
        if names_sql is None and unnamed is None and body.strip() != "":
            unnamed = body
    if unnamed is not None:
        return unnamed
    raise _Unparsable("empty_answer" if all(fence.strip() == "" for fence in fences) else "bad_fence")


def _read_fence(fenced: str) -> tuple[bool | None, str]:
    """Whether a fence names SQL (None: it names nothing), and its text without that name."""
    text = fenced.lstrip(" \t")
    head = _folded(text[:_MOST_NAME_CHARACTERS])
    name = head.split(maxsplit=1)[0] if head[:1].strip() != "" else ""
    if name in _FENCE_LANGUAGES:
        return True, text[len(name) :]
    names_other = name != "" and name not in _QUERY_WORDS and head[len(name) : len(name) + 1] in ("\n", "\r")
    return (False if names_other else None), fenced


def _not_empty(sql: str) -> str:
    sql = sql.strip()
    if sql == "":
        raise _Unparsable("empty_answer")
    return sql


_PARSERS: dict[str, Callable[[str, CompletionFormat], str]] = {"strict": _strict, "lenient": _lenient}
