"""Flags for every setting, made from the settings themselves."""

import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from headwater.node.config import load_config
from headwater.node.settings import Setting, all_settings

CONFIG_HELP = "Settings file; default: ./headwater.toml if it is there."


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--config` and one flag per setting.

    The command's first parameter becomes the Config read from all sources; its other
    parameters stay options and arguments of its own.
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
            _option("config", "--config", CONFIG_HELP, metavar="FILE"),
            *map(_setting_option, all_settings()),
        ]
    )
    return run


def _parameter(setting: Setting) -> str:
    return f"{setting.section}_{setting.name}"


def _setting_option(setting: Setting) -> inspect.Parameter:
    default = f" Default: {setting.default}." if setting.default != "" else ""
    text = f"{setting.description.removesuffix('.')} ({setting.allowed}).{default}"
    panel = f"Settings: {setting.section}"
    return _option(_parameter(setting), setting.flag, text, metavar="VALUE", panel=panel)


def _option(
    name: str, flag: str, text: str, *, metavar: str, panel: str | None = None
) -> inspect.Parameter:
    option: Any = typer.Option(flag, help=text, metavar=metavar, rich_help_panel=panel)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, option],
    )
