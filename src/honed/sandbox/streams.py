"""What is said to a program and what it says, moved without waiting for either side."""

import os
import selectors
from collections.abc import Mapping
from typing import Final

_CHUNK_BYTES: Final = 65_536


class Streams:
    """Pipes to and from a program."""

    def __init__(self, stdin: int, outputs: Mapping[str, int], pid: int) -> None:
        """Take over the open ends ``stdin`` and ``outputs``, by name, of the process ``pid``."""
        self._stdin: int | None = stdin
        self._unsaid = bytearray()
        self._is_last = False
        #: What each output said and nobody took yet.
        self.said = {name: bytearray() for name in outputs}
        self._selector = selectors.DefaultSelector()
        os.set_blocking(stdin, False)
        for name, number in outputs.items():
            self._selector.register(number, selectors.EVENT_READ, name)
        self._process = os.pidfd_open(pid)
        self._selector.register(self._process, selectors.EVENT_READ)
        self._watched = len(outputs) + 1

    @property
    def is_over(self) -> bool:
        """Whether the process has ended, and nobody is left who could say something."""
        return self._watched == 0

    def send(self, words: bytes, *, is_last: bool = False) -> None:
        """Have ``words`` written as fast as they are read; lost where nobody reads them."""
        if self._stdin is None:
            return
        self._unsaid += words
        self._is_last = is_last
        if self._stdin not in self._selector.get_map():
            self._selector.register(self._stdin, selectors.EVENT_WRITE)

    def hang_up(self) -> None:
        """Say nothing any more, not even what was to be said."""
        self._close_stdin()

    def move(self, *, timeout_s: float) -> None:
        """Move what can be moved; wait so long for the first of it."""
        for key, _event in self._selector.select(max(0.0, timeout_s)):
            if key.fd == self._stdin:
                self._write(self._stdin)
            elif key.fd == self._process:
                self._forget(self._process)
            else:
                self._read(key.fd, self.said[key.data])

    def close(self) -> None:
        """Close all ends that are open."""
        for key in list(self._selector.get_map().values()):
            if key.fd != self._stdin:
                self._forget(key.fd)
        self._close_stdin()
        self._selector.close()

    def _write(self, stdin: int) -> None:
        try:
            written = os.write(stdin, self._unsaid[:_CHUNK_BYTES])
        except BrokenPipeError:
            self._close_stdin()
            return
        del self._unsaid[:written]
        if self._unsaid:
            return
        if self._is_last:
            self._close_stdin()
        else:
            self._selector.unregister(stdin)

    def _read(self, number: int, said: bytearray) -> None:
        chunk = os.read(number, _CHUNK_BYTES)
        said += chunk
        if not chunk:
            self._forget(number)

    def _close_stdin(self) -> None:
        if self._stdin is None:
            return
        if self._stdin in self._selector.get_map():
            self._selector.unregister(self._stdin)
        os.close(self._stdin)
        self._stdin = None

    def _forget(self, number: int) -> None:
        self._selector.unregister(number)
        self._watched -= 1
        os.close(number)
