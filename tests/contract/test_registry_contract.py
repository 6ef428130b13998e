"""What every registry must do, whichever database holds it: SQLite and PostgreSQL."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tuxmirror.adapters.registry_db import DatabaseRegistry
from tuxmirror.adapters.registry_schema import HEAD, metadata, version
from tuxmirror.core.errors import ConfigError, StorageError
from tuxmirror.core.licence import HostFacts, Terms

PEPPER = "c" * 64
NOW = 1_800_000_000
TERMS = Terms(("esu", "fips"), ("9.2", "9.6"), "canary", 2, NOW + 100, "for ACME: 50 % off; ü")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'registry.sqlite'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


@pytest.fixture
def registry(url):
    registry = DatabaseRegistry.open(url, PEPPER)
    yield registry
    registry.close()


def add_licence(registry, name="lic1", terms=TERMS):
    with registry.writing() as unit:
        return unit.add_licence(name, digest(name), "ESU", "WXYZ", terms, NOW)


def add_host(registry, licence, name="web1", machine=None, public_id=None):
    facts = HostFacts(name, machine, "9.2", "x86_64")
    machine_digest = digest(machine) if machine else None
    with registry.writing() as unit:
        return unit.add_host(licence, public_id or name, facts, machine_digest, NOW)


def digest(text):
    return text.encode().hex().ljust(64, "0")


def test_a_licence_comes_back_as_it_was(registry):
    licence = add_licence(registry)
    with registry.reading() as unit:
        assert unit.licence_by_key(digest("lic1")) == licence
        assert unit.licence_by_public_id("lic1") == licence
        assert unit.licences() == [licence]
    assert licence.terms == TERMS
    assert (licence.created_at, licence.revoked_at, licence.seats_taken) == (NOW, None, 0)


def test_a_licence_without_limits_comes_back_without(registry):
    terms = Terms(("essential",))
    assert add_licence(registry, terms=terms).terms == terms


def test_what_is_not_there_is_none(registry):
    with registry.reading() as unit:
        assert unit.licence_by_key("x") is None
        assert unit.licence_by_public_id("x") is None
        assert unit.token("x") is None
        assert unit.host_by_machine(1, "x") is None
        assert unit.find_hosts("x") == unit.hosts() == unit.licences() == []


def test_revoking_is_remembered(registry):
    licence = add_licence(registry)
    with registry.writing() as unit:
        unit.revoke_licence(licence.id, NOW + 1)
    with registry.reading() as unit:
        assert unit.licence_by_public_id("lic1").revoked_at == NOW + 1


def test_seats_are_those_of_hosts_that_have_not_left(registry):
    licence, other = add_licence(registry), add_licence(registry, "lic2")
    first = add_host(registry, licence, "a")
    add_host(registry, licence, "b")
    add_host(registry, other, "c")
    with registry.writing() as unit:
        unit.end_host(first.id, "host", NOW)
    with registry.reading() as unit:
        assert unit.licence_by_public_id("lic1").seats_taken == 1
        assert unit.licence_by_public_id("lic2").seats_taken == 1


def test_a_machine_is_known_within_its_licence_only(registry):
    licence, other = add_licence(registry), add_licence(registry, "lic2")
    host = add_host(registry, licence, "a", "machine")
    with registry.reading() as unit:
        assert unit.host_by_machine(licence.id, digest("machine")) == host
        assert unit.host_by_machine(other.id, digest("machine")) is None


def test_one_machine_has_one_place_in_a_licence(registry):
    licence = add_licence(registry)
    add_host(registry, licence, "a", "machine")
    with pytest.raises(StorageError):
        add_host(registry, licence, "b", "machine")
    add_host(registry, licence, "c")
    add_host(registry, licence, "d")


def test_a_host_that_comes_back_has_its_place_again(registry):
    licence = add_licence(registry)
    host = add_host(registry, licence, "a", "machine")
    with registry.writing() as unit:
        unit.end_host(host.id, "operator", NOW + 1)
    with registry.reading() as unit:
        ended = unit.host_by_machine(licence.id, digest("machine"))
    assert (ended.ended_at, ended.ended_by) == (NOW + 1, "operator")
    with registry.writing() as unit:
        unit.renew_host(host.id, HostFacts("new", None, None, "aarch64"), NOW + 2)
    with registry.reading() as unit:
        renewed = unit.host_by_machine(licence.id, digest("machine"))
    assert (renewed.name, renewed.release, renewed.arch) == ("new", "9.2", "aarch64")
    assert (renewed.registered_at, renewed.last_registered_at) == (NOW, NOW + 2)
    assert (renewed.ended_at, renewed.ended_by) == (None, None)


def test_hosts_are_found_by_id_or_by_name_while_registered(registry):
    licence = add_licence(registry)
    one = add_host(registry, licence, "web", public_id="h1")
    two = add_host(registry, licence, "web", public_id="h2")
    with registry.reading() as unit:
        assert unit.find_hosts("web") == [one, two]
        assert unit.find_hosts("h2") == [two]
    with registry.writing() as unit:
        unit.end_host(one.id, "host", NOW)
    with registry.reading() as unit:
        assert unit.find_hosts("web") == [two]
        assert [host.public_id for host in unit.find_hosts("h1")] == ["h1"]
        assert [host.public_id for host in unit.hosts(licence.id)] == ["h1", "h2"]


def test_a_token_leads_to_its_host_and_licence(registry):
    licence = add_licence(registry)
    host = add_host(registry, licence)
    with registry.writing() as unit:
        unit.add_token(host.id, "t1", NOW)
    with registry.reading() as unit:
        record = unit.token("t1")
    assert record.host == host
    assert record.licence.public_id == "lic1"
    assert record.licence.seats_taken == 1
    assert record.expires_at is None


def test_ending_a_host_forgets_its_tokens_and_no_others(registry):
    licence = add_licence(registry)
    one, two = add_host(registry, licence, "a"), add_host(registry, licence, "b")
    with registry.writing() as unit:
        unit.add_token(one.id, "t1", NOW)
        unit.add_token(two.id, "t2", NOW)
        unit.end_host(one.id, "host", NOW)
    with registry.reading() as unit:
        assert unit.token("t1") is None
        assert unit.token("t2") is not None


def retired(registry, keep, now=NOW):
    with registry.writing() as unit:
        unit.retire_tokens(1, keep, NOW + 600, now)
    with registry.reading() as unit:
        found = {name: unit.token(name) for name in ("t1", "t2", "t3")}
    return {name: record.expires_at for name, record in found.items() if record}


@pytest.fixture
def three_tokens(registry):
    host = add_host(registry, add_licence(registry))
    with registry.writing() as unit:
        for name in ("t1", "t2", "t3"):
            unit.add_token(host.id, name, NOW)
    return registry


def test_of_old_tokens_the_newest_lives_on_for_a_while(three_tokens):
    assert retired(three_tokens, None) == {"t3": NOW + 600}


def test_of_old_tokens_the_one_in_use_lives_on_for_a_while(three_tokens):
    assert retired(three_tokens, "t1") == {"t1": NOW + 600}


def test_retiring_twice_does_not_lengthen_a_life(three_tokens):
    retired(three_tokens, "t1")
    with three_tokens.writing() as unit:
        unit.retire_tokens(1, "t1", NOW + 900, NOW + 300)
    with three_tokens.reading() as unit:
        assert unit.token("t1").expires_at == NOW + 600


def test_a_token_whose_time_is_over_is_forgotten(three_tokens):
    retired(three_tokens, "t1")
    assert retired(three_tokens, "t1", NOW + 601) == {}


def test_an_exception_leaves_no_trace(registry):
    with pytest.raises(KeyError), registry.writing() as unit:
        unit.add_licence("gone", "g" * 64, "ESU", "WXYZ", TERMS, NOW)
        raise KeyError
    with registry.reading() as unit:
        assert unit.licences() == []


def test_what_was_committed_is_there_for_others_at_once_and_after_a_restart(registry, url):
    other = DatabaseRegistry.open(url, PEPPER)
    licence = add_licence(registry)
    with other.reading() as unit:
        assert unit.licences() == [licence]
    registry.close()
    other.close()
    third = DatabaseRegistry.open(url, PEPPER)
    with third.reading() as unit:
        assert unit.licences() == [licence]
    third.close()


def test_a_locked_licence_waits_for_the_one_before(registry):
    """Both see the seat free before they try; only one may find it so inside."""
    licence = add_licence(registry, terms=Terms(("esu",), host_limit=1))
    barrier = threading.Barrier(8)

    def seat(number):
        barrier.wait()
        with registry.writing() as unit:
            if unit.licence_by_key(digest("lic1")).seats_left == 0:
                return False
            unit.add_host(licence, f"h{number}", HostFacts("web"), None, NOW)
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(seat, range(8))) == [False] * 7 + [True]


def test_readers_are_not_kept_waiting_by_a_writer(registry):
    licence = add_licence(registry)
    with registry.writing() as writer:
        writer.revoke_licence(licence.id, NOW)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(lambda: read_licence(registry)).result(timeout=5)
    assert found.revoked_at is None


def read_licence(registry):
    with registry.reading() as unit:
        return unit.licence_by_public_id("lic1")


def test_many_may_open_a_new_registry_at_once(url):
    barrier = threading.Barrier(6)

    def open_it(_number):
        barrier.wait()
        registry = DatabaseRegistry.open(url, PEPPER)
        registry.check()
        registry.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_it, range(6)))


def test_another_pepper_is_refused(registry, url):
    with pytest.raises(ConfigError, match="another pepper"):
        DatabaseRegistry.open(url, "d" * 64)


def test_a_newer_layout_is_refused(registry, url):
    execute(url, version.update().values(version_num="9999"))
    with pytest.raises(ConfigError, match="another version") as refusal:
        DatabaseRegistry.open(url, PEPPER)
    assert "9999" in refusal.value.found
    assert read_version(url) == "9999"


def test_the_steps_lead_to_what_the_program_expects(registry, url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


def test_a_registry_from_before_there_were_steps_is_brought_up_to_date(registry, url):
    licence = add_licence(registry)
    execute(url, "DROP TABLE alembic_version")
    execute(url, "INSERT INTO registry_meta VALUES ('schema_version', '1')")
    barrier = threading.Barrier(4)

    def open_it(_number):
        barrier.wait()
        registry = DatabaseRegistry.open(url, PEPPER)
        with registry.reading() as unit:
            found = unit.licences()
        registry.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_it, range(4))) == [[licence]] * 4
    assert read_version(url) == HEAD


def test_a_step_that_fails_leaves_all_as_it_was(registry, url, mocker):
    add_licence(registry)
    execute(url, "DROP TABLE alembic_version")
    execute(url, "INSERT INTO registry_meta VALUES ('schema_version', '1')")
    failure = sa.exc.OperationalError("step", {}, OSError("disk full"))
    mocker.patch("alembic.op.execute", side_effect=failure)
    with pytest.raises(StorageError, match="disk full"):
        DatabaseRegistry.open(url, PEPPER)
    engine = sa.create_engine(url)
    assert not sa.inspect(engine).has_table("alembic_version")
    engine.dispose()
    mocker.stopall()
    DatabaseRegistry.open(url, PEPPER).close()
    assert read_version(url) == HEAD


def execute(url, statement):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
    engine.dispose()


def read_version(url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(sa.select(version)).scalar_one()
    engine.dispose()
    return found


@pytest.mark.parametrize(
    "url", ["sqlite://", "nonsense", "oracle+nope://x/y", "sqlite:///:memory:"]
)
def test_what_is_no_registry_is_a_configuration_error(url):
    with pytest.raises(ConfigError):
        DatabaseRegistry.open(url, PEPPER)


def test_the_file_is_private_with_all_that_belongs_to_it(tmp_path):
    path = tmp_path / "registry.sqlite"
    registry = DatabaseRegistry.open(f"sqlite:///{path}", PEPPER)
    add_licence(registry)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    registry.close()
    assert "registry.sqlite-wal" in modes
    assert set(modes.values()) == {0o600}


def test_a_damaged_file_is_a_storage_error(tmp_path):
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match="not a database"):
        DatabaseRegistry.open(f"sqlite:///{path}", PEPPER)


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="cannot create"):
        DatabaseRegistry.open(f"sqlite:///{tmp_path}/gone/registry.sqlite", PEPPER)


def test_a_failed_statement_names_no_digest(registry):
    add_licence(registry)
    with pytest.raises(StorageError) as failure:
        add_licence(registry)
    assert digest("lic1") not in str(failure.value)


def test_a_database_that_went_away_is_told_and_is_used_again_when_it_is_back(postgresql):
    with postgresql.database() as url:
        registry = DatabaseRegistry.open(url, PEPPER)
        licence = add_licence(registry)
        postgresql.stop()
        try:
            for _ in range(2):
                with pytest.raises(StorageError):
                    registry.check()
        finally:
            postgresql.start()
        assert read_licence(registry) == licence
        registry.close()


def test_no_password_of_a_database_is_told():
    url = "postgresql://someone:s3cret-word@127.0.0.1:1/registry"
    with pytest.raises(StorageError) as failure:
        DatabaseRegistry.open(url, PEPPER)
    assert "s3cret-word" not in str(failure.value)
