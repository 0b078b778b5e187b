"""A loop that looks up one row in each turn, rewritten to look up all of them once before it."""

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from honed.repair.refactor.asking.asked_in_loops import Loop, askings_in
from honed.repair.refactor.asking.elements import Elements, elements_of
from honed.repair.refactor.asking.harmless import check_harmless
from honed.repair.refactor.asking.lookups import NotCertain, Table, check_lookup, require
from honed.repair.refactor.asking.turns import Turn, turn_of
from honed.repair.refactor.package import Package
from honed.repair.refactor.refactor import Proof, Refactor, refactored, removed
from honed.repair.suite import Edit

#: The driver that makes an array of a list, and takes %s for a parameter.
_DRIVER: Final = "psycopg"
#: What else may be behind a connection.
_OTHERS: Final = frozenset({
    "MySQLdb", "aiopg", "aiosqlite", "asyncpg", "duckdb", "mysql", "oracledb", "pg8000",
    "psycopg2", "pymysql", "pyodbc", "sqlite3",
})  # fmt: skip
_HANDED_ON: Final = "a row is handed on as a whole, or written to"
_UNREAD: Final = "how its rows are read is not known: by name, or by number"


@dataclass(frozen=True, slots=True)
class Batch:
    """A loop of which the text alone says nothing against asking once."""

    turn: Turn
    elements: Elements
    #: Whether rows are read by name; else by number.
    is_by_name: bool

    @property
    def tables(self) -> Collection[str]:
        """The names of the tables of which the database has to be asked."""
        named = {self.turn.asking.lookup.source.name}
        return named | ({self.elements.source.name} if self.elements.source else set())

    def rewritten(self, tables: Sequence[Table]) -> Refactor:
        """Return the change.

        Args:
            tables: everything in the database that has one of the names of ``tables``.

        Raises:
            NotCertain: the database does not promise that the loop does the same with it.
        """
        turn, asking = self.turn, self.turn.asking
        check_lookup(asking.lookup, tables, self.elements.type(tables))
        module, source = turn.module, turn.module.source
        fresh = module.fresh(f"{asking.lookup.source.name}_by_{asking.lookup.key}".lower())
        require(fresh.isidentifier(), "its table has a name that Python cannot have")
        key, begin = source.of(asking.key), source.line_start(turn.statement.lineno)
        edits = [
            Edit(begin, begin, self._prelude(fresh)),
            Edit(source.start(asking.fetch), source.end(asking.fetch), f"{fresh}.get({key})"),
        ]
        edits += [removed(module, asking.ask)] if asking.ask else []
        line = getattr(turn.loop, "lineno", 0)
        reason = f"line {line}: each turn asks the database for one row, once can ask for all"
        proof = Proof.DECLARED if self.elements.is_declared else Proof.ANALYSED
        change = refactored("ask_once", reason, proof, [(module, edits)])
        if change is None:
            raise NotCertain("its text cannot be changed")  # noqa: EM101, TRY003
        return change

    def _prelude(self, fresh: str) -> str:
        source, asking = self.turn.module.source, self.turn.asking
        lookup, place = asking.lookup, asking.lookup.key_place
        text = lookup.many(with_key=place is None)
        index = len(lookup.fields) if place is None else place
        name = lookup.key if place is None else lookup.fields[place].name
        at = _literal(name) if self.is_by_name else str(index)
        lines = [
            f"{fresh} = {{",
            f"    row[{at}]: row",
            f"    for row in {source.of(asking.owner)}.execute(",
            f"        {_literal(text)},",
            f"        [{self._keys()}],",
            "    )",
            "}",
        ]
        indent, ends = source.indent(self.turn.statement), source.ends()
        return "".join(f"{indent}{line}{ends}" for line in lines)

    def _keys(self) -> str:
        source, turn = self.turn.module.source, self.turn
        key, target = source.of(turn.asking.key), source.of(turn.target)
        if key == target and turn.certain.builtin("list"):
            return f"list({turn.through})"
        return f"[{key} for {target} in {turn.through}]"


def batch_of(package: Package, loop: Loop, query: str) -> Batch:
    """Return a loop that may ask once; whether it does the same the database has to say.

    Args:
        package: the sources.

        loop: one that ``loops_around`` found for the query.

        query: without its values.

    Raises:
        NotCertain: it may not, and why.
    """
    require(not loop.through, f"{loop.through} asks, which the loop calls")
    askings = askings_in(package, loop, query)
    require(len(askings) == 1, "it asks in more than one place")
    ((node, around),) = askings
    turn = turn_of(package.modules[loop.path], node, around)
    elements = elements_of(turn)
    is_by_name = _is_read_by_name(turn)
    check_harmless(turn)
    drivers = _imported(package)
    is_alone = _DRIVER in drivers and not drivers & _OTHERS
    require(is_alone, "it is not certain that psycopg is the driver, and no other")
    return Batch(turn, elements, is_by_name)


def _imported(package: Package) -> set[str]:
    """Return the packages that the sources import."""
    found = set()
    for module in package.modules.values():
        for node in ast.walk(module.tree):
            match node:
                case ast.Import(names=names):
                    found |= {each.name.partition(".")[0] for each in names}
                case ast.ImportFrom(module=str(name), level=0):
                    found.add(name.partition(".")[0])
    return found


def _literal(text: str) -> str:
    """Return a text as Python writes it, between double quotes where it can."""
    return repr(text) if '"' in text or "\\" in text else f'"{text}"'


def _is_read_by_name(turn: Turn) -> bool:
    """Return whether rows are read by name; where they are not, they are by number."""
    fetch, lookup = turn.asking.fetch, turn.asking.lookup
    match turn.module.source.parents[fetch]:
        case ast.Assign(targets=[ast.Tuple(elts=elements)]):
            is_whole = all(isinstance(each, ast.Name) for each in elements)
            require(is_whole and len(elements) == len(lookup.fields), _UNREAD)
            # One value more could not be unpacked.
            require(lookup.key_place is not None, "it unpacks rows, and they are without the key")
            return False
        case ast.Assign(targets=[ast.Name(id=name)]):
            uses = turn.certain.uses(name)
            bound = [each for each in uses if not isinstance(each.ctx, ast.Load)]
            is_own = name in turn.certain.own and len(bound) == 1
            require(is_own, f"{name} is not the row alone")
            read = {_field(turn, each) for each in uses if each not in bound}
        case _:
            read = {_field(turn, fetch)}
    fields = read - {None}
    if fields and fields <= {each.name for each in lookup.fields}:
        return True
    require(fields and fields <= set(range(len(lookup.fields))), _UNREAD)
    return False


def _field(turn: Turn, use: ast.expr) -> str | int | None:
    """Return which field of a row is read; None: only whether there is a row.

    Raises:
        NotCertain: something else is done with it.
    """
    match turn.module.source.parents[use]:
        case ast.Subscript(
            value=row, slice=ast.Constant(value=str() | int() as at), ctx=ast.Load()
        ) if row is use:
            return at
        case ast.Compare(ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return None
        case ast.UnaryOp(op=ast.Not()):
            return None
        case ast.If(test=test) | ast.IfExp(test=test) if test is use:
            return None
    raise NotCertain(_HANDED_ON)
