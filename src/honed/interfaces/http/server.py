"""The server itself: uvicorn, on one socket that was opened before anything is said of it."""

import gc
import signal
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from honed.config import Settings
from honed.errors import ConfigurationError

#: Connections that may wait to be accepted.
_BACKLOG = 1024
#: Connections at once, each of which takes one of the 1024 files that a process may usually open;
#: more are told to come again. Every program that reports keeps one.
_AT_ONCE = 900
#: New objects more than gone ones, after which the youngest are looked through.
_GARBAGE = 20_000


def listening(settings: Settings) -> socket.socket:
    """Return a socket that listens where the settings say.

    Raises:
        ConfigurationError: there is no such address here, or its port is taken.
    """
    where = (settings.api_host, settings.api_port)
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    try:
        return socket.create_server(where, family=family, backlog=_BACKLOG)
    except OSError as error:
        msg = f"the API cannot listen on {settings.api_host}:{settings.api_port}: {error.strerror}"
        raise ConfigurationError(msg, hint="change api_host or api_port") from error


def serve_until_told(app: ASGIApp, door: socket.socket) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, and return."""
    # What is here now stays: looking through it again and again for garbage would cost more than
    # many requests do. They leave no circles behind.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    ends = (signal.SIGTERM, signal.SIGINT)
    # uvicorn raises the signal again when it is done, which would end the process at once.
    before = {each: signal.signal(each, _note) for each in ends}
    try:
        server_of(app).run(sockets=[door])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _note(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing: uvicorn has done what there is to do."""


def server_of(app: ASGIApp) -> uvicorn.Server:
    """Return a server of ``app``."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            loop="uvloop",
            # Exporters send every five seconds, over a connection that they keep.
            timeout_keep_alive=75,
            # Nobody asks where a request came from.
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            limit_concurrency=_AT_ONCE,
            timeout_graceful_shutdown=10,
        )
    )
