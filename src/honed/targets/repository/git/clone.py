"""A clone of honed's own: what is read of a repository, without touching anybody's checkout."""

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from honed.errors import GitFailed, UnknownCommit
from honed.targets.repository.git.credentials import NO_CREDENTIALS, Credentials
from honed.targets.repository.git.git import Git, Said, hidden
from honed.targets.urls import check_url

_FETCH_TIMEOUT_S: Final = 900.0
#: Files are their bytes in the repository: what attributes would convert stays as it is.
_ATTRIBUTES: Final = "* -text -eol -ident -filter -working-tree-encoding\n"
#: Of changelogs, to which every change adds a line in the same place, a merge keeps the lines of
#: both sides. They are documents by their whole path: in code that would join what conflicts.
_LOGS: Final = "".join(
    "/" + "".join(f"[{e.upper()}{e}]" if e.isalpha() else e for e in place) + " merge=union\n"
    for place in (
        f"{folder}{name}.{ending}"
        for folder in ("", "doc/", "docs/")
        for name in ("changelog", "changes", "history", "news")
        for ending in ("md", "rst")
    )
)
_REFS: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
#: What git says where ids of the repository are digests of another sort than those of the clone.
_OTHER_FORMAT: Final = "mismatched algorithms"
_LINK, _SUBMODULE, _TREE = "120000", "160000", "tree"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a commit."""

    #: From the root, with slashes; undecodable bytes as in ``os.fsdecode``.
    path: str
    #: ``100644``, ``100755``, ``120000`` (a link) or ``160000`` (a submodule).
    mode: str
    blob: str

    @property
    def is_file(self) -> bool:
        """Whether it is neither a link nor a submodule."""
        return self.mode not in {_LINK, _SUBMODULE}

    @property
    def is_submodule(self) -> bool:
        """Whether it is another repository."""
        return self.mode == _SUBMODULE


@dataclass(frozen=True, slots=True)
class Clone:
    """A bare clone in ``folder``; ``honed``'s own branches are beneath ``refs/honed``."""

    folder: Path
    url: str
    credentials: Credentials = NO_CREDENTIALS

    @property
    def git(self) -> Git:
        """Return git on it."""
        return Git(self.folder)

    def fetch(self) -> None:
        """Take over the branches and tags of the repository as they are now.

        What a person has not committed is not seen.

        Raises:
            GitFailed: it cannot be read.
        """
        said = self._fetched()
        if _OTHER_FORMAT in said.words and not self.git.run("for-each-ref", "--count=1"):
            is_sha1 = self.git.text("rev-parse", "--show-object-format") == "sha1"
            for each in ("HEAD", "config", "objects", "refs"):
                place = self.folder / each
                shutil.rmtree(place) if place.is_dir() else place.unlink()
            _init(self, "sha256" if is_sha1 else "sha1")
            said = self._fetched()
        if said.code != 0:
            msg = f"{self.url} cannot be read: {hidden(said.words, self.credentials.secrets)}"
            raise GitFailed(msg, code=said.code, hint="check the URL and the token")

    def _fetched(self) -> Said:
        return self.git.attempt(
            *("fetch", "--quiet", "--prune", "--no-tags", "--no-auto-gc"),
            *("--no-write-fetch-head", "--force", "--", self.url, *_REFS),
            environment=self.credentials.environment(self.url),
            timeout_s=_FETCH_TIMEOUT_S,
        )

    def default_branch(self) -> str:
        """Return the branch that the HEAD of the repository, as it was fetched, names: ``main``.

        Raises:
            GitFailed: it cannot be read, names none, or has no commits.
        """
        out = self.git.run(
            "ls-remote",
            "--symref",
            "--",
            self.url,
            "HEAD",
            environment=self.credentials.environment(self.url),
        )
        for line in os.fsdecode(out).splitlines():
            if line.startswith("ref: refs/heads/"):
                return line.removeprefix("ref: refs/heads/").partition("\t")[0]
        if not self.git.run("for-each-ref", "--count=1"):
            msg = f"{self.url} has no commits yet"
            raise GitFailed(msg, hint="commit the code and its tests, then say this again")
        msg = f"{self.url} names no branch as its default"
        raise GitFailed(msg, hint="name the branch")

    def commit(self, name: str) -> str:
        """Return the id of the commit that a branch, a tag or the beginning of an id names.

        Raises:
            UnknownCommit: there is none.
        """
        said = self.git.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if said.code != 0 or name.startswith("-"):
            msg = f"{self.url} has no commit {name}"
            raise UnknownCommit(msg)
        return said.out.decode().strip()

    def entries(self, commit: str) -> Iterator[Entry]:
        """Yield the files, links and submodules of a commit, by path."""
        listed = self.git.run("ls-tree", "-r", "-z", "--full-tree", self.commit(commit))
        for line in filter(None, listed.split(b"\0")):
            about, _, path = line.partition(b"\t")
            mode, _sort, blob = about.decode().split()
            yield Entry(os.fsdecode(path), mode, blob)

    def read(self, commit: str, path: str) -> bytes | None:
        """Return a file's bytes in a commit, of a link where it leads; None: there is none."""
        said = self.git.attempt("cat-file", "blob", f"{commit}:{path}")
        return said.out if said.code == 0 else None

    def contents(self, blobs: Sequence[str], largest_bytes: int) -> Iterator[bytes | None]:
        """Yield the bytes of blobs, one process of git for all; None for those that are larger.

        Args:
            blobs: their ids.

            largest_bytes: larger ones, and those that are not there, are not read.
        """
        asked = "".join(f"{each}\n" for each in blobs).encode()
        sizes = self.git.run("cat-file", "--batch-check=%(objectsize)", stdin=asked).split(b"\n")
        small = [size.isdigit() and int(size) <= largest_bytes for size in sizes[: len(blobs)]]
        wanted = [blob for blob, is_small in zip(blobs, small, strict=True) if is_small]
        asked = "".join(f"{each}\n" for each in wanted).encode()
        said = self.git.run("cat-file", "--batch", stdin=asked)
        begin = 0
        for is_small in small:
            if not is_small:
                yield None
                continue
            head_end = said.index(b"\n", begin)
            size = int(said[begin:head_end].rsplit(b" ", 1)[1])
            yield said[head_end + 1 : head_end + 1 + size]
            begin = head_end + size + 2


def open_clone(url: str, folder: Path, credentials: Credentials = NO_CREDENTIALS) -> Clone:
    """Return the clone in ``folder``, empty at first; ``fetch`` fills it.

    Raises:
        ConfigurationError: the URL holds a password, or is none that git may use.
        GitFailed: it cannot be made.
    """
    check_url(url)
    folder.mkdir(parents=True, exist_ok=True)
    clone = Clone(folder, url, credentials)
    if not (folder / "HEAD").exists():
        _init(clone, "sha1")
    attributes = folder / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    # Another git may read it at this moment, and must not find half of it.
    whole = attributes.with_name(f"attributes.{os.getpid()}.{threading.get_ident()}")
    whole.write_text(f"{_ATTRIBUTES}{_LOGS}")
    whole.replace(attributes)
    return clone


def no_blob(commit: str) -> str:
    """Return the id of no file, as long as ids are in the repository of a commit's whole id."""
    return "0" * len(commit)


def _init(clone: Clone, object_format: str) -> None:
    """Make an empty repository; which format its ids have, only the first fetch tells."""
    options = ("--quiet", "--bare", "--template=", f"--object-format={object_format}")
    clone.git.run("init", *options, str(clone.folder))
