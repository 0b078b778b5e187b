"""What others wrote is printed so that no terminal obeys it."""

import pytest

from honed.interfaces.cli.output import print_patch, print_text


def test_a_text_is_printed_without_what_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_text("a\x1b[2Jb\nc", indent=2, to_error=True)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "  a\N{REPLACEMENT CHARACTER}[2Jb\n  c\n")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_patch_is_whole_for_programs_and_harmless_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    print_patch("+x = '\x1b[2J'\n")
    said = capsys.readouterr().out
    assert ("\x1b" not in said) is is_terminal
    assert said.endswith("'\n")
