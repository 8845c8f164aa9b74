"""The content of an answer: read whole, and unpacked, up to 16 MiB of each."""

from __future__ import annotations

import zlib

import httpx

from opbx_cli.http.bounded_network import ANSWER_MAX, TOO_LARGE, AnswerTooLargeError

ACCEPT_ENCODING = "gzip, deflate"  # what is unpacked here; httpx would ask for what it can unpack
NOT_UNPACKED = "a compressed answer that cannot be unpacked"
# How zlib is told what is around the packed bytes. By `deflate` some servers mean nothing at all.
_WRAPPINGS = {"gzip": (16 + zlib.MAX_WBITS,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}


class UnreadableAnswerError(Exception):
    """An answer that cannot be had: what it is instead, and its status, where that came."""

    def __init__(self, what: str, status: int | None) -> None:
        super().__init__(what)
        self.what = what
        self.status = status


def read_content(response: httpx.Response) -> bytes:
    """Return the content, unpacked. Raises `UnreadableAnswerError`, and what its stream raises."""
    status = response.status_code
    coding = response.headers.get("content-encoding", "").strip().lower()
    if "," in coding:  # packed more than once
        raise UnreadableAnswerError(NOT_UNPACKED, status)
    try:
        sent = _read(response)
        return _unpack(sent, _WRAPPINGS[coding]) if coding in _WRAPPINGS else sent
    except AnswerTooLargeError as error:
        raise UnreadableAnswerError(error.what, status) from error
    except zlib.error as error:
        raise UnreadableAnswerError(NOT_UNPACKED, status) from error


def _read(response: httpx.Response) -> bytes:
    assert isinstance(response.stream, httpx.SyncByteStream)
    sent = bytearray()
    for piece in response.stream:
        sent += piece
        if len(sent) > ANSWER_MAX:
            raise AnswerTooLargeError(TOO_LARGE)
    return bytes(sent)


def _unpack(sent: bytes, wrappings: tuple[int, ...]) -> bytes:
    """Unpack in whichever wrapping fits; no more is unpacked than may be returned."""
    for wrapping in wrappings[:-1]:
        try:
            return _unpack(sent, (wrapping,))
        except zlib.error:
            continue
    content = zlib.decompressobj(wrappings[-1]).decompress(sent, ANSWER_MAX + 1)
    if len(content) > ANSWER_MAX:
        raise AnswerTooLargeError(TOO_LARGE)
    return content
