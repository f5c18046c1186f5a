"""Reads the settings from their four sources; the only place that reads the environment.

Later wins: defaults, headwater.toml, environment, flags. Whatever is unknown or out of
range is refused by name, value and what is allowed.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from headwater.core.errors import OperatorError
from headwater.node.settings import Setting, Settings, all_settings, section_docs

CONFIG_FILE = "headwater.toml"
CONFIG_VARIABLE = "HEADWATER_CONFIG"
PREFIX = "HEADWATER_"
PUBLISH_URL_VARIABLE = "HEADWATER_PUBLISH_URL"
NOT_SETTINGS = {CONFIG_VARIABLE, PUBLISH_URL_VARIABLE}
"""Variables with our prefix that are read elsewhere."""

Value = str | int | float | bool


class Config(Struct, frozen=True, kw_only=True):
    """The settings in force and where each that is not a default came from."""

    settings: Settings
    sources: dict[str, str]  # "http.port" -> "environment HEADWATER_HTTP_PORT"


def load_config(
    environment: Mapping[str, str],
    *,
    flags: Mapping[str, Value] | None = None,
    config_file: str | None = None,
) -> Config:
    """Read all sources.

    Args:
        environment: usually os.environ.
        flags: values by dotted name ("http.port").
        config_file: path of the TOML file; must exist when named here or in
            HEADWATER_CONFIG, else ./headwater.toml is read if it is there.

    Raises:
        OperatorError: an unknown name, a bad value, an unreadable file.
    """
    known = {setting.dotted: setting for setting in all_settings()}
    values: dict[str, Value] = {}
    sources: dict[str, str] = {}
    path = config_file or environment.get(CONFIG_VARIABLE)
    layers = [
        _from_file(path, known),
        _from_environment(environment, known),
        [(name, value, f"flag {known[name].flag}") for name, value in (flags or {}).items()],
    ]
    for layer in layers:
        for dotted, value, source in layer:
            values[dotted] = _convert(known[dotted], value, source)
            sources[dotted] = source
    return Config(settings=_settings(known, values), sources=sources)


def _settings(known: Mapping[str, Setting], values: Mapping[str, Value]) -> Settings:
    tree: dict[str, dict[str, Value]] = {}
    for dotted, value in values.items():
        setting = known[dotted]
        tree.setdefault(setting.section, {})[setting.name] = value
    settings = msgspec.convert(tree, Settings)
    if bool(settings.tls.certificate_file) != bool(settings.tls.key_file):
        raise OperatorError(
            "tls.certificate_file and tls.key_file belong together: set both, or neither "
            "for a self-signed certificate"
        )
    if bool(settings.tls.second_certificate_file) != bool(settings.tls.second_key_file):
        raise OperatorError("tls.second_certificate_file and tls.second_key_file belong together")
    if settings.tls.second_certificate_file and not settings.tls.certificate_file:
        raise OperatorError("tls.second_certificate_file needs tls.certificate_file")
    return settings


def _convert(setting: Setting, value: object, source: str) -> Value:
    strict = not isinstance(value, str)  # the environment and flags only have text
    try:
        converted: Value = msgspec.convert(value, setting.type, strict=strict)
    except msgspec.ValidationError:
        raise OperatorError(
            f"{setting.dotted} = {_shown(setting, value)} ({source}): must be {setting.allowed}"
        ) from None
    return converted


def _from_file(path: str | None, known: Mapping[str, Setting]) -> list[tuple[str, Value, str]]:
    if path is None and not Path(CONFIG_FILE).exists():
        return []
    file = Path(path or CONFIG_FILE)
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{file} is not valid TOML: {error}") from None
    rows: list[tuple[str, Value, str]] = []
    for section, entries in tree.items():
        if not isinstance(entries, dict):
            raise OperatorError(_unknown(section, known, str(file)))
        for name, value in entries.items():
            dotted = f"{section}.{name}"
            if dotted not in known:
                raise OperatorError(_unknown(dotted, known, str(file)))
            rows.append((dotted, value, f"file {file}"))
    return rows


def _from_environment(
    environment: Mapping[str, str], known: Mapping[str, Setting]
) -> list[tuple[str, Value, str]]:
    by_variable = {setting.variable: dotted for dotted, setting in known.items()}
    rows: list[tuple[str, Value, str]] = []
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        if variable not in by_variable:
            raise OperatorError(_unknown(variable, by_variable, "environment"))
        rows.append((by_variable[variable], environment[variable], f"environment {variable}"))
    return rows


def _unknown(name: str, known: Mapping[str, object], source: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"unknown setting {name} ({source}){hint} `headwater config reference` lists all"


def reference() -> str:
    """All settings as a commented headwater.toml with the defaults."""
    docs = section_docs()
    lines = [
        "# Every setting of Headwater with its default.",
        "# Later wins: default, this file, environment variable, flag.",
    ]
    section = ""
    for setting in all_settings():
        if setting.section != section:
            section = setting.section
            lines += ["", f"# {docs[section]}", f"[{section}]"]
        lines += [
            "",
            f"# {setting.description}",
            f"# Allowed: {setting.allowed}. {setting.variable}, {setting.flag}",
            f"{setting.name} = {_toml(setting.default)}",
        ]
    return "\n".join(lines) + "\n"


def shown(config: Config) -> list[tuple[str, str, str]]:
    """(name, value, source) of every setting in force; a password in a URL is hidden."""
    rows = []
    for setting in all_settings():
        value = getattr(getattr(config.settings, setting.section), setting.name)
        source = config.sources.get(setting.dotted, "default")
        rows.append((setting.dotted, _shown(setting, value), source))
    return rows


def _shown(setting: Setting, value: object) -> str:
    if setting.name.startswith("secret_") and value:
        return "'***'"
    if setting.dotted != "store.url" or not isinstance(value, str):
        return repr(value)
    hidden = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", value)
    return repr(re.sub(r"(?i)(password=)[^&]*", r"\1***", hidden))


def _toml(value: str | int) -> str:
    return msgspec.json.encode(value).decode()
