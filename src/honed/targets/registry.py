"""Which targets there are: their rows in the store, and URLs without passwords."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from honed.core.canonical import Json
from honed.errors import ConfigurationError, UnknownTarget
from honed.ledger.keys import Signer
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.urls import check_url, looks_like_repository

_QUERIES = load_queries("honed.targets")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PASSWORD_VARIABLE = re.compile(r"HONED_TARGET_\w+_PASSWORD")
_SECRETS = ("password", "sslpassword")
#: Where a target may be in a pair of servers.
_ROLES = ("primary", "secondary")
_FORM = "the form is postgresql://user@host:5432/database"
_REPOSITORY = "of a git repository it is said with --sort repository"
_WHERE_TO_PUT_IT = (
    "leave the password out of the URL: put it into ~/.pgpass (or passfile=, service=), "
    "or into the environment as {variable}"
)
_DISTINCT = "choose a name that differs in more than - for _, or _act at its end"


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """One target as it is stored. URLs never hold a password."""

    name: str
    #: Where to read it, as the observing role.
    observe_url: str
    #: Where to change it, as the acting role; empty: honed cannot change it.
    act_url: str = ""
    #: ``postgres`` or ``repository``.
    sort: str = "postgres"
    #: ``search_path``: the one that its application uses, where it is not the database's; of a
    #: repository ``python``, ``tests``, ``branch``, ``project`` and where it is reviewed.
    options: Mapping[str, Json] = field(default_factory=dict)
    #: The row in the store; 0 before it is stored.
    target_id: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A target that is to be changed."""

    record: TargetRecord
    #: honed's own database, in the daemon's role.
    store: Database
    #: What it is changed for; None: for nothing that is recorded.
    improvement_id: int | None = None
    #: The key of the ledger; None: what becomes of it is written there by somebody else.
    signer: Signer | None = None


def add_target(store: Database, record: TargetRecord) -> TargetRecord:
    """Store a target and return it with its id; nothing is asked of the target itself.

    Raises:
        ConfigurationError: a URL holds a password or is none, or the name is taken or odd, or its
            passwords would be read from a variable of another target; or its place in a pair of
            servers is odd or taken.
        NotAllowed: it is the secondary's, and the login is not the store's owner.
    """
    check_name(record.name)
    _check_pair(record)
    _check_address(record, record.observe_url, acting=False)
    if record.act_url:
        _check_address(record, record.act_url, acting=True)
    with store.transaction() as connection:
        for other in connection.execute(_QUERIES["list_targets"]):
            _refuse_shared_variable(record.name, other["name"])
            _refuse_shared_place(record, other)
        row = connection.execute(
            _QUERIES["add_target"], {**asdict(record), "options": json.dumps(record.options)}
        ).fetchone()
    if row is None:
        msg = f"there is already a target called {record.name}"
        raise ConfigurationError(msg, hint="choose another name, or remove that target first")
    return _record(row)


