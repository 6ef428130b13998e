"""The repositories of a host: what their files say, and whether they can be reached."""

import concurrent.futures
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from tuxcare.errors import TuxcareError
from tuxcare.host import TOKEN_IN_HEADER, followed_release, read_content_url, read_token
from tuxcare.repofile import RepoFile
from tuxctl import preflight, repos
from tuxctl.context import Context

VETTED = "vetted"
TUXCARE = "tuxcare"
ELSEWHERE = "elsewhere"

OK = "ok"
REFUSED = "refused"
MISSING = "missing"
UNREACHABLE = "unreachable"
UNKNOWN = "unknown"

PATIENCE = 5.0
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TOKEN = "tuxcare_token"  # noqa: S105  # the variable's name


class Reach(NamedTuple):
    """Whether a repository answers. `state`: ok, refused, missing, unreachable or unknown."""

    state: str
    detail: str


class Repository(NamedTuple):
    """One section of a repository file. `source`: vetted, tuxcare or elsewhere."""

    id: str
    file: str
    enabled: bool
    source: str
    url: Optional[str] = None

    @property
    def needs_token(self) -> bool:
        return _TOKEN in (self.url or "")

    def document(self, reach: Optional[Reach]) -> Dict[str, Any]:
        return {
            "id": self.id,
            "file": self.file,
            "enabled": self.enabled,
            "source": self.source,
            "reach": dict(reach._asdict()) if reach else None,
        }


def read(context: Context) -> List[Repository]:
    """Every section of AlmaLinux's files and of our own."""
    found: List[Repository] = []
    content_url = read_content_url(context.paths)
    for path in preflight.almalinux_files(context) + [context.paths.tuxcare_repo]:
        file = RepoFile(context.system.read(path) or b"")
        for section in file.sections():
            if path == context.paths.tuxcare_repo:
                source = TUXCARE
            elif repos.is_switched(file, section) or repos.follows_open(
                file, section, content_url
            ):
                source = VETTED
            else:
                source = ELSEWHERE
            option = file.get(section, "baseurl")
            url = option.values[0] if option and option.values else None
            name = context.paths.inside(path)
            found.append(Repository(section, name, file.is_enabled(section), source, url))
    return found


def reach(context: Context, repositories: List[Repository]) -> Dict[str, Reach]:
    """By id: whether the enabled ones of the vetted layout and of TuxCare answer this host.

    All are asked at once, so that this takes one timeout at most. Nothing raises.
    """
    wanted = [item for item in repositories if item.enabled and item.source != ELSEWHERE]
    if not wanted:
        return {}
    variables, trouble = _variables(context)
    with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
        answers = list(pool.map(lambda item: _ask(context, item, variables, trouble), wanted))
    return {item.id: answer for item, answer in zip(wanted, answers)}


def _variables(context: Context) -> Tuple[Dict[str, str], str]:
    """Values of the variables in base URLs, and why the token's is not among them."""
    release = followed_release(context.paths)
    found = {
        "tuxcare_releasever": release,
        "releasever": release.partition(".")[0],
        "basearch": context.system.machine(),
        "arch": context.system.machine(),
    }
    try:
        token = read_token(context.paths)
    except PermissionError:
        return found, "the token can be read by root alone"
    except TuxcareError:
        return found, "the token is damaged"
    if token is None:
        return found, "there is no token"
    found[_TOKEN] = token
    return found, ""


def _ask(
    context: Context, repository: Repository, variables: Dict[str, str], trouble: str
) -> Reach:
    if repository.needs_token and _TOKEN not in variables:
        return Reach(UNKNOWN, trouble)
    try:
        url, token = _address(context, repository, variables)
        parts = urlsplit(url)
        server = "{}://{}".format(parts.scheme, parts.netloc)
        status = context.content(server, PATIENCE).status(parts.path, token)
    except ValueError as error:
        return Reach(UNKNOWN, str(error))
    except TuxcareError as error:
        return Reach(UNREACHABLE, error.message)
    if status == 200:
        return Reach(OK, "")
    if status in (401, 403):
        return Reach(REFUSED, "HTTP {}".format(status))
    if status == 404:
        return Reach(MISSING, "HTTP 404: nothing is published there")
    return Reach(UNREACHABLE, "HTTP {}".format(status))


def _address(
    context: Context, repository: Repository, variables: Dict[str, str]
) -> Tuple[str, Optional[str]]:
    """Where its metadata is, and the token where that goes into a header.

    Raises ValueError for a URL that cannot be asked.
    """
    url = repository.url or ""
    token = None
    if repository.needs_token and context.conf().token_in == TOKEN_IN_HEADER:
        token = variables[_TOKEN]
        url = url.replace("/$" + _TOKEN + "/", "/").replace("/${" + _TOKEN + "}/", "/")
    if not url.startswith(("http://", "https://")):
        raise ValueError("no http address: {}".format(url or "no baseurl"))

    def value(found: Any) -> str:
        name = found.group(1) or found.group(2)
        if name not in variables:
            raise ValueError("${} has no value".format(name))
        return variables[name]

    return _VARIABLE.sub(value, url).rstrip("/") + "/repodata/repomd.xml", token
