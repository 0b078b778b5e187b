"""`honed ledger` and `honed verify`: the record of everything that happened, and its proof."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click

from honed.core.counted import counted
from honed.errors import ConfigurationError, UnknownEntry
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_fields, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.ledger.bundle import export_bundle
from honed.ledger.checkpoint import (
    Checkpoint,
    read_checkpoints,
    refuse_no_checkpoints,
    sign_checkpoint,
    write_checkpoint,
)
from honed.ledger.graph import Lineage, ancestors, descendants
from honed.ledger.keys import PublicKey, Signer
from honed.ledger.log import Entry, read_committed_head, read_entries, read_entry, read_head
from honed.ledger.statement import Statement, unseal
from honed.ledger.verify import verify_log
from honed.storage.db import Connection

#: Entries that are read at once.
_BATCH = 500
_KNOWN = known_or(UnknownEntry, "the ledger has no entry {}")
_FILE = click.Path(dir_okay=False, path_type=Path)
_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEY = click.option(
    "--public-key", type=_FILE, help="PEM file of the signer's public key, if its home is not here."
)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The ledger, and the key that checks what is read from it."""

    conn: Connection
    public_key: PublicKey

    def statement(self, entry: Entry) -> Statement:
        """Return what an entry says; its signature is checked."""
        return unseal(entry.envelope.encode(), self.public_key)


@click.command()
@click.option(
    "--checkpoints", type=_EXISTING, help="File of signed checkpoints, instead of checkpoint_file."
)
@_KEY
@click.pass_obj
def verify(invocation: Invocation, checkpoints: Path | None, public_key: Path | None) -> None:
    """Check the whole record, entry by entry.

    Every hash and signature is computed anew, and the log is compared with the checkpoints. The
    exit code is 3 if anything does not fit; the first bad entry is named. It is 3, too, if there
    are no checkpoints although honed must have signed some; with --public-key, elsewhere than in
    honed's home, that is only said.
    """
    settings = invocation.settings()
    file = checkpoints or settings.checkpoints
    must_be_there = bool(checkpoints or settings.checkpoint_file or not public_key)
    with _reading(invocation, public_key) as reader:
        known = read_checkpoints(file, reader.public_key)
        report = verify_log(reader.conn, reader.public_key, known)
        if must_be_there:
            refuse_no_checkpoints(reader.conn, file, known)
    if invocation.as_json:
        print_json(report)
        return
    if not report.size:
        click.echo("the record is empty")
        return
    click.echo(f"the record is as it was signed: {counted(report.size, 'entry', 'entries')}")
    print_fields(
        {
            "ledger": report.origin,
            "root": report.root,
            "checkpoints": f"{report.checkpoints}, in {file}",
            "covered": counted(report.covered, "entry", "entries"),
        }
    )
    if report.covered < report.size:
        click.echo(
            f"nobody would see it if the last {report.size - report.covered} entries were cut off:"
            " no checkpoint covers them (`honed ledger checkpoint`)",
            err=True,
        )


@click.group()
def ledger() -> None:
    """Read the record of everything that happened."""


@ledger.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="No more than the newest of that number.",
)
@click.option(
    "--about",
    default="",
    help="Only about this artifact, by its SHA-256, as Honed-Claim in a commit names a claim.",
)
@_KEY
@click.pass_obj
def list_(invocation: Invocation, limit: int, about: str, public_key: Path | None) -> None:
    """List the newest entries, newest last; their signatures are checked."""
    with _reading(invocation, public_key) as reader:
        found = list(islice(_newest(reader, about.strip().lower()), limit))[::-1]
    if invocation.as_json:
        print_json([_summary(*each) for each in found])
        return
    titles = ("entry", "at", "event", "about", "leaf hash")
    rows = [
        (
            entry.index,
            statement.recorded_at,
            statement.event,
            _about(statement),
            entry.leaf_hash,
        )
        for entry, statement in found
    ]
    print_rows(titles, rows, empty="the record is empty")


@ledger.command()
@click.argument("index", type=click.IntRange(min=0), callback=_KNOWN)
@_KEY
@click.pass_obj
def show(invocation: Invocation, index: int, public_key: Path | None) -> None:
    """Show what one entry says; its signature is checked."""
    with _reading(invocation, public_key) as reader:
        entry = read_entry(reader.conn, index)
        statement = reader.statement(entry)
    if invocation.as_json:
        print_json(_summary(entry, statement) | {"detail": statement.detail})
        return
    print_fields(
        {
            "entry": entry.index,
            "leaf hash": entry.leaf_hash,
            "event": statement.event,
            "at": statement.recorded_at,
            "ledger": statement.origin,
            "about": "\n".join(f"{name} {sha}" for name, sha in statement.subject.items()),
            "because of": "\n".join(statement.parents),
        }
    )
    click.echo()
    print_json(statement.detail)


