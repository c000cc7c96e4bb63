# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Reads SQL text as SQLite's own tokenizer does: enough to fold it, and to find the clauses of the outermost SELECT.

Not a parser. Two facts of the grammar make a token scan exact where a text search is not: every SELECT but the
outermost one stands in parentheses, and so does every window. An ORDER BY outside all parentheses is therefore the
outermost one. Linear in the length of the text; standard library only, because every worker imports this.
"""

import re
from dataclasses import dataclass

from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus

# Each alternative starts with characters that no other starts with, and none can fail after it has started, so the
# scan never backtracks. As in SQLite, an unterminated literal or comment runs to the end of the text (but "/*" as the
# last two characters are two signs), a vertical tab is a blank only after another blank, a byte order mark is a blank
# where a token could start, and every other character beyond ASCII belongs to a word.
_TOKEN = re.compile(
    r"""
      (?P<blank>   [ \t\n\f\r][ \t\n\v\f\r]* | \ufeff | --[^\n]* | /\*(?!\Z)(?:[^*]+|\*(?!/))*(?:\*/)? )
    | (?P<blob>    [xX]'[^']*'? )
    | (?P<string>  '(?:[^']+|'')*'? )
    | (?P<quoted>  "(?:[^"]+|"")*"? | `(?:[^`]+|``)*`? | \[[^\]]*\]? )
    | (?P<number>  \.?[0-9](?:[eE][+-](?=[0-9])|[\w.$\x80-\U0010FFFF])* )
    | (?P<variable>[?:@\#$][\w:$\x80-\U0010FFFF]* )
    | (?P<word>    [A-Za-z_\x80-\U0010FFFF][\w$\x80-\U0010FFFF]* )
    | (?P<sign>    ->>? | <[<=>]? | >[>=]? | == | != | \|\| | . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
# What stands between words in an expression that has no other signs.
_OPERATOR_WORD = re.compile(
    r"\b(?:and|or|not|is|isnull|notnull|in|like|glob|regexp|match|between|collate|escape|case)\b", re.IGNORECASE
)
_NAME_OF_WORDS = re.compile(r"[\w$ \x80-\U0010FFFF]*", re.ASCII)
_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class Token:
    """One token with its place in the text; `depth` counts the parentheses around it, words are in lower case."""

    kind: str
    text: str
    start: int
    end: int
    depth: int


def tokenize(sql: str) -> list[Token]:
    """Every token of `sql` except blanks and comments. A closing parenthesis has the depth of its opening one."""
    tokens: list[Token] = []
    depth = 0
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "sign"
        if kind == "blank":
            continue
        text = match.group()
        if kind == "word":
            # SQLite folds ASCII letters only: É and é are different identifiers.
            text = text.translate(_UPPER_TO_LOWER)
        if text == ")":
            depth -= 1
        tokens.append(Token(kind, text, match.start(), match.end(), depth))
        if text == "(":
            depth += 1
    return tokens


def first_word(sql: str) -> str:
    """The first token that is not a semicolon, in lower case; empty when there is none. Looks no further."""
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "blank" and match.group() != ";":
            return match.group().lower()
    return ""


def fold(sql: str) -> str:
    """`sql` with blanks, comments, the case of unquoted words and final semicolons folded away.

    Two texts that fold to the same text do the same thing once `without_tail` has been applied to them; literals and
    quoted identifiers are kept to the letter.
    """
    # Without `Token` objects: this runs on every prediction of a batch.
    pieces = [
        match.group().translate(_UPPER_TO_LOWER) if match.lastgroup == "word" else match.group()
        for match in _TOKEN.finditer(sql)
        if match.lastgroup != "blank"
    ]
    while pieces and pieces[-1] == ";":
        pieces.pop()
    return without_tail(sql) if _may_name_an_expression(pieces) else " ".join(pieces)


def without_tail(sql: str) -> str:
    """`sql` up to its last token that is no semicolon: sqlite3 takes a second one for a second statement."""
    end = 0
    for match in _TOKEN.finditer(sql):
        if match.lastgroup != "blank" and match.group() != ";":
            end = match.end()
    return sql[:end]


def _may_name_an_expression(pieces: list[str]) -> bool:
    """Whether blanks may matter: SQLite names a subquery's column by its text, `SELECT "a+b" FROM (SELECT a+b ...)`.

    NATURAL JOIN compares such names too.
    """
    if pieces.count("select") < 2:
        return False
    return any(piece == "natural" or (piece[0] in '"`[' and _can_be_expression(piece[1:-1])) for piece in pieces)


def _can_be_expression(name: str) -> bool:
    return _NAME_OF_WORDS.fullmatch(name) is None or _OPERATOR_WORD.search(name) is not None


@dataclass(frozen=True)
class Outline:
    """Where the clauses of the outermost SELECT lie, as indices into `tokens`; -1 where there is none.

    `order` is the word ORDER, `order_end` the first token after its terms, `main_from` the FROM of a SELECT that is
    not a compound.
    """

    tokens: list[Token]
    order: int
    order_end: int
    main_from: int
    compound: bool


def outline(sql: str) -> Outline:
    """The clauses of the outermost SELECT of one statement."""
    tokens = _without_wrapping(tokenize(sql))
    top = [i for i, token in enumerate(tokens) if token.depth == 0 and token.kind in ("word", "sign")]
    order, order_end = _order_clause(tokens, top)
    words = {tokens[i].text for i in top}
    return Outline(
        tokens=tokens,
        order=order,
        order_end=order_end,
        main_from=_main_from(tokens, top),
        compound=not words.isdisjoint({"union", "intersect", "except"}),
    )


def orders_rows(sql: str) -> bool:
    """Whether the outermost SELECT of `sql` has an ORDER BY; one inside a window, subquery or CTE does not count."""
    return outline(sql).order >= 0


def _order_clause(tokens: list[Token], top: list[int]) -> tuple[int, int]:
    """The last `order by` at the top, and the token after its terms."""
    order = -1
    for i in top:
        if tokens[i].text == "order" and i + 1 < len(tokens) and tokens[i + 1].text == "by":
            order = i
    if order < 0:
        return -1, -1
    for i in top:
        if i > order and tokens[i].text in ("limit", "offset", "fetch", ";"):
            return order, i
    return order, len(tokens)


def _main_from(tokens: list[Token], top: list[int]) -> int:
    """The first FROM at the top that is not the tail of IS [NOT] DISTINCT FROM."""
    for i in top:
        if tokens[i].text == "from" and i > 0 and not _ends_is_distinct(tokens, i):
            return i
    return -1


def _ends_is_distinct(tokens: list[Token], i: int) -> bool:
    return tokens[i - 1].text == "distinct" and i > 1 and tokens[i - 2].text in ("is", "not")


def _without_wrapping(tokens: list[Token]) -> list[Token]:
    """Drop final semicolons and parentheses round the whole statement, which engines other than SQLite allow."""
    end = len(tokens)
    while end > 0 and tokens[end - 1].text == ";" and tokens[end - 1].depth == 0:
        end -= 1
    closing = _closing_places(tokens[:end])
    wraps = 0
    while wraps < end - 1 - wraps and closing.get(wraps) == end - 1 - wraps:
        wraps += 1
    if wraps == 0:
        return tokens[:end]
    return [Token(t.kind, t.text, t.start, t.end, t.depth - wraps) for t in tokens[wraps : end - wraps]]


def _closing_places(tokens: list[Token]) -> dict[int, int]:
    """For each opening parenthesis that is closed, the index of the one that closes it."""
    places: dict[int, int] = {}
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.text == "(":
            opened.append(i)
        elif token.text == ")" and len(opened) > 0:
            places[opened.pop()] = i
    return places


def refusal(sql: str, max_sql_bytes: int) -> ExecutionResult | None:
    """The outcome of text that no engine gets to see: too long, no valid Unicode, or with a NUL character.

    None for all other text. What is wrong counts wherever it stands, also in a comment that `fold` drops.
    """
    if len(sql) > max_sql_bytes:
        size = f"more than {max_sql_bytes}"
    else:
        try:
            encoded = len(sql.encode("utf-8"))
        except UnicodeEncodeError as error:
            return ExecutionResult(ExecutionStatus.SYNTAX_ERROR, error=f"not valid UTF-8: {error.reason}")
        if "\0" in sql:
            return ExecutionResult(ExecutionStatus.SYNTAX_ERROR, error="statement contains a NUL character")
        if encoded <= max_sql_bytes:
            return None
        size = str(encoded)
    return ExecutionResult(ExecutionStatus.LIMIT, error=f"statement has {size} bytes, at most {max_sql_bytes} are run")
