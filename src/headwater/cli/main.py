"""`headwater serve | demo | config | key`: parsing and printing, nothing else."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from headwater import __version__
from headwater.cli.options import with_settings
from headwater.cli.serve import log_ready, run, running_node, stop_requested
from headwater.cli.text import aligned, endpoint_rows, key_lines
from headwater.core.errors import OperatorError
from headwater.node import keys
from headwater.node.config import Config, reference, shown
from headwater.node.logs import configure_logging

app = typer.Typer(
    help="Headwater: a self-hosted, drop-in Amazon IVS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
key_app = typer.Typer(help="Manage access keys.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(key_app, name="key")

out = Console(highlight=False, markup=False, soft_wrap=True)
"""Answers go to standard output; log lines and errors to standard error."""


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


@app.command()
@with_settings
def serve(config: Config) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    configure_logging(config.settings.server.log_level, config.settings.server.log_format)
    run(_serve(config))


async def _serve(config: Config) -> None:
    stop = stop_requested()
    async with running_node(config.settings) as node:
        for name, url in endpoint_rows(node.endpoints):
            out.print(f"{name + ':':14} {url}")
        if node.new_key:
            out.print("First access key (shown again by `headwater key list --show-secrets`):")
            region = config.settings.server.region
            for line in key_lines(node.new_key, region, node.endpoints.api_url):
                out.print(f"  {line}")
        log_ready(node)
        await stop.wait()


@app.command()
@with_settings
def demo(config: Config) -> None:
    """Run the server with a live test picture, and say where to watch it."""
    from headwater.cli.demo import run_demo  # noqa: PLC0415 - `serve` starts sooner without it

    configure_logging("warning", config.settings.server.log_format)
    run(run_demo(config.settings, out))


@config_app.command("show")
@with_settings
def config_show(config: Config) -> None:
    """Print every setting in force and where it came from."""
    _print_table([("setting", "value", "from"), *shown(config)])


@config_app.command("check")
@with_settings
def config_check(config: Config) -> None:
    """Check the settings without starting; exit status 2 if one is wrong."""
    out.print(f"ok: {len(config.sources)} settings differ from their defaults")


@config_app.command("reference")
def config_reference() -> None:
    """Print a headwater.toml with every setting, its default, range and effect."""
    sys.stdout.write(reference())


@key_app.command("create")
@with_settings
def key_create(
    config: Config,
    *,
    description: Annotated[str, typer.Option(help="What the key is for.")] = "",
    account: Annotated[
        str | None, typer.Option(help="AWS account id, 12 digits; default: server.account_id.")
    ] = None,
) -> None:
    """Make an access key and print the lines to paste."""
    key = run(keys.create_key(config.settings, account, description))
    for line in key_lines(key, config.settings.server.region):
        out.print(line)


@key_app.command("list")
@with_settings
def key_list(
    config: Config,
    *,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Show the secrets too.")
    ] = False,
) -> None:
    """List the access keys."""
    head = ("access key id", "account", "created", "description")
    rows: list[Sequence[str]] = [(*head, "secret access key") if show_secrets else head]
    for key in run(keys.list_keys(config.settings)):
        created = datetime.fromtimestamp(key.created_at_ms / 1000, UTC)
        row = (key.id, key.account, f"{created:%Y-%m-%d %H:%M:%SZ}", key.description)
        rows.append((*row, key.secret.reveal()) if show_secrets else row)
    _print_table(rows)


@key_app.command("delete")
@with_settings
def key_delete(
    config: Config,
    *,
    key_id: Annotated[str, typer.Argument(help="Access key id.")],
) -> None:
    """Delete an access key; running servers refuse it at once."""
    run(keys.delete_key(config.settings, key_id))
    out.print(f"deleted {key_id}")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    for line in aligned(rows):
        out.print(line)
