"""`headwater doctor`: would a server run well here?"""

import typer

from headwater.cli.loop import run
from headwater.cli.options import with_settings
from headwater.cli.text import out
from headwater.node.config import Config
from headwater.node.doctor import examine
from headwater.node.logs import configure_logging

doctor_app = typer.Typer(add_completion=False)


@doctor_app.command()
@with_settings
def doctor(config: Config) -> None:
    """Look at whether a server would run well here; exit status 1 if there is a problem."""
    configure_logging("error", config.settings.server.log_format)
    findings = run(examine(config.settings))
    for finding in findings:
        out.print(f"{finding.state:8} {finding.what + ':':13} {finding.text}")
        if finding.advice:
            out.print(f"{'':8} {'':13} -> {finding.advice}")
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)
