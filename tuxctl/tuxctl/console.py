"""What people see: results on standard output, everything else on standard error."""

import contextlib
import os
import sys
from typing import Iterator, Optional, TextIO

from tuxcare.errors import RegistrationStateError, TuxcareError


class Step:
    """A numbered step at work; `detail` is shown once it is done."""

    def __init__(self) -> None:
        self.detail = "done"


class Colours:
    """Paints words for a terminal, or leaves them as they are."""

    def __init__(self, painted: bool) -> None:
        self._painted = painted

    def good(self, text: str) -> str:
        return self._paint(text, "32")

    def warning(self, text: str) -> str:
        return self._paint(text, "33")

    def error(self, text: str) -> str:
        return self._paint(text, "31")

    def _paint(self, text: str, code: str) -> str:
        return "\x1b[{}m{}\x1b[0m".format(code, text) if self._painted else text


class Console:
    """Line by line, flushed at once, so that a log shows how far a run came."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        # https://no-color.org
        self.colours = Colours(out.isatty() and not os.environ.get("NO_COLOR"))

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def note(self, text: str) -> None:
        print(text, file=self._err, flush=True)

    @contextlib.contextmanager
    def step(self, number: int, title: str) -> Iterator[Step]:
        """Shows the step when it is done, or that it failed."""
        step = Step()
        try:
            yield step
        except BaseException:
            self.say("{}. {}: failed".format(number, title))
            raise
        self.say("{}. {}: {}".format(number, title, step.detail))

    def confirm(self, question: str) -> bool:
        """Ask a person; anything but yes is no."""
        print(question + " [y/N] ", end="", file=self._err, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def error(self, error: TuxcareError) -> None:
        """The message and the way out. Those of the registration's state are the guide's own."""
        plain = isinstance(error, RegistrationStateError)
        self.note(error.message if plain else "tuxctl: " + error.message)
        self._hint(error.hint)

    def _hint(self, hint: Optional[str]) -> None:
        if hint:
            self.note(hint)
