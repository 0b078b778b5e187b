"""Where a repository may be: addresses that git opens itself, with no password in them."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from honed.core.secrets import find_secrets
from honed.errors import ConfigurationError

_SCHEMES: Final = frozenset({"http", "https", "ssh", "git", "file"})
#: ``ext::sh -c ...``: git would run a program of that name.
_HELPER: Final = re.compile(r"[\w+.-]*::")
#: A host or a path that git, or ssh, would take for an option.
_OPTION: Final = re.compile(r"(?:^|@|://)-")
#: ``git@host:path``, as ssh has it, or with its scheme.
_SSH: Final = re.compile(r"ssh://|[\w.-]+@[\w.-]+:(?!\d+/)")
_FORM: Final = "name a folder, or an address such as https://host/path"


def looks_like_repository(url: str) -> bool:
    """Return whether a URL is more likely a git repository's than a database's.

    It is a folder with a repository in it, ends as addresses of repositories do, or is one of ssh.
    """
    folder = Path(url)
    is_folder = (folder / ".git").exists() or (folder / "objects").is_dir()
    return is_folder or url.rstrip("/").endswith(".git") or bool(_SSH.match(url))


def absolute(url: str) -> str:
    """Return a folder's absolute path, for git runs elsewhere; any other URL as it is."""
    return str(Path(url).absolute()) if url and Path(url).is_dir() else url


def check_url(url: str) -> None:
    """Return if ``url`` can be a repository's: a path, or one of http, https, ssh, git and file.

    Raises:
        ConfigurationError: it is another, or holds a password or a token. The URL is not repeated.
    """
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname or "", parts.username or "", parts.password
    except ValueError as error:
        msg = "this is no URL of a repository"
        raise ConfigurationError(msg, hint=_FORM) from error
    # Some give a token as the user, or in the query.
    if password or find_secrets(user) or find_secrets(parts.query):
        msg = "the URL of the repository holds a password"
        raise ConfigurationError(msg, hint="leave it out; the token comes from the environment")
    is_odd = _HELPER.match(url) or _OPTION.search(url) or host.startswith("-")
    if not url or is_odd or not url.isprintable():
        msg = "this is no URL of a repository"
        raise ConfigurationError(msg, hint=_FORM)
    if "://" in url and parts.scheme not in _SCHEMES:
        msg = f"git is not let open {parts.scheme}://"
        raise ConfigurationError(msg, hint=_FORM)
