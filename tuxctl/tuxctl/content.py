"""What a content server offers, asked with one small request each."""

from typing import Optional

from tuxcare.errors import NetworkError
from tuxctl.transport import Transport


class ContentServer:
    """The server that packages come from."""

    def __init__(self, url: str, transport: Optional[Transport] = None) -> None:
        self.url = url
        self._transport = transport or Transport()

    def offers_base(self, release: str, arch: str) -> bool:
        """Whether it has the tuxcare-base repository, which needs no token."""
        return self._status("tuxcare/{}/base/{}".format(release, arch)) == 200

    def lacks_fips(self, release: str, arch: str, token: str) -> bool:
        """Whether it says that it has no tuxcare-fips repository.

        Some servers keep the validated builds in tuxcare-esu. One that does not answer, or does
        not know the new token yet, lacks nothing.
        """
        return self._status("tuxcare/{}/{}/fips/{}".format(release, token, arch)) == 404

    def trouble(self) -> Optional[str]:
        """Why it cannot be reached; None if it answers, whatever it says."""
        try:
            self._transport.head_of(self.url, "/tuxcare/")
        except NetworkError as error:
            return error.message
        return None

    def _status(self, repository: str) -> Optional[int]:
        try:
            return self.status("/{}/repodata/repomd.xml".format(repository))
        except NetworkError:
            return None

    def status(self, path: str, token: Optional[str] = None) -> int:
        """The HTTP status of a path. Raises NetworkError, which does not name the path."""
        return self._transport.head_of(self.url, path, token).status
