"""A command line that jobs call with arguments which it does not know."""

# ruff: noqa: D103 - its bugs are what matters here

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import click


@click.command()
@click.option("--count", type=click.IntRange(1, 10), default=1)
@click.option("--colour", type=click.Choice(["red", "green"]), default="red")
@click.argument("source")
def sync(count: int, colour: str, source: str) -> None:
    click.echo(f"{count} {colour} {source}")


def call(*arguments: str) -> None:
    sync.main(list(arguments), standalone_mode=False)


def nightly(source: str, *options: str) -> None:
    call(source, *options)


def from_crontab(line: str) -> None:
    call(*line.split())


def convert(*arguments: str) -> bytes:
    return subprocess.check_output([sys.executable, *arguments], stderr=subprocess.DEVNULL)


def thumbnails(*pictures: str) -> list[bytes]:
    return [convert("-c", "raise SystemExit(3)", picture) for picture in pictures]


def started(program: str) -> bytes:
    return subprocess.check_output([program, "--version"])


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a job passes an unknown option": [
        partial(nightly, "a.csv", "--color=red"),
        partial(nightly, "b.csv", "--verbose"),
        partial(from_crontab, "--cout 3 c.csv"),
        partial(from_crontab, "-x c.csv"),
    ],
    "a job passes no source": [
        partial(call),
        partial(from_crontab, "--count 3"),
        partial(from_crontab, "--colour green"),
    ],
    "a job passes a count out of range": [
        partial(nightly, "a.csv", "--count=11"),
        partial(nightly, "b.csv", "--count=0"),
        partial(from_crontab, "--count 400 c.csv"),
    ],
    "the converter fails": [
        partial(thumbnails, "a.png"),
        partial(thumbnails, "pictures of may/b.png", "c.png"),
        partial(convert, "-c", "raise SystemExit(127)"),
    ],
    "the converter is not installed": [
        partial(started, "convert-picture"),
        partial(started, "/opt/pictures/bin/convert"),
        partial(started, "magick7"),
    ],
}
