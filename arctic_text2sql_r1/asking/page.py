# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""An answer as HTML for notebooks; whatever model and database wrote is text there, never markup."""

import html

from arctic_text2sql_r1.asking.answer import Answer
from arctic_text2sql_r1.asking.answer import told_count
from arctic_text2sql_r1.asking.answer import told_votes
from arctic_text2sql_r1.asking.screen import harmless
from arctic_text2sql_r1.asking.screen import value_text


def answer_html(answer: Answer) -> str:
    """The same parts in the same order as `screen.print_answer`."""
    if not answer.ok:
        return _block("pre", answer.completion) + _block("p", answer.error or answer.status)
    head = "".join(_block("th", name) for name in answer.columns)
    rows = ("".join(_block("td", value_text(value)) for value in row) for row in answer.rows)
    table = f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
    votes = "" if answer.votes is None else f"{told_votes(answer.votes)}; "
    tail = _block("p", f"{votes}{told_count(answer)}, {answer.seconds:.1f} s")
    return _block("p", answer.reasoning) + _block("pre", answer.sql or "") + table + tail


def _block(tag: str, text: str) -> str:
    return f"<{tag}>{html.escape(harmless(text, keep=chr(10)))}</{tag}>" if text != "" or tag in ("td", "th") else ""
