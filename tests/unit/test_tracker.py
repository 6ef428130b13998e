"""The tracker's values: keys that change with what a page shows, names of files, downloads."""

import csv
import gc
import hashlib
import io
import json
import os
import subprocess
import sys
import types
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import CHECKOUT
from tests.support.advisories import advisory
from tests.support.catalogues import END, catalogue, with_one_more
from tuxmirror.adapters.pages import JinjaPages
from tuxmirror.adapters.pool import FilePool
from tuxmirror.adapters.state import FileState
from tuxmirror.core import fips, sla
from tuxmirror.core.advisory.cve import Disclosure
from tuxmirror.core.advisory.model import Reference, Scope
from tuxmirror.core.advisory.severity import Score
from tuxmirror.core.advisory.status import Status, StatusRecord
from tuxmirror.core.errors import MetadataError
from tuxmirror.core.ledger import Ledger
from tuxmirror.core.names import check_location
from tuxmirror.core.tracker import charts, data, paths, views
from tuxmirror.core.tracker.site import ROWS_A_PAGE, Listing, Site
from tuxmirror.core.tracker.views import Material
from tuxmirror.usecases.publications import Planned
from tuxmirror.usecases.tracker import Maker

MANIFEST = CHECKOUT / "packaging" / "fips" / "almalinux-9.2.conf"


def site_of(known, **more):
    return Site(Material(known, now=END, **more))


def keys(site):
    """Of a page what it is made of, of another file what it says."""
    said = {file.path: hashlib.sha256(file.data()).hexdigest() for file in site.files()}
    return {page.path: page.key for page in site.pages()} | said


@pytest.fixture(scope="module")
def known():
    return catalogue(40, 160)


def test_equal_content_has_equal_keys(known):
    assert keys(site_of(known)) == keys(site_of(catalogue(40, 160)))


def test_one_more_advisory_changes_few_pages(known):
    before, after = keys(site_of(known)), keys(site_of(with_one_more(known)))
    changed = {path for path in after if before.get(path) != after[path]}
    last = known.advisories[-1]
    assert paths.advisory("CLSA-2026:99999") in changed
    assert {paths.cve(cve) for cve in last.cves} <= changed
    unrelated = {paths.cve(c) for c in known.cve_ids} - {paths.cve(c) for c in last.cves}
    assert not unrelated & changed
    assert len(changed) < 30


@pytest.mark.parametrize(
    "change",
    [
        {"title": "another title"},
        {"description": "another text"},
        {"updated": END},
        {"cves": ("CVE-2024-1",)},
        {"severity": "Low"},
    ],
)
def test_whatever_an_advisorys_page_shows_is_in_its_key(known, change):
    other = replace(known, advisories=(*known.advisories[:-1],
                                       replace(known.advisories[-1], **change)))  # fmt: skip
    page = paths.advisory(known.advisories[-1].id)
    assert keys(site_of(known))[page] != keys(site_of(other))[page]


def test_when_it_was_published_is_in_the_keys_of_its_pages(known):
    """A clock is no part of a key: what it follows from has to be."""
    last = known.advisories[-1]
    key = last.scope, last.id
    later = replace(known, first_published={**known.first_published, key: END})
    before = keys(site_of(known))
    pages = {paths.advisory(last.id), *map(paths.cve, last.cves)}
    unrelated = {*map(paths.cve, known.cve_ids)} - pages
    for after in (keys(site_of(later)), keys(site_of(known, baseline=frozenset({key})))):
        changed = {path for path in after if before[path] != after[path]}
        assert pages <= changed
        assert not unrelated & changed


@pytest.mark.parametrize(
    "change",
    [
        {"description": "another text"},
        {"cwes": ("CWE-1",)},
        {"scores": (Score("nvd", "3.1", 9.9),)},
        {"disclosures": (Disclosure("nvd", END),)},
        {"references": (Reference("other", "x", "https://example.org"),)},
        {"rejected": True},
        {"prefer": "nvd"},
    ],
)
def test_whatever_is_known_of_a_cve_is_in_its_key(known, change):
    name = known.advisories[-1].cves[0]
    other = replace(known, cves={**known.cves, name: replace(known.cve(name), **change)})
    before, after = keys(site_of(known)), keys(site_of(other))
    assert before[paths.cve(name)] != after[paths.cve(name)]


