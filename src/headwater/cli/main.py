"""The `headwater` command: which module has which command, and what all have in common.

A command's module is imported when the command is run: `headwater key` is quick, as it
loads no server.
"""

import sys
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from headwater import __version__
from headwater.cli.text import out
from headwater.core.errors import OperatorError

_APPS = MappingProxyType(
    {
        "serve": ("serve", "serve_app"),
        "demo": ("demo", "demo_app"),
        "doctor": ("doctor", "doctor_app"),
        "recording": ("recordings", "recording_app"),
        "config": ("config", "config_app"),
        "user": ("identities", "user_app"),
        "policy": ("identities", "policy_app"),
        "key": ("identities", "key_app"),
        "token": ("tokens", "token_app"),
        "events": ("events", "events_app"),
    }
)
"""Each command's module in this package and its Typer there, in the order of the help."""


class _Commands(TyperGroup):
    """The commands of `_APPS`; their names are known, the rest is imported when asked for."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name) for name in _APPS}

    def get_command(self, _: object, cmd_name: str) -> Any:  # noqa: ANN401 - typer names no type
        if cmd_name not in _APPS:
            return None
        module, name = _APPS[cmd_name]
        return get_command(getattr(import_module(f"headwater.cli.{module}"), name))


app = typer.Typer(
    cls=_Commands,
    help="Headwater: a self-hosted, drop-in Amazon IVS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run_command() -> None:
    """Run the command; an operator's mistake is one clear line and exit status 2."""
    try:
        app()
    except OperatorError as error:
        sys.stderr.write(f"headwater: {error}\n")
        sys.exit(2)


@app.callback(invoke_without_command=True)
def root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Headwater: a self-hosted, drop-in Amazon IVS."""
    if version:
        out.print(__version__)
        raise typer.Exit
