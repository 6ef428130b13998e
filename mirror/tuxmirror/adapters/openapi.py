"""The OpenAPI description of the web service, served as /openapi.json."""

from __future__ import annotations

from typing import Any

from ..core.licence import PRODUCTS

_REASONS = ("expired", "exhausted", "revoked", "wrong_product")


def document() -> dict[str, Any]:
    """OpenAPI 3.0."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Registration for Enterprise Support for AlmaLinux",
            "version": "1",
            "license": {"name": "GPL-2.0-or-later"},
        },
        "paths": {
            "/cln/api/els/token/register": {"post": _register()},
            "/cln/api/els/key/check": {"post": _check()},
            "/cln/api/els/token/check": {"post": _check_token()},
            "/cln/api/els/token/refresh": {"post": _refresh()},
            "/cln/api/els/token/unregister": {"post": _unregister()},
            "/healthz": {"get": _probe("The process is alive", "ok")},
            "/readyz": {"get": _probe("Registry and content are there", "ready")},
            "/metrics": {"get": _metrics()},
            "/internal/authorize": {"get": _authorize()},
            "/internal/resolve": {"get": _resolve()},
            "/openapi.json": {"get": {"summary": "This", "responses": {"200": _DOCUMENT}}},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_DOCUMENT = {
    "description": "OpenAPI",
    "content": {"application/json": {"schema": {"type": "object"}}},
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(schema)}}
    return {"description": description, "content": content}


def _errors(*statuses: str) -> dict[str, Any]:
    meaning = {
        "400": "Not JSON, another content type, or a member of the wrong shape",
        "401": "Unknown or malformed key, or a token that is not valid",
        "403": "A known key that does not let this host in; `error` says why",
        "413": "More than 16 kB",
        "404": "Not for this address",
        "429": "Too many requests of this address or for this key; `Retry-After` says when",
        "503": "The registry does not answer; try again",
    }
    return {status: _json(meaning[status], "Error") for status in statuses}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(schema)}}}


def _register() -> dict[str, Any]:
    return {
        "summary": "Registers a host and gives it a token",
        "description": (
            "The same key and machine id take no further seat: the host gets a new token, and "
            "the one before it lives ten more minutes. Without a machine id every call takes a "
            "seat."
        ),
        "requestBody": _body("Registration"),
        "responses": {
            "200": _json("Registered", "Token"),
            **_errors("400", "401", "403", "413", "429", "503"),
        },
    }


def _check() -> dict[str, Any]:
    return {
        "summary": "Tells what a key is good for; takes no seat",
        "requestBody": _body("Key"),
        "responses": {
            "200": _json("A usable key", "Terms"),
            **_errors("400", "401", "403", "413", "429", "503"),
        },
    }


def _check_token() -> dict[str, Any]:
    return {
        "summary": "Tells what the token's licence is good for; changes nothing",
        "security": [{"token": []}],
        "responses": {"200": _json("It is valid", "Cover"), **_errors("401", "403", "429", "503")},
    }


def _refresh() -> dict[str, Any]:
    return {
        "summary": "Gives a new token; the one sent lives ten more minutes",
        "security": [{"token": []}],
        "responses": {"200": _json("Refreshed", "Token"), **_errors("401", "403", "429", "503")},
    }


def _unregister() -> dict[str, Any]:
    return {
        "summary": "Ends the registration of the host and frees its seat",
        "security": [{"token": []}],
        "responses": {"200": _json("Unregistered", "Status"), **_errors("401", "429", "503")},
    }


def _metrics() -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    figures = {"description": "In Prometheus' text format", "content": text}
    return {
        "summary": "Figures, for the addresses in `metrics_allow`",
        "responses": {"200": figures, **_errors("404")},
    }


def _authorize() -> dict[str, Any]:
    header = {"in": "header", "required": False, "schema": {"type": "string"}}
    channel = {"X-Tuxmirror-Channel": {"schema": {"type": "string"}}}
    return {
        "summary": "For a web server in front: whether a token opens a path",
        "description": "Answers trusted proxies only. `Cache-Control`: how long it may be kept.",
        "security": [{"token": []}, {}],
        "parameters": [
            {"name": "X-Tuxmirror-Path", "description": "Its first three segments", **header},
            {"name": "X-Tuxmirror-Open", "description": "`yes`: everybody may have it", **header},
        ],
        "responses": {
            "200": {"description": "Yes, from this channel", "headers": channel},
            "403": {"description": "No"},
            **_errors("404", "429", "503"),
        },
    }


def _resolve() -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    names = ("X-Tuxmirror-Object", "X-Tuxmirror-Sha256", "X-Tuxmirror-Type", "X-Tuxmirror-Lifetime")
    path = {"name": "X-Tuxmirror-Path", "in": "header", "required": False, **text}
    return {
        "summary": "For a web server in front of a bucket: which object has a path",
        "description": "Answers trusted proxies only. Without X-Tuxmirror-Object the path itself "
        "is to be asked for here.",
        "security": [{"token": []}, {}],
        "parameters": [{**path, "description": "As the client asked for it"}],
        "responses": {
            "200": {"description": "It may be had", "headers": dict.fromkeys(names, text)},
            "403": {"description": "No"},
            **_errors("404", "429", "503"),
        },
    }


def _probe(summary: str, status: str) -> dict[str, Any]:
    responses = {"200": _json(status, "Status")}
    if status == "ready":
        responses.update(_errors("503"))
    return {"summary": summary, "responses": responses}


def _schemas() -> dict[str, Any]:
    key = {"type": "string", "description": "The licence key"}
    products = {"type": "array", "items": {"type": "string", "enum": list(PRODUCTS)}}
    expires = {"type": "string", "format": "date-time", "nullable": True}
    count = {"type": "integer", "minimum": 0, "nullable": True, "description": "null: no limit"}
    optional = {"type": "string", "nullable": True}
    return {
        "Key": _object({"key": key}),
        "Registration": _object(
            {
                "key": key,
                "host_name": {"type": "string", "maxLength": 255},
                "machine_id": {**optional, "pattern": "^([A-Za-z0-9-]{8,64})?$"},
                "release": {**optional, "example": "9.2"},
                "arch": {**optional, "example": "x86_64"},
            },
            required=["key", "host_name"],
        ),
        "Token": _object(
            {
                "token": {"type": "string", "pattern": "^[A-Za-z0-9_-]{32,}$"},
                "products": products,
                "expires": expires,
            }
        ),
        "Terms": _object(
            {
                "products": products,
                "releases": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "empty: all",
                },
                "channel": {"type": "string"},
                "expires": expires,
                "hosts": count,
                "hosts_left": count,
            }
        ),
        "Cover": _object(
            {
                "products": products,
                "releases": {"type": "array", "items": {"type": "string"}},
                "expires": expires,
            }
        ),
        "Status": _object({"status": {"type": "string"}}),
        "Error": _object(
            {
                "error": {
                    "type": "string",
                    "description": "with 403 one of: " + ", ".join(_REASONS),
                },
                "message": {"type": "string"},
            }
        ),
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
