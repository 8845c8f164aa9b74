"""The answers, as OPBX gives them: CXML where a call waits for it, else JSON."""

from __future__ import annotations

import json
from http import HTTPStatus

from opbx_cli.receiver.callback import Answer

JSON = "application/json"
CXML = "application/xml; charset=utf-8"

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'

HANG_UP = Answer(200, CXML, f"{_XML}<Response><Hangup/></Response>\n".encode())
UNAUTHORIZED_VOICE = Answer(401, CXML, f"{_XML}<Response><Hangup/></Response>\n".encode())


def in_json(http_status: int, *, allow: str | None = None, **content: str) -> Answer:
    return Answer(http_status, JSON, json.dumps(content).encode(), allow)


def failed(http_status: int, detail: str = "", *, allow: str | None = None) -> Answer:
    phrase = HTTPStatus(http_status).phrase
    return in_json(http_status, error=f"{phrase}: {detail}" if detail else phrase, allow=allow)


TAKEN = in_json(200, status="ok")
UNAUTHORIZED = failed(401)
HEALTHY = in_json(200, status="ok")
