"""The store: honed's own database, embedded or elsewhere, migrated and ready."""

from dataclasses import replace

from honed.config import Settings
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.migrate import check, migrate
from honed.storage.server import Server

#: The database on the embedded server.
DATABASE = "honed"

#: The role that the loop acts as: it may neither approve nor write a policy. It binds honed's own
#: code; the process behind it is bound only where its login may no more than this role.
DAEMON = "honed_daemon"

#: The role that stores signals: it may not read what they say.
INTAKE = "honed_intake"


class Store:
    """honed's own database. Close it, so that an embedded server that nobody uses stops."""

    def __init__(self, owner: Database, server: Server | None = None) -> None:
        """Hold a database that is ready; ``open_store`` makes it so.

        Args:
            owner: the database as the login of the settings. That is the schema's owner for whoever
                migrates or writes the policy; a daemon needs no more than ``DAEMON``.

            server: the embedded server, joined; None: somebody else's.
        """
        self.owner = owner
        self.server = server

    def database(self, role: str = DAEMON) -> Database:
        """Return the store as ``role`` sees it."""
        return replace(self.owner, role=role)

    def close(self) -> None:
        """Leave the embedded server; it stops when its last user has left."""
        if self.server is not None:
            self.server.leave()


def open_store(settings: Settings, *, migrating: bool = False) -> Store:
    """Return the store of ``settings``, with the schema of this honed.

    The embedded server is started or joined, and migrated. A store elsewhere is only migrated on
    demand, because every machine of a fleet opens it.

    Raises:
        StoreUnavailable: it does not answer.
        StoreOutdated: it has another schema, or (elsewhere) needs migrating.
        ServerFailed: the embedded server does not start.
        DiskFull: there is no space for it.
    """
    if settings.store_url:
        owner = Database(settings.store_url)
        if migrating:
            migrate(owner)
        check(owner)
        return Store(owner)
    server = Server(settings.home / "store", binaries=settings.postgres_bin)
    server.join()
    try:
        create_database(Database(server.url()), DATABASE)
        owner = Database(server.url(DATABASE))
        migrate(owner)
    except BaseException:
        server.leave()
        raise
    return Store(owner, server)
