"""The documents of status and verify are what their schemas in docs/ say."""

import json

import jsonschema_rs
import pytest

from tests.integration.conftest import LICENCE
from tests.support import CHECKOUT


def check(name, document):
    schema = json.loads((CHECKOUT / "docs" / f"{name}.schema.json").read_text())
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(document)


@pytest.mark.parametrize("options", [None, (), ("--fips",), ("--fips", "--strict")])
@pytest.mark.parametrize("offline", [True, False])
def test_status(register, tuxctl, options, offline):
    if options is not None:
        register(*options)
    check("status", json.loads(tuxctl("status", "--json", *["--offline"] * offline).out))


def test_status_of_a_service_that_tells_little(tuxctl, registration):
    registration.has_key_check = False
    registration.keys[LICENCE] = {}
    assert tuxctl("--server", registration.url, "-l", LICENCE).status == 0
    check("status", json.loads(tuxctl("status", "--json").out))


def test_status_of_a_refused_host(register, tuxctl, registration):
    register()
    registration.tokens.clear()
    check("status", json.loads(tuxctl("status", "--json").out))


@pytest.mark.parametrize("options", [(), ("--fips",)])
def test_verify(register, tuxctl, options):
    register(*options)
    check("verify", json.loads(tuxctl("verify", "--json").out))


def test_a_document_that_is_not_so_is_refused(register, tuxctl):
    register()
    document = json.loads(tuxctl("status", "--json").out)
    with pytest.raises(jsonschema_rs.ValidationError):
        check("status", dict(document, token="ESU-SECRET"))
