"""What a repository says is data: nothing of it runs, and nothing of it leads out."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from honed.config import Settings
from honed.errors import ConfigurationError, GitFailed
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.worktree import worktree
from honed.targets.repository.source import Source
from honed.targets.urls import check_url
from honed.testing.repositories import Checkout

HOOKS = ("pre-push", "post-checkout", "post-update", "reference-transaction", "post-index-change")
ODD_NAMES = [
    b"with blank",
    b'with "quote"',
    b"with\nnew line",
    b"with\ttab",
    b"--upload-pack=touch x",
    b"*",
    b":(exclude)a",
    b"latin-1 \xe9",
    "umlaut \N{LATIN SMALL LETTER U WITH DIAERESIS}".encode(),
]


def program(path: Path, mark: Path) -> str:
    path.write_text(f"#!/bin/sh\necho ran >> {mark}\ncat\n")
    path.chmod(0o755)
    return str(path)


def test_nothing_that_a_repository_configures_runs(
    checkout: Checkout, clone: Clone, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    attributes = b"* filter=evil diff=evil merge=evil\n"
    checkout.commit({"a.txt": b"text\n", ".gitattributes": attributes})
    evil = program(tmp_path / "evil", mark)
    for name in HOOKS:
        program(checkout.folder / ".git" / "hooks" / name, mark)
    for key in (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "credential.helper"),
        *("filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv"),
        *("uploadpack.packObjectsHook", "core.gitProxy", "diff.external", "gpg.program"),
    ):
        checkout.git("config", key, evil)
    clone.fetch()
    with worktree(clone, "main", tmp_path / "trees") as made:
        assert (made.root / "a.txt").read_bytes() == b"text\n"
    assert not mark.exists()


def test_a_persons_checkout_is_not_touched(
    checkout: Checkout, clone: Clone, tmp_path: Path
) -> None:
    checkout.commit({"a.txt": b"text\n", "b/c.txt": b"more\n"})
    (checkout.folder / "a.txt").write_bytes(b"not committed\n")
    (checkout.folder / "new.txt").write_bytes(b"not added\n")
    before = checkout.state()
    clone.fetch()
    with worktree(clone, "main", tmp_path / "trees") as made:
        (made.root / "a.txt").write_bytes(b"honed's\n")
    clone.fetch()
    assert checkout.state() == before


def test_links_that_lead_out_are_left_out_and_named(
    checkout: Checkout, clone: Clone, tmp_path: Path
) -> None:
    links = {
        "inside": "a.txt",
        "below/up": "../a.txt",
        "root": "/etc/passwd",
        "above": "../secret",
        "through": "below/out/secret",
        "below/out": "../..",
        "circle": "circle",
        "dangling": "nowhere",
    }
    checkout.commit({"a.txt": b"text\n", "below/b.txt": b"text\n"})
    for name, where in links.items():
        (checkout.folder / name).symlink_to(where)
    checkout.commit({})
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees" / "secret").write_text("secret")
    clone.fetch()
    with worktree(clone, "main", tmp_path / "trees") as made:
        assert set(made.odd) == {"root", "above", "through", "below/out", "circle"}
        assert (made.root / "below" / "up").read_bytes() == b"text\n"
        whole = made.root.resolve()
        for path in made.root.rglob("*"):
            assert path.resolve().is_relative_to(whole)


def test_odd_names_are_names(checkout: Checkout, clone: Clone, tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in ODD_NAMES]
    checkout.commit(dict.fromkeys(names, b"text\n"))
    clone.fetch()
    assert {entry.path for entry in clone.entries("main")} == set(names)
    assert clone.read("main", names[2]) == b"text\n"
    with worktree(clone, "main", tmp_path / "trees") as made:
        assert {path.name for path in made.root.iterdir()} == set(names)


def test_submodules_and_pointers_are_named(
    checkout: Checkout, clone: Clone, tmp_path: Path
) -> None:
    first = checkout.commit({"a.txt": b"text\n"})
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    module = b'[submodule "evil"]\n\tpath = sub\n\turl = ext::sh -c touch%20x\n'
    checkout.commit({"model.bin": pointer, ".gitmodules": module})
    checkout.git("update-index", "--add", "--cacheinfo", f"160000,{first},sub")
    checkout.git("commit", "--quiet", "-m", "module")
    clone.fetch()
    with worktree(clone, "main", tmp_path / "trees") as made:
        assert made.odd == {"sub": "a submodule", "model.bin": "a pointer of Git LFS"}
        assert (made.root / "model.bin").read_bytes() == pointer


def test_files_are_their_bytes_whatever_attributes_say(
    checkout: Checkout, clone: Clone, tmp_path: Path
) -> None:
    text = b"$Id$ one\ntwo\n"
    checkout.commit({"a.txt": text})
    attributes = "* text eol=crlf ident working-tree-encoding=UTF-16\n"
    (checkout.folder / ".git" / "info" / "attributes").write_text("* -working-tree-encoding\n")
    checkout.commit({".gitattributes": attributes.encode()})
    clone.fetch()
    with worktree(clone, "main", tmp_path / "trees") as made:
        assert (made.root / "a.txt").read_bytes() == text


@pytest.mark.parametrize("name", [b".git", b"..", b".GIT"])
def test_a_tree_that_would_write_gits_own_files_is_refused(
    checkout: Checkout, clone: Clone, tmp_path: Path, name: bytes
) -> None:
    blob = checkout.git("hash-object", "-w", "--stdin", stdin=b"evil")
    inner = b"100644 config\0" + bytes.fromhex(blob)
    sub = checkout.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=inner)
    outer = b"40000 " + name + b"\0" + bytes.fromhex(sub)
    tree = checkout.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=outer)
    commit = checkout.git("commit-tree", tree, "-m", "evil")
    checkout.git("update-ref", "refs/heads/main", commit)
    clone.fetch()
    with pytest.raises(GitFailed), worktree(clone, "main", tmp_path / "trees"):
        pass
    assert list((tmp_path / "trees").glob("*")) == []


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% x",
        "--upload-pack=touch x",
        "fd::17",
        "-oProxyCommand=touch",
        "git@-oProxyCommand=touch x:shop.git",
        "ssh://-oProxyCommand=touch/shop.git",
        "ssh://ada@-oProxyCommand=touch/shop.git",
        "https://[::1/shop.git",
        "https://example.org/a\nb",
        "",
    ],
)
def test_urls_that_are_programs_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL"):
        check_url(url)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "javascript://x", "ext://x"])
def test_what_git_need_not_open_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not let open"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/shop.git",
        "../shop",
        "C:/shop",
        "https://example.org/shop.git",
        "https://ada@example.org:8443/shop.git",
        "ssh://git@example.org/shop.git",
        "ssh://git@[::1]:2222/shop.git",
        "git@example.org:shop/cart.git",
        "example.org:shop/cart.git",
        "file:///srv/shop.git",
    ],
)
def test_ordinary_urls_are_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("secret", ["ada:hunter2", "ghp_" + "a1B2" * 9])
def test_a_password_in_a_url_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_url(f"https://{secret}@example.org/shop.git")
    assert secret.rpartition(":")[2] not in str(caught.value)


@pytest.mark.parametrize("url", ["ext::sh -c touch% x", "https://ada:hunter2@example.org/x.git"])
@pytest.mark.parametrize("place", ["observe", "act"])
def test_a_row_that_somebody_else_wrote_is_refused_by_the_target_itself(
    checkout: Checkout, tmp_path: Path, url: str, place: str
) -> None:
    checkout.commit({"a.txt": b"1"})
    usual = TargetRecord("shop", str(checkout.folder), str(checkout.folder), "repository")
    record = replace(usual, observe_url=url) if place == "observe" else replace(usual, act_url=url)
    source = Source(record, Settings(home=tmp_path))
    for acting in (False, True):
        with pytest.raises(ConfigurationError):
            source.clone(acting=acting)
    with pytest.raises(ConfigurationError):
        add_target(Database("postgresql://nobody-asks"), record)
