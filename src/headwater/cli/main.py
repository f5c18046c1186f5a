"""The `headwater` command: parsing and printing, nothing else."""

import sys
from typing import Annotated

import typer

from headwater import __version__
from headwater.cli.identities import key_app, policy_app, user_app
from headwater.cli.options import with_settings
from headwater.cli.serve import log_ready, run, running_node, stop_requested
from headwater.cli.text import endpoint_rows, key_lines, out, print_table
from headwater.core.errors import OperatorError
from headwater.node.config import Config, reference, shown
from headwater.node.logs import configure_logging

app = typer.Typer(
    help="Headwater: a self-hosted, drop-in Amazon IVS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(user_app, name="user")
app.add_typer(policy_app, name="policy")
app.add_typer(key_app, name="key")


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
            out.print("First access key (shown this once; `headwater key create` makes others):")
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


@app.command()
@with_settings
def doctor(config: Config) -> None:
    """Look at whether a server would run well here; exit status 1 if there is a problem."""
    from headwater.node.doctor import examine  # noqa: PLC0415 - `serve` starts sooner without it

    configure_logging("error", config.settings.server.log_format)
    findings = run(examine(config.settings))
    for finding in findings:
        out.print(f"{finding.state:8} {finding.what + ':':13} {finding.text}")
        if finding.advice:
            out.print(f"{'':8} {'':13} -> {finding.advice}")
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


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
