"""What the documents say of the command line is true."""

import inspect
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from honed import errors
from honed.errors import HonedError
from honed.interfaces.cli.root import honed
from honed.storage.db import Database
from honed.testing import reference

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")))
    if path.exists() and path.parent.name not in {"reference", "decisions"}
]
SOURCE = ROOT / "src" / "honed"
SOURCES = [
    path
    for path in sorted(SOURCE.rglob("*"))
    if path.suffix in {".py", ".sql"} and "`honed " in path.read_text(encoding="utf-8")
]
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELLS = {"console", "sh", "bash", "shell"}
#: A mention in a sentence, between backticks.
MENTIONED = re.compile(r"`(honed [^`]+)`")
OPERATORS = {"|", ">", ">>", "<", "&&", "||", ";", "&"}


def lines_of(path: Path) -> Iterator[str]:
    """Yield the command lines in the fenced blocks of a document."""
    for language, body in FENCED.findall(path.read_text(encoding="utf-8")):
        if language in SHELLS:
            yield from (line.strip() for line in body.replace("\\\n", " ").splitlines())


def honed_lines(path: Path) -> list[str]:
    """Return those that run honed, as one starts it from anywhere."""
    found = []
    for line in lines_of(path):
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\$|[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and Path(words[0]).name == "honed":
            end = next((i for i, word in enumerate(words) if word in OPERATORS), len(words))
            found.append(shlex.join(words[1:end]))
    return found


def parse(line: str) -> click.Context:
    """Return the context in which a command line would run; it is not run.

    Raises:
        click.UsageError: there is no such command, or it takes something else.
    """
    context = honed.make_context("honed", shlex.split(line))
    command: click.Command = honed
    while isinstance(command, click.Group):
        words = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, words)
        assert found is not None
        context = found.make_context(name, rest, parent=context)
        command = found
    return context


def check_mention(line: str) -> None:
    """Raise unless the command that is mentioned exists and has the options that are."""
    words = shlex.split(line)
    command: click.Command = honed
    context = click.Context(honed)
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(context, word)
            assert found is not None, f"there is no command {word} in {line}"
            command = found
        elif word.startswith("--"):
            options = {name for each in command.params for name in each.opts + each.secondary_opts}
            assert word in options | {"--help"}, f"there is no option {word} in {line}"


@pytest.mark.parametrize(
    ("path", "line"),
    [(path, line) for path in DOCUMENTS for line in honed_lines(path)],
    ids=lambda value: value if isinstance(value, str) else value.stem,
)
def test_every_command_line_in_the_documents_parses(path: Path, line: str) -> None:
    assert parse(line).command is not honed, f"{path}: {line}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_command_that_a_document_mentions_exists(path: Path) -> None:
    for line in MENTIONED.findall(path.read_text(encoding="utf-8")):
        check_mention(line.removeprefix("honed "))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_command_that_the_code_mentions_exists(path: Path) -> None:
    for line in MENTIONED.findall(path.read_text(encoding="utf-8")):
        check_mention(line.removeprefix("honed "))


def test_a_wrong_command_line_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parse("target show shop --bogus")
    with pytest.raises(click.UsageError):
        parse("target bogus")
    with pytest.raises(AssertionError):
        check_mention("target list --bogus")


def test_the_how_tos_are_walked() -> None:
    assert {path.stem for path in DOCUMENTS if honed_lines(path)} > {
        "connect-a-database",
        "run-more-workers",
        "settle-a-dead-letter",
        "verify-the-record",
    }


def test_every_command_and_option_has_help() -> None:
    commands = list(reference.commands())
    silent = [name for name, command, _ in commands if not command.help]
    silent += [
        f"{name} {each.opts[0]}"
        for name, command, _ in commands
        for each in command.params
        if isinstance(each, click.Option) and not each.help
    ]
    assert silent == []


def test_every_error_says_what_it_means_and_what_to_do() -> None:
    named = {
        name
        for name, each in vars(errors).items()
        if inspect.isclass(each) and issubclass(each, HonedError)
    }
    assert {each.__name__ for each in reference.error_classes()} == named
    assert [each for each in reference.error_classes() if not each.hint or not each.__doc__] == []


def test_the_tree_of_errors_names_each() -> None:
    tree = errors.__doc__ or ""
    missing = [
        each.__name__
        for each in reference.error_classes()
        if not re.search(rf"\b{each.__name__}\b", tree)
    ]
    assert missing == []


def test_the_reference_is_up_to_date(store: Database) -> None:
    assert reference.outdated(ROOT / reference.FOLDER, reference.pages(store)) == []


def test_the_settings_say_what_bounds_them() -> None:
    lines = [line for line in reference.settings_page().splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line for line in lines}
    assert "| int, at least 8 |" in rows["watch_intervals"]
    assert "| float, more than 0, less than 0.5 |" in rows["alpha"]


def test_what_is_out_of_date_is_named(store: Database, tmp_path: Path) -> None:
    made = reference.pages(store)
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert reference.outdated(tmp_path, made) == []
    with (tmp_path / "cli.md").open("a", encoding="utf-8") as page:
        page.write(os.linesep)
    (tmp_path / "sql.md").unlink()
    assert reference.outdated(tmp_path, made) == ["cli.md", "sql.md"]
