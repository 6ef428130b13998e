"""The web application in this process: a clock to turn, a database to break, bodies to fuzz."""

import contextlib
import json
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

from tests.support.serve_app import (
    NOW,
    REGISTER,
    Clock,
    application,
    broken,
    licence,
    register,
    status,
)
from tuxmirror.adapters.openapi import document
from tuxmirror.usecases import hosts, licences
from tuxmirror.usecases.registration import GRANT_LIFETIME, OVERLAP, GrantCache, Registration


@pytest.fixture
def site(tmp_path):
    with application(tmp_path) as found:
        yield found


def test_a_revoked_licence_closes_within_the_lifetime_of_the_cache(site):
    key = licence(site)
    token = register(site, key)
    assert status(site, token) == 200
    licences.revoke(site.registry, site.digests, site.audit, key, NOW)
    site.clock.now += GRANT_LIFETIME - 0.1
    assert status(site, token) == 200
    site.clock.now += 0.1
    assert status(site, token) == 403
    assert GRANT_LIFETIME <= 30


def test_a_revoked_host_closes_within_the_lifetime_of_the_cache(site):
    token = register(site, licence(site))
    assert status(site, token) == 200
    hosts.revoke(site.registry, site.audit, "web1", NOW)
    site.clock.now += GRANT_LIFETIME
    assert status(site, token) == 403


def test_a_clock_that_was_set_back_keeps_no_revoked_licence_open(site):
    """Neither at once nor when it comes to the same time again."""
    ticks = Clock()
    registration = Registration(site.registry, site.digests, site.audit, site.clock, ticks)
    key = licence(site)
    token = register(site, key)
    assert registration.grant(token, "-") is not None
    licences.revoke(site.registry, site.digests, site.audit, key, NOW)
    for step in (-3600, 3600):
        site.clock.now += step
        ticks.now += GRANT_LIFETIME
        assert registration.remembered(token) is None
    assert registration.grant(token, "-") is None


def test_an_expired_licence_closes_on_the_second_in_spite_of_the_cache(site):
    token = register(site, licence(site, expires_at=NOW + 5))
    assert status(site, token) == 200
    site.clock.now += 5.9
    assert status(site, token) == 200
    site.clock.now += 0.1
    assert status(site, token) == 403


def test_a_retired_token_lives_ten_minutes(site):
    key = licence(site)
    old = register(site, key, "machine-1")
    new = register(site, key, "machine-1")
    assert OVERLAP == 600
    site.clock.now += OVERLAP
    assert (status(site, old), status(site, new)) == (200, 200)
    site.clock.now += 1
    assert (status(site, old), status(site, new)) == (403, 200)


def test_a_token_that_left_is_closed_at_once_though_it_was_cached(site):
    token = register(site, licence(site))
    assert status(site, token) == 200
    site.registration.unregister(token, "-")
    assert status(site, token) == 403


def test_a_retired_token_can_still_leave_and_takes_its_successor_along(site):
    key = licence(site, host_limit=1)
    old = register(site, key, "machine-1")
    new = register(site, key, "machine-1")
    site.registration.unregister(old, "-")
    assert status(site, new) == 403
    register(site, key, "machine-2", "web2")


def test_an_expired_licence_lets_a_host_leave(site):
    token = register(site, licence(site, expires_at=NOW + 5))
    site.clock.now += 100
    answer = site.client.post(
        "/cln/api/els/token/refresh", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json["error"]) == (403, "expired")
    site.registration.unregister(token, "-")
    assert hosts.every(site.registry, site.digests)[0].ended_by == "host"


def test_an_expired_key_is_told_so(site):
    key = licence(site, expires_at=NOW + 5)
    site.clock.now += 6
    for call in ("token/register", "key/check"):
        answer = site.client.post("/cln/api/els/" + call, json={"key": key, "host_name": "web1"})
        assert (answer.status_code, answer.json["error"]) == (403, "expired")
        assert "2027-01-15" in answer.json["message"]


def test_a_known_token_asks_the_database_once(site, mocker):
    token = register(site, licence(site))
    reading = mocker.spy(site.registry, "reading")
    for _ in range(50):
        assert status(site, token) == 200
    assert reading.call_count == 1


