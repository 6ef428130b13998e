"""The ledger of first publications."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_advisory_model import advisory
from tuxmirror.core import journal, ledger
from tuxmirror.core.advisory.model import Scope
from tuxmirror.core.errors import VerificationError

ESU = Scope("9.2", "esu")
FIPS = Scope("9.2", "fips")


def written(*steps):
    """A ledger's bytes after publishing sets of advisories, one step after the other."""
    data = b""
    for time, advisories in enumerate(steps, 1):
        known = ledger.read(journal.read(data, "ledger"), "vetted")
        for batch in ledger.missing(advisories, known):
            last = data[:-1].rpartition(b"\n")[2] or None
            fields = {"time": time, "action": ledger.PUBLISHED, **batch.fields("vetted")}
            data += journal.seal(fields, last)
    return data


def read(data, channel="vetted"):
    return ledger.read(journal.read(data, "ledger"), channel)


def test_what_a_release_had_when_it_was_first_shown_is_its_baseline():
    one, two = advisory("A-1"), advisory("A-2")
    found = read(written([one], [one, two], [two]))
    assert found.first == {(ESU, "A-1"): 1, (ESU, "A-2"): 2}
    assert found.baseline == {(ESU, "A-1")}


def test_each_scope_has_its_own_beginning():
    one, other = advisory("A-1"), advisory("A-2", scope=FIPS)
    assert read(written([one], [one, other])).baseline == {(ESU, "A-1"), (FIPS, "A-2")}


def test_a_release_that_had_nothing_when_it_was_first_shown_has_no_baseline():
    begun = ledger.missing([], read(b""), [ESU])
    assert begun == [ledger.Batch(ESU, (), True)]
    data = ledger.Plan({}, 1, tuple(begun)).lines("vetted", b"")
    assert read(data).scopes == {ESU}
    assert ledger.missing([], read(data), [ESU]) == []
    assert [batch.baseline for batch in ledger.missing([advisory("A-1")], read(data))] == [False]


def test_channels_do_not_mix():
    assert read(written([advisory("A-1")]), "canary").first == {}


@given(st.lists(st.sets(st.sampled_from([f"A-{n}" for n in range(6)]))))
def test_nothing_is_written_twice_and_the_first_time_stays(steps):
    data = written(*([advisory(name) for name in step] for step in steps))
    names = [name for e in journal.read(data, "x") for name in e["advisories"]]
    assert len(names) == len(set(names))
    for (_, name), time in read(data).first.items():
        assert time == 1 + next(n for n, step in enumerate(steps) if name in step)


def test_thousands_are_written_in_lines_that_can_be_read():
    advisories = [advisory(f"ALSA-2026:{n:05}") for n in range(2500)]
    data = written(advisories)
    assert len(data.splitlines()) == 3
    assert max(map(len, data.splitlines())) < 32_000
    assert len(read(data).baseline) == 2500


def test_a_plan_says_what_will_be_written():
    one, two = advisory("A-1"), advisory("A-2")
    known = read(written([one]))
    planned = ledger.with_batches(known, ledger.missing([one, two], known), 2)
    assert planned == read(written([one], [one, two]))


def test_an_altered_entry_breaks_the_chain():
    data = written([advisory("A-1")], [advisory("A-1"), advisory("A-2")])
    with pytest.raises(VerificationError, match="line 1"):
        journal.read(data.replace(b'"time": 1', b'"time": 0'), "ledger")
    with pytest.raises(VerificationError, match="line 1"):
        journal.read(data.partition(b"\n")[2], "ledger")


def test_an_entry_of_another_kind_is_refused():
    with pytest.raises(VerificationError, match="another kind"):
        ledger.read([{"action": "published", "channel": "vetted"}], "vetted")


def test_the_record_of_a_signature():
    data = written([advisory("A-1")])
    signed = ledger.Signed(len(data), hashlib.sha256(data).hexdigest(), "-----BEGIN PGP")
    assert ledger.decode_signed(ledger.encode_signed(signed)) == signed
    for damaged in (b"", b"{}", b'{"size": "x", "sha256": "", "signature": ""}', b"[]"):
        with pytest.raises(VerificationError, match="damaged"):
            ledger.decode_signed(damaged)


def test_what_was_signed_must_still_be_there():
    data = written([advisory("A-1")], [advisory("A-1"), advisory("A-2")])
    first = data[: data.index(b"\n") + 1]
    signed = ledger.Signed(len(first), hashlib.sha256(first).hexdigest(), "…")
    signed.check(data)
    for altered in (b"", first[:-1], data[1:], data.replace(b"A-1", b"A-3")):
        with pytest.raises(VerificationError, match="not the one that was signed"):
            signed.check(altered)


def test_a_plan_writes_what_the_ledger_will_be():
    one, two = advisory("A-1"), advisory("A-2", scope=FIPS)
    data = written([one])
    batches = tuple(ledger.missing([one, two], read(data)))
    plan = ledger.Plan({"almalinux/9.2": "abc"}, 2, batches)
    assert plan.lines("vetted", data) == written([one], [one, two])
    assert ledger.decode_plan(ledger.encode_plan(plan)) == plan
    for damaged in (b"", b"{}", b"[1, 2]", b"[{}, 1, [[1]]]"):
        with pytest.raises(VerificationError, match="damaged"):
            ledger.decode_plan(damaged)
