"""The stash: shared memory in which PostgreSQL 19 keeps advice for statements (pg_stash_advice).

Sessions look advice up under the name that their setting pg_stash_advice.stash_name has: it may be
one of everybody, of a database or of a role. It is no part of a transaction: what was put there is
there at once, whatever becomes of the transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.plan_pins.keeper import QUERIES, actor_of
from honed.targets.postgres.target import PostgresTarget

#: The extension, and the mechanism of a pin that is stashed; neither is ever renamed.
EXTENSION, MECHANISM = "pg_stash_advice", "stash_advice"

_THERE = sql.SQL(
    "FROM {schema}.pg_get_advice_stash_contents(NULL) AS c"
    " WHERE c.stash_name = {stash} AND c.query_id = {statement_id}"
)
_SAME = sql.SQL(" AND c.advice_string = {advice}")
_SET = sql.SQL("{schema}.pg_set_stashed_advice({stash}, {statement_id}, {advice})")
_DO = sql.SQL("""\
BEGIN
  IF EXISTS (SELECT {there}) THEN
    RAISE EXCEPTION 'statement % has advice already in the stash %', {statement_id}, {stash};
  END IF;
  PERFORM {set};
END""")
_UNDO = sql.SQL("SELECT {clear} WHERE EXISTS (SELECT {there})")
_INSPECT = sql.SQL("SELECT CASE WHEN EXISTS (SELECT {there}) THEN 'done' ELSE 'absent' END")


@dataclass(frozen=True, slots=True)
class Stash:
    """Where sessions of one database look advice up; implements ``Keeper``."""

    #: Of the extension's functions.
    schema: str
    #: Whether sessions, as the observing role has them, load the library.
    is_loaded: bool
    #: Whether it is written to disk, so that it is there after a restart.
    is_kept: bool
    #: Whether the observing role may see what is stashed.
    may_be_read: bool
    #: Whether the acting role may change it; True where there is none.
    may_be_written: bool
    actor: str = ""
    #: The stash that sessions use, as the observing role has it, and those of single roles.
    default: str = ""
    by_role: Mapping[str, str] = field(default_factory=dict)
    #: The advice of each stash that there is, by statement.
    advice: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Whose sessions are meant; None: everybody's.
    roles: tuple[str, ...] | None = None

    @property
    def names(self) -> list[str]:
        """The stashes that these sessions use; empty for those that use none."""
        if self.roles is None:
            return sorted({self.default, *self.by_role.values()})
        used = {self.by_role.get(role, self.default) for role in self.roles}
        return sorted(used or {self.default})

    @property
    def words(self) -> Mapping[str, str]:
        """What is stashed where these sessions look, by statement; see ``Keeper``."""
        return {
            statement: advice
            for name in self.names
            for statement, advice in self.advice.get(name, {}).items()
        }

    @property
    def place(self) -> str:
        """Name the stash in a sentence."""
        return f"the stash {', '.join(filter(None, self.names))}"

    @property
    def reach(self) -> str:
        """Name the sessions that look there."""
        return f"sessions that use {self.place}"

    @property
    def obstacle(self) -> str:
        """Return why no pin can be put there; empty: it can."""
        return self._unloaded or self._unused or self._forbidden

    @property
    def _unloaded(self) -> str:
        if self.is_loaded and self.is_kept:
            return ""
        lacks = "is lost at a restart" if self.is_loaded else "is not obeyed"
        return (
            f"what is stashed {lacks}: name {EXTENSION} in shared_preload_libraries, and leave"
            f" {EXTENSION}.persist on"
        )

    @property
    def _unused(self) -> str:
        if not any(self.names):
            return (
                f"sessions use no stash: make one (SELECT {self.schema}.pg_create_advice_stash('"
                "honed')), and let them use it (ALTER DATABASE ... SET"
                f" {EXTENSION}.stash_name = 'honed')"
            )
        if self.roles is not None and len(self.names) > 1:
            return f"the roles that run it ({', '.join(self.roles)}) do not use the same stash"
        return ""

    @property
    def _forbidden(self) -> str:
        if not self.may_be_read:
            return (
                "the observing role may not see what is stashed (GRANT EXECUTE ON FUNCTION"
                f" {self.schema}.pg_get_advice_stashes(),"
                f" {self.schema}.pg_get_advice_stash_contents(text))"
            )
        if not self.may_be_written:
            return (
                f"the acting role {self.actor} may not stash advice (GRANT EXECUTE ON FUNCTION"
                f" {self.schema}.pg_set_stashed_advice(text, bigint, text),"
                f" {self.schema}.pg_get_advice_stash_contents(text))"
            )
        used = [name for name in self.names if name]
        if not self.advice.keys() & set(used):
            return (
                f"there is no stash {used[0]}, which sessions use"
                f" (SELECT {self.schema}.pg_create_advice_stash('{used[0]}'))"
            )
        return ""

    def of(self, roles: Sequence[str]) -> "Stash":
        """Return the stash that sessions of ``roles`` use; see ``Keeper``."""
        return replace(self, roles=tuple(roles))

    def step(self, statement_id: str, words: str) -> Step:
        """Return the step that stashes advice; see ``Keeper``."""
        (name,) = self.names
        parts: dict[str, sql.Composable] = {
            "schema": sql.Identifier(self.schema),
            "stash": sql.Literal(name),
            "statement_id": sql.SQL("{}::bigint").format(sql.Literal(int(statement_id))),
        }
        there, advice = _THERE.format(**parts), sql.Literal(words)
        same = there + _SAME.format(advice=advice)
        body = _DO.format(there=there, set=_SET.format(**parts, advice=advice), **parts)
        clear = _SET.format(**parts, advice=sql.NULL)
        return Step(
            f"stash for statement {statement_id} in {name} the advice {words}",
            # A literal, because what a relation is called may end any other quotes.
            do=(sql.SQL("DO {}").format(sql.Literal(body.as_string(None))).as_string(None),),
            undo=(_UNDO.format(clear=clear, there=same).as_string(None),),
            inspect=_INSPECT.format(there=same).as_string(None),
        )


def read_stash(target: PostgresTarget) -> Stash | None:
    """Return where sessions of the target's database look advice up; None: there is no such."""
    actor = actor_of(target)
    rows = target.query(QUERIES["describe_stash"], {"actor": actor})
    if not rows:
        return None
    names = {row["role"]: row["stash"] for row in target.query(QUERIES["list_stash_names"], {})}
    stash = Stash(**rows[0], actor=actor, default=names.pop("", ""), by_role=names)
    return replace(stash, advice=_read_advice(target, stash))


def _read_advice(target: PostgresTarget, stash: Stash) -> dict[str, dict[str, str]]:
    if not stash.may_be_read:
        return {}
    query = sql.SQL(QUERIES["list_stashed_advice"]).format(schema=sql.Identifier(stash.schema))
    found: dict[str, dict[str, str]] = {}
    for row in target.query(query.as_string(None), {}):
        advice = found.setdefault(row["stash"], {})
        if row["statement_id"] is not None:
            advice[row["statement_id"]] = row["advice"]
    return found
