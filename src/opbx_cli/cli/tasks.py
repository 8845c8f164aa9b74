"""What a validation of one profile works with, gathered from the App."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from opbx_cli.operations.batch import rival_urls, shared_domains
from opbx_cli.operations.stored_profile import StoredProfile
from opbx_cli.operations.validate.run import Task

if TYPE_CHECKING:
    from opbx_cli.cli.app import App
    from opbx_cli.models import CallsBefore
    from opbx_cli.operations.instance import OpenInstance
    from opbx_cli.operations.validate.desired import Choices
    from opbx_cli.settings import ActiveSettings
    from opbx_cli.store import StoreContents

    Update = Callable[[Callable[[StoreContents], StoreContents]], object]


def task_of(
    app: App,
    active: ActiveSettings,
    choices: Choices,
    *,
    check: bool = False,
    instance: OpenInstance | None = None,
    push: bool = False,
) -> Task:
    """Return the validation of these settings; without a store their facts are saved nowhere."""
    profile: StoredProfile | None = None
    rivals: tuple[str, ...] = ()
    if active.is_stored:
        assert active.profile is not None
        uuid = active.settings.domain_uuid or ""
        profile = stored_profile(app, active.profile, uuid)
        rivals = rival_urls(app.read_store().profiles).get(active.profile, ())
    return Task(
        active,
        webhook_url=lambda now: app.webhook_url_of(active._replace(settings=now)),
        profile=profile,
        check=check,
        choices=choices,
        alone=nullcontext if check else partial(app.alone_on, active),
        instance=instance,
        push=push,
        rival_urls=rivals,
    )


def stored_profile(
    app: App, name: str, domain_uuid: str, update: Update | None = None
) -> StoredProfile:
    """Return a profile of the store; `update` is for saves that are put together."""
    return StoredProfile(
        name,
        domain_uuid,
        read=app.read_store,
        update=update or app.store.update,
        require_can_save=app.store.require_can_save,
    )


def remembered_calls(app: App, active: ActiveSettings) -> CallsBefore | None:
    """Return who had the calls before, as other profiles of the same domain remember it."""
    profiles = app.read_store().profiles
    others = shared_domains(profiles).get(active.profile or "", ())
    return next(filter(None, (profiles[name].calls_before for name in others)), None)
