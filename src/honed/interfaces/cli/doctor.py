"""`honed doctor`: what honed needs, what of it is here, and what to do about the rest."""

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from honed.config import Settings
from honed.core.counted import counted
from honed.errors import HonedError
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import megabytes, print_json
from honed.interfaces.cli.root import Invocation
from honed.storage.store import Store
from honed.targets.registry import TargetRecord

#: What honed runs of PostgreSQL's programs.
_PROGRAMS = ("postgres", "initdb", "pg_dump", "pg_restore")
#: A trial holds a copy of the target and three clones of it: baseline, candidate and control.
_COPIES = 4
#: Variables with the password of a target.
_PASSWORD = re.compile(r"HONED_TARGET_\w+_PASSWORD")
#: Below it even honed's own store is in danger.
_LEAST_FREE_MB = 500


class Status(StrEnum):
    """How one thing is."""

    OK = "ok"
    #: honed works without it, but not all of it.
    WARN = "warn"
    FAIL = "fail"


_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    #: What: stable, for programs.
    name: str
    status: Status
    #: What was seen.
    seen: str
    #: What to do about it; empty: nothing.
    fix: str = ""


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check everything that honed needs, and say what to do.

    The exit code is 1 if something fails without which honed does not work.
    """
    invocation = context.find_object(Invocation) or Invocation()
    checks = list(_all(invocation))
    if invocation.as_json:
        print_json(checks)
    else:
        for check in checks:
            _print(check)
    if any(check.status is Status.FAIL for check in checks):
        context.exit(1)


def _all(invocation: Invocation) -> Iterator[Check]:
    yield _variables()
    yield _sandbox()
    yield _cpu_times()
    try:
        settings = invocation.settings()
    except HonedError as error:
        yield _failed("settings", error)
        # The rest cannot be looked at without them.
        return
    yield Check("settings", Status.OK, "every value is one that it may have")
    yield from _here(settings)
    yield from _there(invocation, settings)


def _here(settings: Settings) -> Iterator[Check]:
    """Yield what can be seen on this machine."""
    yield _guarded("postgresql programs", _programs, settings)
    yield _disk(settings)
    yield _duckdb()
    yield _guarded("ledger key", _key, settings)


def _there(invocation: Invocation, settings: Settings) -> Iterator[Check]:
    """Yield what can be seen in the store, and of each target."""
    try:
        with opened_store(invocation) as store:
            yield _guarded("store", _store, store)
            yield _guarded("login", _login, store)
            yield _guarded("ledger", _ledger, store, settings)
            yield _guarded("checkpoints", _checkpoints, store, settings)
            yield _guarded("language model", _model, store, settings)
            yield from _work(store)
            yield from _targets(store, settings)
    except HonedError as error:
        yield _failed("store", error)


def _programs(settings: Settings) -> Check:
    from honed.storage.programs import find_programs, server_account

    folder = find_programs(settings.postgres_bin, server_account())
    missing = [name for name in _PROGRAMS if not (folder / name).is_file()]
    if missing:
        fix = "set postgres_bin to a folder that has them all"
        return Check(
            "postgresql programs", Status.FAIL, f"{folder} lacks {', '.join(missing)}", fix
        )
    done = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    said = done.stdout.strip() or "it does not start"
    status = Status.OK if done.returncode == 0 else Status.FAIL
    fix = "" if status is Status.OK else "set postgres_bin to programs that run here"
    return Check("postgresql programs", status, f"{said}, in {folder}", fix)


def _duckdb() -> Check:
    from honed.targets.postgres.archives.engine import is_installed

    if is_installed():
        return Check("duckdb", Status.OK, "partitions can be archived")
    fix = "pip install 'honed[columnar]', where they should be"
    return Check("duckdb", Status.WARN, "not installed: no partition is archived", fix)


def _variables() -> Check:
    """Look for misspelt settings; the settings themselves pass over what they do not know."""
    known = {f"HONED_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("HONED_") and name not in known and not _PASSWORD.fullmatch(name)
    )
    if not unknown:
        return Check("environment", Status.OK, "every HONED_ variable is a setting")
    close = difflib.get_close_matches(unknown[0], known, 1)
    fix = f"is it {close[0]}?" if close else "`honed config show` lists the settings"
    return Check("environment", Status.WARN, f"{', '.join(unknown)}: no such setting", fix)


def _disk(settings: Settings) -> Check:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    wanted_mb = _COPIES * settings.copy_limit_mb
    seen = f"{megabytes(free)} free for {settings.home}"
    if free < _LEAST_FREE_MB * 2**20:
        return Check("disk", Status.FAIL, seen, "free some, or set HONED_HOME to another disk")
    if free < wanted_mb * 2**20:
        fix = f"trials may want {wanted_mb} MB: lower copy_limit_mb, or free some"
        return Check("disk", Status.WARN, seen, fix)
    return Check("disk", Status.OK, seen)


def _sandbox() -> Check:
    from honed.sandbox.probe import probe

    found = probe()
    if found.is_safe:
        return Check("sandbox", Status.OK, f"{found.level}: a hostile program could not get out")
    seen = f"no generated code is run, because {'; '.join(found.reasons)}"
    fix = "install bubblewrap; docs/howto/run-generated-code.md says where else it may fail"
    return Check("sandbox", Status.WARN, seen, fix)


def _cpu_times() -> Check:
    if Path("/proc/self/schedstat").exists():
        return Check("cpu times", Status.OK, "trials measure the CPU time of backends")
    return Check(
        "cpu times",
        Status.WARN,
        "there is no /proc/<pid>/schedstat, so trials measure elapsed time, which is noisier",
        "run honed on Linux, or expect longer trials",
    )


def _key(settings: Settings) -> Check:
    from honed.ledger.keys import Signer

    if not settings.key_file.exists():
        return Check(
            "ledger key", Status.OK, f"honed makes it when it first runs: {settings.key_file}"
        )
    key_id = Signer.load(settings.key_file).key_id
    return Check("ledger key", Status.OK, f"{key_id[:16]}, in {settings.key_file}")


def _checkpoints(store: Store, settings: Settings) -> Check:
    from honed.ledger.checkpoint import read_checkpoints, refuse_no_checkpoints
    from honed.ledger.keys import Signer

    file = settings.checkpoints
    if settings.checkpoint_file and not file.parent.is_dir():
        fix = "make the folder, or correct checkpoint_file"
        return Check("checkpoints", Status.FAIL, f"there is no folder {file.parent}", fix)
    if settings.key_file.exists():
        known = read_checkpoints(file, Signer.load(settings.key_file).public_key)
        with store.owner.transaction() as conn:
            refuse_no_checkpoints(conn, file, known)
    if settings.store_url or not file.is_relative_to(settings.home):
        return Check("checkpoints", Status.OK, f"in {file}")
    seen = f"in {file}, beside the store: who can write there can change both"
    return Check(
        "checkpoints", Status.WARN, seen, "set checkpoint_file to a path outside honed's home"
    )


def _store(store: Store) -> Check:
    from honed.storage.description import describe

    with store.owner.transaction() as conn:
        found = describe(conn)
    where = f"embedded in {store.server.data_dir}" if store.server else "elsewhere"
    size = megabytes(found.size_bytes)
    return Check("store", Status.OK, f"PostgreSQL {found.server_version}, {where}, {size}")


def _login(store: Store) -> Check:
    from honed.storage.roles import read_login

    with store.owner.transaction() as conn:
        login = read_login(conn)
    if not login.too_much:
        return Check("login", Status.OK, f"{login.name} may no more than a daemon needs")
    fix = "let daemon and workers log in as a member of honed_daemon alone"
    if store.server:
        fix += ", on a store of your own (store_url); the embedded one has a single login"
    return Check("login", Status.WARN, f"{login.name} {login.too_much}", fix)


def _ledger(store: Store, settings: Settings) -> Check:
    from honed.ledger.keys import Signer
    from honed.ledger.log import read_head, read_key_id, refuse_other_key

    with store.owner.transaction() as conn:
        size, key_id = counted(read_head(conn).size, "entry", "entries"), read_key_id(conn)
        if key_id is None:
            return Check("ledger", Status.OK, "it has no entries yet")
        if settings.key_file.exists():
            refuse_other_key(conn, Signer.load(settings.key_file))
            return Check("ledger", Status.OK, f"{size}, signed with this key")
    seen = f"{size}, signed with the key {key_id[:16]}, which is not here"
    fix = f"copy it to {settings.key_file} from the home of the honed that began the ledger"
    return Check("ledger", Status.FAIL, seen, fix)


def _model(store: Store, settings: Settings) -> Check:
    """Say which model would be asked; it is not, for that could cost."""
    from honed.llm.outlook import look

    with store.owner.transaction() as conn:
        found = look(settings, conn)
    if not found.is_asked:
        return Check("language model", Status.OK, found.seen)
    if found.obstacle:
        seen = f"{found.seen}; it is never asked: {found.obstacle}"
        return Check("language model", Status.WARN, seen, found.fix)
    seen = f"{found.seen}; whether it answers is not tried"
    return Check("language model", Status.OK, seen)


def _work(store: Store) -> Iterator[Check]:
    from honed.jobs.deadletters import dead_letters
    from honed.loop.switch import read_switch

    with store.owner.transaction() as conn:
        letters = dead_letters(conn)
        switch = read_switch(conn)
    if switch.stopped:
        seen = f"{switch.changed_by} told honed to stop: {switch.reason}"
        yield Check("switch", Status.WARN, seen, "`honed start` allows changes again")
    else:
        yield Check("switch", Status.OK, "changes are allowed")
    if letters:
        fix = "`honed deadletter list` tells why; replay or discard each"
        yield Check("dead letters", Status.WARN, f"{len(letters)} wait for a person", fix)
    else:
        yield Check("dead letters", Status.OK, "none")


def _targets(store: Store, settings: Settings) -> Iterator[Check]:
    from honed.targets.registry import list_targets

    records = list_targets(store.owner)
    if not records:
        fix = "`honed target add` adds one"
        yield Check("targets", Status.WARN, "there are none", fix)
    yield _passwords(records)
    for record in records:
        yield _guarded(f"target {record.name}", _target, record, store, settings)
        yield from _heard(record, store)
        yield from _promises(record, store, settings)


def _passwords(records: Sequence[TargetRecord]) -> Check:
    """Look for passwords of targets that there are not; a misspelt one is never read."""
    from honed.targets.registry import password_variable

    known = {password_variable(each.name, acting=a) for each in records for a in (False, True)}
    given = {name for name in os.environ if _PASSWORD.fullmatch(name)}
    unknown = sorted(given - known)
    if not unknown:
        return Check("passwords", Status.OK, f"{len(given)} in the environment")
    close = difflib.get_close_matches(unknown[0], known, 1)
    fix = f"is it {close[0]}?" if close else "`honed target list` shows the targets"
    return Check("passwords", Status.WARN, f"{', '.join(unknown)}: no such target", fix)


def _target(record: TargetRecord, store: Store, settings: Settings) -> Check:
    from honed.targets.postgres.check import check_target

    name = f"target {record.name}"
    if record.sort == "repository":
        return _repository(name, record, store, settings)
    access = check_target(record, store.owner, settings)
    seen = f"PostgreSQL {access.server_version}, read"
    if not access.may_change:
        # Without a URL nobody asked for it; with one that does not work every change would fail.
        status = Status.FAIL if record.act_url else Status.WARN
        return Check(name, status, f"{seen}, but not changed: {access.why_not}", access.fix)
    if access.warning:
        fix = f"`honed target add {record.name} --sql` prints the SQL for one that only reads"
        return Check(name, Status.WARN, f"{seen} and changed; {access.warning}", fix)
    return Check(name, Status.OK, f"{seen} and changed")


def _repository(name: str, record: TargetRecord, store: Store, settings: Settings) -> Check:
    from honed.targets.repository.check import check_repository

    seen = check_repository(record, store.owner, settings)
    read = f"branch {seen.branch}, read; tests: {seen.tests}"
    if not seen.forge:
        return Check(name, Status.WARN, f"{read}; nothing is proposed: {seen.why_not}", seen.fix)
    return Check(name, Status.OK, f"{read}; changes are reviewed on {seen.forge}")


def _heard(record: TargetRecord, store: Store) -> Iterator[Check]:
    """Yield of a repository whether the projects are there whose exceptions are its own."""
    from honed.targets.repository.evidence.heard import heard

    if record.sort != "repository":
        return
    with suppress(HonedError), store.owner.transaction() as conn:
        for each in heard(conn, record):
            said, _, fix = each.words.partition(": ")
            status = Status.OK if each.has_sent else Status.WARN
            usual = "`honed project list` shows the DSN that its service sends to"
            fix = fix or ("" if each.has_sent else usual)
            yield Check(f"signals of {record.name}", status, said, fix)


def _promises(record: TargetRecord, store: Store, settings: Settings) -> Iterator[Check]:
    """Yield what a conversion that is not complete makes a target refuse one day."""
    from honed.targets.postgres.partitioning.promises import find_promises
    from honed.targets.postgres.target import PostgresTarget

    if record.sort != "postgres":
        return
    # That a target does not answer was said already.
    with suppress(HonedError):
        for each in find_promises(PostgresTarget(record, store.owner, settings)):
            seen = f"until it is partitioned, {each.relation} takes only rows of {each.definition}"
            fix = f"start honed, which goes on with it, or roll it back; else: {each.remedy}"
            yield Check(f"promise {record.name} {each.name}", Status.WARN, seen, fix)


def _guarded(name: str, look: Callable[..., Check], *about: object) -> Check:
    """Return what ``look`` sees; an error that honed can explain is what it sees, too."""
    try:
        return look(*about)
    except HonedError as error:
        return _failed(name, error)


def _failed(name: str, error: HonedError) -> Check:
    return Check(name, Status.FAIL, str(error), error.hint)


def _print(check: Check) -> None:
    click.secho(f"{check.status.value:<5}", nl=False, fg=_COLOURS[check.status])
    click.echo(f"{check.name}: {check.seen}")
    if check.fix:
        click.echo(f"     {check.fix}")
