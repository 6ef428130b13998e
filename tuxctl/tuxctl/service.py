"""Client of the registration service: the public one and `tuxmirror serve` speak the same.

    POST <server>/cln/api/els/key/check          {"key"}
    POST <server>/cln/api/els/token/register     {"key", "host_name", and where known
                                                  "machine_id", "release", "arch"}
    POST <server>/cln/api/els/token/check        Authorization: Bearer <token>
    POST <server>/cln/api/els/token/refresh      Authorization: Bearer <token>
    POST <server>/cln/api/els/token/unregister   Authorization: Bearer <token>

The public service has no checks and no refresh; its 404 or 405 means "ask by registering", or
"tokens stay as they are". Refusals are JSON {"error": code, "message": text}.
"""

import datetime
from typing import Any, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

from tuxcare.errors import NetworkError, RefusedError, TuxcareError
from tuxcare.host import is_token, normalize_url
from tuxctl.transport import Answer, Transport

PREFIX = "/cln/api/els/"

_WAYS_OUT = {
    "expired": "Renew the licence, or use another key.",
    "exhausted": "Unregister a host that no longer needs it, or ask for a larger licence.",
    "wrong_product": "Use a key for this product and release.",
}
# Codes of a service that does not know the call, or not any more.
_NO_SUCH_CALL = (404, 405)


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

    def body(self) -> Dict[str, str]:
        """As it is sent; the key comes beside it."""
        body = {"host_name": self.host_name, "release": self.release, "arch": self.arch}
        if self.machine_id:
            body["machine_id"] = self.machine_id
        return body


class RegistrationService:
    """One registration service.

    Every call raises NetworkError where the service cannot be reached or does not answer as
    such a service, RefusedError where it says no. `date`: its clock at its last answer.
    """

    def __init__(self, url: str, transport: Optional[Transport] = None) -> None:
        self.url = url
        self.date: Optional[datetime.datetime] = None
        self._transport = transport or Transport()

    def check_key(self, key: str) -> Optional[KeyInfo]:
        """What the key buys; None where the service has no such question."""
        answer = self._post("key/check", {"key": key})
        if answer.status in _NO_SUCH_CALL:
            return None
        return _key_info(self._success(answer, key))

    def check_token(self, token: str) -> Optional[KeyInfo]:
        """What the licence behind the token buys; None where the service has no such question.

        Raises RefusedError that says why the token opens nothing.
        """
        answer = self._post("token/check", {}, token=token)
        if answer.status in _NO_SUCH_CALL:
            return None
        if answer.status == 401:
            raise RefusedError("the host's registration was ended, or another one replaced it")
        return _key_info(self._success(answer, token))

    def register(self, key: str, host: Host) -> Registration:
        """A token for this host."""
        body = dict(host.body(), key=key)
        answer = self._post("token/register", body, again=bool(host.machine_id))
        if answer.status in _NO_SUCH_CALL:
            raise NetworkError(
                "{}: no registration service there (HTTP {})".format(self.url, answer.status),
                "Check --server, or [server] register in /etc/tuxcare/tuxcare.conf.",
            )
        return self._registration(answer, key)

    def refresh(self, token: str) -> Optional[Registration]:
        """A new token in the place of `token`, which lives on for some minutes.

        None where the service does not rotate tokens. Raises RefusedError where it does not accept
        this one any more.
        """
        answer = self._post("token/refresh", {}, token=token)
        if answer.status in _NO_SUCH_CALL:
            return None
        if answer.status == 401:
            raise RefusedError(
                "{} does not accept this host's token any more: revoked, or replaced by another "
                "registration with the same machine id".format(self.url),
                "Register again with 'tuxctl --force --license-key-file FILE'.",
            )
        return self._registration(answer, token)

    def unregister(self, token: str) -> bool:
        """Give the host's seat back; False where the service does not know token or question."""
        answer = self._post("token/unregister", {}, token=token)
        if answer.status in (401, 403, 404, 405, 410):
            return False
        if answer.status != 204:
            self._success(answer, token)
        return True

    def _registration(self, answer: Answer, secret: str) -> Registration:
        value = self._success(answer, secret)
        token = value.get("token")
        if not isinstance(token, str) or not is_token(token):
            raise NetworkError("{}: answered without a usable token".format(self.url))
        content_url = _string(value, "content_url")
        try:
            content_url = normalize_url(content_url) if content_url else None
        except ValueError as error:
            raise NetworkError("{}: content_url: {}".format(self.url, error)) from error
        return Registration(
            token, _strings(value, "products"), _string(value, "expires"), content_url
        )

    def _post(
        self, call: str, body: Mapping[str, Any], token: Optional[str] = None, again: bool = True
    ) -> Answer:
        answer = self._transport.post(self.url, PREFIX + call, body, token, again)
        self.date = answer.date or self.date
        return answer

    # -- answers -----------------------------------------------------------------------------

    def _success(self, answer: Answer, secret: str) -> Dict[str, Any]:
        value = answer.document()
        if answer.status == 200 and value is not None:
            return value
        raise self._refusal(answer, value, secret)

    def _refusal(
        self, answer: Answer, value: Optional[Dict[str, Any]], secret: str
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

    def _not_a_service(self, answer: Answer) -> NetworkError:
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


def _key_info(value: Mapping[str, Any]) -> KeyInfo:
    return KeyInfo(
        _strings(value, "products"),
        _strings(value, "releases"),
        _string(value, "expires"),
        value["hosts_left"] if isinstance(value.get("hosts_left"), int) else None,
    )


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
