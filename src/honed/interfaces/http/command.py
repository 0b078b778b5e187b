"""`honed serve`: the API. The command line knows it by its path alone, as it does every command."""

import json
from typing import Protocol

import click

from honed.config import Settings


class _Invocation(Protocol):
    """What the command line hands to every command."""

    as_json: bool

    def settings(self) -> Settings:
        """Return the settings."""


@click.command()
@click.pass_obj
def serve(invocation: _Invocation) -> None:
    """Serve the API and the intake: what another server says, signals, and webhooks of forges.

    On the loopback by default; elsewhere only with a token, which the intake does not ask for: who
    sends signals shows the key of a project. It begins no cycles and handles no messages:
    `honed run` does. SIGTERM and SIGINT end it in good order. With --json one line of JSON says
    where it listens.
    """
    from honed.interfaces.http.app import create_app
    from honed.interfaces.http.evidence import evidence_router, health_router
    from honed.interfaces.http.gate import Rules
    from honed.interfaces.http.hooks import hooks_router
    from honed.interfaces.http.intake import Door
    from honed.interfaces.http.server import listening, serve_until_told
    from honed.signals.intakes import open_intakes
    from honed.signals.polling import Poller
    from honed.wiring import PolicyUse, open_app

    settings = invocation.settings()
    rules = Rules.of(settings)
    intakes = open_intakes(settings)
    with (
        listening(settings) as door,
        open_app(settings, policy=PolicyUse.BEGIN) as app,
        app.pipeline() as pipeline,
        app.retention(),
        Poller(intakes, pipeline, settings),
    ):
        host, port = door.getsockname()[:2]
        _tell(invocation, str(host), int(port))
        routers = [health_router(), evidence_router(app.parts), hooks_router(app.parts)]
        behind = create_app(rules, routers)
        front = Door(behind, intakes=intakes, pipeline=pipeline, rules=rules)
        serve_until_told(front, door)
    click.echo("honed has ended", err=True)


def _tell(invocation: _Invocation, host: str, port: int) -> None:
    if invocation.as_json:
        click.echo(json.dumps({"host": host, "port": port}))
        return
    name = f"[{host}]" if ":" in host else host
    click.echo(f"the API listens on http://{name}:{port}; Ctrl-C ends it", err=True)
