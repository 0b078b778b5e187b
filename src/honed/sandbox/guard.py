"""Who kills a box when honed itself is killed.

Bubblewrap's own ``--die-with-parent`` leaves a process behind where honed dies while the box is
made: its first process then waits for ever for one that is dead. So a box begins only once a guard
knows its first process, and the guard's end of a pipe tells it when honed is gone.
"""

import contextlib
import os
import subprocess
from typing import Final

#: Ends by itself where it is told so, or where there never was anything to kill.
_SCRIPT: Final = 'read -r first && { read -r ended || kill -9 "$first"; }'


class Guard:
    """Kills one process, and with that its box, when this process dies.

    Not guaranteed: that it notices while a process lives that was forked from this one meanwhile
    and did not start another program: that holds the guard's pipe open, too.
    """

    def __init__(self) -> None:
        """Start it; there is nobody yet to be killed."""
        pipe, self._words = os.pipe()
        self._is_told = False
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(self._words)
            raise
        finally:
            os.close(pipe)

    def watch(self, pid: int) -> None:
        """Kill the process ``pid`` when this process dies."""
        self._tell(str(pid))
        self._is_told = True

    def release(self) -> None:
        """End it; there is nobody any more to be killed."""
        if self._is_told:
            self._tell("ended")
        os.close(self._words)
        self._process.wait()

    def _tell(self, word: str) -> None:
        # Where somebody killed the guard there is nobody to be told.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._words, f"{word}\n".encode())
