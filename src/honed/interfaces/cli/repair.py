"""`honed repair`: repair one repository at once, without a daemon; a store only for a model."""

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from honed.config import LlmMode, LlmProvider, Settings
from honed.errors import HonedError
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_json, print_patch, print_text
from honed.interfaces.cli.root import Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from honed.storage.db import Database
    from honed.targets.repository.oneshot import Repaired


@click.command()
@click.argument("repository")
@click.option(
    "--test",
    "failing",
    multiple=True,
    metavar="ID",
    help="A test that must pass, or a file or class whose failing tests must; again for more."
    " Without: all that fail.",
)
@click.option(
    "--tests",
    multiple=True,
    metavar="PATH",
    help="File or folder of tests; again for more. Without: all.",
)
@click.option("--commit", default="", help="Branch, tag or commit; without: what HEAD names.")
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The Python that has what the tests need; without: its .venv, else honed's own.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Longest search.",
)
@click.option(
    "--suite-seconds",
    "suite_s",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="Longest run of the tests; one that takes longer is cut off.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Tests that run at once.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn.")
@click.option("--branch", default="", help="New branch for the change, if every gate lets it pass.")
@click.pass_context
def repair(  # noqa: PLR0913 - one argument an option
    context: click.Context,
    *,
    repository: str,
    failing: tuple[str, ...],
    tests: tuple[str, ...],
    commit: str,
    python: Path | None,
    seconds: float,
    suite_s: float,
    processes: int,
    seed: int,
    branch: str,
) -> None:
    """Find a change of REPOSITORY, a folder or an address, after which its failing tests pass.

    Everything runs in a sandbox on a copy of the last commit: the checkout is not touched, and what
    is not committed is not seen. Templates are tried first, then the revert of the commit since
    which the tests fail, then the language model, if the settings name one. The change is printed
    as a diff, with what each gate says of it and what else was tried.
    Exit code 1: no change was found, or a gate does not let it pass.
    """
    from honed.repair.suite import Budget
    from honed.targets.repository.judging.mend import installed_gates
    from honed.targets.repository.oneshot import Order, repair_once
    from honed.targets.urls import absolute

    invocation = context.find_object(Invocation) or Invocation()
    order = Order(
        url=absolute(repository),
        failing=failing,
        tests=tests,
        commit=commit,
        python=python,
        budget=Budget(seconds, processes, seed),
        suite_s=suite_s,
        branch=branch,
    )
    settings = invocation.settings()
    with _store(invocation, settings) as store:
        repaired = repair_once(order, installed_gates(), settings, store, tell=_tell)
    if invocation.as_json:
        print_json(
            {
                "base_commit": repaired.base_commit,
                "commit": repaired.commit,
                **repaired.mended.to_json(),
            }
        )
    else:
        _print(repaired, branch)
    if not repaired.mended.is_sound:
        context.exit(1)


def _tell(what: str) -> None:
    """Say what is done next, to whoever waits."""
    print_text(what, to_error=True)


@contextmanager
def _store(invocation: Invocation, settings: Settings) -> "Iterator[Database | None]":
    """Hand out the store, where a language model is named, whose budget it keeps."""
    store = None
    with ExitStack() as stack:
        if settings.llm_provider is not LlmProvider.NONE or settings.llm_mode is LlmMode.REPLAY:
            try:
                store = stack.enter_context(opened_store(invocation)).database()
            except HonedError as error:
                click.echo(f"No language model is asked: {error}", err=True)
        yield store


def _print(repaired: "Repaired", branch: str) -> None:
    mended = repaired.mended
    if mended.change is None:
        click.echo("No change found.")
        _print_others(repaired)
        return
    print_text(f"{mended.change.made_by} found a change after which the tests pass:")
    click.echo()
    print_patch(mended.change.diff)
    click.echo()
    for result in mended.results:
        print_text(f"{'passed' if result.passed else 'STOPPED':8} {result.gate}: {result.reason}")
    _print_question(mended.change.question)
    _print_others(repaired)
    if repaired.commit:
        click.echo(f"Commit {repaired.commit[:12]} is on the branch {branch}")
    elif mended.is_sound:
        click.echo("Every gate lets it pass; --branch NAME commits it")


def _print_others(repaired: "Repaired") -> None:
    """Say what became of everything else that was tried: what is shown is not the first."""
    for attempt in repaired.mended.attempts:
        if attempt is repaired.mended.best:
            continue
        if attempt.change is None:
            print_text(f"nothing  {attempt.proposer}: {attempt.words}")
        else:
            print_text(f"doubted  {attempt.change.made_by}: {attempt.words}")


def _print_question(question: "Mapping[str, Any]") -> None:
    if question:
        print_text(f"What is right: {question['function']}({', '.join(question['arguments'])})?")
        for answer in dict.fromkeys(question["outputs"].values()):
            print_text(str(answer), indent=2)
