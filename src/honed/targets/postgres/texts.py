"""What a statement's text says of it: what it does, which tables it names, which parameters."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from honed.targets.postgres.connection import MARK

#: Texts longer than this are not parsed: the parser is Python and takes seconds for them.
LONGEST_PARSED = 50_000

_PARAMETER = re.compile(r"\$\d")
_WRITES: dict[type[exp.Expr], str] = {
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
}
#: Functions that say something of the server or the session and nothing of a table.
_ABOUT_SERVER = frozenset(
    {
        "set_config",
        "current_setting",
        "version",
        "now",
        "nextval",
        "setval",
        "currval",
        "txid_current",
    }
)
_FIRST_WORD = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(?\s*([a-z]+)", re.IGNORECASE | re.DOTALL
)
#: What a statement begins with that is more than a command; the parser complains about the others.
_PARSED = frozenset({"select", "with", "values", "table", "insert", "update", "delete", "merge"})
#: One token of a text, as PostgreSQL's lexer has it (documentation, section 4.1); what was cut off
#: in the middle of a constant or comment goes on to the end.
_TOKEN = re.compile(
    r"""
      (?P<comment>
          --[^\n]*
        | /\*(?:[^*/]|\*(?!/)|/(?!\*)|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))*(?:\*/|\Z)
      )
    | (?P<string>
          [eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)
        | (?:[bBnNxX]|[uU]&)?'[^']*(?:''[^']*)*(?:'|\Z)
        | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
      )
    | (?P<name>
          "[^"]*(?:""[^"]*)*(?:"|\Z)
        | \$\d+
        | [^\W\d][\w$]*
      )
    | (?P<number>
          0[xXoObB]\w+
        | (?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?
      )
    """,
    re.VERBOSE | re.DOTALL,
)
#: Stands in a normalised text for the rest of a list of constants (PostgreSQL 18).
_FOLDED = "/*, ... */"
#: Digits of the numbers that are no constants: positions in ORDER BY, sizes of types.
_MOST_DIGITS = 4
_WRITE_WORD = re.compile(r"\b(insert\s+into|update|delete\s+from|merge\s+into)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StatementText:
    """A statement's text, taken apart as far as it could be."""

    text: str
    #: None: the parser does not understand it.
    tree: exp.Expr | None

    @classmethod
    def parse(cls, text: str) -> "StatementText":
        """Return the text with its tree."""
        if len(text) > LONGEST_PARSED or _first_word(text) not in _PARSED:
            return cls(text, None)
        try:
            trees = sqlglot.parse(text, dialect="postgres")
        except (SqlglotError, RecursionError):
            return cls(text, None)
        tree = trees[0] if len(trees) == 1 else None
        # A command is what the parser passes on without understanding it.
        return cls(text, tree if isinstance(tree, exp.Expr) else None)

    @property
    def has_parameters(self) -> bool:
        """Whether something like ``$1`` stands in it; also true where only a string looks so."""
        return _PARAMETER.search(self.text) is not None

    def sort(self) -> str:
        """Return what it does, as ``honed.statement.sort`` has it."""
        if MARK in self.text:
            return "own"
        if self.tree is None or isinstance(self.tree, exp.Command):
            return self._sort_by_words()
        for node_type, sort in _WRITES.items():
            if self.tree.find(node_type):
                return sort
        if not isinstance(self.tree, exp.Query | exp.Values) or self.tree.find(exp.Into):
            return "utility"
        if self.tree.find(exp.Lock):
            # It takes row locks, which a role that only reads may not.
            return "update"
        return "own" if self._is_about_server() else "select"

    def _sort_by_words(self) -> str:
        word = _first_word(self.text)
        if word in {"insert", "update", "delete", "merge"}:
            return word
        if word not in {"select", "with", "values", "table"}:
            return "utility"
        write = _WRITE_WORD.search(self.text)
        return write.group(1).split()[0].lower() if write else "select"

    def tables(self) -> list[exp.Table]:
        """Return the tables that it names, without the names that it defines itself."""
        if self.tree is None:
            return []
        defined = {cte.alias_or_name for cte in self.tree.find_all(exp.CTE)}
        return [
            table
            for table in self.tree.find_all(exp.Table)
            if isinstance(table.this, exp.Identifier)
            and not (table.name in defined and not table.db)
        ]

    def names_any(self, tables: Collection[tuple[str, str]]) -> bool:
        """Return whether it names one of ``tables``, given as schema and name.

        A name without a schema may mean a table of any schema.
        """
        return any(
            name.name == table and name.db in {"", schema}
            for name in self.tables()
            for schema, table in tables
        )

    def _is_about_server(self) -> bool:
        tables = self.tables()
        if tables:
            return all(_is_system(table) for table in tables)
        assert self.tree is not None  # noqa: S101 - the caller asked
        names = [function.name.lower() for function in self.tree.find_all(exp.Anonymous)]
        return all(name in _ABOUT_SERVER or name.startswith("pg_") for name in names)


def without_constants(text: str, *, is_normalised: bool = False) -> str:
    """Return ``text`` with ``$n`` for each constant and without comments: no value of a row in it.

    Hints of pg_hint_plan, honed's own mark and what stands for a folded list remain. It works for
    texts that are cut, and for parts of a text such as the conditions of a plan.

    Args:
        text: of a statement, or a part of one.

        is_normalised: the server has put ``$n`` for constants already. It leaves them in place
            where it forgot the statement while that ran, so strings and long numbers are taken for
            constants all the same; short numbers are positions or sizes of types.

    Not guaranteed: with standard_conforming_strings off a text seen running is read wrongly where
    a backslash stands before a quote.
    """
    highest = max((int(number) for number in re.findall(r"\$(\d{1,6})\b", text)), default=0)
    numbers = count(highest + 1)

    def replaced(match: re.Match[str]) -> str:
        token = match.group()
        if match.lastgroup == "name":
            return token
        if match["comment"] is not None:
            return token if token in {MARK, _FOLDED} or token.startswith("/*+") else " "
        is_short = match["number"] is not None and len(token) <= _MOST_DIGITS
        return token if is_normalised and is_short else f"${next(numbers)}"

    return _TOKEN.sub(replaced, text).strip()


def _first_word(text: str) -> str:
    match = _FIRST_WORD.match(text)
    return match.group(1).lower() if match else ""


def _is_system(table: exp.Table) -> bool:
    if table.db:
        return table.db in {"pg_catalog", "information_schema"} or table.name.startswith("pg_stat_")
    return table.name.startswith("pg_")
