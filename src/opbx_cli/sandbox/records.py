"""What the sandbox stores for each domain."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opbx_cli.sandbox.variants import Variants

Json = dict[str, object]

BUILT_IN_TYPE = "Cloudonix:built-in"  # documentation: the type of Cloudonix's own applications
START = "2024-03-01T09:00:00.000Z"  # when everything came to be that was there at the start


@dataclass(slots=True)
class Application:
    """A voice application; it shows up in lists once the clock reaches `listed_from` (seconds)."""

    id: int
    domain_id: int
    name: str
    type: str
    url: str
    method: str
    active: bool = True
    profile: Json = field(default_factory=dict)
    created_at: str = START
    modified_at: str = START
    listed_from: float = 0.0

    @property
    def uuid(self) -> str:
        """Return its UUID, which follows from its ids."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.domain_id}/{self.id}"))


# Cloudonix's own application answers for every domain and is in no domain's list.
BUILT_IN = Application(
    id=1,
    domain_id=1,
    name="cloudonix-static-routing",
    type=BUILT_IN_TYPE,
    url="cx:static-routing",  # documentation: built-in applications have a cx: URL
    method="POST",
)


@dataclass(slots=True)
class Domain:
    """A domain with what belongs to it."""

    id: int
    uuid: str
    name: str
    api_key: str
    active: bool = True
    profile: Json = field(default_factory=dict)
    default_application: int | None = None
    applications: list[Application] = field(default_factory=list)
    trunks: list[Json] = field(default_factory=list)
    trunk_answers: dict[Variants, bytes] = field(default_factory=dict)  # ready for use, by variants
    created_at: str = START
    modified_at: str = START
    created_applications: int = 0

    def application(self, application_id: int | None) -> Application | None:
        """Return the application with this id, which may be Cloudonix's own."""
        candidates = [*self.applications, BUILT_IN]
        return next((one for one in candidates if one.id == application_id), None)

    def next_application_id(self) -> int:
        """Return an id that no application had before."""
        self.created_applications += 1
        return self.id * 1000 + self.created_applications
