# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The cell values of a database that a question mentions.

Candidates are the values that share rare words with the question, ranked by BM25 within their column; of these stay
the ones that the question spells out almost wholly. `prompts.schema.schema_text` shows them beside their columns. Only
the question's text is looked at, never a gold query. What can be found and how it is stored: `value_store.py`.
"""

import os
import re
import unicodedata
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise
from types import TracebackType

from arctic_text2sql_r1.data.value_store import current_store
from arctic_text2sql_r1.prompts.tables import open_read_only
from arctic_text2sql_r1.types import ColumnValues
from arctic_text2sql_r1.types import Text2SQLExample

_CANDIDATES_PER_COLUMN = 20
_CLOSE = 0.85  # share of a value's characters that stand in the question in one piece. Source: arXiv 2503.02240
_SHORT_VALUE = 2
_LEAST_STEM = 4
_COMMON_VALUES = 20_000  # a word in more values than this says little about which one is meant, and costs much time

_CANDIDATES = f"""
WITH hit AS (SELECT rowid AS id, bm25(words) AS score FROM words WHERE words MATCH ?),
ranked AS (
    SELECT place, text, row_number() OVER (PARTITION BY place ORDER BY score, id) AS rank
    FROM hit JOIN value USING (id)
)
SELECT table_name, column_name, text FROM ranked JOIN place ON place.id = ranked.place
WHERE rank <= {_CANDIDATES_PER_COLUMN} ORDER BY place.id, rank
"""


class ValueIndex:
    """The searchable values of one database; of use to the thread that opened it."""

    def __init__(self, store_path: str | os.PathLike[str]) -> None:
        self._connection = open_read_only(os.fspath(store_path))

    @classmethod
    def open(
        cls,
        db_path: str | os.PathLike[str],
        cache_dir: str | os.PathLike[str],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> "ValueIndex":
        """The index of a SQLite file, built below `cache_dir` first if need be; see `value_store.current_store`."""
        return cls(current_store(db_path, cache_dir, on_progress))

    def __enter__(self) -> "ValueIndex":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def lookup(self, text: str, per_column: int = 5) -> dict[tuple[str, str], tuple[str, ...]]:
        """(table, column) -> the values that `text` mentions, at most `per_column`, closest and longest first.

        `text` is the question, with its evidence where it has any. Columns without such a value are left out.
        """
        query = " OR ".join(self._query_terms(text))
        if query == "":
            return {}
        closeness = _Closeness(text)
        found: dict[tuple[str, str], list[tuple[float, str]]] = {}
        for table, column, value in self._connection.execute(_CANDIDATES, (query,)):
            close = closeness.of(value)
            if close >= _CLOSE:
                found.setdefault((table, column), []).append((close, value))
        return {place: _best(mentions, per_column) for place, mentions in found.items()}

    def _query_terms(self, text: str) -> Iterator[str]:
        """The words of `text`, also with up to two last letters off ("Asian" finds "Asia"), if they are rare enough.

        Of common words ("New", "York") pairs that stand side by side are searched for.
        """
        words = re.findall(r"[^\W_]+", text)
        rare = {word: self._is_rare(f'"{word}"') for word in dict.fromkeys(words)}
        for word, is_rare in rare.items():
            if is_rare:
                yield f'"{word}"'
            stems = (word[:-cut] for cut in (1, 2) if len(word) - cut >= _LEAST_STEM)
            yield from (f'"{stem}"' for stem in stems if self._is_rare(f'"{stem}"'))
        common = dict.fromkeys(f'"{one} {two}"' for one, two in pairwise(words) if not (rare[one] or rare[two]))
        yield from (phrase for phrase in common if self._is_rare(phrase))

    def _is_rare(self, term: str) -> bool:
        query = f"SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT {_COMMON_VALUES + 1})"
        (count,) = self._connection.execute(query, (term,)).fetchone()
        return bool(count <= _COMMON_VALUES)


def with_values(example: Text2SQLExample, index: ValueIndex, per_column: int = 5) -> Text2SQLExample:
    """The example with the values of its database that its question and evidence mention."""
    found = index.lookup(f"{example.question}\n{example.evidence}", per_column)
    values = (ColumnValues(table, column, mentions) for (table, column), mentions in found.items())
    return replace(example, values=tuple(values))


class _Closeness:
    """How much of a value one text spells out."""

    def __init__(self, text: str) -> None:
        self._words = frozenset(re.findall(r"[^\W_]+", text))
        self._folded = _fold(text)
        # SequenceMatcher prepares its second sequence once and compares any number of first ones with it.
        self._matcher = SequenceMatcher(None, "", self._folded, autojunk=False)

    def of(self, value: str) -> float:
        """The longest piece of `value` that stands in the text, case and accents aside, as a share of its length.

        A value of one or two characters must be a word of the text in its own case: "A" is rarely meant by "a".
        """
        if len(value) <= _SHORT_VALUE:
            return float(value in self._words)
        folded = _fold(value)
        if folded in self._folded:
            return 1.0
        self._matcher.set_seq1(folded)
        return self._matcher.find_longest_match().size / max(1, len(folded))


def _fold(text: str) -> str:
    """`text` without case and accents, as the index compares words."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _best(mentions: list[tuple[float, str]], most: int) -> tuple[str, ...]:
    # sorted() is stable: equally close and long values keep the order of their BM25 score
    ordered = sorted(mentions, key=lambda mention: (-mention[0], -len(mention[1])))
    return tuple(value for _, value in ordered[:most])
