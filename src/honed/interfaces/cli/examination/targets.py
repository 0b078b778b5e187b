"""What honed needs of its targets."""

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from honed.config import Settings
from honed.errors import HonedError
from honed.interfaces.cli.examination.check import Check, Status, guarded
from honed.storage.store import Store
from honed.targets.registry import (
    TargetRecord,
    is_password_variable,
    list_targets,
    password_variable,
)


def of_targets(store: Store, settings: Settings) -> Iterator[Check]:
    """Yield what can be seen of each target."""
    records = list_targets(store.owner)
    if not records:
        fix = "`honed target add` adds one"
        yield Check("targets", Status.WARN, "there are none", fix)
    yield _passwords(records)
    for record in records:
        yield guarded(f"target {record.name}", _target, record, store, settings)
        yield from _heard(record, store)
        yield from _promises(record, store, settings)


def _passwords(records: Sequence[TargetRecord]) -> Check:
    """Look for passwords of targets that there are not; a misspelt one is never read."""
    known = {password_variable(each.name, acting=a) for each in records for a in (False, True)}
    given = {name for name in os.environ if is_password_variable(name)}
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
    if seen.warning:
        fix = "commit tests to it, or name them with --test as you add it"
        return Check(name, Status.WARN, f"{read}; {seen.warning}", fix)
    return Check(name, Status.OK, f"{read}; changes are reviewed on {seen.forge}")


def _heard(record: TargetRecord, store: Store) -> Iterator[Check]:
    """Yield of a repository whether the projects are there whose exceptions are its own."""
    from honed.targets.repository.evidence.heard import heard

    if record.sort != "repository":
        return
    with suppress(HonedError), store.owner.transaction() as conn:
        for each in heard(conn, record):
            said, _, fix = each.words.partition(": ")
            status = Status.OK if each.is_well else Status.WARN
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