@pytest.mark.parametrize(
    "change", [{"status": Status.IGNORED}, {"version": "0:9"}, {"statement": "y"}, {"updated": 9}]
)
def test_whatever_a_status_says_is_in_the_key_of_its_cve(known, change):
    record = known.statuses[0]._replace(status=Status.IN_TESTING, statement="x")
    before, after = (
        keys(site_of(replace(known, statuses=(one, *known.statuses[1:]))))
        for one in (record, record._replace(**change))
    )
    assert before[paths.cve(record.cve)] != after[paths.cve(record.cve)]


def test_two_names_that_become_one_file_are_refused():
    found = [advisory("CLSA-2026:001"), advisory("CLSA-2026-001")]
    with pytest.raises(MetadataError, match="same name"):
        site_of(replace(catalogue(0, 0), advisories=tuple(found))).pages()


def test_long_lists_come_in_parts_that_lose_nothing():
    site = site_of(catalogue(10, 3 * ROWS_A_PAGE + 5))
    listed = [page for page in site.pages() if page.template == "cves.html"]
    rows = [row.cve for page in listed if "/years/" in page.path for row in page.values()["rows"]]
    assert sorted(rows) == sorted(row.cve for row in site.rows)
    assert max(len(page.values()["rows"]) for page in listed) <= ROWS_A_PAGE


@given(st.text(min_size=1))
def test_any_name_is_a_file_name_that_can_be_published(name):
    for path in (paths.cve(name), paths.advisory(name), paths.package(name)):
        check_location(path)


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("cve/", paths.INDEX),
        ("cve/els/releases", paths.ADVISORIES),
        ("cve/packages/python3.9", "cve/packages/python3.9.html"),
        (paths.STYLE, paths.STYLE),
        ("rss_feed/releases/almalinux9.2esu", "rss_feed/releases/almalinux9.2esu"),
    ],
)
def test_what_a_browser_means(asked, served):
    assert paths.served(asked) == served


def test_csv_json_and_index_say_the_same(known):
    material = Material(known)
    whole, parts = data.tables(material)
    read = _read(whole)
    assert read == json.loads(whole.as_json())
    assert sorted(map(str, read)) == sorted(
        str(row) for part in parts.values() for row in _read(part)
    )
    rows = views.rows(material)
    index = json.loads(data.search_index(material, rows))
    assert [c[0] for c in index["cves"]] == [row.cve for row in rows]
    assert {e["cve"] for e in read} == {row.cve for row in rows if row.releases}


def test_the_figures_as_a_file_say_what_the_question_is_answered(known):
    material = Material(known, now=END)
    found = sla.reports([c._replace(statement='"\n\u2028\\') for c in material.clocks], END)
    assert json.loads(data.sla_file(found)) == data.sla_document(found)
    assert found[0].breaches


def _read(table):
    return list(csv.DictReader(io.StringIO(table.as_csv().decode(), newline="")))


@pytest.mark.parametrize("start", ["=", "@", "-", "+", "\t", "\r"])
def test_a_spreadsheet_finds_no_formula(start):
    hostile = f'{start}1+1", "\n2'
    record = StatusRecord("CVE-2026-1", Scope("9.2", "esu"), hostile, Status.IGNORED, hostile)
    whole, _ = data.tables(Material(replace(catalogue(0, 0), statuses=(record,))))
    [row] = _read(whole)
    assert row["project_name"] == row["version"] == f"'{hostile}"
    [row] = json.loads(whole.as_json())
    assert row["project_name"] == row["version"] == hostile


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_bars_fit_and_keep_their_order(values):
    chart = charts.bars("x", "X", [(f"b{n}", value, "high") for n, value in enumerate(values)])
    assert all(bar.x + bar.width <= chart.width for bar in chart.bars)
    assert all((bar.width > 0) == (bar.value > 0) for bar in chart.bars)
    ordered = sorted(chart.bars, key=lambda bar: bar.value)
    assert all(a.width <= b.width for a, b in zip(ordered, ordered[1:]))
    said = "Nothing yet" if not any(values) else f"{chart.bars[0].label}: {values[0]}"
    assert said in chart.alternative


