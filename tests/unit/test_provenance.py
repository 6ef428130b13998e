"""Whether a repository is the registered content server, whatever it is called."""

import pytest

from tuxcare.provenance import Source, lies_under, site, source_problem

CONTENT = "https://repo.tuxcare.com"


@pytest.mark.parametrize(
    "url, content",
    [
        ("https://repo.tuxcare.com/tuxcare/9.2/tok/fips/x86_64/", CONTENT),
        ("https://repo.tuxcare.com/", CONTENT),
        ("https://REPO.tuxcare.com:443/x", CONTENT),
        ("http://127.0.0.1:8080/a/b", "http://127.0.0.1:8080"),
        ("https://mirror.example/alma/tuxcare/x", "https://mirror.example/alma"),
        ("https://mirror.example/alma", "https://mirror.example/alma/"),
        ("https://user:word@repo.tuxcare.com/x", CONTENT),
        ("https://repo.tuxcare.com//x", CONTENT),
    ],
)
def test_what_the_content_server_serves(url, content):
    assert lies_under(url, content)


@pytest.mark.parametrize(
    "url, content",
    [
        ("file:///repo.tuxcare.com/x", CONTENT),
        ("file:///mirror", "file:///mirror"),
        ("http://repo.tuxcare.com/x", CONTENT),
        ("https://repo.tuxcare.com:8443/x", CONTENT),
        ("https://repo.tuxcare.com.evil.example/x", CONTENT),
        ("https://repo.tuxcare.com@evil.example/x", CONTENT),
        ("https://evil.example/https://repo.tuxcare.com/", CONTENT),
        ("https://mirror.example/alma2/x", "https://mirror.example/alma"),
        ("https://mirror.example/alma/../x", "https://mirror.example/alma"),
        ("https://mirror.example/alma/%2e%2e/x", "https://mirror.example/alma"),
        ("https://mirror.example/alma\\..\\x", "https://mirror.example/alma"),
        ("https://repo.tuxcare.com:port/x", CONTENT),
        ("https://[broken/x", CONTENT),
        ("ftp://repo.tuxcare.com/x", "ftp://repo.tuxcare.com"),
        ("", CONTENT),
        ("/srv/mirror", CONTENT),
    ],
)
def test_what_it_does_not(url, content):
    assert not lies_under(url, content)


def test_a_source_needs_the_right_id_and_all_of_its_urls_at_the_server():
    good = CONTENT + "/tuxcare/9.2/secret-token/fips/"
    repositories = ("tuxcare-fips", "tuxcare-esu")

    def problem(repository, *urls):
        return source_problem(Source(repository, urls), repositories, CONTENT)

    assert problem("tuxcare-fips", good) is None
    assert problem("baseos", good) == (
        "comes from repository baseos, not from tuxcare-fips or tuxcare-esu"
    )
    assert problem("tuxcare-fips", "file:///tmp/x") == (
        "comes from repository tuxcare-fips at file:///tmp/x, which is not https://repo.tuxcare.com"
    )
    assert "evil.example" in problem("tuxcare-fips", good, "https://evil.example/secret-token/")
    assert "secret-token" not in problem("tuxcare-fips", "https://evil.example/secret-token/")
    assert "no URL" in problem("tuxcare-fips")


def test_only_the_site_of_a_url_is_shown():
    assert site("https://user:word@repo.example:8443/secret/x?y") == "https://repo.example:8443"
    assert site("https://[broken") == "a malformed URL"
