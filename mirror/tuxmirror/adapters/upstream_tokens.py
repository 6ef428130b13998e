"""Tokens for upstreams that serve registered mirrors only, such as another `tuxmirror serve`.

Everywhere else a URL holds `{token}` or nothing: what is not there gets into no error, event or
log. The token itself is put in when a transfer starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.errors import ConfigError
from ..core.names import TOKEN
from ..core.tree import TOKEN_PLACE


class UpstreamTokens:
    """Tokens by root; each file is read when its root is first asked.

    Every method may raise ConfigError: a token file is missing, open to others, or holds none.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._known: dict[str, str] = {}

    def apply(self, url: str) -> tuple[str, str | None]:
        """The URL to ask, and the token for its Authorization header."""
        root = next((root for root in self._files if url.startswith(root + "/")), None)
        if root is None:
            return url, None
        token = self._known.setdefault(root, self._known.get(root) or _read(self._files[root]))
        if TOKEN_PLACE in url:
            return url.replace(TOKEN_PLACE, token), None
        return url, token

    def hide(self, url: str) -> str:
        """A URL that upstream named, without a token of ours in it."""
        for token in self._known.values():
            url = url.replace(token, TOKEN_PLACE)
        return url


def _read(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o007:
            raise ConfigError(
                f"token_file {path}: everybody can use it",
                expected="mode 0600",
                way_out=f"chmod 600 {path}",
            )
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not ASCII"
        raise ConfigError(f"token_file {path}: {reason}") from None
    if not TOKEN.fullmatch(token):
        raise ConfigError(
            f"token_file {path}: no token",
            expected="one line, 32 or more of A-Z a-z 0-9 _ -",
            way_out="put in what the registration with the upstream gave",
        )
    return token
