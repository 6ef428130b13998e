"""The tracker's pages in Chromium: searching, without JavaScript, accessibility, light and dark."""

import functools
import http.server
import json
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.support.catalogues import END, catalogue
from tuxmirror.adapters.pages import JinjaPages
from tuxmirror.core.tracker import paths
from tuxmirror.core.tracker.site import Site
from tuxmirror.core.tracker.views import Material

# Under the load of other tests.
PATIENCE = 60_000
HOSTILE = 'openssl <img src=x onerror="document.title=1"> update'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages of a small catalogue, on a disk; one advisory has a hostile title."""
    root = tmp_path_factory.mktemp("pages")
    made = catalogue(60, 240)
    hostile = made.advisories[0]
    object.__setattr__(hostile, "title", HOSTILE)
    extras = frozenset({paths.LEDGER, *(paths.feed(scope) for scope in made.scopes)})
    found = Site(Material(made, extras=extras, now=END))
    renderer = JinjaPages()
    files = {f.path: f.data() for f in found.files()} | renderer.assets()
    for page in found.pages():
        values = {**found.common, **page.values()}
        files[page.path] = renderer.render(page.template, page.path, values)
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return found, root


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def url(site):
    handler = functools.partial(_Quiet, directory=site[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/cve/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            timeout=PATIENCE,
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, url):
    """Opens pages; fails on anything that a page complains of or fetches from elsewhere."""
    contexts = []

    def open_page(path, **options):
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith(url) or page.complaints.append(r.url))
        page.goto(url + path)
        return page

    yield open_page
    complaints = [text for c in contexts for page in c.pages for text in page.complaints]
    for context in contexts:
        context.close()
    # The test's server has no icon; a page that names none is asked for one all the same.
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []


def ready(page):
    page.wait_for_selector("#search[data-ready]")


def examples(site):
    found = site[0]
    advisory = found._catalogue.advisories[0]
    return {
        "overview": "index.html",
        "search": "search.html?q=openssl",
        "browse": "cves.html",
        "list": paths.listing("severity", "High").removeprefix("cve/"),
        "cve": paths.cve(advisory.cves[0]).removeprefix("cve/"),
        "advisory": paths.advisory(advisory.id).removeprefix("cve/"),
        "advisories": "els/releases.html",
        "packages": "packages.html",
        "package": paths.package(advisory.source_names[0]).removeprefix("cve/"),
        "releases": "releases.html",
        "release": "releases/9.2-esu.html",
        "sla": "sla.html",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_light_and_dark(visit, site, scheme):
    axe = Axe()
    for name, path in examples(site).items():
        page = visit(path, color_scheme=scheme, bypass_csp=True)
        if name == "search":
            ready(page)
            page.wait_for_selector("#results table")
        violations = axe.run(page).response["violations"]
        found = [(v["id"], v["nodes"][0]["html"]) for v in violations]
        assert found == [], f"{name}, {scheme}"


def test_dark_is_dark(visit):
    def background(scheme):
        page = visit("index.html", color_scheme=scheme)
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert background("light") == "rgb(251, 251, 250)"
    assert background("dark") == "rgb(20, 23, 26)"


def test_searching_finds_what_the_model_has(visit, site):
    rows = site[0].rows
    page = visit("search.html")
    ready(page)
    page.fill("#q", "openssl")
    page.select_option("#severity", "High")
    wanted = {r.cve for r in rows if r.band == "High" and "openssl" in " ".join(r.packages)}
    page.wait_for_function(
        "count => document.getElementById('count').textContent === count",
        arg=f"{len(wanted)} CVEs",
    )
    shown = page.locator("#results tbody th").all_inner_texts()
    assert set(shown) == wanted
    assert "q=openssl&severity=High" in page.url
    page.reload()
    ready(page)
    assert page.input_value("#q") == "openssl"
    page.wait_for_selector("#results table")
    assert set(page.locator("#results tbody th").all_inner_texts()) == wanted


def test_status_and_release_belong_together(visit, site):
    pair = ("AlmaLinux 9.2 ESU", "In Progress")
    wanted = {row.cve for row in site[0].rows if pair in row.releases}
    assert wanted
    page = visit("search.html?release=AlmaLinux+9.2+ESU&status=In+Progress")
    ready(page)
    page.wait_for_selector("#results table")
    assert set(page.locator("#results tbody th").all_inner_texts()) == wanted


def test_a_hostile_title_is_text_in_pages_and_in_what_the_script_makes(visit, site):
    hostile = site[0]._catalogue.advisories[0]
    for path in (examples(site)["advisory"], f"search.html?q={hostile.id}"):
        page = visit(path)
        page.get_by_text(HOSTILE, exact=True).first.wait_for()
        assert page.locator("main img").count() == 0
        assert page.title() != "1"


def test_a_link_from_a_search_leads_to_the_page(visit, site):
    cve = site[0].rows[0].cve
    page = visit(f"search.html?q={cve}")
    ready(page)
    page.get_by_role("link", name=cve).click()
    page.wait_for_url(f"**/els/cve/{cve}.html")
    assert page.locator("h1").inner_text().startswith(cve)


def test_without_javascript_everything_is_reached_by_links(visit, site):
    page = visit("index.html", java_script_enabled=False)
    page.get_by_role("link", name="CVEs", exact=True).first.click()
    page.get_by_role("link", name="High", exact=True).click()
    wanted = [row.cve for row in site[0].rows if row.band == "High"]
    assert page.locator("tbody th").all_inner_texts() == wanted
    page.get_by_role("link", name=wanted[0]).click()
    assert page.locator("h1").inner_text().startswith(wanted[0])
    page = visit("search.html", java_script_enabled=False)
    assert page.locator("noscript p").is_visible()


def test_the_keyboard_reaches_everything(visit):
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("curl")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=curl")


def test_rows_are_filtered_in_place(visit, site):
    rows = [row for row in site[0].rows if row.band == "High"]
    page = visit(examples(site)["list"])
    page.get_by_label("Filter these rows").fill("2024 openssl")
    wanted = [r.cve for r in rows if "2024" in r.cve + str(r.updated) and "openssl" in r.packages]
    shown = page.locator("tbody tr:not([hidden]) th").all_inner_texts()
    assert set(wanted) >= set(shown) or len(shown) < len(rows)
    assert all("openssl" in t for t in page.locator("tbody tr:not([hidden])").all_inner_texts())


@pytest.mark.parametrize("width", [360, pytest.param(1280, marks=pytest.mark.full)])
def test_no_page_scrolls_sideways(visit, site, width):
    for name, path in examples(site).items():
        page = visit(path, viewport={"width": width, "height": 800})
        inner = page.evaluate("document.documentElement.scrollWidth")
        assert inner <= width, name


def test_no_table_scrolls_sideways_on_a_desk(visit, site):
    """The widest have twelve columns."""
    for name, path in examples(site).items():
        page = visit(path, viewport={"width": 1200, "height": 800})
        wide = page.evaluate(
            "[...document.querySelectorAll('.scroll')]"
            ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.getAttribute('aria-label'))"
        )
        assert wide == [], name


def test_the_first_page_is_small(site):
    root = site[1]
    index = root / paths.INDEX
    assets = sum((root / path).stat().st_size for path in (paths.STYLE, paths.SCRIPT))
    assert index.stat().st_size + assets < 100_000


def test_downloads_agree_with_the_pages(site):
    root = site[1]
    entries = json.loads((root / paths.CVES_JSON).read_text())
    lines = (root / paths.CVES_CSV).read_text().splitlines()
    assert lines[0] == "cve,os_name,project_name,version,score,severity,status,last_updated"
    assert len(lines) == len(entries) + 1
    listed = {entry["cve"] for entry in entries}
    assert listed == {row.cve for row in site[0].rows if row.releases}
    for entry in entries:
        assert (root / paths.cve(entry["cve"])).is_file()
