"""The web service: registration as JSON, content as files. Routes are in `openapi`.

Answers teach nothing they need not: unknown and malformed keys get one 401, everything that keeps
content closed one 403. Errors of the API are `{"error": code, "message": text}`.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any, Callable

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    MethodNotAllowed,
    RequestEntityTooLarge,
)
from werkzeug.wrappers import Response as BaseResponse

from ..core.credentials import redact
from ..core.errors import StorageError
from ..core.licence import (
    LicenceError,
    Registered,
    UnknownKeyError,
    UnknownTokenError,
    time_or_none,
)
from ..ports_registry import RegistrationService
from .http_files import PublishedFiles
from .http_requests import InvalidBody, parse_host_facts, parse_key
from .openapi import document

MAX_BODY = 16 * 1024
_API = "/cln/api/els/"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def create_app(
    registration: RegistrationService, files: PublishedFiles, log: Callable[[str], None]
) -> Flask:
    """The WSGI application. `log` gets one line a request, without secrets."""
    app = Flask("tuxmirror", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False
    views = Views(registration, files)
    _api(app, "POST", _API + "token/register", views.register)
    _api(app, "POST", _API + "key/check", views.check_key)
    _api(app, "POST", _API + "token/refresh", views.refresh)
    _api(app, "POST", _API + "token/unregister", views.unregister)
    _api(app, "GET", "/healthz", views.health)
    _api(app, "GET", "/readyz", views.ready)
    _api(app, "GET", "/openapi.json", lambda: jsonify(document()))
    app.add_url_rule("/", "root", views.content, methods=_METHODS, provide_automatic_options=False)
    app.add_url_rule(
        "/<path:path>", "content", views.content, methods=_METHODS, provide_automatic_options=False
    )
    _register_errors(app, log)
    _register_access_log(app, log)
    return app


def _api(app: Flask, method: str, path: str, view: Callable[[], Response]) -> None:
    """One route, one method. Others get 405 here, or the route for content would take them."""

    def answer() -> Response:
        allowed = ["GET", "HEAD"] if method == "GET" else [method]
        if request.method not in allowed:
            raise MethodNotAllowed(valid_methods=allowed)
        response = view()
        # Answers hold tokens and what a key is worth.
        response.headers["Cache-Control"] = "no-store"
        return response

    app.add_url_rule(path, path, answer, methods=_METHODS, provide_automatic_options=False)


class Views:
    """What each route does."""

    def __init__(self, registration: RegistrationService, files: PublishedFiles) -> None:
        self._registration = registration
        self._files = files

    def register(self) -> Response:
        body = _json_body()
        key, facts = parse_key(body), parse_host_facts(body)
        return _registered(self._registration.register(key, facts, _remote()))

    def check_key(self) -> Response:
        licence = self._registration.inspect(parse_key(_json_body()))
        terms = licence.terms
        return jsonify(
            products=terms.products,
            releases=terms.releases,
            channel=terms.channel,
            expires=time_or_none(terms.expires_at),
            hosts=terms.host_limit,
            hosts_left=licence.seats_left,
        )

    def refresh(self) -> Response:
        return _registered(self._registration.refresh(_required_bearer(), _remote()))

    def unregister(self) -> Response:
        self._registration.unregister(_required_bearer(), _remote())
        return jsonify(status="unregistered")

    def health(self) -> Response:
        return jsonify(status="ok")

    def ready(self) -> Response:
        self._registration.check()
        self._files.check()
        return jsonify(status="ready")

    def content(self, path: str = "") -> BaseResponse:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(valid_methods=["GET", "HEAD"])
        return self._files.respond(path, request.environ, _bearer())


def _json_body() -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise BadRequest("send JSON, with Content-Type: application/json")
    # One byte more than allowed raises RequestEntityTooLarge.
    data = request.get_data(cache=False)
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def _registered(answer: Registered) -> Response:
    return jsonify(
        token=answer.token,
        products=answer.terms.products,
        expires=time_or_none(answer.terms.expires_at),
    )


def _bearer() -> str | None:
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer":
        return None
    return authorization.token


def _required_bearer() -> str:
    token = _bearer()
    if not token:
        raise UnknownTokenError("this call needs an Authorization: Bearer header")
    return token


def _remote() -> str:
    return request.remote_addr or "-"


def _is_content() -> bool:
    return request.endpoint in ("content", "root")


def _error(status: int, code: str, message: str, **headers: str) -> Response:
    if _is_content():
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


def _register_errors(app: Flask, log: Callable[[str], None]) -> None:
    @app.errorhandler(UnknownKeyError)
    def unknown_key(error: UnknownKeyError) -> Response:
        return _error(401, error.code, error.message, WWW_Authenticate="Bearer")

    @app.errorhandler(UnknownTokenError)
    def unknown_token(error: UnknownTokenError) -> Response:
        return _error(401, error.code, error.message, WWW_Authenticate="Bearer")

    @app.errorhandler(LicenceError)
    def refused(error: LicenceError) -> Response:
        return _error(403, error.code, error.message)

    @app.errorhandler(InvalidBody)
    def invalid(error: InvalidBody) -> Response:
        return _error(400, "bad_request", str(error))

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


def _register_access_log(app: Flask, log: Callable[[str], None]) -> None:
    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def line(response: Response) -> Response:
        elapsed = time.perf_counter() - g.get("started", time.perf_counter())
        path = redact(request.path).encode("unicode_escape").decode()
        size = response.headers.get("Content-Length", "-")
        log(
            f"{_remote()} {request.method} {path} {response.status_code} {size}"
            f" {elapsed * 1000:.1f}ms"
        )
        return response


def stderr_log(line: str) -> None:
    """A log for `create_app`: whole lines on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
