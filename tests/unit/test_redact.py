"""The token in log records, tracebacks and download errors."""

import io
import logging

import pytest

from tuxcare.redact import MASK, Redactor

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def log():
    """A logger and the text its handler has written."""
    logger = logging.Logger("test")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    return logger, handler, stream


def test_messages_arguments_and_tracebacks_are_clean(log):
    logger, handler, stream = log
    handler.addFilter(Redactor(TOKEN))
    logger.warning("https://repo.example/%s/x", TOKEN)
    logger.warning("plain " + TOKEN)
    try:
        raise OSError(f"cannot open https://repo.example/{TOKEN}/x")
    except OSError:
        logger.exception("failed")
    logger.warning("%d%%", 7)
    text = stream.getvalue()
    assert TOKEN not in text
    assert text.count(MASK) == 3
    assert f"OSError: cannot open https://repo.example/{MASK}/x" in text
    assert "7%" in text


def test_it_is_attached_once_to_every_handler(log):
    _logger, handler, _ = log
    named = logging.getLogger("tuxcare-test-redact")
    named.addHandler(handler)
    redactor = Redactor(TOKEN)
    redactor.attach(["tuxcare-test-redact"])
    redactor.attach(["tuxcare-test-redact"])
    assert handler.filters == [redactor]
    named.removeHandler(handler)


def test_nothing_secret_is_refused_and_the_secret_is_not_shown():
    with pytest.raises(ValueError, match="nothing"):
        Redactor("")
    assert TOKEN not in repr(Redactor(TOKEN))


class Progress:
    def __init__(self):
        self.ended = []
        self.fo = "stream"

    def end(self, payload, status, err_msg):
        self.ended.append((payload, status, err_msg))


def test_a_failed_download_is_told_without_the_token():
    progress = Progress()
    redactor = Redactor(TOKEN)
    wrapped = redactor.wrap_progress(progress)
    wrapped.end("a.rpm", 1, f"Status code: 403 for https://repo.example/{TOKEN}/a.rpm")
    wrapped.end("b.rpm", None, None)
    assert progress.ended == [
        ("a.rpm", 1, f"Status code: 403 for https://repo.example/{MASK}/a.rpm"),
        ("b.rpm", None, None),
    ]
    assert wrapped.fo == "stream"
    assert redactor.wrap_progress(wrapped) is wrapped
