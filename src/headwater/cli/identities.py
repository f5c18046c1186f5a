"""`headwater user | policy | key`: who may use the API, and for what."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from headwater.cli.loop import run
from headwater.cli.options import Account, with_store_settings
from headwater.cli.paste import key_lines
from headwater.cli.text import out, print_table
from headwater.cli.values import seconds_of, text_of
from headwater.node import keys, users
from headwater.node.config import Config

user_app = typer.Typer(
    name="user",
    help="Manage users, who may do what their policies allow.",
    no_args_is_help=True,
    add_completion=False,
)
policy_app = typer.Typer(
    name="policy",
    help="Manage policies and who has them.",
    no_args_is_help=True,
    add_completion=False,
)
key_app = typer.Typer(
    name="key", help="Manage access keys.", no_args_is_help=True, add_completion=False
)

UserName = Annotated[str, typer.Argument(help="The user's name.")]
PolicyName = Annotated[str, typer.Argument(help="The policy's name.")]
OfUser = Annotated[str, typer.Option("--user", help="The user's name.")]


@user_app.command("create")
@with_store_settings
def user_create(config: Config, *, name: UserName, account: Account = None) -> None:
    """Make a user, who may do nothing until a policy is attached."""
    user = run(users.create_user(config.settings, account, name))
    out.print(f"created {user.arn}")


@user_app.command("list")
@with_store_settings
def user_list(config: Config, *, account: Account = None) -> None:
    """List the users and their policies."""
    rows = [("user", "id", "created", "policies")]
    for one in run(users.list_users(config.settings, account)):
        user = one.user
        rows.append((user.name, user.id, _time(user.created_at_ms), ", ".join(one.policies)))
    print_table(rows)


@user_app.command("delete")
@with_store_settings
def user_delete(config: Config, *, name: UserName, account: Account = None) -> None:
    """Delete a user with all access keys; running servers refuse them within a second."""
    run(users.delete_user(config.settings, account, name))
    out.print(f"deleted {name}")


@policy_app.command("create")
@with_store_settings
def policy_create(
    config: Config,
    *,
    name: PolicyName,
    file: Annotated[
        str, typer.Option(help="The IAM policy document, JSON; - reads standard input.")
    ],
    description: Annotated[str, typer.Option(help="What the policy is for.")] = "",
    account: Account = None,
) -> None:
    """Make a policy from an IAM policy document."""
    policy = run(
        users.create_policy(
            config.settings,
            account,
            name,
            document=text_of("--file", file),
            description=description,
        )
    )
    out.print(f"created {policy.arn}")


@policy_app.command("list")
@with_store_settings
def policy_list(config: Config, *, account: Account = None) -> None:
    """List the policies and who has them."""
    found = run(users.list_policies(config.settings, account))
    rows = [(one.name, one.arn, ", ".join(one.users), one.description) for one in found]
    print_table([("policy", "arn", "users", "description"), *rows])


@policy_app.command("show")
@with_store_settings
def policy_show(config: Config, *, name: PolicyName, account: Account = None) -> None:
    """Print a policy's document."""
    out.print(run(users.policy_document(config.settings, account, name)))


@policy_app.command("delete")
@with_store_settings
def policy_delete(config: Config, *, name: PolicyName, account: Account = None) -> None:
    """Delete a policy that no user has."""
    run(users.delete_policy(config.settings, account, name))
    out.print(f"deleted {name}")


@policy_app.command("attach")
@with_store_settings
def policy_attach(
    config: Config, *, name: PolicyName, user: OfUser, account: Account = None
) -> None:
    """Give a user a policy; running servers know within a second."""
    run(users.attach_policy(config.settings, account, name, user=user))
    out.print(f"attached {name} to {user}")


@policy_app.command("detach")
@with_store_settings
def policy_detach(
    config: Config, *, name: PolicyName, user: OfUser, account: Account = None
) -> None:
    """Take a policy from a user; running servers know within a second."""
    run(users.detach_policy(config.settings, account, name, user=user))
    out.print(f"detached {name} from {user}")


@key_app.command("create")
@with_store_settings
def key_create(
    config: Config,
    *,
    user: Annotated[
        str | None, typer.Option(help="Whose key; default: the account's own, which may do all.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="Make temporary credentials: 15m, 1h ... up to 36h.", metavar="TIME"),
    ] = None,
    description: Annotated[str, typer.Option(help="What the key is for.")] = "",
    account: Account = None,
) -> None:
    """Make an access key and print the lines to paste; the secret is shown this once."""
    lasts_s = None if expires is None else seconds_of("--expires", expires)
    key, token = run(
        keys.create_key(config.settings, account, description, user=user, lasts_s=lasts_s)
    )
    for line in key_lines(key, config.settings.server.region, token=token):
        out.print(line)


@key_app.command("list")
@with_store_settings
def key_list(
    config: Config,
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's keys.")] = None,
) -> None:
    """List the access keys, without their secrets."""
    rows = [("access key id", "account", "user", "created", "expires", "description")]
    for key, name in run(keys.list_keys(config.settings, user)):
        expires = _time(key.expires_at_ms) if key.expires_at_ms else "never"
        created = _time(key.created_at_ms)
        rows.append((key.id, key.account, name or "(root)", created, expires, key.description))
    print_table(rows)


@key_app.command("delete")
@with_store_settings
def key_delete(
    config: Config, *, key_id: Annotated[str, typer.Argument(help="Access key id.")]
) -> None:
    """Delete an access key; running servers refuse it within a second."""
    run(keys.delete_key(config.settings, key_id))
    out.print(f"deleted {key_id}")


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"