@pytest.mark.parametrize("count", [0, 1, 2, 249, 250, 251, 260, 499, 500, 501, 749, 751, 1000])
def test_parts_of_a_list_are_all_of_it_and_none_is_tiny(count):
    parts = Listing("years", "2026", tuple(range(count))).parts
    assert [row for _, rows in parts for row in rows] == list(range(count))
    assert [part.number for part, _ in parts] == list(range(len(parts), 0, -1))
    assert len(parts) == max(1, -(-count // ROWS_A_PAGE))
    sizes = [len(rows) for _, rows in parts]
    assert max(sizes) <= ROWS_A_PAGE
    assert len(parts) == 1 or min(sizes) >= ROWS_A_PAGE // 2


def test_a_list_that_grows_leaves_its_older_parts_where_and_as_they_are():
    """Also where it gains a part, as from 1,000 rows to 1,001."""
    pages = []
    for count in (1000, 1001):
        many = catalogue(0, 0)
        found = [advisory(f"CLSA-2026:{n:04}", issued=n, updated=n) for n in range(1, count + 1)]
        site = site_of(replace(many, advisories=tuple(found)))
        pages.append({p.path: p.key for p in site.pages() if p.template == "advisories.html"})
    before, after = pages
    assert len(before) == 4
    assert len(after) == 5
    assert {path for path in before if after[path] == before[path]} == {
        paths.advisories(1),
        paths.advisories(2),
    }


def test_keys_are_the_same_in_every_process():
    """Sets, the FIPS pins' among them, come in another order where hashes have another seed."""
    found = set()
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        done = subprocess.run(
            [sys.executable, "-c", _KEYS], env=environment, capture_output=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert len(json.loads(found.pop())) > 100


_KEYS = """
import json
from tests.unit.test_tracker import MANIFEST, catalogue, keys, site_of
from tuxmirror.core import fips
release, pins = fips.parse(MANIFEST.read_text(), str(MANIFEST))
print(json.dumps(keys(site_of(catalogue(40, 160), pins={release: pins}))))
"""


@pytest.mark.parametrize("change", ["builds", "binaries", "arches", "certificate", "sunset"])
def test_whatever_a_fips_pin_says_is_in_the_keys(known, change):
    release, pins = fips.parse(MANIFEST.read_text(), str(MANIFEST))
    value = getattr(pins[0], change)
    other = type(value)() if value else "2030-01-01"
    changed = (replace(pins[0], **{change: other}), *pins[1:])
    before, after = (keys(site_of(known, pins={release: p})) for p in (pins, changed))
    of_release = {paths.advisory(a.id) for a in known.advisories if a.scope.release == release}
    assert of_release <= {path for path in after if before[path] != after[path]}


class _Pages(JinjaPages):
    """Counts what is rendered."""

    rendered = 0

    def render(self, template, path, values):
        type(self).rendered += 1
        return super().render(template, path, values)


def _make(root, known, renderer, tool="tuxmirror 1"):
    state, pool = FileState(root), FilePool(root / "pool")
    release, pins = fips.parse(MANIFEST.read_text(), str(MANIFEST))
    mirror = types.SimpleNamespace(state=state, pool=pool, pages=renderer, tool=tool)
    planned = Planned(Ledger({}, frozenset(), frozenset()), b"", None)
    renderer.rendered = 0
    _, files = Maker(mirror, "vetted").make(known, planned, {release: pins}, (), END)
    return files, {path: sha256 for path, (_, sha256, _) in files.items()}


def test_one_more_is_a_few_pages_made_and_the_same_site_as_from_nothing(known, tmp_path):
    more = with_one_more(known)
    _make(tmp_path / "kept", known, _Pages)
    files, kept = _make(tmp_path / "kept", more, _Pages)
    assert 0 < _Pages.rendered < 30
    assert _make(tmp_path / "fresh", more, _Pages)[1] == kept
    assert _Pages.rendered > 200
    assert gc.isenabled() and gc.get_freeze_count() == 0
    # What the pool has lost is made again.
    page = paths.advisory("CLSA-2026:99999")
    FilePool(tmp_path / "kept" / "pool").remove([files[page][1]])
    assert _make(tmp_path / "kept", more, _Pages)[1] == kept
    assert _Pages.rendered == 1
    _make(tmp_path / "kept", more, _Pages, tool="tuxmirror 2")
    assert _Pages.rendered > 200
