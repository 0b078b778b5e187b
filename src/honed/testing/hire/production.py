"""Production of the planted service: answers requests, and Sentry's SDK reports what goes wrong.

Run as a program in the folder of a checkout: it reads requests as JSON from standard input.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import sentry_sdk

#: A folder in which nothing finds room.
FULL = "@full"


def main(dsn: str, database: str) -> None:
    """Answer the requests of standard input, the last of which fails."""
    asked = json.load(sys.stdin)
    sys.path.insert(0, str(Path.cwd() / "src"))
    # Nothing but where to report: all else is as the SDK comes.
    sentry_sdk.init(dsn=dsn, release="hire@1.4.0", environment="production")
    store = __import__("hire.store").store
    handle = __import__("hire.web").web.handle
    with store.connect(database) as conn, store.connect(database) as other:
        if asked["meanwhile"]:
            other.execute(asked["meanwhile"])
        with tempfile.TemporaryDirectory() as folder:
            statuses = [handle(conn, *_real(each, Path(folder))) for each in asked["requests"]]
        conn.rollback()
        other.rollback()
    sentry_sdk.flush(60)
    assert statuses[-1][0] == 500, statuses


def _real(request: Any, folder: Path) -> tuple[str, Any]:  # noqa: ANN401 - a request is JSON
    path, asked = request
    if asked.get("folder") == FULL:
        place = folder / f"{asked['name']}.jpg"
        place.unlink(missing_ok=True)
        place.symlink_to("/dev/full")
        asked = {**asked, "folder": str(folder)}
    return path, asked


if __name__ == "__main__":
    main(*sys.argv[1:])
