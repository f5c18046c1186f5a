"""The `headwater` command."""

import gc


def main() -> None:
    """Run the command.

    Its imports make very many objects and hardly any garbage, so the collector waits
    until they are done, and never looks at them again: the server is ready sooner, and
    its collections are short.
    """
    gc.disable()
    from headwater.cli.main import run_command  # noqa: PLC0415 - after gc.disable

    gc.freeze()
    gc.enable()
    run_command()