@ledger.command()
@click.argument("index", type=click.IntRange(min=0), callback=_KNOWN)
@click.option("--output", type=_FILE, help="Where to write it; else to standard output.")
@click.pass_obj
def export(invocation: Invocation, index: int, output: Path | None) -> None:
    """Export one entry with its proof, for somebody without access.

    The bundle holds the entry, the path to the root and a checkpoint, which is signed now. It is
    checked with the public key alone.
    """
    signer = Signer.load(invocation.settings().key_file)
    with opened_store(invocation) as store, store.owner.transaction() as conn:
        signed = sign_checkpoint(read_committed_head(conn), signer)
        bundle = export_bundle(conn, index, signed)
    if output is None:
        print_json(bundle)
        return
    text = json.dumps(bundle, indent=2, ensure_ascii=False)
    with _writing(output):
        output.write_text(f"{text}\n", encoding="utf-8")
    click.echo(f"wrote entry {index} with its proof to {output}", err=True)


@ledger.command()
@click.argument("index", type=click.IntRange(min=0), callback=_KNOWN)
@click.option("--descendants", "down", is_flag=True, help="What it led to, instead.")
@click.pass_obj
def graph(invocation: Invocation, index: int, *, down: bool) -> None:
    """Show what led to an entry, or what it led to."""
    walk = descendants if down else ancestors
    with opened_store(invocation) as store, store.owner.transaction() as conn:
        lineage = walk(conn, read_entry(conn, index).leaf_hash)
    if invocation.as_json:
        print_json(lineage)
        return
    _print_lineage(lineage)


@ledger.command()
@click.option("--file", type=_FILE, help="Where to append it, instead of checkpoint_file.")
@click.pass_obj
def checkpoint(invocation: Invocation, file: Path | None) -> None:
    """Sign the record as it is now, in a file outside the store.

    Nothing is signed that does not continue the file's last checkpoint.
    """
    settings = invocation.settings()
    where = file or settings.checkpoints
    signer = Signer.load(settings.key_file)
    with opened_store(invocation) as store, store.owner.transaction() as conn:
        written = write_checkpoint(conn, signer, where)
    _print_checkpoint(invocation, written, where)


@ledger.command()
@click.pass_obj
def key(invocation: Invocation) -> None:
    """Print the public key that checks this record, as PEM."""
    public_key = Signer.load(invocation.settings().key_file).public_key
    if invocation.as_json:
        print_json({"key_id": public_key.key_id, "pem": public_key.to_pem()})
        return
    click.echo(public_key.to_pem(), nl=False)


def _newest(reader: _Reader, about: str) -> Iterator[tuple[Entry, Statement]]:
    """Yield the entries about an artifact, newest first; about any where it is empty."""
    end = read_head(reader.conn).size
    while end > 0:
        begin = max(0, end - _BATCH)
        for entry in reversed(read_entries(reader.conn, begin, end)):
            statement = reader.statement(entry)
            if not about or about in statement.subject.values():
                yield entry, statement
        end = begin


@contextmanager
def _reading(invocation: Invocation, file: Path | None) -> Iterator[_Reader]:
    key_file = invocation.settings().key_file
    with opened_store(invocation) as store, store.owner.transaction() as conn:
        if file:
            key = _public_key(file)
        elif not key_file.exists() and not read_head(conn).size:
            # Nothing is signed yet, so any key checks all that there is.
            key = Signer.generate().public_key
        else:
            key = Signer.load(key_file).public_key
        yield _Reader(conn, key)


def _public_key(file: Path) -> PublicKey:
    try:
        return PublicKey.from_pem(file.read_text("utf-8", errors="replace"))
    except OSError as error:
        msg = f"the public key {file} cannot be read: {error.strerror}"
        raise ConfigurationError(msg, hint="`honed ledger key` prints it") from error


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{file} cannot be written: {error.strerror}"
        raise ConfigurationError(msg, hint="give another --output") from error


def _print_checkpoint(invocation: Invocation, written: Checkpoint, file: Path) -> None:
    if invocation.as_json:
        print_json({"origin": written.origin, "size": written.size, "note": written.note})
        return
    click.echo(written.note, nl=False)
    click.echo(f"in {file}", err=True)


def _about(statement: Statement) -> str:
    """Return what an entry is about, for a person; the artifacts are in `honed ledger show`."""
    known = {name: statement.detail.get(name) for name in ("improvement_id", "kind")}
    number, kind = known["improvement_id"], known["kind"]
    if number is None:
        return ", ".join(sorted(statement.subject))
    return f"improvement {number} ({kind})" if kind else f"improvement {number}"


def _summary(entry: Entry, statement: Statement) -> dict[str, object]:
    return {
        "index": entry.index,
        "leaf_hash": entry.leaf_hash,
        "event": statement.event,
        "recorded_at": statement.recorded_at,
        "subject": statement.subject,
        "parents": statement.parents,
    }


def _print_lineage(lineage: Lineage) -> None:
    for entry in lineage.entries:
        click.echo(f"{'  ' * entry.depth}{entry.index} {entry.event} {entry.leaf_hash[:16]}")
    if not lineage.is_complete:
        click.echo("... and more", err=True)
