"""Who is connected, and which connection makes way for another one when there are too many.

Nobody who comes is refused: whoever held the places would keep Cloudonix out. And no address has
a fixed number of them: behind a tunnel or a proxy all clients have one address, so that number
would keep Cloudonix out too. Instead, when all places are taken, one connection makes way:

1. one on which nothing is under way, the one that has been so for the longest time;
2. else of the client with the most connections the one that began first.

So a client that comes directly pushes out its own connections alone, as long as it has more of
them than anybody else. Where all have one address, whatever is slowest goes: what Cloudonix sends
is there in a moment, while an attacker's connections have to last in order to do harm. The room
for bodies is shared out in the same way.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Generic, Protocol, TypeVar


class Occupant(Protocol):
    """What is known of a connection here: whose it is, and how much of a body it holds."""

    client: str

    @property
    def held(self) -> int: ...


Connection = TypeVar("Connection", bound=Occupant)


class Clients(Generic[Connection]):
    """The connections, by whether something is under way on them and by where they come from."""

    def __init__(self) -> None:
        # Dictionaries of None are sets that keep their order.
        self._resting: dict[Connection, None] = {}  # the longest first
        self._busy: dict[str, dict[Connection, None]] = {}  # by client; the first to begin first

    def __len__(self) -> int:
        return len(self._resting) + sum(map(len, self._busy.values()))

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._resting or connection in self._busy.get(connection.client, ())

    def all(self) -> tuple[Connection, ...]:
        busy = (one for connections in self._busy.values() for one in connections)
        return (*self._resting, *busy)

    def put(self, connection: Connection, *, is_busy: bool) -> None:
        """Add a connection, or note that something is under way on it now, or no longer."""
        if is_busy:
            self._resting.pop(connection, None)
            self._busy.setdefault(connection.client, {}).setdefault(connection)
        else:
            self.remove(connection)
            self._resting[connection] = None

    def remove(self, connection: Connection) -> None:
        self._resting.pop(connection, None)
        of_client = self._busy.get(connection.client, {})
        of_client.pop(connection, None)
        if not of_client:
            self._busy.pop(connection.client, None)

    def to_make_way(self) -> Connection:
        """Return the connection whose place another one gets; there has to be one."""
        if self._resting:
            return next(iter(self._resting))
        largest: dict[Connection, None] = max(self._busy.values(), key=len)
        return next(iter(largest))

    def to_make_room(self) -> Connection | None:
        """Return the connection whose body is dropped for another one's, None without any."""

        def held(connections: dict[Connection, None]) -> int:
            return sum(one.held for one in connections)

        largest: dict[Connection, None] = max(self._busy.values(), key=held, default={})
        return next((one for one in largest if one.held), None)


def client_of(address: str) -> str:
    """Return what tells clients apart: the IPv4 address, or the network (/64) of an IPv6 one.

    An IPv6 client has as many addresses in its network as it likes.
    """
    if ":" not in address:
        return address
    return IPv6Address(address.partition("%")[0]).packed[:8].hex()
