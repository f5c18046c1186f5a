"""`headwater events`: who is told what happens to streams."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from headwater.cli.loop import run
from headwater.cli.options import Account, with_settings
from headwater.cli.text import out, print_table
from headwater.cli.values import duration_s, text_of
from headwater.core.arn import parse_arn
from headwater.core.errors import OperatorError
from headwater.core.secret import Secret
from headwater.events.addresses import is_public
from headwater.events.targets import target_of
from headwater.node import event_rules
from headwater.node.config import Config
from headwater.node.settings import Settings

events_app = typer.Typer(
    name="events",
    help="Tell others what happens to streams, as EventBridge does.",
    no_args_is_help=True,
    add_completion=False,
)
rules_app = typer.Typer(
    name="rules",
    help="Manage rules: which events go where.",
    no_args_is_help=True,
    add_completion=False,
)
events_app.add_typer(rules_app)

_with_settings = partial(with_settings, shown=("server", "store", "events"))
_CHANNEL_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
Region = Annotated[str | None, typer.Option(help="Region of the channels; default: server.region.")]
RuleName = Annotated[str, typer.Argument(help="The rule's name.")]
Target = Annotated[
    str,
    typer.Option(
        metavar="TARGET",
        help="https://... or http://... (a webhook), nats://... or tls://..., "
        "eventbridge+https://... (a PutEvents endpoint), or file:NAME.",
    ),
]
More = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE",
        help="More of the target. NATS: subject, user, jetstream=on. PutEvents: "
        "access_key_id, region, bus, source.",
    ),
]
Time = Annotated[
    str | None,
    typer.Option(help="A time, 2026-10-01T12:00:07Z, or how long ago: 90s, 15m, 2h, 1d."),
]


@events_app.command("tail")
@_with_settings
def tail(
    config: Config,
    *,
    channel: Annotated[
        str | None, typer.Option(help="Only this channel's events: its ARN or id.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Only events that this event pattern matches, JSON.")
    ] = None,
    since: Time = None,
) -> None:
    """Print events as they happen, one JSON object a line, until Ctrl-C."""
    following = event_rules.follow(
        config.settings,
        pattern=None if pattern is None else event_rules.read_pattern(_pattern_text(pattern)),
        channel_id=_channel_id(channel),
        since_ms=None if since is None else _time_ms("--since", since),
    )

    async def print_all() -> None:
        async with aclosing(following):
            async for line in following:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    try:
        with suppress(KeyboardInterrupt, asyncio.CancelledError):
            run(print_all())
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@rules_app.command("put")
@_with_settings
def rules_put(
    config: Config,
    *,
    name: RuleName,
    to: Target,
    with_: More = None,
    pattern: Annotated[
        str, typer.Option(help="EventBridge event pattern, JSON; @FILE reads a file.")
    ] = event_rules.EVERYTHING,
    secret_file: Annotated[
        str | None,
        typer.Option(
            help="File with the webhook's secret, the NATS password or token, or the secret of "
            "the access key; - reads standard input. A webhook's is made where none is given."
        ),
    ] = None,
    disabled: Annotated[
        bool, typer.Option("--disabled", help="Keep the rule, and send it nothing.")
    ] = False,
    account: Account = None,
    region: Region = None,
) -> None:
    """Make a rule or replace the one of that name; running servers know within a second."""
    scope = event_rules.scope_of(config.settings, account, region)
    wanted = event_rules.WantedRule(
        name=name,
        pattern=_pattern_text(pattern),
        target=target_of(to, _options(with_ or []), region=scope.region),
        secret=None
        if secret_file is None
        else Secret(text_of("--secret-file", secret_file).strip()),
        is_enabled=not disabled,
    )
    rule, made = run(event_rules.put_rule(config.settings, scope, wanted))
    out.print(f"put {rule.name}: events of account {rule.account} in {rule.region}")
    if made is not None:
        out.print(f"secret (shown this once): {made.reveal()}")
    _note_private_address(config.settings, wanted.target)


@rules_app.command("list")
@_with_settings
def rules_list(config: Config, *, account: Account = None) -> None:
    """List the rules of all regions, and what waits for their targets."""
    rows = [("rule", "region", "state", "target", "waiting", "failed", "pattern", "last failure")]
    for one in run(event_rules.list_rules(config.settings, account)):
        rule, backlog = one.rule, one.backlog
        state = "enabled" if rule.is_enabled else "disabled"
        target = f"{rule.target['kind']} {one.target.place}"
        counts = (str(backlog.waiting), str(backlog.attempts))
        rows.append(
            (rule.name, rule.region, state, target, *counts, rule.pattern, backlog.last_error)
        )
    print_table(rows)


@rules_app.command("delete")
@_with_settings
def rules_delete(
    config: Config, *, name: RuleName, account: Account = None, region: Region = None
) -> None:
    """Delete a rule, with what waits for its target."""
    scope = event_rules.scope_of(config.settings, account, region)
    run(event_rules.delete_rule(config.settings, scope, name))
    out.print(f"deleted {name}")


@events_app.command("redeliver")
@_with_settings
def redeliver(
    config: Config,
    *,
    name: RuleName,
    since: Time = None,
    until: Time = None,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Deliver this event again, whatever the rule's pattern."),
    ] = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Try now what waits for a rule's target.

    With --since or --event, events are delivered again that were delivered already.
    """
    scope = event_rules.scope_of(config.settings, account, region)
    again = event_rules.Again(between_ms=_between_ms(since, until), ids=event or [])
    count = run(event_rules.redeliver(config.settings, scope, name, again))
    out.print(f"{count} events on their way to {name}")


def _between_ms(since: str | None, until: str | None) -> tuple[int, int] | None:
    if since is None:
        if until is not None:
            raise OperatorError("--until needs --since")
        return None
    from_ms = _time_ms("--since", since)
    to_ms = _now_ms() + 1 if until is None else _time_ms("--until", until)
    if from_ms >= to_ms:
        raise OperatorError("--since must be before --until, and before now")
    return from_ms, to_ms


def _options(given: list[str]) -> dict[str, str]:
    options = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise OperatorError(f"--with {each!r}: must be NAME=VALUE")
        options[name] = value
    return options


def _note_private_address(settings: Settings, target: Mapping[str, Any]) -> None:
    """Say at once what the server will say when it delivers."""
    if target["kind"] != "webhook" or settings.events.private_webhooks == "on":
        return
    host = (urlsplit(target["url"]).hostname or "").removesuffix(".")
    with suppress(ValueError):
        host = str(ip_address(host))
        if is_public(host):
            return
    if f".{host}".endswith(".localhost") or ":" in host or host.replace(".", "").isdigit():
        sys.stderr.write(
            "headwater: this address is private: nothing is sent there unless the server runs "
            "with events.private_webhooks = on\n"
        )


def _channel_id(text: str | None) -> str:
    if text is None:
        return ""
    if (arn := parse_arn(text)) and arn.type == "channel":
        return arn.id
    if not _CHANNEL_ID.fullmatch(text):
        raise OperatorError(f"--channel {text!r}: a channel's ARN or id")
    return text


def _time_ms(option: str, text: str) -> int:
    ago_s = duration_s(text)
    if ago_s is not None:
        return _now_ms() - ago_s * 1000
    try:
        time_s = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):  # without a zone, the first and the last year have none
        raise OperatorError(
            f"{option} {text!r}: a time as 2026-10-01T12:00:07Z, or how long ago as 15m"
        ) from None
    return round(time_s * 1000)


def _pattern_text(text: str) -> str:
    return text_of("--pattern", text[1:]) if text.startswith("@") else text


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
