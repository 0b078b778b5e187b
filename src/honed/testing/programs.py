"""Programs of PostgreSQL with an extension that the embedded ones lack, where somebody has some."""

import os
import re
import subprocess
from pathlib import Path

#: Whoever tests with statistics that are carried over needs them.
_LEAST_VERSION = 18


def programs_with(extension: str, variable: str) -> Path | None:
    """Return the folder of programs of PostgreSQL 18 or later whose server has ``extension``.

    Args:
        extension: its name.

        variable: of the environment, with a folder that is looked at before the system's.
    """
    given = [Path(os.environ[variable])] if variable in os.environ else []
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    usable = (each for each in (*given, *installed) if (each / "pg_config").is_file())
    return next((each for each in usable if _has(each, extension)), None)


def _has(folder: Path, extension: str) -> bool:
    # Before a release it is one word with the number: 19devel, 19beta1.
    version = re.search(r"\d+", _asked(folder, "--version"))
    shared = Path(_asked(folder, "--sharedir"))
    control = shared / "extension" / f"{extension}.control"
    return control.is_file() and version is not None and int(version[0]) >= _LEAST_VERSION


def _asked(folder: Path, option: str) -> str:
    command = [str(folder / "pg_config"), option]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()
