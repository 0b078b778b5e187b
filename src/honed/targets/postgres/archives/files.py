"""Archives: Parquet files of one partition with a manifest that says what they must be.

An archive is a folder of honed's home: ``archive/<target>/<schema>.<table>``. It appears whole, by
one renaming; what is still being written is called ``...partial``.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from honed.core.canonical import Json, canonical_json
from honed.errors import ArchiveDamaged, HonedError
from honed.targets.postgres.archives.engine import literal
from honed.targets.postgres.archives.proof import Column, Proof

_MANIFEST, _VERIFIED, _PARTIAL = "manifest.json", "verified.json", ".partial"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class File:
    """One Parquet file of an archive."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds, and how it is known that it still does."""

    target: str
    schema: str
    table: str
    #: Schema and name of the table that it was a partition of.
    parent: tuple[str, str]
    #: ``FOR VALUES FROM ... TO ...``.
    bound: str
    columns: tuple[Column, ...]
    files: tuple[File, ...]
    proof: Proof
    #: Of a numeric column that is kept as text: the DECIMAL that holds each of its values.
    decimals: Mapping[str, str]
    archived_at: datetime
    #: Which rows were meant, as the claim says it: another table may get the same name later.
    claim: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.size_bytes for file in self.files)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            **asdict(self),
            "format": _FORMAT,
            "parent": list(self.parent),
            "columns": [asdict(each) for each in self.columns],
            "files": [asdict(each) for each in self.files],
            "proof": self.proof.to_json(),
            "archived_at": self.archived_at.isoformat(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        """Return what ``to_json`` wrote."""
        read: dict[str, Any] = {
            "parent": tuple(value["parent"]),
            "columns": tuple(Column(**each) for each in value["columns"]),
            "files": tuple(File(**each) for each in value["files"]),
            "proof": Proof.from_json(value["proof"]),
            "archived_at": datetime.fromisoformat(value["archived_at"]),
        }
        return cls(**{name: each for name, each in value.items() if name != "format"} | read)


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive, complete; its files may have been damaged since."""

    folder: Path
    manifest: Manifest
    #: SHA-256 of the manifest, which names the digest of every file.
    sha256: str

    @classmethod
    def open(cls, folder: Path) -> "Archive":
        """Return the archive in ``folder``.

        Raises:
            ArchiveDamaged: there is none, or its manifest cannot be read.
        """
        try:
            content = (folder / _MANIFEST).read_bytes()
            manifest = Manifest.from_json(json.loads(content))
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"there is no archive in {folder} that can be read: {error}"
            raise ArchiveDamaged(msg) from error
        return cls(folder, manifest, hashlib.sha256(content).hexdigest())

    @property
    def paths(self) -> list[Path]:
        """Its Parquet files."""
        return [self.folder / file.name for file in self.manifest.files]

    @property
    def source(self) -> str:
        """An expression of DuckDB that reads it, with the columns as they are stored."""
        return source(self.paths)

    def verify(self, sha256: str = "") -> None:
        """Return if every file is what it was when it was archived, and take a note of that.

        Args:
            sha256: what the manifest's digest must be; empty: whatever it is.

        Raises:
            ArchiveDamaged: a file is missing, or is another one.
        """
        if sha256 not in {"", self.sha256}:
            msg = f"the manifest in {self.folder} is not the one that was proven"
            raise ArchiveDamaged(msg)
        for file in self.manifest.files:
            path = self.folder / file.name
            if not path.is_file() or digest_of(path) != file.sha256:
                msg = f"{path} is not what was archived"
                raise ArchiveDamaged(msg)
        note = {"manifest": self.sha256, "at": datetime.now(UTC).isoformat()}
        # Who may only read the archive can verify it all the same.
        with suppress(OSError):
            (self.folder / _VERIFIED).write_text(json.dumps(note), encoding="utf-8")

    def verified_at(self) -> datetime | None:
        """Return when ``verify`` succeeded last; None: never, or the manifest is another one."""
        try:
            note = json.loads((self.folder / _VERIFIED).read_text(encoding="utf-8"))
            at = datetime.fromisoformat(note["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return at if note.get("manifest") == self.sha256 else None


def folder_of(target: str, schema: str, table: str) -> str:
    """Return where the archive of a table lies, below the folder of all archives."""
    # Quoted, so that no name can lead elsewhere and no two names share a folder.
    return f"{target}/{_plain(schema)}.{_plain(table)}"


def _plain(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")


def partial_of(folder: Path) -> Path:
    """Return where an archive is while it is written or removed."""
    return folder.with_name(folder.name + _PARTIAL)


def list_archives(root: Path) -> list[Archive]:
    """Return every complete archive of a target or, given the folder above, of all targets.

    Those whose manifest cannot be read are left out; see ``list_unreadable``.
    """
    return [each for each in _all(root).values() if isinstance(each, Archive)]


def list_unreadable(root: Path) -> dict[Path, str]:
    """Return why the manifest of an archive cannot be read, by its folder."""
    return {path: str(each) for path, each in _all(root).items() if isinstance(each, HonedError)}


def _all(root: Path) -> dict[Path, Archive | ArchiveDamaged]:
    found: dict[Path, Archive | ArchiveDamaged] = {}
    for path in sorted([*root.glob(f"*/{_MANIFEST}"), *root.glob(f"*/*/{_MANIFEST}")]):
        # Further dots: what is partial or was set aside.
        if path.parent.name.count(".") == 1:
            try:
                found[path.parent] = Archive.open(path.parent)
            except ArchiveDamaged as error:
                found[path.parent] = error
    return found


def is_there(folder: Path) -> bool:
    """Return whether there is a complete archive in ``folder``."""
    return (folder / _MANIFEST).is_file()


def publish(partial: Path, folder: Path, manifest: Manifest) -> Archive:
    """Make what was written to ``partial`` the archive ``folder``, for good."""
    (partial / _MANIFEST).write_bytes(canonical_json(manifest.to_json()))
    for path in (*partial.iterdir(), partial):
        _sync(path)
    partial.rename(folder)
    _sync(folder.parent)
    return Archive.open(folder)


def remove(folder: Path) -> None:
    """Remove an archive, whole or partial; what a kill leaves of it is partial."""
    partial = partial_of(folder)
    if folder.exists():
        shutil.rmtree(partial, ignore_errors=True)
        folder.rename(partial)
    remove_partial(folder)


def remove_partial(folder: Path) -> None:
    """Remove what was begun to be written or removed; an archive that is whole stays."""
    partial = partial_of(folder)
    if partial.exists():
        shutil.rmtree(partial)


def set_aside(archive: Archive) -> Path:
    """Rename an archive that its table no longer equals, so that nothing is lost."""
    aside = archive.folder.with_name(f"{archive.folder.name}.aside-{archive.sha256[:12]}")
    archive.folder.rename(aside)
    return aside


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source(paths: Sequence[Path]) -> str:
    """Return an expression of DuckDB that reads Parquet files as one table."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
