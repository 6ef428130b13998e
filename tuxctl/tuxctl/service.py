"""Client of the registration service: the public one and `tuxmirror serve` speak the same.

    POST <server>/cln/api/els/key/check          {"key"}
    POST <server>/cln/api/els/token/register     {"key", "host_name", and where known
                                                  "machine_id", "release", "arch"}
    POST <server>/cln/api/els/token/unregister   Authorization: Bearer <token>

The public service has no key check; its 404 or 405 means "ask by registering". Refusals are JSON
{"error": code, "message": text}.
"""

import json
import re
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

import requests
import requests.auth

from tuxcare.errors import NetworkError, RefusedError, TuxcareError
from tuxcare.host import TOKEN, normalize_url

_TIMEOUT = (10.0, 30.0)  # connecting, then between two bytes of the answer; seconds
_MAX_ANSWER = 64 * 1024
_TRIES = 3
_TRY_AGAIN = (429, 502, 503, 504)
_MAX_WAIT = 20.0

_WAYS_OUT = {
    "expired": "Renew the licence, or use another key.",
    "exhausted": "Unregister a host that no longer needs it, or ask for a larger licence.",
    "wrong_product": "Use a key for this product and release.",
}

_PREFIX = "/cln/api/els/"


class KeyInfo(NamedTuple):
    """What a licence key buys, as far as the service told. `expires` is an ISO date or time."""

    products: Optional[List[str]] = None
    releases: Optional[List[str]] = None
    expires: Optional[str] = None
    hosts_left: Optional[int] = None


class Registration(NamedTuple):
    """The answer to a registration. None: the service did not say."""

    token: str
    products: Optional[List[str]]
    expires: Optional[str]
    content_url: Optional[str]


class Host(NamedTuple):
    """What a host tells the service about itself."""

    host_name: str
    machine_id: Optional[str]
    release: str
    arch: str


