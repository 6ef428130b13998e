"""The account that an Amazon EC2 instance belongs to, which support asks of SaaS customers.

Instance metadata: a session token by PUT, then the identity document (IMDSv2); instances that allow
version 1 give the document at once. docs.aws.amazon.com, "Instance identity documents".
"""

import re
from typing import Dict, Optional

import requests

from tuxctl.network import Network

SERVICE = "http://169.254.169.254"
_DOCUMENT = "/latest/dynamic/instance-identity/document"
_ACCOUNT = re.compile(r"[0-9]{12}\Z")
_TIMEOUT = (1.0, 2.0)
_LARGE = 16384


def account_id(service: str = SERVICE) -> Optional[str]:
    """Twelve digits; None where no instance service answers."""
    session = Network.session()
    try:
        headers = _session_headers(session, service)
        with session.get(
            service + _DOCUMENT,
            headers=headers,
            timeout=_TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as answer:
            if answer.status_code != 200 or int(answer.headers.get("Content-Length", "0")) > _LARGE:
                return None
            found = str(answer.json().get("accountId", ""))
    except (requests.exceptions.RequestException, ValueError, AttributeError):
        return None
    return found if _ACCOUNT.match(found) else None


def _session_headers(session: requests.Session, service: str) -> Dict[str, str]:
    answer = session.put(
        service + "/latest/api/token",
        headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"},
        timeout=_TIMEOUT,
        allow_redirects=False,
    )
    if answer.status_code != 200:
        return {}
    return {"X-aws-ec2-metadata-token": answer.text.strip()}