def check_name(name: str) -> None:
    """Return if ``name`` can be that of a target.

    Raises:
        ConfigurationError: it is odd.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no name for a target"
        raise ConfigurationError(msg, hint="use lower-case letters, digits, _ and -")


def list_targets(store: Database) -> list[TargetRecord]:
    """Return the targets by name."""
    with store.transaction() as connection:
        return [_record(row) for row in connection.execute(_QUERIES["list_targets"])]


def get_target(store: Database, name: str | int) -> TargetRecord:
    """Return the target of this name, or of this id.

    Raises:
        UnknownTarget: there is none, or it was removed.
    """
    key: dict[str, Any] = {"name": None, "target_id": None}
    key["target_id" if isinstance(name, int) else "name"] = name
    with store.transaction() as connection:
        row = connection.execute(_QUERIES["get_target"], key).fetchone()
    if row is None:
        msg = f"there is no target {name}"
        raise UnknownTarget(msg)
    return _record(row)


def remove_target(store: Database, name: str) -> None:
    """Remove a target; its history stays, and honed no longer looks at it.

    Raises:
        UnknownTarget: there is none.
    """
    with store.transaction() as connection:
        row = connection.execute(_QUERIES["remove_target"], {"name": name}).fetchone()
    if row is None:
        msg = f"there is no target {name}"
        raise UnknownTarget(msg)


def connection_url(record: TargetRecord, *, acting: bool = False) -> str:
    """Return the URL to connect with, with the password from the environment where there is one.

    The password of target ``shop`` is read from ``HONED_TARGET_SHOP_PASSWORD``, that of its acting
    role from ``HONED_TARGET_SHOP_ACT_PASSWORD``. Without them libpq looks in its own password file.

    Raises:
        ConfigurationError: there is no acting URL although one is asked for.
    """
    url = record.act_url if acting else record.observe_url
    if not url:
        msg = f"the target {record.name} has no URL for changing it"
        raise ConfigurationError(msg, hint="`honed target add --sql` prints how to make its role")
    password = os.environ.get(password_variable(record.name, acting=acting))
    if password is None or record.sort != "postgres":
        return url
    where = {**conninfo_to_dict(url), "password": password}
    return f"postgresql://?{urlencode(where, quote_via=quote)}"


def database_name(url: str) -> str:
    """Return the name of the database that ``url`` names; libpq's default is that of the user.

    Raises:
        ConfigurationError: it is not a URL of PostgreSQL, or names neither.
    """
    where = _parts(url)
    name = where.get("dbname") or where.get("user")
    if not name:
        msg = "the URL names no database"
        raise ConfigurationError(msg, hint=_FORM)
    return str(name)


def user_name(url: str) -> str:
    """Return the name of the role that ``url`` logs in as; empty where it names none.

    Raises:
        ConfigurationError: it is not a URL of PostgreSQL.
    """
    return str(_parts(url).get("user") or "")


def _parts(url: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        # The driver's words would repeat the URL, and with it a password.
        msg = "this is not a URL of PostgreSQL"
        hint = _REPOSITORY if looks_like_repository(url) else _FORM
        raise ConfigurationError(msg, hint=hint) from None


def _check_address(record: TargetRecord, url: str, *, acting: bool) -> None:
    if record.sort == "repository":
        check_url(url)
    if record.sort != "postgres":
        return
    where = _parts(url)
    if any(where.get(secret) for secret in _SECRETS):
        msg = f"the URL of target {record.name} holds a password"
        hint = _WHERE_TO_PUT_IT.format(variable=password_variable(record.name, acting=acting))
        raise ConfigurationError(msg, hint=hint)


def _refuse_shared_variable(name: str, other: str) -> None:
    """Return unless two targets of different names would read a password from one variable."""
    ours, theirs = (
        {password_variable(each, acting=acting) for acting in (False, True)}
        for each in (name, other)
    )
    if name != other and ours & theirs:
        msg = f"the target {other} has its password in {min(ours & theirs)}, as {name} would"
        raise ConfigurationError(msg, hint=_DISTINCT)


def _check_pair(record: TargetRecord) -> None:
    """Return unless the target has half a place in a pair of servers, or a strange one."""
    role, twin = record.options.get("role"), record.options.get("twin")
    if role is None and twin is None:
        return
    if role not in _ROLES or not isinstance(twin, str):
        msg = f"the target {record.name} has half a place in a pair of servers"
        raise ConfigurationError(msg, hint="give it both: --twin and --role primary or secondary")
    check_name(twin)


def _refuse_shared_place(record: TargetRecord, other: Mapping[str, Any]) -> None:
    """Return unless another target has the same role and twin."""
    place = [record.options.get(key) for key in ("role", "twin")]
    if place[0] and place == [other["options"].get(key) for key in ("role", "twin")]:
        msg = f"the target {other['name']} is the {place[0]}'s for the twin {place[1]} already"
        raise ConfigurationError(msg, hint="choose another name for the twin, on both servers")


def password_variable(name: str, *, acting: bool) -> str:
    """Return the name of the environment variable with the password of one of a target's roles."""
    stem = name.upper().replace("-", "_")
    return f"HONED_TARGET_{stem}_{'ACT_' if acting else ''}PASSWORD"


def is_password_variable(variable: str) -> bool:
    """Return whether an environment variable is for a target's password, whatever its name."""
    return _PASSWORD_VARIABLE.fullmatch(variable) is not None


def _record(row: Mapping[str, Any]) -> TargetRecord:
    return TargetRecord(
        name=row["name"],
        observe_url=row["observe_url"],
        act_url=row["act_url"],
        sort=row["sort"],
        options=row["options"],
        target_id=row["target_id"],
    )
