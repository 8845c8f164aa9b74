"""Who has a domain's calls now, and who is to have them after a detach. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opbx_cli.error_codes import ErrorCode
from opbx_cli.errors import NotFoundError, UsageError
from opbx_cli.operations.detach.parts import Own, Part, Wanted, moved
from opbx_cli.operations.validate.desired import Change
from opbx_cli.operations.validate.takeover import is_of_cloudonix
from opbx_cli.remote import VoiceApplication

if TYPE_CHECKING:
    from opbx_cli.models import RemoteId
    from opbx_cli.remote import Domain


@dataclass(frozen=True, slots=True)
class Calls:
    """Who has the calls now, and who is to have them."""

    own: Own
    application: VoiceApplication | None
    holder: VoiceApplication | None  # of the calls; None also where it is not shown
    domain: Domain
    applications: tuple[VoiceApplication, ...]
    wanted: Wanted

    @property
    def are_own(self) -> bool:
        """Tell whether OPBX's application has the calls, be it at another URL by now."""
        current = self.domain.default_application
        return self.application is not None and current == self.application.id

    def part(self) -> Part:
        """Return what is done about the calls."""
        asked = None if self.wanted.to is None else self._asked_for(self.wanted.to)
        if not self.are_own:
            users = self.users()
            if users and self.own.calls_before is not None:
                return Part("", left=(f"calls go to {users[0]}: somebody switched them",))
            current = self.domain.default_application
            return Part(f"calls go to {_called(self.holder, current)}")
        assert self.application is not None
        if self.own.has_moved(self.application):
            return Part("", left=(moved(self.application),))
        if asked is not None or self.wanted.to_none:
            return self._given_to(asked)
        return self._given_back()

    def users(self) -> tuple[str, ...]:
        """Return who got the calls from somebody else, if anybody."""
        if self.are_own:
            assert self.application is not None
            url = self.application.url
            return (url,) if url is not None and self.own.has_moved(self.application) else ()
        current, before = self.domain.default_application, self.own.calls_before
        is_expected = current in (None, before.id if before is not None else None)
        if is_expected or (self.holder is not None and is_of_cloudonix(self.holder.type)):
            return ()
        if self.wanted.to is not None and self._asked_for(self.wanted.to).id == current:
            return ()
        return (f"{_called(self.holder, current)}",)

    def warnings(self, part: Part) -> tuple[str, ...]:
        chosen = by_id(self.applications, part.target)
        if chosen is None or chosen.active is not False:
            return ()
        return (f"{_called(chosen)} is not active: calls would not be answered",)

    def _given_back(self) -> Part:
        before = self.own.calls_before
        if before is None:
            return self._open("it is not known which application had the calls before OPBX")
        if before.id is None:
            return self._given_to(None)
        found = by_id(self.applications, before.id)
        if found is None and is_of_cloudonix(before.type):
            found = VoiceApplication(before.id, before.name or str(before.id))
        if found is None:
            name = before.name or before.id
            return self._open(
                f"application '{name}' (id {before.id}), which had the calls before, is gone"
            )
        return self._given_to(found)

    def _open(self, why: str) -> Part:
        option = self.wanted.profile_option
        return Part(
            f"{why}; calls still go to OPBX",
            wants=f"`opbx detach --to-none{option}` lets no application have the calls, "
            "`--to` names another one",
        )

    def _given_to(self, target: VoiceApplication | None) -> Part:
        assert self.application is not None
        change = Change(
            "default_application", self.application.name, None if target is None else target.name
        )
        name, identifier = _called(target), None if target is None else target.id
        return Part(
            f"calls would go to {name}", f"calls go to {name}", (change,), target=identifier
        )

    def _asked_for(self, reference: str) -> VoiceApplication:
        """Return the application that is named: by UUID, id or name, in this order."""
        others = [one for one in self.applications if one != self.application]
        for fits in (
            lambda one: one.uuid is not None and one.uuid.lower() == reference.lower(),
            lambda one: str(one.id) == reference,
            lambda one: one.name == reference,
        ):
            found = [one for one in others if fits(one)]
            if len(found) > 1:
                ids = ", ".join(str(one.id) for one in found)
                raise UsageError(f"--to: several applications have that name; their ids: {ids}")
            if found:
                return found[0]
        names = ", ".join(one.name for one in others) or "none"
        raise NotFoundError(
            "--to: the domain has no other application with that name, id or UUID",
            hint=f"these are there: {names}",
            code=ErrorCode.APPLICATION_NOT_FOUND,
        )


def by_id(
    applications: tuple[VoiceApplication, ...], identifier: RemoteId | None
) -> VoiceApplication | None:
    return next((one for one in applications if one.id == identifier), None)


def _called(application: VoiceApplication | None, identifier: RemoteId | None = None) -> str:
    if application is None and identifier is None:
        return "no application"
    name = identifier if application is None else application.name
    return f"application '{name}'"
