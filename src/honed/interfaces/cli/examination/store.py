"""What honed needs of its store."""

from collections.abc import Iterator

from honed.config import Settings
from honed.core.counted import counted
from honed.interfaces.cli.examination.check import Check, Status, guarded
from honed.interfaces.cli.output import megabytes
from honed.storage.store import Store


def of_store(store: Store, settings: Settings) -> Iterator[Check]:
    """Yield what can be seen in the store."""
    yield guarded("store", _store, store)
    yield guarded("login", _login, store)
    yield guarded("ledger", _ledger, store, settings)
    yield guarded("checkpoints", _checkpoints, store, settings)
    yield guarded("language model", _model, store, settings)
    yield from _work(store)


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
