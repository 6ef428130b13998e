"""Small HTTP requests that end: bounded in time and size, their troubles told apart.

An error never holds the request: that may hold a licence key or a token.
"""

import datetime
import email.utils
import json
import re
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

import requests
import requests.auth

from tuxcare.errors import NetworkError
from tuxctl.network import Network

_MAX_ANSWER = 64 * 1024
_TRIES = 3
_TRY_AGAIN = (429, 502, 503, 504)
_MAX_WAIT = 20.0


class Bearer(requests.auth.AuthBase):
    """The token, and nothing that a ~/.netrc may hold for the same server."""

    def __init__(self, token: Optional[str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = "Bearer " + self._token
        return request


class Answer(NamedTuple):
    """What came back. `date`: by the server's clock, None where it did not say."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Optional[Dict[str, Any]]:
        try:
            value = json.loads(self.body.decode("utf-8"))
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    @property
    def date(self) -> Optional[datetime.datetime]:
        try:
            found = email.utils.parsedate_to_datetime(self.headers.get("Date", ""))
        except (TypeError, ValueError, IndexError):
            return None
        if found.tzinfo is None:
            found = found.replace(tzinfo=datetime.timezone.utc)
        return found


class Transport:
    """Requests through one network."""

    def __init__(
        self,
        network: Optional[Network] = None,
        session: Optional[requests.Session] = None,
        sleep: Optional[Callable[[float], None]] = None,
        tries: Optional[int] = None,
    ) -> None:
        self._network = network or Network()
        self._session = session or Network.session()
        self._sleep = sleep or time.sleep
        self._tries = tries or _TRIES

    def post(
        self,
        server: str,
        path: str,
        body: Mapping[str, Any],
        token: Optional[str] = None,
        again: bool = True,
    ) -> Answer:
        """Ask a service; once more, with growing waits, after trouble that may pass.

        `again`: whether the call may be made twice where the first answer got lost. Raises
        NetworkError that names the server.
        """

        def call() -> Answer:
            return self._once("POST", server, path, True, json=body, auth=Bearer(token))

        for attempt in range(1, self._tries + 1):
            try:
                answer = call()
            except requests.exceptions.ConnectTimeout as error:
                trouble = self._explain(server, error)
            except (requests.exceptions.SSLError, requests.exceptions.ProxyError) as error:
                raise self._explain(server, error) from None
            except requests.exceptions.RequestException as error:
                trouble = self._explain(server, error)
                if not again:
                    raise trouble from None
            else:
                if answer.status not in _TRY_AGAIN or attempt == self._tries:
                    return answer
                self._sleep(_pause(attempt, answer.headers.get("Retry-After")))
                continue
            if attempt == self._tries:
                raise trouble from None
            self._sleep(_pause(attempt, None))
        raise AssertionError("unreachable")

    def head_of(self, server: str, path: str, token: Optional[str] = None) -> Answer:
        """Status and headers of a GET, asked once; the body stays there. Raises NetworkError."""
        try:
            return self._once("GET", server, path, False, auth=Bearer(token))
        except requests.exceptions.RequestException as error:
            raise self._explain(server, error) from None

    def _once(
        self, method: str, server: str, path: str, with_body: bool, **options: Any
    ) -> Answer:
        """One request. The deadline counts for all of it: a server may also answer byte by byte."""
        result: List[Any] = []
        thread = threading.Thread(
            target=_keep_result,
            args=(result, lambda: self._request(method, server + path, with_body, options)),
            daemon=True,
        )
        thread.start()
        thread.join(self._network.timeout)
        if not result:
            raise requests.exceptions.ReadTimeout("no whole answer in time")
        if isinstance(result[0], BaseException):
            raise result[0]
        answer: Answer = result[0]
        return answer

    def _request(
        self, method: str, url: str, with_body: bool, options: Mapping[str, Any]
    ) -> Answer:
        with self._session.request(
            method,
            url,
            headers={"Accept": "application/json, */*", "User-Agent": "tuxctl"},
            stream=True,
            **dict(self._network.arguments(url), **options)
        ) as response:
            data = b""
            for chunk in response.iter_content(8192) if with_body else ():
                data += chunk
                if len(data) > _MAX_ANSWER:
                    raise NetworkError("{}: answered with too much data".format(_origin(url)))
            return Answer(response.status_code, response.headers, data)

    def _explain(self, server: str, error: requests.exceptions.RequestException) -> NetworkError:
        """An error without the request in it."""
        proxy = self._network.proxy_for(server)
        through = " through the proxy {}".format(proxy) if proxy else ""
        if isinstance(error, requests.exceptions.ProxyError):
            return NetworkError(
                "{}: the proxy {} did not pass the request on: {}".format(
                    server, proxy or "in use", root_cause(error)
                ),
                _proxy_hint(root_cause(error)),
            )
        if isinstance(error, requests.exceptions.SSLError):
            return NetworkError(
                "{}: TLS failed{}: {}".format(server, through, root_cause(error)),
                "Check the clock of this host, and whether its certificate store knows the "
                "server's authority; --cacert FILE names another store.",
            )
        if isinstance(error, requests.exceptions.Timeout):
            return NetworkError(
                "{}: no answer in time ({:.0f} seconds){}".format(
                    server, self._network.timeout, through
                ),
                "Check the network and its proxy settings, then run this command again; "
                "--timeout SECONDS waits longer.",
            )
        return NetworkError(
            "{}: cannot be reached{}: {}".format(server, through, root_cause(error)),
            "Check the network, the name and the proxy settings, then run this command again.",
        )


def _keep_result(result: List[Any], call: Callable[[], Answer]) -> None:
    try:
        result.append(call())
    except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
        result.append(error)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return "{}://{}".format(parts.scheme, parts.netloc)


def _proxy_hint(cause: str) -> str:
    if "407" in cause:
        return (
            "It wants a name and a password: proxy_username and proxy_password in "
            "/etc/dnf/dnf.conf, or http://USER:PASSWORD@HOST:PORT in https_proxy."
        )
    return "Check --proxy, https_proxy and no_proxy of the environment, and proxy in dnf.conf."


def _pause(attempt: int, retry_after: Optional[str]) -> float:
    wait = float(2 ** (attempt - 1))
    if retry_after and retry_after.isdigit():
        wait = max(wait, float(retry_after))
    return min(wait, _MAX_WAIT)


def root_cause(error: BaseException) -> str:
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
