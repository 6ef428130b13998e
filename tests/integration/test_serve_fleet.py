"""Several services on one PostgreSQL, as behind a balancer; lists for spreadsheets."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.service import Operator

REPOMD = "almalinux/9.2/BaseOS/x86_64/os/repodata/repomd.xml"


@pytest.fixture
def fleet(tmp_path, postgresql):
    """An operator and two of his services."""
    with postgresql.database() as url:
        operator = Operator(tmp_path / "operator", main=f"database = {url}")
        operator.publish({REPOMD: b"<repomd/>"})
        with operator.serve() as one, operator.serve() as two:
            yield operator, one, two


def status(service, token):
    return service.get("/" + REPOMD, headers={"Authorization": f"Bearer {token}"}).status_code


def test_what_one_service_gives_is_good_at_the_other(fleet):
    operator, one, two = fleet
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    token = one.register(key, machine_id="machine-1").json()["token"]
    assert (status(one, token), status(two, token)) == (200, 200)
    successor = two.post("token/refresh", token=token).json()["token"]
    assert status(one, successor) == 200
    assert one.register(key, machine_id="machine-2").json()["error"] == "exhausted"
    assert two.post("token/unregister", token=successor).status_code == 200
    assert one.register(key, machine_id="machine-2").status_code == 200


def test_the_last_seats_go_out_once_whichever_service_is_asked(fleet):
    operator, *services = fleet
    key = operator.create_licence("--product", "esu", "--hosts", "3")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: services[n % 2].register(key, f"web{n}"), range(24)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [403] * 21
    assert operator.json("license", "show", key)["hosts_taken"] == 3


def test_a_database_that_goes_away_is_told_and_served_again(fleet, postgresql):
    operator, one, _two = fleet
    key = operator.create_licence("--product", "esu")
    token = one.register(key).json()["token"]
    assert status(one, token) == 200
    postgresql.stop()
    try:
        answer = one.register(key)
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert one.get("/readyz").status_code == 503
        assert "tuxmirror_registry_up 0.0" in one.get("/metrics").text
        # What it remembers goes on.
        assert status(one, token) == 200
    finally:
        postgresql.start()
    assert one.register(key).status_code == 200
    assert "error" in operator.log.read_text()
    assert key not in operator.log.read_text()


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_lists_are_there_for_spreadsheets(tmp_path):
    operator = Operator(tmp_path / "operator")
    key = operator.create_licence(
        "--product", "esu,fips", "--hosts", "2", "--note", '=HYPERLINK("x"), "quoted"'
    )
    with operator.serve() as service:
        service.register(key, "-2+3,web")
        service.register(key, "web2", release="9.2", arch="x86_64")
    [licence] = rows(operator.call("license", "list", "--csv"))
    assert licence["masked_key"] == f"ESU-...{key[-4:]}"
    assert licence["products"] == "esu fips"
    assert (licence["hosts"], licence["hosts_taken"], licence["expires"]) == ("2", "2", "")
    # A spreadsheet would run them.
    assert licence["note"] == '\'=HYPERLINK("x"), "quoted"'
    hosts = rows(operator.call("host", "list", "--csv", "--license", licence["id"]))
    assert [host["host_name"] for host in hosts] == ["'-2+3,web", "web2"]
    assert (hosts[1]["release"], hosts[1]["arch"], hosts[1]["state"]) == (
        "9.2",
        "x86_64",
        "registered",
    )
    assert operator.json("host", "list")["hosts"][0]["host_name"] == "-2+3,web"


def test_an_empty_list_has_its_head(tmp_path):
    operator = Operator(tmp_path / "operator")
    assert operator.call("host", "list", "--csv").startswith("id,host_name,licence,")
    assert operator.call("license", "list", "--csv").count("\n") == 1


def test_one_form_at_a_time(tmp_path):
    operator = Operator(tmp_path / "operator")
    assert "not allowed with" in operator.call("host", "list", "--csv", "--json", status=2)
