"""One request to a server and its answer, bounded in time and size; the way of all requests."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Iterator

import httpcore
import httpx

from opbx_cli.http.bounded_network import AnswerTooLargeError, BoundedNetwork

CONNECTIONS = 100  # at the same time
IDLE_CONNECTIONS = 20  # kept open
IDLE_SECONDS = 5.0  # that an idle one is kept
FRAMING_TOO_LARGE = "the size of a chunk, or what follows the last one, takes up too much"
_TOO_LARGE_FOR_H11 = 431  # h11's hint for whatever it would have to keep whole, and will not

_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"),
        *("ConnectError", "ReadError", "WriteError", "ProxyError"),
        *("LocalProtocolError", "RemoteProtocolError", "UnsupportedProtocol"),
    )
}


class BoundedTransport(httpx.BaseTransport):
    """Sends requests to one server; connections are kept for the next one.

    From its beginning (the look-up of the name) to the last byte of its answer a request takes
    `seconds` at most; then it fails with the time-out of what was under way. An answer that is
    larger than `bounded_network` allows raises `AnswerTooLargeError`.

    httpx's own transport has no place for a network, so it is httpcore that is used here.
    """

    def __init__(
        self,
        *,
        host: str,
        seconds: float,
        context: ssl.SSLContext | None = None,
        proxy: httpcore.Proxy | None = None,
    ) -> None:
        self._seconds = seconds
        self._network = BoundedNetwork(host=host, is_proxied=proxy is not None)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=proxy,
            max_connections=CONNECTIONS,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self._network,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer's head; its content is to be read by the same thread."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        self._network.begin(self._seconds)
        with _errors_of_httpx():
            response = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        assert isinstance(response.stream, Iterable)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Content(response, response.stream),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Content(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response, stream: Iterable[bytes]) -> None:
        self._response = response
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_httpx():
            yield from self._stream

    def close(self) -> None:
        self._response.close()


@contextlib.contextmanager
def _errors_of_httpx() -> Iterator[None]:
    try:
        yield
    except tuple(_ERRORS) as error:
        if getattr(error.__context__, "error_status_hint", None) == _TOO_LARGE_FOR_H11:
            raise AnswerTooLargeError(FRAMING_TOO_LARGE) from error
        raise _ERRORS[type(error)](str(error)) from error
