"""What of a registered host is not as tuxctl left it, in sentences for people."""

import datetime
from typing import Any, Dict, List, Mapping, Optional

from tuxcare.errors import RefusedError, StorageError, TuxcareError
from tuxcare.host import read_content_url, read_token
from tuxctl import identity, preflight, repos
from tuxctl.context import Context
from tuxctl.licence import ESU, FIPS
from tuxctl.lifecycle import covers
from tuxctl.repositories import OK, PATIENCE, REFUSED, Reach, Repository

EXPIRY_WARNED = 30


def find(
    context: Context, registration: Mapping[str, Any], repositories: List[Repository]
) -> List[str]:
    """Differences that need no network."""
    drift = of_token(context) + of_copy(context, registration)
    drift += of_files(context)
    enabled = {repository.id for repository in repositories if repository.enabled}
    products = registration.get("products") or []
    if {ESU, FIPS} & set(products) and repos.ESU not in enabled:
        drift.append("{} is not enabled".format(repos.ESU))
    return drift


def of_token(context: Context) -> List[str]:
    path = context.paths.token
    try:
        read_token(context.paths)
        content = context.system.capture(path)
    except (PermissionError, StorageError):
        return []
    except TuxcareError as error:
        return [error.message]
    if content and content.attributes.mode & 0o077:
        name = context.paths.inside(path)
        return ["{} has mode {:04o}, expected 0600".format(name, content.attributes.mode)]
    return []


def of_copy(context: Context, registration: Mapping[str, Any]) -> List[str]:
    if not identity.is_copy(context, registration):
        return []
    return [
        "this host is a copy of another one, whose registration and token it has: its machine id "
        "is not the registered one"
    ]


def of_files(context: Context) -> List[str]:
    content_url = read_content_url(context.paths)
    return [
        "{} does not follow the vetted repositories".format(context.paths.inside(path))
        for path in preflight.almalinux_files(context)
        if _unswitched(context.system.read(path) or b"", content_url)
    ]


def _unswitched(data: bytes, content_url: str) -> bool:
    return repos.switch(data, content_url).data != data


def is_turned_away(repositories: List[Repository], answers: Mapping[str, Reach]) -> bool:
    """Whether the service turned this host's token away.

    Content servers answer every closed path alike. But the vetted repositories are part of every
    product: when not one of all that need the token opens, it is the token.
    """
    asked = [item.id for item in repositories if item.needs_token and item.id in answers]
    states = [answers[name].state for name in asked]
    return REFUSED in states and OK not in states


def of_service(context: Context, registration: Mapping[str, Any], release: str) -> str:
    """Why the token of a host that is turned away opens nothing, as far as can be found out."""
    said = "the service does not accept this host's token any more: {}"
    why = _ask_why(context, registration, release)
    if why is None:
        end = days_left(registration.get("expires"), context.now())
        if end is not None and end < 0:
            why = "the licence expired on {}".format(registration["expires"])
        else:
            why = (
                "it was revoked, another host took it over, or the licence does not cover "
                "AlmaLinux {}".format(release)
            )
    return said.format(why)


def _ask_why(
    context: Context, registration: Mapping[str, Any], release: str
) -> Optional[str]:
    """The registration service's own reason; None where it gives none."""
    try:
        token = read_token(context.paths)
        server = str(registration.get("server") or context.conf().register_url)
        info = context.service(server, PATIENCE).check_token(token) if token else None
    except RefusedError as error:
        return error.message
    except (TuxcareError, PermissionError):
        return None
    if info is None:
        return None
    if not covers(info.releases or (), release):
        return "the licence does not cover AlmaLinux {}; it covers {}".format(
            release, ", ".join(info.releases or ())
        )
    return "the registration is valid, yet the content server refuses it: ask support"


def days_left(expires: Optional[object], now: datetime.datetime) -> Optional[int]:
    """Whole days until an ISO date or time; negative when it is over, None where there is none."""
    end = parse_time(expires)
    if end is None:
        return None
    return (end - now).days


def parse_time(text: Optional[object]) -> Optional[datetime.datetime]:
    """An ISO date (its end, UTC) or time, None for anything else. Python 3.6 has no parser."""
    if not isinstance(text, str):
        return None
    form = text.strip().replace("Z", "+0000")
    if len(form) > 6 and form[-3] == ":" and form[-6] in "+-":
        form = form[:-3] + form[-2:]
    for pattern in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"):
        try:
            return datetime.datetime.strptime(form, pattern)
        except ValueError:
            continue
    try:
        day = datetime.datetime.strptime(text.strip(), "%Y-%m-%d")
    except ValueError:
        return None
    return day.replace(tzinfo=datetime.timezone.utc) + datetime.timedelta(days=1)


def warnings(registration: Mapping[str, Any], now: datetime.datetime) -> List[str]:
    """What is to come."""
    left = days_left(registration.get("expires"), now)
    if left is None or left > EXPIRY_WARNED:
        return []
    if left < 0:
        return ["the licence expired on {}: renew it".format(registration["expires"])]
    return ["the licence expires in {} days ({})".format(left, registration["expires"])]


def age_in_days(registration: Dict[str, Any], now: datetime.datetime) -> Optional[int]:
    """How old the token is."""
    since = parse_time(registration.get("token_at") or registration.get("registered_at"))
    return max(0, (now - since).days) if since else None
