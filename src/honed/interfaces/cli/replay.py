"""`honed forge replay`: make the commit of a change again, from its record alone."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from honed.errors import LedgerTampered, UnknownChange
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_fields, print_json, print_patch
from honed.interfaces.cli.root import Invocation

if TYPE_CHECKING:
    from honed.ledger.keys import PublicKey
    from honed.targets.repository.replay import Replayed
    from honed.targets.repository.search_again import SearchedAgain

_KNOWN = known_or(UnknownChange, "there is no change {}")
_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


def _number(context: click.Context, parameter: click.Parameter, value: int | None) -> int | None:
    return None if value is None else _KNOWN(context, parameter, value)


@click.command()
@click.argument("change_id", type=int, callback=_number, metavar="[ID]", required=False)
@click.option(
    "--bundle",
    type=_EXISTING,
    help="Instead of ID: what `honed ledger export` wrote of its entry `started`.",
)
@click.option("--repository", default="", help="With --bundle: the folder or address.")
@click.option(
    "--public-key", type=_EXISTING, help="PEM file of the signer's public key; else honed's own."
)
@click.option(
    "--search", is_flag=True, help="With ID: also search for it again, and say what is found."
)
@click.pass_context
def replay(  # noqa: PLR0913 - one argument an option
    context: click.Context,
    /,
    *,
    change_id: int | None,
    bundle: Path | None,
    repository: str,
    public_key: Path | None,
    search: bool,
) -> None:
    """Make the commit of a change again, from its record and its base commit alone.

    What was approved is read from a signed entry of the ledger. The patch is printed, and whether
    commit and patch are those of the record and of what was published, to the byte; the branch is
    not needed. Exit code 1: they are not. Exit code 3: the record is not as it was signed.

    With --search the search that found it is run again, with the seed, the budget and the tests of
    the record. Where what searches has changed since, another patch is said and is no failure.
    """
    invocation = context.find_object(Invocation) or Invocation()
    is_odd = (change_id is None) == (bundle is None) or bool(bundle) != bool(repository)
    if is_odd or (search and bundle):
        msg = "name a change, or --bundle with --repository"
        raise click.UsageError(msg, context)
    key = _key(invocation, public_key)
    published, again = "", None
    if bundle is not None:
        made = _of_bundle(invocation, bundle, repository, key)
    else:
        assert change_id is not None  # noqa: S101 - one of them is given
        made, published, again = _of_store(invocation, change_id, key, search=search)
    is_same = made.is_same and published in {"", made.commit}
    if invocation.as_json:
        _print_json(made, published, again, is_same=is_same)
    else:
        _print(made, published, again)
    if not is_same or (again and again.is_judged and not again.is_same):
        context.exit(1)


def _of_store(
    invocation: Invocation, change_id: int, key: "PublicKey", *, search: bool
) -> "tuple[Replayed, str, SearchedAgain | None]":
    from honed.loop.replaying import read_record
    from honed.targets.registry import get_target
    from honed.targets.repository.replay import replay as replayed
    from honed.targets.repository.search_again import search_again
    from honed.targets.repository.source import Source

    with opened_store(invocation) as store:
        with store.owner.transaction() as conn:
            record = read_record(conn, key, change_id)
        source = Source(get_target(store.owner, record.target_id), invocation.settings())
        made = replayed(record.publication, source.fetched())
        again = search_again(record.hypothesis["parameters"], source) if search else None
        return made, record.published, again


def _of_bundle(invocation: Invocation, file: Path, repository: str, key: "PublicKey") -> "Replayed":
    from honed.ledger.bundle import verify_bundle
    from honed.targets.repository.replay import publication
    from honed.targets.repository.replay import replay as replayed
    from honed.targets.repository.source import clone_of, fetch

    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{file} is no bundle of a ledger"
        raise LedgerTampered(msg, hint="`honed ledger export` writes bundles") from error
    recorded = publication(verify_bundle(said, key))
    clone = clone_of(repository, invocation.settings())
    fetch(clone)
    return replayed(recorded, clone)


def _key(invocation: Invocation, file: Path | None) -> "PublicKey":
    from honed.ledger.keys import PublicKey, Signer

    if file is not None:
        return PublicKey.from_pem(file.read_text(encoding="utf-8", errors="replace"))
    return Signer.load(invocation.settings().key_file).public_key


def _print(made: "Replayed", published: str, again: "SearchedAgain | None") -> None:
    recorded = made.recorded
    print_fields(
        {
            "recorded in": f"entry {recorded.index} of the ledger; its signature fits",
            "base": recorded.base_commit,
            "commit": _compared(made.commit, recorded.commit),
            "patch": _compared(made.patch_digest, recorded.patch_digest),
            "published": _compared(published, made.commit) if published else "not recorded here",
            "searched again": again.words if again else "",
        }
    )
    click.echo()
    print_patch(made.patch)


def _compared(made: str, recorded: str) -> str:
    return f"{made}, as recorded" if made == recorded else f"{made}, and NOT {recorded}"


def _print_json(
    made: "Replayed", published: str, again: "SearchedAgain | None", *, is_same: bool
) -> None:
    recorded = made.recorded
    print_json(
        {
            "is_same": is_same,
            "entry": recorded.index,
            "base_commit": recorded.base_commit,
            "branch": recorded.branch,
            "commit": made.commit,
            "recorded_commit": recorded.commit,
            "published_commit": published,
            "patch_digest": made.patch_digest,
            "recorded_patch_digest": recorded.patch_digest,
            "patch": made.patch,
            "search": again,
        }
    )
