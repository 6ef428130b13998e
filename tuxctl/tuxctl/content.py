"""What a content server offers, asked with one small request each."""

from typing import Optional

import requests

_TIMEOUT = (10.0, 20.0)


class ContentServer:
    """The server that packages come from."""

    def __init__(self, url: str, session: Optional[requests.Session] = None) -> None:
        self.url = url
        self._session = session or requests.Session()

    def offers_base(self, release: str, arch: str) -> bool:
        """Whether it has the tuxcare-base repository, which needs no token."""
        return self._status("tuxcare/{}/base/{}".format(release, arch)) == 200

    def lacks_fips(self, release: str, arch: str, token: str) -> bool:
        """Whether it says that it has no tuxcare-fips repository.

        Some servers keep the validated builds in tuxcare-esu. One that does not answer, or does
        not know the new token yet, lacks nothing.
        """
        return self._status("tuxcare/{}/{}/fips/{}".format(release, token, arch)) == 404

    def _status(self, repository: str) -> Optional[int]:
        url = "{}/{}/repodata/repomd.xml".format(self.url, repository)
        try:
            with self._session.get(url, timeout=_TIMEOUT, stream=True) as response:
                return response.status_code
        except requests.exceptions.RequestException:
            return None
