"""Which user code in a box runs as, and how a folder becomes its to write."""

import os
import stat
from pathlib import Path
from typing import Final

from honed.storage.programs import Account

#: Nobody's number: systemd's table of users leaves 60706 to 61183 free (UIDS-GIDS, 2024).
_UID: Final = 61_000


def box_account() -> Account | None:
    """Return the user that boxes run as; None: the user of this process.

    Root's processes are not bound by RLIMIT_NPROC (setrlimit(2)), and root reads everything.
    """
    return Account("honed-box", _UID, _UID) if os.geteuid() == 0 else None


def lend(folder: Path) -> None:
    """Let code in boxes write ``folder`` and everything below; links are not followed.

    Nothing has to be done where boxes run as the user of this process.
    """
    account = box_account()
    if account is None:
        return
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    for _root, folders, files, here in os.fwalk(folder):
        for name in (*folders, *files):
            # A file with another name elsewhere is not only this folder's to give away.
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                continue
            os.chown(name, account.uid, account.gid, dir_fd=here, follow_symlinks=False)
