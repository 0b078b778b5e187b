"""Programs with an extension are found where somebody has some, of a version that can be used."""

from pathlib import Path

import pytest

from honed.testing.programs import programs_with

VARIABLE = "TEST_SOME_PROGRAMS"
EXTENSION = "honed_nobody_has_this"


@pytest.mark.parametrize(
    ("version", "extension", "is_usable"),
    [
        ("18.1 (Debian 18.1-1.pgdg13+2)", EXTENSION, True),
        ("19devel", EXTENSION, True),
        ("19beta1", EXTENSION, True),
        ("17.6", EXTENSION, False),
        ("18.1", "another", False),
    ],
)
def test_they_are_of_18_or_later_and_have_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    extension: str,
    is_usable: bool,  # noqa: FBT001 - a case
) -> None:
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / f"{extension}.control").touch()
    asked = tmp_path / "pg_config"
    asked.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "PostgreSQL {version}" || echo {tmp_path}\n'
    )
    asked.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert programs_with(EXTENSION, VARIABLE) == (tmp_path if is_usable else None)