class _Bearer(requests.auth.AuthBase):
    """The token, and nothing that a ~/.netrc may hold for the same server."""

    def __init__(self, token: Optional[str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = "Bearer " + self._token
        return request


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Optional[Dict[str, Any]]:
        try:
            value = json.loads(self.body.decode("utf-8"))
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


class RegistrationService:
    """One registration service.

    Every call raises NetworkError where the service cannot be reached or does not answer as
    such a service, RefusedError where it says no.
    """

    def __init__(
        self,
        url: str,
        session: Optional[requests.Session] = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._session = session or requests.Session()
        self._sleep = sleep

    def check_key(self, key: str) -> Optional[KeyInfo]:
        """What the key buys; None where the service has no such question."""
        answer = self._post("key/check", {"key": key})
        if answer.status in (404, 405):
            return None
        value = self._success(answer, key)
        return KeyInfo(
            _strings(value, "products"),
            _strings(value, "releases"),
            _string(value, "expires"),
            value["hosts_left"] if isinstance(value.get("hosts_left"), int) else None,
        )

    def register(self, key: str, host: Host) -> Registration:
        """A token for this host."""
        body = {"key": key, "host_name": host.host_name, "release": host.release, "arch": host.arch}
        if host.machine_id:
            body["machine_id"] = host.machine_id
        answer = self._post("token/register", body, again=bool(host.machine_id))
        if answer.status in (404, 405):
            raise NetworkError(
                "{}: no registration service there (HTTP {})".format(self.url, answer.status),
                "Check --server, or [server] register in /etc/tuxcare/tuxcare.conf.",
            )
        value = self._success(answer, key)
        token = value.get("token")
        if not isinstance(token, str) or not TOKEN.match(token):
            raise NetworkError("{}: answered without a usable token".format(self.url))
        content_url = _string(value, "content_url")
        try:
            content_url = normalize_url(content_url) if content_url else None
        except ValueError as error:
            raise NetworkError("{}: content_url: {}".format(self.url, error)) from error
        return Registration(
            token, _strings(value, "products"), _string(value, "expires"), content_url
        )

    def unregister(self, token: str) -> bool:
        """Give the host's seat back; False where the service does not know token or question."""
        answer = self._post("token/unregister", {}, token=token)
        if answer.status in (401, 403, 404, 405, 410):
            return False
        if answer.status != 204:
            self._success(answer, token)
        return True

    # -- transport ---------------------------------------------------------------------------

    def _post(
        self, call: str, body: Mapping[str, Any], token: Optional[str] = None, again: bool = True
    ) -> _Answer:
        """`again`: whether the call may be made twice where the first answer got lost."""
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._post_once(_PREFIX + call, body, token)
            except requests.exceptions.ConnectTimeout as error:
                trouble = self._explain(error)
            except (requests.exceptions.SSLError, requests.exceptions.ProxyError) as error:
                raise self._explain(error) from None
            except requests.exceptions.RequestException as error:
                trouble = self._explain(error)
                if not again:
                    raise trouble from None
            else:
                if answer.status not in _TRY_AGAIN or attempt == _TRIES:
                    return answer
                self._sleep(_pause(attempt, answer.headers.get("Retry-After")))
                continue
            if attempt == _TRIES:
                raise trouble from None
            self._sleep(_pause(attempt, None))
        raise AssertionError("unreachable")

    def _post_once(self, path: str, body: Mapping[str, Any], token: Optional[str]) -> _Answer:
        with self._session.post(
            self.url + path,
            json=body,
            headers={"Accept": "application/json", "User-Agent": "tuxctl"},
            auth=_Bearer(token),
            timeout=_TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as response:
            data = b""
            for chunk in response.iter_content(8192):
                data += chunk
                if len(data) > _MAX_ANSWER:
                    raise NetworkError("{}: answered with too much data".format(self.url))
            return _Answer(response.status_code, response.headers, data)

    def _explain(self, error: requests.exceptions.RequestException) -> NetworkError:
        """An error without the request in it: that holds the key."""
        if isinstance(error, requests.exceptions.ProxyError):
            return NetworkError(
                "{}: the proxy {} did not pass the request on".format(self.url, self._proxy()),
                "Check https_proxy and no_proxy in the environment.",
            )
        if isinstance(error, requests.exceptions.SSLError):
            return NetworkError(
                "{}: TLS failed: {}".format(self.url, _root_cause(error)),
                "Check the clock of this host, and whether its certificate store (or "
                "REQUESTS_CA_BUNDLE) knows the server's authority.",
            )
        if isinstance(error, requests.exceptions.Timeout):
            return NetworkError(
                "{}: no answer in time".format(self.url),
                "Check the network and its proxy settings, then run this command again.",
            )
        return NetworkError(
            "{}: cannot be reached: {}".format(self.url, _root_cause(error)),
            "Check the network, the name and the proxy settings, then run this command again.",
        )

    def _proxy(self) -> str:
        parts = urlsplit(self.url)
        proxies = requests.utils.get_environ_proxies(self.url)
        proxy = urlsplit(proxies.get(parts.scheme) or proxies.get("all") or "")
        return "{}:{}".format(proxy.hostname, proxy.port) if proxy.hostname else "in use"

    # -- answers -----------------------------------------------------------------------------

    def _success(self, answer: _Answer, secret: str) -> Dict[str, Any]:
        value = answer.document()
        if answer.status == 200 and value is not None:
            return value
        raise self._refusal(answer, value, secret)

    def _refusal(
        self, answer: _Answer, value: Optional[Dict[str, Any]], secret: str
    ) -> TuxcareError:
        if answer.status == 401:
            return RefusedError(
                "the licence key is not known to {}".format(self.url),
                "Check it against the one in your account; letters count by case.",
            )
        if value is not None and 400 <= answer.status < 500 and answer.status != 429:
            code = _clean(_string(value, "error") or "refused", secret)
            text = _clean(_string(value, "message") or code, secret)
            hint = _WAYS_OUT.get(code, "See your account for this licence, or ask support.")
            return RefusedError("{} refused: {} ({})".format(self.url, text, code), hint)
        if 300 <= answer.status < 400:
            return NetworkError(
                "{}: redirects elsewhere (HTTP {}); a licence key is not sent after it".format(
                    self.url, answer.status
                ),
                "Give the service's own address with --server, and look for a proxy that asks "
                "for a login.",
            )
        return self._not_a_service(answer)

    def _not_a_service(self, answer: _Answer) -> NetworkError:
        if answer.status == 429:
            return NetworkError(
                "{}: too many requests (HTTP 429)".format(self.url), "Wait some minutes."
            )
        if answer.status >= 500:
            return NetworkError(
                "{}: the service is in trouble (HTTP {})".format(self.url, answer.status),
                "Try again later; nothing was changed on the server's account of this host.",
            )
        kind = answer.headers.get("Content-Type", "").partition(";")[0] or "no type"
        return NetworkError(
            "{}: expected JSON, found {} (HTTP {}, {} bytes)".format(
                self.url, kind, answer.status, len(answer.body)
            ),
            "A proxy or a login page may be answering in the service's place.",
        )


def is_open_http(url: str) -> bool:
    """Whether requests to a URL can be read on their way: plain http to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


def _pause(attempt: int, retry_after: Optional[str]) -> float:
    wait = float(2 ** (attempt - 1))
    if retry_after and retry_after.isdigit():
        wait = max(wait, float(retry_after))
    return min(wait, _MAX_WAIT)


def _root_cause(error: BaseException) -> str:
    """What the operating system or the TLS library said, else the innermost words."""
    innermost = error
    seen: List[BaseException] = []
    todo: List[Any] = [error]
    while todo:
        cause = todo.pop(0)
        if not isinstance(cause, BaseException) or cause in seen:
            continue
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        innermost = cause
        seen.append(cause)
        todo += [getattr(cause, "reason", None), cause.__cause__, cause.__context__]
        todo += list(cause.args)
    # Some name the address of a Python object.
    return re.sub(r"<[^>]*>:? ?", "", str(innermost)) or type(innermost).__name__


def _clean(text: str, secret: str) -> str:
    """A service's words, safe to show: one line, no control characters, no secret."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return visible.replace(secret, "****")[:300]


def _string(value: Mapping[str, Any], key: str) -> Optional[str]:
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def _strings(value: Mapping[str, Any], key: str) -> Optional[List[str]]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return None
    return list(found)
