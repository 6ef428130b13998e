"""What an OSV document has to look like (https://ossf.github.io/osv-schema/), for jsonschema."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
_EVENT = {
    "type": "object",
    "oneOf": [{"required": [name]} for name in ("introduced", "fixed", "last_affected", "limit")],
    "additionalProperties": _TEXT,
    "maxProperties": 1,
}
_RANGE = {
    "type": "object",
    "required": ["type", "events"],
    "properties": {
        "type": {"enum": ["GIT", "SEMVER", "ECOSYSTEM"]},
        "events": {
            "type": "array",
            "minItems": 1,
            "items": _EVENT,
            "contains": {"required": ["introduced"]},
        },
    },
}
_AFFECTED = {
    "type": "object",
    "required": ["package", "ranges"],
    "properties": {
        "package": {
            "type": "object",
            "required": ["ecosystem", "name"],
            "properties": {
                "ecosystem": {"type": "string", "pattern": "^(AlmaLinux|TuxCare):.+$"},
                "name": _TEXT,
                "purl": _TEXT,
            },
        },
        "ranges": {"type": "array", "items": _RANGE},
        "ecosystem_specific": {"type": "object"},
        "database_specific": {"type": "object"},
    },
}
OSV_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["schema_version", "id", "modified"],
    "properties": {
        "schema_version": {"type": "string", "pattern": r"^1\.\d+\.\d+$"},
        "id": {"type": "string", "pattern": "^(A[LBE]SA|ALBA|ALEA|CLSA)-"},
        "published": _DATE,
        "modified": _DATE,
        "summary": _TEXT,
        "details": _TEXT,
        "related": {"type": "array", "items": _TEXT},
        "affected": {"type": "array", "minItems": 1, "items": _AFFECTED},
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "url"],
                "properties": {
                    "type": {"enum": ["ADVISORY", "ARTICLE", "FIX", "PACKAGE", "REPORT", "WEB"]},
                    "url": {"type": "string", "pattern": "^https?://"},
                },
            },
        },
        "database_specific": {"type": "object"},
    },
    "additionalProperties": False,
}
