"""`headwater config`: look at the settings."""

import sys

import typer

from headwater.cli.options import with_settings
from headwater.cli.text import out, print_table
from headwater.node.config import Config, reference, shown

config_app = typer.Typer(
    name="config", help="Look at the settings.", no_args_is_help=True, add_completion=False
)


@config_app.command("show")
@with_settings
def config_show(config: Config) -> None:
    """Print every setting in force and where it came from."""
    print_table([("setting", "value", "from"), *shown(config)])


@config_app.command("check")
@with_settings
def config_check(config: Config) -> None:
    """Check the settings without starting; exit status 2 if one is wrong."""
    out.print(f"ok: {len(config.sources)} settings differ from their defaults")


@config_app.command("reference")
def config_reference() -> None:
    """Print a headwater.toml with every setting, its default, range and effect."""
    sys.stdout.write(reference())
