"""The web service: registration as JSON, content as files. Routes are in `openapi`.

Answers teach nothing they need not: unknown and malformed keys get one 401, everything that keeps
content closed one 403. How errors are told is in `http_errors`.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import unquote

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import BadRequest, Forbidden, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as BaseResponse

from ..core.addresses import LOOPBACK, Network, is_in
from ..core.credentials import redact
from ..core.licence import Registered, UnknownTokenError, time_or_none
from ..ports.registry import RegistrationService
from .http_errors import MAX_BODY, is_content, register_errors
from .http_files import PublishedFiles
from .http_guard import REMOTE, Guard
from .http_metrics import CONTENT_TYPE, Metrics
from .http_requests import parse_host_facts, parse_key
from .leases import Leases
from .openapi import document

_API = "/cln/api/els/"
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
AUTHORIZE = "/internal/authorize"
RESOLVE = "/internal/resolve"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# How long nginx may go by an answer of `authorize`; see docs/serving.md for how these add up to
# less than a minute. While it asks again it may use the old one, and so it may while we are away.
_ALLOWED = "max-age=5, stale-while-revalidate=5, stale-if-error=20"
_DENIED = "max-age=5"


@dataclass(frozen=True)
class Surroundings:
    """What is around the service.

    `trusted_proxies` may say whom they ask for; `metrics_allow` may see figures. No metrics: there
    is no such route's content. No leases: a web server in front asks each time.
    """

    trusted_proxies: Sequence[Network] = LOOPBACK
    metrics_allow: Sequence[Network] = LOOPBACK
    metrics: Metrics | None = None
    leases: Leases | None = None


_ALONE = Surroundings()


def create_app(
    registration: RegistrationService,
    files: PublishedFiles,
    log: Callable[[str], None],
    around: Surroundings = _ALONE,
) -> Flask:
    """The WSGI application. `log` gets one line a request, without secrets."""
    app = Flask("tuxmirror", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False
    views = Views(registration, files, around)
    _api(app, "POST", _API + "token/register", views.register)
    _api(app, "POST", _API + "key/check", views.check_key)
    _api(app, "POST", _API + "token/check", views.check_token)
    _api(app, "POST", _API + "token/refresh", views.refresh)
    _api(app, "POST", _API + "token/unregister", views.unregister)
    _api(app, "GET", "/healthz", views.health)
    _api(app, "GET", "/readyz", views.ready)
    _api(app, "GET", "/metrics", views.metrics)
    _api(app, "GET", AUTHORIZE, views.authorize)
    _api(app, "GET", RESOLVE, views.resolve)
    _api(app, "GET", "/openapi.json", lambda: jsonify(document()))
    app.add_url_rule("/", "root", views.content, methods=_METHODS, provide_automatic_options=False)
    app.add_url_rule(
        "/<path:path>", "content", views.content, methods=_METHODS, provide_automatic_options=False
    )
    register_errors(app, log)
    _register_accounts(app, log, around)

    def turned_away() -> None:
        if around.metrics:
            around.metrics.refused(_API, "too_many")

    guard = Guard(app.wsgi_app, _API, registration, around.trusted_proxies, turned_away)
    app.wsgi_app = guard  # type: ignore[method-assign]
    return app


def _api(app: Flask, method: str, path: str, view: Callable[[], Response]) -> None:
    """One route, one method. Others get 405 here, or the route for content would take them."""

    def answer() -> Response:
        allowed = ["GET", "HEAD"] if method == "GET" else [method]
        if request.method not in allowed:
            raise MethodNotAllowed(valid_methods=allowed)
        response = view()
        # Answers hold tokens and what a key is worth.
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.add_url_rule(path, path, answer, methods=_METHODS, provide_automatic_options=False)


class Views:
    """What each route does."""

    def __init__(
        self, registration: RegistrationService, files: PublishedFiles, around: Surroundings
    ) -> None:
        self._registration = registration
        self._files = files
        self._around = around

    def register(self) -> Response:
        body = _json_body()
        key, facts = parse_key(body), parse_host_facts(body)
        return _registered(self._registration.register(key, facts, g.remote))

    def check_key(self) -> Response:
        licence = self._registration.inspect(parse_key(_json_body()), g.remote)
        terms = licence.terms
        return jsonify(
            products=terms.products,
            releases=terms.releases,
            channel=terms.channel,
            expires=time_or_none(terms.expires_at),
            hosts=terms.host_limit,
            hosts_left=licence.seats_left,
        )

    def check_token(self) -> Response:
        terms = self._registration.inspect_token(_required_bearer(), g.remote).terms
        return jsonify(
            products=terms.products,
            releases=terms.releases,
            expires=time_or_none(terms.expires_at),
        )

    def refresh(self) -> Response:
        return _registered(self._registration.refresh(_required_bearer(), g.remote))

    def unregister(self) -> Response:
        self._registration.unregister(_required_bearer(), g.remote)
        return jsonify(status="unregistered")

    def health(self) -> Response:
        return jsonify(status="ok")

    def ready(self) -> Response:
        self._registration.check()
        self._files.check()
        return jsonify(status="ready")

    def metrics(self) -> Response:
        metrics = self._around.metrics
        if metrics is None or not is_in(g.remote, self._around.metrics_allow):
            raise NotFound
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    def authorize(self) -> Response:
        """For a web server in front: may this token have this path, and from which channel?"""
        if not is_in(request.remote_addr or "", self._around.trusted_proxies):
            raise NotFound
        token = _bearer()
        channel: str | None
        if request.headers.get("X-Tuxmirror-Open") == "yes":
            channel = self._files.open_channel(token, g.remote)
        else:
            channel = self._channel_of(request.headers.get("X-Tuxmirror-Path", ""), token)
        if not channel:
            g.code = "forbidden"
            return Response(status=403, headers={"Cache-Control": _DENIED})
        return Response(headers={"X-Tuxmirror-Channel": channel, "Cache-Control": _ALLOWED})

    def resolve(self) -> Response:
        """For a web server in front of a bucket: which object has this path, if it may be had?

        Without X-Tuxmirror-Object the path itself is to be asked for here.
        """
        if not is_in(request.remote_addr or "", self._around.trusted_proxies):
            raise NotFound
        path = unquote(request.headers.get("X-Tuxmirror-Path", "").partition("?")[0])
        try:
            found = self._files.resolve(path.lstrip("/"), _bearer(), g.remote)
        except Forbidden:
            g.code = "forbidden"
            return Response(status=403, headers={"Cache-Control": _DENIED})
        headers = {"Cache-Control": _ALLOWED}
        if found is not None:
            headers["X-Tuxmirror-Object"] = found.link.target
            headers["X-Tuxmirror-Sha256"] = found.link.sha256
            headers["X-Tuxmirror-Type"] = found.content_type
            headers["X-Tuxmirror-Lifetime"] = found.cache_control
        return Response(headers=headers)

    def _channel_of(self, path: str, token: str | None) -> str | None:
        path = path.lstrip("/")
        try:
            channel = self._files.channel(path, token, g.remote)
        except Forbidden:
            return None
        if self._around.leases and token:
            self._around.leases.add(token, tuple(path.split("/")), channel)
        return channel

    def content(self, path: str = "") -> BaseResponse:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(valid_methods=["GET", "HEAD"])
        return self._files.respond(path, request.environ, _bearer(), g.remote, self._origin)

    def _origin(self) -> str:
        """Scheme and host as the client named them. Only its own answer depends on it.

        Raises BadRequest where there is no plain host.
        """
        scheme, host = request.scheme, request.headers.get("Host", "")
        if is_in(request.remote_addr or "", self._around.trusted_proxies):
            scheme = request.headers.get("X-Forwarded-Proto", scheme)
        if scheme not in ("http", "https") or not _HOST.fullmatch(host):
            raise BadRequest("no usable Host header")
        return f"{scheme}://{host}"


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


def _register_accounts(app: Flask, log: Callable[[str], None], around: Surroundings) -> None:
    """Who asks, before; the access log and the figures, after."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()
        g.remote = request.environ[REMOTE]

    @app.after_request
    def account(response: Response) -> Response:
        elapsed = time.perf_counter() - g.started
        size = response.headers.get("Content-Length", "-")
        route = "content" if is_content() else request.endpoint or "none"
        if around.metrics:
            sent = int(size) if response.status_code in (200, 206) and size.isdecimal() else 0
            method = request.method if request.method in _METHODS else "other"
            around.metrics.request(route, method, response.status_code, elapsed, sent)
            if "code" in g:
                around.metrics.refused(route, g.code)
        # The web server in front logs what it asked for.
        if route not in (AUTHORIZE, RESOLVE):
            path = redact(request.path).encode("unicode_escape").decode()
            log(
                f"{g.remote} {request.method} {path} {response.status_code} {size}"
                f" {elapsed * 1000:.1f}ms"
            )
        return response


def stderr_log(line: str) -> None:
    """A log for `create_app`: whole lines on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
