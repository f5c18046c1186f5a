"""Options of several commands: above all a flag for every setting, made from the settings."""

import inspect
import os
from collections.abc import Callable, Container
from functools import partial
from typing import Annotated, Any

import typer

from headwater.node.config import load_config
from headwater.node.settings import Setting, all_settings

CONFIG_HELP = "Settings file; default: ./headwater.toml if it is there."
OTHERS_HELP = " All other settings are flags here, too: `headwater config reference`."

Account = Annotated[
    str | None, typer.Option(help="AWS account id, 12 digits; default: server.account_id.")
]


def with_settings(
    command: Callable[..., None], shown: Container[str] | None = None
) -> Callable[..., None]:
    """Give a command `--config` and one flag per setting.

    The command's first parameter becomes the Config read from all sources; its other
    parameters stay options and arguments of its own.

    Args:
        command: what is run.
        shown: the sections whose flags its help shows; None: all. The others are taken
            all the same.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    by_parameter = {_parameter(setting): setting.dotted for setting in all_settings()}

    def run(config: str | None = None, **given: Any) -> None:  # noqa: ANN401 - typer's values
        values = {name: given.pop(name) for name in by_parameter}
        flags = {by_parameter[name]: value for name, value in values.items() if value is not None}
        command(load_config(os.environ, flags=flags, config_file=config), **given)

    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
            _option(
                "config",
                "--config",
                CONFIG_HELP if shown is None else CONFIG_HELP + OTHERS_HELP,
                metavar="FILE",
            ),
            *(
                _setting_option(setting, hidden=shown is not None and setting.section not in shown)
                for setting in all_settings()
            ),
        ]
    )
    return run


with_store_settings = partial(with_settings, shown=("server", "store"))
"""For commands that look at the database only."""


def _parameter(setting: Setting) -> str:
    return f"{setting.section}_{setting.name}"


def _setting_option(setting: Setting, *, hidden: bool) -> inspect.Parameter:
    default = f" Default: {setting.default}." if setting.default != "" else ""
    text = f"{setting.description.removesuffix('.')} ({setting.allowed}).{default}"
    panel = f"Settings: {setting.section}"
    return _option(
        _parameter(setting), setting.flag, text, metavar="VALUE", panel=panel, hidden=hidden
    )


def _option(
    name: str,
    flag: str,
    text: str,
    *,
    metavar: str,
    panel: str | None = None,
    hidden: bool = False,
) -> inspect.Parameter:
    option: Any = typer.Option(
        flag, help=text, metavar=metavar, rich_help_panel=panel, hidden=hidden
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, option],
    )