def test_guessing_fills_no_memory(site):
    for number in range(50):
        assert status(site, f"{number:043d}") == 403
    assert site.registration._grants._grants == {}


def test_a_full_cache_starts_afresh():
    cache = GrantCache(20.0, capacity=3, ticks=Clock())
    grant = SimpleNamespace(expires_at=None)
    for number in range(4):
        cache.put(str(number), grant, NOW)
    assert cache.get("3", NOW) is grant
    assert cache.get("0", NOW) is None


def test_without_a_database_nothing_is_given_away_and_cached_hosts_go_on(site, mocker):
    key = licence(site)
    cached, other = register(site, key), register(site, key)
    assert status(site, cached) == 200
    broken(mocker, site)
    assert status(site, cached) == 200
    answers = [
        site.client.get(f"/almalinux/9.2/{other}/TIME"),
        site.client.post(REGISTER, json={"key": key, "host_name": "web1"}),
        site.client.get("/readyz"),
    ]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert all(answer.headers["Retry-After"] for answer in answers)
    mocker.stopall()
    assert status(site, other) == 200


def test_on_a_full_disk_no_seat_is_taken_and_hosts_go_on(site):
    key = licence(site)
    token = register(site, key)
    pages = full_from_now_on(site.registry._engine)
    names = (f"web{number}" + "x" * 200 for number in range(200))
    answers = [site.client.post(REGISTER, json={"key": key, "host_name": n}) for n in names]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} == {503}
    assert any("full" in line for line in site.lines)
    assert status(site, token) == 200
    assert len(hosts.every(site.registry, site.digests)) == 1 + len(answers) - len(refused)
    pages.clear()
    site.registry._engine.dispose()
    assert site.client.post(REGISTER, json={"key": key, "host_name": "web1"}).status_code == 200


