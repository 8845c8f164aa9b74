"""The answers, as OPBX gives them: CXML where a call waits for it, else JSON."""

from __future__ import annotations

import json
from http import HTTPStatus

from opbx_cli.webhooks.receiver.callback import Answer

JSON = "application/json"
CXML = "application/xml; charset=utf-8"

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'

HANG_UP = Answer(200, CXML, f"{_XML}<Response><Hangup/></Response>\n".encode())
NOT_STORED = Answer(204, JSON, b"")  # a state that OPBX keeps nothing of


def cxml(http_status: int) -> Answer:
    """Return the answer to a call that is refused: it says so, and hangs up."""
    said = f"<Say>{HTTPStatus(http_status).phrase}</Say>"
    content = f"{_XML}<Response>{said}<Hangup/></Response>\n"
    return Answer(http_status, CXML, content.encode())


def in_json(http_status: int, *, allow: str | None = None, **content: str) -> Answer:
    return Answer(http_status, JSON, json.dumps(content).encode(), allow)


def failed(http_status: int, detail: str = "", *, allow: str | None = None) -> Answer:
    phrase = HTTPStatus(http_status).phrase
    return in_json(http_status, error=f"{phrase}: {detail}" if detail else phrase, allow=allow)


TAKEN = in_json(200, status="ok")
HEALTHY = in_json(200, status="ok")
