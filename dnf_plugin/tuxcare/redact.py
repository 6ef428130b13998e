"""Keeps the content token out of logs and off the terminal.

dnf and librepo write whole URLs, the token among them, to world-readable logs and, when a download
fails, to the terminal.
"""

import logging

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any, Iterable

LOGGERS = ("dnf", "librepo", "dnf.rpm")
MASK = "********"


class Redactor(logging.Filter):
    """A filter for handlers: every record passes, none shows the secret."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        if not secret:
            raise ValueError("nothing to redact")
        self._secret = secret

    def __repr__(self) -> str:
        return "Redactor()"

    def clean(self, text: str) -> str:
        return text.replace(self._secret, MASK)

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if self._secret in message:
            record.msg, record.args = self.clean(message), ()
        if record.exc_info and not record.exc_text:
            # Formatter would append the traceback as it is, after this filter.
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        return True

    def attach(self, names: "Iterable[str]" = LOGGERS) -> None:
        """Puts the filter on every handler the named loggers have by now."""
        for name in names:
            for handler in logging.getLogger(name).handlers:
                if self not in handler.filters:
                    handler.addFilter(self)

    def wrap_progress(self, progress: "Any") -> "Any":
        """A download progress like `progress` whose messages are clean."""
        return progress if isinstance(progress, _CleanProgress) else _CleanProgress(progress, self)


class _CleanProgress:
    """Delegates all to a dnf.callback.DownloadProgress; cleans the error of a finished payload."""

    def __init__(self, progress: "Any", redactor: Redactor) -> None:
        self._progress = progress
        self._redactor = redactor

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._progress, name)

    def end(self, payload: "Any", status: "Any", err_msg: "Any") -> None:
        if isinstance(err_msg, str):
            err_msg = self._redactor.clean(err_msg)
        self._progress.end(payload, status, err_msg)
