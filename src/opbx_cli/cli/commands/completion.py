"""`opbx completion`: what makes a shell complete opbx."""

from typing import Annotated

import typer

from opbx_cli.cli.app import App
from opbx_cli.cli.command import command
from opbx_cli.completion.scripts import SCRIPTS
from opbx_cli.errors import UsageError

EPILOG = (
    "One line in the shell's own start-up file is enough. In ~/.bashrc: `source <(opbx completion "
    "bash)`; in ~/.zshrc, behind compinit: `source <(opbx completion zsh)`; in "
    "~/.config/fish/config.fish: `opbx completion fish | source`; in $PROFILE: `opbx completion "
    "powershell | Out-String | Invoke-Expression`. The script for PowerShell was not tested in it."
)


@command(epilog=EPILOG)
def completion(
    app: App,
    shell: Annotated[
        str, typer.Argument(metavar="|".join(SCRIPTS), help="The shell that shall complete opbx.")
    ],
) -> None:
    """Print the script that has a shell complete opbx.

    The shell that runs now does not matter. The script completes commands, options, their values,
    files, the names of stored profiles, and the trunks that opbx trunks list last saw. A Tab asks
    no server, and needs no key.
    """
    if shell not in SCRIPTS:
        raise UsageError(f"completion: expected one of {', '.join(SCRIPTS)}")
    app.ui.print_text(SCRIPTS[shell])
