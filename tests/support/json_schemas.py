"""The official JSON schemas of what we publish: CSAF 2.0, its provider metadata, OSV.

errors(CSAF, document) == []
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

_OURS = Path(__file__).with_name("schemas")
OSV = "https://raw.githubusercontent.com/ossf/osv-schema/main/validation/schema.json"
CSAF = "https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json"
CSAF_PROVIDER = "https://docs.oasis-open.org/csaf/csaf/v2.0/provider_json_schema.json"


def errors(schema: str, document: Any) -> list[str]:
    """What is wrong with a document, each with its place in it."""
    return [f"{e.json_path}: {e.message[:300]}" for e in _validator(schema).iter_errors(document)]


@functools.cache
def _validator(schema: str) -> Draft202012Validator:
    known = _registry()
    return Draft202012Validator(
        known[schema].contents, registry=known, format_checker=FormatChecker()
    )


@functools.cache
def _registry() -> Registry:
    # Found without being imported: the package takes a second.
    package = importlib.util.find_spec("csaf_lib")
    assert package is not None
    assert package.origin is not None
    theirs = Path(package.origin).parent / "verification" / "schemas"
    known: Registry = Registry()
    for path in (*sorted(_OURS.glob("*.json")), *sorted(theirs.glob("*.json"))):
        resource = Resource.from_contents(json.loads(path.read_text()))
        known = known.with_resource(resource.id(), resource)
        # FIRST's name themselves with a fragment or without, and are referred to without.
        known = known.with_resource(str(resource.id()).split("?")[0].rstrip("#"), resource)
    return known
