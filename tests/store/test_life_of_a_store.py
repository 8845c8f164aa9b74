"""Any order of saves, keys, rotations and restores, against a plain model of what must be."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from opbx_cli.errors import ConfigurationError, StoreError
from opbx_cli.models import Secret
from opbx_cli.settings.table import Settings
from opbx_cli.store import KeySource, SlotKind, Store, StoreContents, file_format, store_paths

pytestmark = pytest.mark.uncounted
NAMES = st.sampled_from(["a", "b.example.net", "c"])
SETTINGS = st.builds(
    Settings,
    domain_name=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    domain_api_key=st.none() | st.sampled_from(["key-number-1", "key-number-2"]).map(Secret),
    no_answer_timeout=st.none() | st.integers(5, 120),
)


class Life(RuleBasedStateMachine):
    """The model: profiles now and before, generation, and which carried keys open the store."""

    carried = Bundle("carried")

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.paths = store_paths(str(self.home / "home"))
        self.profiles: dict[str, Settings] = {}
        self.before: dict[str, Settings] | None = None
        self.generation = 1
        self.file_slots: set[str] = set()
        self.carried_slots: dict[str, Secret] = {}
        self.gone: list[Secret] = []

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    def store(self, key: Secret | None = None) -> Store:
        return Store(self.paths, None if key is None else KeySource(secret=key))

    def saved(self, profiles: dict[str, Settings]) -> None:
        self.before, self.profiles = self.profiles, profiles
        self.generation += 1

    @initialize()
    def create(self) -> None:
        report = self.store().update(lambda old: old, create=True)
        assert report.key_file is not None
        self.file_slots = {report.key_file.stem}

    @rule(name=NAMES, values=SETTINGS)
    def put(self, name: str, values: Settings) -> None:
        profiles = {**self.profiles, name: values}
        self.store().update(lambda old: old._replace(profiles=profiles))
        self.saved(profiles)

    @rule(name=NAMES)
    def take_away(self, name: str) -> None:
        profiles = {other: kept for other, kept in self.profiles.items() if other != name}
        self.store().update(lambda old: StoreContents(profiles))
        self.saved(profiles)

    @precondition(lambda self: len(self.file_slots) < 4)
    @rule()
    def add_key_file(self) -> None:
        self.file_slots.add(self.store().keys.add(SlotKind.KEYFILE).slot.id)
        self.saved(self.profiles)

    @precondition(lambda self: len(self.carried_slots) < 4)
    @rule(target=carried, kind=st.sampled_from([SlotKind.EXTERNAL, SlotKind.RECOVERY]))
    def add_carried(self, kind: SlotKind) -> str:
        added = self.store().keys.add(kind)
        assert added.key is not None
        self.carried_slots[added.slot.id] = added.key
        self.saved(self.profiles)
        return added.slot.id

    @precondition(lambda self: len(self.file_slots) > 1)
    @rule(data=st.data())
    def remove_key_file(self, data: st.DataObject) -> None:
        slot_id = data.draw(st.sampled_from(sorted(self.file_slots)))
        self.store().keys.remove(slot_id)
        self.file_slots.remove(slot_id)
        self.saved(self.profiles)

    @rule(slot_id=consumes(carried))
    def remove_carried(self, slot_id: str) -> None:
        if slot_id in self.carried_slots:
            self.store().keys.remove(slot_id)
            self.gone.append(self.carried_slots.pop(slot_id))
            self.saved(self.profiles)

    @rule(data=st.data())
    def rotate(self, data: st.DataObject) -> None:
        kept = data.draw(st.sampled_from([None, *sorted(self.carried_slots)]))
        others = frozenset(self.carried_slots) - {kept}
        store = self.store(None if kept is None else self.carried_slots[kept])
        if others:
            with pytest.raises(StoreError) as caught:
                store.keys.rotate()
            assert caught.value.code == "store.key_not_at_hand"
        rotation = store.keys.rotate(drop=others)
        assert set(rotation.dropped) == others
        self.gone += [self.carried_slots.pop(slot_id) for slot_id in others]
        self.file_slots = {slot.id for slot in rotation.slots if slot.kind is SlotKind.KEYFILE}
        self.generation += 1

    @rule()
    def restore(self) -> None:
        if self.before is None:
            with pytest.raises(ConfigurationError):
                self.store().restore()
            return
        self.store().restore()
        self.saved(self.before)

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        if not self.file_slots:  # not created yet
            return
        contents = self.store().read()
        assert contents.profiles == self.profiles
        assert contents.generation == self.generation
        if self.before is not None:
            assert self.store().previous().profiles == self.before
        for key in self.carried_slots.values():
            assert self.store(key).read() == contents
        for key in self.gone[-2:]:
            with pytest.raises(StoreError):
                self.store(key).read()
        slots = {
            slot.id for slot in file_format.parse(self.paths.store.read_bytes()).document.slots
        }
        assert slots == self.file_slots | set(self.carried_slots)
        assert {path.stem for path in self.paths.keys.iterdir()} == self.file_slots


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
