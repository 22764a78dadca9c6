"""A webhook: the finding as JSON, signed as Standard Webhooks 1.0 says, so that any receiver of
that standard can check it (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from pathlib import Path

from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.reach import post
from reticent.monitor.alerts.secret import secret
from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import Sink

ENCODED = "whsec_"  # begins a secret that is written in base64


class Webhook:
    """Posts each alert to one address; ``webhook-id`` is the same at every try."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._folder = sink, folder

    def send(self, alert: Alert) -> None:
        """Post one alert."""
        assert self._sink.url is not None
        body, at = ocsf.encoded(alert), str(int(time.time()))
        headers = {"webhook-id": alert.id, "webhook-timestamp": at}
        if key := _key(secret(self._sink, self._folder)):
            headers["webhook-signature"] = signature(key, alert.id, at, body)
        post(self._sink.url, body, headers, self._sink.trusted(self._folder))


def signature(key: bytes, id: str, at: str, body: bytes) -> str:  # noqa: A002 (the standard's word)
    """Sign a body: HMAC-SHA256 over its id, the time in seconds and the body itself."""
    signed = hmac.digest(key, f"{id}.{at}.".encode() + body, "sha256")
    return f"v1,{b64encode(signed).decode()}"


def _key(text: str) -> bytes:
    if not text.startswith(ENCODED):
        return text.encode()
    try:
        return b64decode(text.removeprefix(ENCODED), validate=True)
    except NotBase64:
        raise UndeliveredError(f"the secret begins with {ENCODED} and is no base64") from None
