"""The store, opened for one command and closed after it."""

from collections.abc import Iterator
from contextlib import contextmanager

from honed.interfaces.cli.root import Invocation
from honed.storage.db import Connection
from honed.storage.store import Store, open_store


@contextmanager
def opened_store(invocation: Invocation) -> Iterator[Store]:
    """Hand out the store of the settings; an embedded server is started if nobody else runs it.

    Raises:
        StoreUnavailable: it does not answer.
        StoreOutdated: it needs migrating, or it is newer than this honed.
        ServerFailed: the embedded server does not start.
    """
    store = open_store(invocation.settings())
    try:
        yield store
    finally:
        store.close()


@contextmanager
def asking(invocation: Invocation) -> Iterator[Connection]:
    """Hand out a transaction with the rights of the login: what it may not do, honed may not.

    Raises:
        NotAllowed: the login may not do what was asked.
        StoreUnavailable: as ``opened_store``, and so are the others.
    """
    with opened_store(invocation) as store, store.owner.transaction() as conn:
        yield conn
