"""The one lazy seam: a group knows its commands' names and help, and loads one when asked for it.

So the help of a group imports no command, a command imports what it needs at its top, and
nothing that another command needs.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from typer.core import TyperCommand, TyperGroup

from opbx_cli.errors import UsageError

HELP_GAP = 2  # columns between a name and its help, as in Typer's own lists


class Entry(NamedTuple):
    """What is known of a command before it is loaded; without `place` it is a group alone."""

    help: str
    place: str | None = None  # module:function, in this package
    commands: Mapping[str, "Entry"] = {}  # those behind it
    examples: tuple[str, ...] = ()  # command lines that work
    # For the reference; tests compare them with how commands end and what they print.
    exit_codes: tuple[int, ...] = ()  # besides those that every command may end with
    documents: tuple[str, ...] = ()  # the schemas of what it prints with --json


class LazyGroup(TyperGroup):
    """A group whose commands are loaded one by one."""

    entries: Mapping[str, Entry] = {}

    def __init__(self, *, entries: Mapping[str, Entry] | None = None, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.hold(self.entries if entries is None else entries)

    def hold(self, entries: Mapping[str, Entry]) -> None:
        """Take the commands behind this one."""
        self.entries = entries
        self.commands = cast("Any", _Commands(entries))  # TyperGroup would have a whole dict

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return [*self.entries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return self.commands[cmd_name] if cmd_name in self.entries else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        rows = [(name, entry.help) for name, entry in self.entries.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows, col_spacing=HELP_GAP)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse a command line that ends here with an error of ours; Typer's is its help."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            path = ctx.command_path
            raise UsageError(
                f"{path}: a command is missing: one of {', '.join(self.entries)}",
                hint=f"`{path} --help`",
            )
        return super().parse_args(ctx, args)


class _Commands(Mapping[str, TyperCommand | TyperGroup]):
    """The commands by their names, each made at most once."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._made: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._made:
            self._made[name] = _load(name, self._entries[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _load(name: str, entry: Entry) -> TyperCommand | TyperGroup:
    if entry.place is None:
        return LazyGroup(
            name=name,
            help=entry.help,
            entries=entry.commands,
            no_args_is_help=True,
            rich_markup_mode=None,
        )
    made: TyperCommand | TyperGroup = load(entry.place).made(name, entry)
    return made


def load(place: str) -> Any:
    """Import the command of a place, which is as `Entry` has it."""
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(f"{__package__}.commands.{module}"), function)