def full_from_now_on(engine):
    """SQLite then says what it says on a full disk. Returns the limit; empty: none."""
    limit = []

    def configure(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {limit[0] if limit else 2**30}")

    sa.event.listen(engine, "connect", configure)
    with engine.connect() as connection:
        limit.append(connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 2)
    engine.dispose()
    return limit


def test_a_registration_that_cannot_be_recorded_does_not_happen(site):
    key = licence(site, host_limit=1)
    (site.state / "audit.log").rename(site.state / "old")
    (site.state / "audit.log").mkdir()
    answer = site.client.post(REGISTER, json={"key": key, "host_name": "web1"})
    assert (answer.status_code, answer.json["error"]) == (503, "unavailable")
    assert "audit log" in "\n".join(site.lines)
    assert hosts.every(site.registry, site.digests) == []
    (site.state / "audit.log").rmdir()
    register(site, key)


def test_an_unexpected_error_shows_no_secret(site, mocker):
    key = licence(site)
    token = register(site, key)
    site.clock.now += GRANT_LIFETIME
    for name in ("reading", "writing"):
        mocker.patch.object(site.registry, name, side_effect=RuntimeError(f"{key} {token}"))
    answers = [
        site.client.get(f"/almalinux/9.2/{token}/TIME"),
        site.client.post(REGISTER, json={"key": key, "host_name": "web1"}),
    ]
    assert [answer.status_code for answer in answers] == [500, 500]
    seen = "\n".join([*site.lines, *(answer.text for answer in answers)])
    assert "RuntimeError" in seen
    assert "registration.py" in seen
    assert key not in seen
    assert token not in seen


def test_files_that_cannot_be_read_are_the_operators_trouble(site, mocker):
    token = register(site, licence(site))
    failure = PermissionError(13, "Permission denied")
    mocker.patch("tuxmirror.adapters.http_content.os.open", side_effect=failure)
    assert status(site, token) == 503
    mocker.stopall()
    assert any("Permission denied" in line for line in site.lines)


def test_the_description_names_every_route_and_no_other(site):
    described = {
        (path, method.upper()) for path, item in document()["paths"].items() for method in item
    }
    routes = {rule.rule for rule in site.app.url_map.iter_rules()} - {"/", "/<path:path>"}
    assert {path for path, _ in described} == routes
    for path, method in described:
        for tried in ("GET", "POST", "PUT", "DELETE"):
            answer = site.client.open(path, method=tried)
            assert (answer.status_code == 405) == (tried != method), (path, tried)


def resolve(schema):
    if "$ref" in schema:
        return document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def conforms(value, schema):
    """The part of JSON schema that the description uses."""
    schema = resolve(schema)
    if value is None:
        return schema.get("nullable", False)
    kind = {"string": str, "integer": int, "array": list, "object": dict}[schema["type"]]
    if not isinstance(value, kind) or ("enum" in schema and value not in schema["enum"]):
        return False
    if kind is list:
        return all(conforms(item, schema["items"]) for item in value)
    if kind is dict and "properties" in schema:
        known = schema["properties"]
        return set(schema["required"]) <= set(value) <= set(known) and all(
            conforms(value[name], known[name]) for name in value
        )
    return True


def described(path, method, answer):
    """Whether the description knows this answer."""
    responses = document()["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code)
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    return conforms(answer.json, schema)


def test_answers_are_as_described(site):
    key = licence(site, host_limit=2, expires_at=NOW + 1000)
    check = "/cln/api/els/key/check"
    answer = site.client.post(REGISTER, json={"key": key, "host_name": "web1"})
    headers = {"Authorization": f"Bearer {answer.json['token']}"}
    assert described(REGISTER, "post", answer)
    assert described(check, "post", site.client.post(check, json={"key": key}))
    assert described(check, "post", site.client.post(check, json={"key": "x"}))
    for call in ("token/refresh", "token/unregister"):
        path = "/cln/api/els/" + call
        assert described(path, "post", site.client.post(path, headers=headers))
        assert described(path, "post", site.client.post(path))
    for path in ("/healthz", "/readyz"):
        assert described(path, "get", site.client.get(path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
MEMBERS = ("key", "host_name", "machine_id", "release", "arch")
# Examples share the application; the clock of the wall is no judge on a busy machine.
SHARED = [HealthCheck.function_scoped_fixture]
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON | st.text())).map(
        lambda value: json.dumps(value).encode()
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=SHARED)
@given(BODIES)
def test_no_body_upsets_registration(site, body):
    answer = site.client.post(REGISTER, data=body, content_type="application/json")
    assert answer.status_code in (400, 401)
    assert described(REGISTER, "post", answer)


@settings(max_examples=300, deadline=None, suppress_health_check=SHARED)
@given(st.text() | st.lists(st.sampled_from(["..", ".", "", "almalinux", "9.2", "TIME", "a"])))
def test_no_path_upsets_content(site, path):
    text = path if isinstance(path, str) else "/".join(path)
    answer = site.client.get("/" + text.lstrip("/"))
    assert answer.status_code in (403, 404)


@settings(max_examples=200, deadline=None, suppress_health_check=SHARED)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255)))
def test_no_authorization_upsets_anything(site, header):
    answer = site.client.get("/almalinux/9.2/TIME", headers={"Authorization": header.strip()})
    assert answer.status_code == 403
    call = "/cln/api/els/token/refresh"
    answer = site.client.post(call, headers={"Authorization": "Bearer " + header.strip()})
    assert answer.status_code == 401


# What schemathesis takes for a fault and is none.
NOT_CHECKED = (
    # A well-formed key that nobody has is refused, as it must be.
    "positive_data_acceptance",
    # What is no route of the API is content, where the words for a wrong method are other ones.
    "unsupported_method",
)


def test_a_tool_that_knows_the_description_alone_finds_no_fault(site, tmp_path):
    token = register(site, licence(site))
    with running(site.app) as url:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
             "--header", f"Authorization: Bearer {token}",
             "--exclude-path", "/cln/api/els/token/unregister",
             "--exclude-checks", ",".join(NOT_CHECKED),
             "--max-examples", "25", "--seed", "7", "--no-color", "--generation-database", "none"],
            capture_output=True, text=True, timeout=300, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counted = re.search(r"(\d+) generated", done.stdout)
    assert counted, done.stdout
    assert int(counted[1]) > 100
    assert not any("unexpected" in line for line in site.lines)


@contextlib.contextmanager
def running(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
