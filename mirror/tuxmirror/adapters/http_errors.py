"""Errors of the web service as answers.

The API says `{"error": code, "message": text}`, content one line of text. Neither says more than
the client may know, and no log line holds what the client sent.
"""

from __future__ import annotations

import traceback
from typing import Callable

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    RequestEntityTooLarge,
)

from ..core.credentials import redact
from ..core.errors import StorageError
from ..core.licence import LicenceError, UnknownKeyError, UnknownTokenError
from ..core.limits import TooManyError

MAX_BODY = 16 * 1024


def is_content() -> bool:
    """Whether this request is for a file."""
    return request.endpoint in ("content", "root")


def _error(status: int, code: str, message: str, **headers: str) -> Response:
    g.code = code
    if is_content():
        response = Response(f"{status} {message}\n", status, mimetype="text/plain")
    else:
        response = jsonify(error=code, message=message)
        response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers.extend({name.replace("_", "-"): value for name, value in headers.items()})
    return response


_CODES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    416: "range_not_satisfiable",
}


def register_errors(app: Flask, log: Callable[[str], None]) -> None:
    """`log` gets what the operator has to know; `g.code` then holds what the client was told."""

    @app.errorhandler(UnknownKeyError)
    def unknown_key(error: UnknownKeyError) -> Response:
        return _error(401, error.code, error.message, WWW_Authenticate="Bearer")

    @app.errorhandler(UnknownTokenError)
    def unknown_token(error: UnknownTokenError) -> Response:
        return _error(401, error.code, error.message, WWW_Authenticate="Bearer")

    @app.errorhandler(LicenceError)
    def refused(error: LicenceError) -> Response:
        return _error(403, error.code, error.message)

    @app.errorhandler(TooManyError)
    def too_many(error: TooManyError) -> Response:
        return _error(429, error.code, error.message, Retry_After=str(error.retry_after))

    @app.errorhandler(StorageError)
    def unavailable(error: StorageError) -> Response:
        log(f"error: {redact(error.message)} {error.path or ''}".rstrip())
        return _error(503, "unavailable", "try again in a moment", Retry_After="10")

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        message = error.description if isinstance(error, BadRequest) else error.name
        if isinstance(error, Forbidden):
            message = "Forbidden: this content needs a registered host with a licence for it"
        elif isinstance(error, RequestEntityTooLarge):
            message = f"a request has at most {MAX_BODY} bytes"
        response = _error(status, _CODES.get(status, "error"), message or error.name)
        for name, value in error.get_headers():
            if name in ("Allow", "Content-Range"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # Neither its text nor the URL: both may hold a secret. Flask's own handler logs them.
        frames = "".join(traceback.format_tb(error.__traceback__))
        log(f"error: unexpected {type(error).__name__}, please report it\n{frames}")
        return _error(500, "internal", "an unexpected error; the operator's log says more")
