"""A DSN says where to send and with which key, or is refused without being repeated."""

import pytest

from honed.client.dsn import Dsn
from honed.config import Settings
from honed.signals.projects import Project


def test_a_project_s_own_dsn_is_understood() -> None:
    project = Project(7, "shop", "4d2e" * 8)
    dsn = Dsn.of(project.dsn(Settings()))
    assert dsn == Dsn("http", f"127.0.0.1:{Settings().api_port}", "", "7", "4d2e" * 8)
    assert "4d2e" not in repr(dsn)


@pytest.mark.parametrize(
    ("text", "dsn"),
    [
        ("https://k@honed.example/7", Dsn("https", "honed.example", "", "7", "k")),
        (" http://k@[::1]:80/7/ ", Dsn("http", "[::1]:80", "", "7", "k")),
        ("http://k:s@a/below/7", Dsn("http", "a", "/below", "7", "k")),
    ],
)
def test_other_forms_are_understood(text: str, dsn: Dsn) -> None:
    assert Dsn.of(text) == dsn


def test_it_tells_where_things_go() -> None:
    dsn = Dsn.of("https://k@h:1/a/b/7")
    assert dsn.envelope_path == "/a/b/api/7/envelope/"
    assert dsn.tests_url == "https://h:1/a/b/api/v1/tests"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "http://a/7", "ftp://k3y@a/7", "http://k3y@a", "http://k3y@a/", "http://k3y@/7",
        "http://k3y@a:port/7", "", "http://k3y@a:99999/7", "http://k3y@[::1/7", "http://k3y@a/7;8",
    ],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a DSN has the form") as refused:
        Dsn.of(text)
    assert "k3y" not in str(refused.value)
