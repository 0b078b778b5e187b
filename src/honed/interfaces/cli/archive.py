"""`honed archive`: partitions that were archived, and what they answer."""

from typing import TYPE_CHECKING

import click

from honed.errors import ArchiveDamaged, UnknownTarget
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import megabytes, print_json, print_rows
from honed.interfaces.cli.root import Invocation

if TYPE_CHECKING:
    from honed.targets.postgres.archives.files import Archive


@click.group()
def archive() -> None:
    """Ask archived partitions, and verify their files."""


@archive.command("list")
@click.option("--target", default="", help="Only of this target.")
@click.pass_obj
def list_(invocation: Invocation, *, target: str) -> None:
    """List what is archived: partition by partition, with its size."""
    found = _archives(invocation, target)
    if invocation.as_json:
        print_json([_described(each) for each in found])
        return
    titles = ("target", "partition", "of", "rows", "size", "archived", "verified", "bounds")
    rows = [
        (
            each.manifest.target,
            f"{each.manifest.schema}.{each.manifest.table}",
            ".".join(each.manifest.parent),
            each.manifest.proof.rows,
            megabytes(each.manifest.size_bytes),
            each.manifest.archived_at,
            each.verified_at() or "",
            each.manifest.bound,
        )
        for each in found
    ]
    spare = ("verified", "archived", "of")
    print_rows(titles, rows, empty="nothing is archived", spare=spare)


@archive.command()
@click.argument("target")
@click.argument("statement")
@click.pass_obj
def query(invocation: Invocation, *, target: str, statement: str) -> None:
    """Answer one SELECT from archived partitions, in DuckDB's dialect.

    A partition has the name that it had; the name of its table means all of its archived partitions
    together. The target itself is not asked, and nothing but the archives is read.
    """
    from honed.targets.postgres.archives.query import ask

    found = _archives(invocation, target)
    if not found:
        msg = f"nothing of {target} is archived"
        raise UnknownTarget(msg, hint="`honed archive list` shows what is archived")
    answer = ask(found, statement, invocation.settings().archive_memory_mb)
    if invocation.as_json:
        print_json({"columns": list(answer.columns), "rows": [list(row) for row in answer.rows]})
        return
    print_rows(answer.columns, answer.rows, empty="no rows")


@archive.command()
@click.option("--target", default="", help="Only of this target.")
@click.pass_context
def verify(context: click.Context, *, target: str) -> None:
    """Read every file of the archives again, and compare it with its digest in the record.

    The exit code is 1 if one is not what was archived, or is gone although nothing has taken it
    back. Whether the record itself is whole is told
    by `honed verify`.
    """
    from honed.targets.postgres.archives.files import list_unreadable
    from honed.targets.postgres.archives.record import missing_archives, recorded_digests

    invocation = context.find_object(Invocation) or Invocation()
    root = invocation.settings().archives
    found = _archives(invocation, target)
    with asking(invocation) as conn:
        recorded = recorded_digests(conn)
        missing = missing_archives(conn, root, target)
    told = [(each, _trouble(each, recorded)) for each in found]
    lost = list_unreadable(root / target) | {root / name: why for name, why in missing.items()}
    if invocation.as_json:
        gone = [{"folder": str(path), "trouble": why} for path, why in lost.items()]
        print_json([*({**_described(each), "trouble": why} for each, why in told), *gone])
    else:
        titles = ("target", "partition", "files", "verdict")
        rows = [
            (
                each.manifest.target,
                f"{each.manifest.schema}.{each.manifest.table}",
                len(each.manifest.files),
                trouble or "every file is what was archived",
            )
            for each, trouble in told
        ]
        rows += [(path.parent.name, path.name, 0, why) for path, why in lost.items()]
        print_rows(titles, rows, empty="nothing is archived")
    if lost or any(trouble for _, trouble in told):
        context.exit(1)


def _trouble(each: "Archive", recorded: frozenset[str]) -> str:
    """Return what is wrong with an archive; empty: nothing."""
    try:
        each.verify()
    except ArchiveDamaged as error:
        return str(error)
    return "" if each.sha256 in recorded else "the record knows nothing of this archive"


def _archives(invocation: Invocation, target: str) -> list["Archive"]:
    from honed.targets.postgres.archives.files import list_archives

    found = list_archives(invocation.settings().archives)
    return [each for each in found if target in {"", each.manifest.target}]


def _described(each: "Archive") -> dict[str, object]:
    manifest = each.manifest
    return {
        "target": manifest.target,
        "schema": manifest.schema,
        "table": manifest.table,
        "parent": list(manifest.parent),
        "bound": manifest.bound,
        "rows": manifest.proof.rows,
        "size_bytes": manifest.size_bytes,
        "columns": {column.name: column.type for column in manifest.columns},
        "archived_at": manifest.archived_at,
        "verified_at": each.verified_at(),
        "sha256": each.sha256,
        "folder": str(each.folder),
    }
