"""How requests leave this host: proxy, certificate authorities, patience.

Where each comes from, first to last:

    proxy     --proxy, then https_proxy, http_proxy, all_proxy of the environment, then dnf.conf;
              none for hosts that no_proxy of the environment names
    CA file   --cacert, then REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, then sslcacert of dnf.conf, then
              the system's
    timeout   --timeout; seconds for one whole answer

dnf needs proxy and CA file for its packages, so a host that has to have them has them in dnf.conf.
"""

import os
import re
from typing import Any, Dict, Mapping, NamedTuple, Optional
from urllib.parse import quote, urlsplit

import requests
import requests.utils

from tuxcare.errors import ConfigError, UsageError

TIMEOUT = 30.0
_CONNECT = 10.0
_PROXY = re.compile(r"(https?|socks5h?)://[^\s/]+/?\Z")


class Proxy(NamedTuple):
    """A proxy's URL, which may hold a password, and where it was found."""

    url: str
    source: str

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        port = ":{}".format(parts.port) if parts.port else ""
        return "{}{} ({})".format(parts.hostname, port, self.source)

    def __repr__(self) -> str:
        return "Proxy({})".format(self)


class Options(NamedTuple):
    """What the command line says."""

    proxy: Optional[str] = None
    cacert: Optional[str] = None
    timeout: Optional[float] = None


class Network:
    """The way out of one host."""

    def __init__(
        self,
        options: Options = Options(),  # noqa: B008  # a value
        dnf: Optional[Mapping[str, str]] = None,
        environment: Optional[Mapping[str, str]] = None,
    ) -> None:
        """`dnf`: the [main] section of dnf.conf. Raises UsageError, ConfigError."""
        self._environment = os.environ if environment is None else environment
        self._own_proxy = _option_proxy(options.proxy)
        self._dnf_proxy = _dnf_proxy(dnf or {})
        self._ca_file = _ca_file(options.cacert, self._environment, dnf or {})
        self.timeout = options.timeout or TIMEOUT

    def impatient(self, timeout: float) -> "Network":
        """The same way with less patience."""
        other = Network.__new__(Network)
        other.__dict__.update(self.__dict__)
        other.timeout = min(timeout, self.timeout)
        return other

    def proxy_for(self, url: str) -> Optional[Proxy]:
        """The proxy that a request to `url` goes through, None for none."""
        no_proxy = self._environment.get("no_proxy") or self._environment.get("NO_PROXY") or ""
        if no_proxy and _is_listed(url, no_proxy):
            return None
        return self._own_proxy or self._environment_proxy(url) or self._dnf_proxy

    def _environment_proxy(self, url: str) -> Optional[Proxy]:
        for name in (urlsplit(url).scheme + "_proxy", "all_proxy"):
            for spelling in (name, name.upper()):
                value = self._environment.get(spelling)
                # A web server sets HTTP_PROXY from a visitor's header "Proxy:".
                if value and not (spelling == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ):
                    return Proxy(_with_scheme(value), "from {}".format(spelling))
        return None

    def arguments(self, url: str) -> Dict[str, Any]:
        """What to give to a call of a session made by `session`."""
        proxy = self.proxy_for(url)
        return {
            "proxies": {"http": proxy.url, "https": proxy.url} if proxy else {},
            "verify": self._ca_file or True,
            "timeout": (min(_CONNECT, self.timeout), self.timeout),
            "allow_redirects": False,
        }

    @staticmethod
    def session() -> requests.Session:
        """One that takes nothing from the environment by itself."""
        session = requests.Session()
        session.trust_env = False
        return session


def _option_proxy(text: Optional[str]) -> Optional[Proxy]:
    if text is None:
        return None
    url = _with_scheme(text.strip())
    if not _PROXY.match(url):
        # It may hold a password: not repeated.
        raise UsageError("--proxy: expected http://[USER:PASSWORD@]HOST:PORT")
    return Proxy(url, "from --proxy")


def _dnf_proxy(dnf: Mapping[str, str]) -> Optional[Proxy]:
    """dnf.conf(5): proxy, proxy_username, proxy_password; `_none_` and an empty value are none."""
    text = dnf.get("proxy", "").strip()
    if not text or text == "_none_":
        return None
    url = _with_scheme(text)
    if not _PROXY.match(url):
        raise ConfigError("/etc/dnf/dnf.conf: proxy: expected http://HOST:PORT")
    user = dnf.get("proxy_username", "").strip()
    if user and "@" not in url:
        scheme, _separator, rest = url.partition("://")
        password = quote(dnf.get("proxy_password", "").strip(), safe="")
        url = "{}://{}:{}@{}".format(scheme, quote(user, safe=""), password, rest)
    return Proxy(url, "from /etc/dnf/dnf.conf")


def _with_scheme(text: str) -> str:
    return text if "://" in text else "http://" + text


def _is_listed(url: str, no_proxy: str) -> bool:
    """Whether no_proxy names the URL's host: `*`, a name, a domain, a network."""
    if no_proxy.strip() == "*":
        return True
    return bool(requests.utils.should_bypass_proxies(url, no_proxy=no_proxy))


def _ca_file(
    option: Optional[str], environment: Mapping[str, str], dnf: Mapping[str, str]
) -> Optional[str]:
    found = [
        (option, "--cacert"),
        (environment.get("REQUESTS_CA_BUNDLE"), "REQUESTS_CA_BUNDLE"),
        (environment.get("CURL_CA_BUNDLE"), "CURL_CA_BUNDLE"),
        (dnf.get("sslcacert"), "sslcacert of /etc/dnf/dnf.conf"),
    ]
    for path, source in found:
        if path:
            if not os.path.exists(path):
                raise UsageError("{}: {}: no such file".format(source, path))
            return path
    return None
