"""Connections to honed's own database, and the one place where the driver's errors get words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from honed.errors import (
    BudgetExceeded,
    ChangeWithheld,
    DiskFull,
    HonedError,
    NotAllowed,
    StaleApproval,
    StatementCut,
    Stopped,
    StoreOutdated,
    StoreUnavailable,
    UnknownImprovement,
    WrongChangeState,
    WrongState,
    WrongTicketState,
)

#: A connection whose rows are dictionaries.
Connection: TypeAlias = psycopg.Connection[dict[str, Any]]

#: Longest wait for a server to accept a connection.
CONNECT_TIMEOUT_S = 10

_NO_PRIVILEGE = "42501"

#: SQLSTATEs, or their first two characters, and what they mean to honed. HN... are raised by
#: honed's own SQL functions; the others are listed in PostgreSQL's appendix A.
SQLSTATES: dict[str, type[HonedError]] = {
    "HN402": BudgetExceeded,
    "HN404": UnknownImprovement,
    "HN409": StaleApproval,
    "HN410": WrongState,
    "HN411": WrongTicketState,
    "HN412": WrongChangeState,
    "HN423": Stopped,
    "HN429": ChangeWithheld,
    _NO_PRIVILEGE: NotAllowed,
    "53100": DiskFull,
    "53300": StoreUnavailable,
    "57014": StatementCut,
    "57P01": StoreUnavailable,
    "57P02": StoreUnavailable,
    "57P03": StoreUnavailable,
    "08": StoreUnavailable,
}

#: Who may do what was refused, by the server's words; the first that fits. In another language
#: than English none does, and the hint is the general one.
_WHO_MAY = {
    "must be owner": "owner",
    "(table|relation|view) (policy|approval|migration)$": "owner",
    "(table|relation) target$": "honed_operator",
    "(table|relation) project$": "honed_operator",
    "(table|relation|sequence) ": "honed_daemon",
    "function (approve|merge_change)$": "honed_approver",
    "function (approve_by_policy|defer_message|number_trial|take_in_ticket)$": "honed_daemon",
    "function (move_ticket|begin_attempt|end_attempt)$": "honed_daemon",
    "function (open|record|renew|withdraw)_change$": "honed_daemon",
    "function (why_withheld|asked_again|record_checks)$": "honed_daemon",
    "function (unsealed_events|merge_by_policy)$": "honed_daemon",
    "function (expire_llm_spending|reserve_llm_spending|begin_llm_call)$": "honed_daemon",
    "function (end_llm_call|settle_llm_spending|forget_llm_recordings)$": "honed_daemon",
    "function (generate_text|generated_text)$": "honed_asker",
    "function (record_groups|make_signal_partitions)$": "honed_intake",
    "function drop_signal_partitions$": "honed_daemon",
    "function ": "honed_operator",
    'role "?honed_daemon': "honed_daemon",
    "schema honed$": "honed_viewer",
}

_SET_UP = """
SELECT set_config('search_path', 'honed, public', false)
     , set_config('honed.fake_now', %(fake_now)s, false)
"""
_SET_ROLE = "SELECT set_config('role', %(role)s, false)"


@dataclass(frozen=True, slots=True)
class Database:
    """Where one of honed's databases is and as whom to use it. Holds no connection.

    ``dataclasses.replace`` makes the same database with another role or clock.
    """

    url: str = field(repr=False)
    #: The role to act as; empty: the login's own.
    role: str = ""
    application_name: str = "honed"
    #: What ``honed.now()`` says on its connections; None: the real time.
    fake_now: datetime | None = None

    @contextmanager
    def connect(self, *, autocommit: bool = False) -> Iterator[Connection]:
        """Hand out a new connection; commit what is open at the end, or roll back on an error.

        Raises:
            StoreUnavailable: the database does not answer, or stopped to.
            StoreOutdated: the role does not exist yet.
            NotAllowed: the role may not do what was asked.
            DiskFull: nothing can be written.
        """
        with driver_errors(), self._open() as connection:
            connection.autocommit = autocommit
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Hand out a new connection for one transaction: committed, or rolled back on an error.

        Raises:
            StoreUnavailable: as ``connect``, and so are the others.
        """
        with self.connect() as connection:
            yield connection

    def _open(self) -> Connection:
        connection = self._dial()
        try:
            fake_now = self.fake_now.isoformat() if self.fake_now else ""
            connection.execute(_SET_UP, {"fake_now": fake_now})
            if self.role:
                connection.execute(_SET_ROLE, {"role": self.role})
        except psycopg.errors.InvalidParameterValue as error:
            connection.close()
            msg = f"the role {self.role} does not exist"
            raise StoreOutdated(msg) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _dial(self) -> Connection:
        try:
            where = conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            # The driver's words would repeat the URL, and with it a password.
            msg = "this is not a URL of PostgreSQL"
            raise StoreUnavailable(msg) from None
        where.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
        where["application_name"] = self.application_name
        try:
            return psycopg.connect(**where, autocommit=True, row_factory=dict_row)  # type: ignore[arg-type]  # values of libpq's options
        except psycopg.OperationalError as error:
            raise StoreUnavailable(str(error).strip()) from error


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turn the driver's errors that honed has words for into those; let the others pass."""
    try:
        yield
    except psycopg.Error as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning(_message(error), hint=_hint(error)) from error


def _meaning(error: psycopg.Error) -> type[HonedError] | None:
    if error.sqlstate is None:
        # No answer from the server at all: the connection broke.
        return StoreUnavailable if isinstance(error, psycopg.OperationalError) else None
    return SQLSTATES.get(error.sqlstate) or SQLSTATES.get(error.sqlstate[:2])


def _hint(error: psycopg.Error) -> str:
    """Return whom to ask, where a privilege is missing; else nothing, because the class knows."""
    said = error.diag.message_primary or ""
    if error.sqlstate != _NO_PRIVILEGE:
        return ""
    who = next((who for words, who in _WHO_MAY.items() if re.search(words, said)), "")
    if who == "owner":
        return "only the store's owner may; `honed store roles` shows what the others may"
    if who:
        return f"use a login that is a member of {who} (`honed store roles`): GRANT {who} TO alice"
    return ""


def _message(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).strip()
    # The detail of honed's own functions tells what is the case instead.
    detail = (error.diag.message_detail or "").rstrip(".")
    if detail and (error.sqlstate or "").startswith("HN"):
        return f"{said}: {detail[0].lower()}{detail[1:]}"
    return said
