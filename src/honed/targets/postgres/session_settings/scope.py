"""Scopes: whose sessions a setting is for, what they run, and who may change it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from honed.core.step import Step
from honed.storage.queries import load_queries
from honed.targets.postgres.target import PostgresTarget

QUERIES = load_queries(__package__, "settings.sql")

_MOVES_PLANS = re.compile("^(enable_|jit|work_mem$|hash_mem_|effective_cache_|from_|join_)|_cost$")
_DO = sql.SQL("ALTER {} SET {} = {}")
_RESET = sql.SQL("ALTER {} RESET {}")
_INSPECT = sql.SQL("""\
SELECT CASE WHEN EXISTS (
    SELECT FROM pg_db_role_setting AS s
    JOIN pg_database AS d ON d.oid = s.setdatabase
    LEFT JOIN pg_roles AS r ON r.oid = s.setrole
    WHERE d.datname = {database} AND coalesce(r.rolname, '') = {role}
      AND (s.setrole = 0) = ({role} = '') AND {assigned} = ANY (s.setconfig)
) THEN 'done' ELSE 'absent' END""")


@dataclass(frozen=True, slots=True)
class Scope:
    """The sessions of one role in one database, or all sessions of the database."""

    database: str
    #: Empty: whoever connects to the database.
    role: str = ""
    #: Statements that it runs; None: all of the workload.
    statement_ids: frozenset[str] | None = None
    #: What its statements wrote to temporary files since the counters were reset.
    temp_bytes: int = 0
    #: Values that move plans, which its sessions have and other roles' have not, as written.
    overrides: Mapping[str, str] = field(default_factory=dict)
    #: Values that are given to exactly this scope, as they were written.
    assigned: Mapping[str, str] = field(default_factory=dict)
    #: Why the acting role may not change it, with what would let it; empty: it may.
    why_not: str = ""

    @property
    def label(self) -> str:
        """Name it in a sentence."""
        if self.role:
            return f"the role {self.role} in the database {self.database}"
        return f"the database {self.database}"

    def runs(self, statement_id: str) -> bool:
        """Return whether the statement is part of its workload."""
        return self.statement_ids is None or statement_id in self.statement_ids

    def step(self, name: str, value: str) -> Step:
        """Return the step that gives the scope a setting; its undo gives back what was there."""
        return setting_step(self.database, self.role, name, value, before=self.assigned.get(name))


def setting_step(database: str, role: str, name: str, value: str, *, before: str | None) -> Step:
    """Return the step that sets ``name`` for one scope.

    Args:
        database: its name.

        role: whose sessions there; empty: everybody's.

        name: of the setting.

        value: as it is to be written.

        before: what exactly this scope has now; None: nothing, so that the undo is a RESET.
    """
    whose = sql.SQL("DATABASE {}").format(sql.Identifier(database))
    if role:
        whose = sql.SQL("ROLE {} IN DATABASE {}").format(
            sql.Identifier(role), sql.Identifier(database)
        )
    setting = sql.Identifier(name)
    undo = (
        _RESET.format(whose, setting)
        if before is None
        else _DO.format(whose, setting, sql.Literal(before))
    )
    inspect = _INSPECT.format(
        database=sql.Literal(database),
        role=sql.Literal(role),
        assigned=sql.Literal(f"{name}={value}"),
    )
    return Step(
        f"set {name} to {value} for {f'{role} in ' if role else ''}{database};"
        " sessions that are open keep the old value until they connect again",
        do=(_DO.format(whose, setting, sql.Literal(value)).as_string(None),),
        undo=(undo.as_string(None),),
        inspect=inspect.as_string(None),
    )


def read_scopes(target: PostgresTarget) -> list[Scope]:
    """Return the scopes of ``target`` that run statements, narrowest first; it only reads.

    Superusers are no scope of their own: what they run is tried for the database.
    """
    actor = _actor(target)
    (place,) = target.query(QUERIES["read_workplace"])
    (owner,) = target.query(QUERIES["may_change_database"], {"actor": actor})
    assigned = target.query(QUERIES["list_assigned"])
    rows = target.query(_role_workloads(target), {"actor": actor})
    roles = [
        Scope(
            place["database"],
            row["role"],
            frozenset(row["statement_ids"]),
            row["temp_bytes"],
            overrides=_moving_plans(_assigned(assigned, row["role"], here=None)),
            assigned=_assigned(assigned, row["role"], here=True),
            why_not=_why_not(actor, row, f"has no ADMIN option on {row['role']}"),
        )
        for row in rows
        if not row["is_superuser"]
    ]
    everybody = Scope(
        place["database"],
        temp_bytes=sum(row["temp_bytes"] for row in rows),
        assigned=_assigned(assigned, "", here=True),
        why_not=_why_not(actor, owner, f"is no member of {owner['owner']}"),
    )
    return [*roles, everybody]


def _actor(target: PostgresTarget) -> str:
    return str(conninfo_to_dict(target.record.act_url).get("user") or "")


def _role_workloads(target: PostgresTarget) -> str:
    (row,) = target.query(QUERIES["find_extension"])
    schema = sql.Identifier(row["schema"])
    return sql.SQL(QUERIES["list_role_workloads"]).format(schema=schema).as_string(None)


def _assigned(rows: list[dict[str, Any]], role: str, *, here: bool | None) -> dict[str, str]:
    """Return what is given to a role; None: elsewhere too, where nothing is given here."""
    return {
        row["name"]: row["value"]
        for row in rows
        if row["role"] == role and here in {None, row["is_here"]}
    }


def _moving_plans(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if _MOVES_PLANS.search(name)}


def _why_not(actor: str, row: Mapping[str, Any], reason: str) -> str:
    # Without an acting role nothing is applied at all, and a person reads the claim.
    return "" if row["may_change"] or not actor else f"the acting role {actor} {reason}"
