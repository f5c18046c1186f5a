"""Users and keys for tests of the API."""

import itertools
import json
import time

from headwater.api.credentials import lasting_key, temporary_key
from headwater.auth.managed import ARN_PREFIX
from headwater.core.secret import Secret
from headwater.store.identities import ROOT, PolicyRecord, UserRecord

ACCOUNT = "123456789012"
_numbers = itertools.count(1)


def random_bytes(count):
    """Other bytes each time."""
    return bytes((next(_numbers) * 31 + at * 7) % 251 for at in range(count))


def policy_of(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(action, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


async def add_user(store, name, *policies):
    """A user who has these policies: names of managed ones, or statements of a new one."""
    user = UserRecord(id=f"AIHW{name.upper()}", account=ACCOUNT, name=name, created_at_ms=0)
    own = [one for one in policies if isinstance(one, dict)]
    async with store.write() as work:
        await work.identities.insert_user(user)
        for managed in (one for one in policies if isinstance(one, str)):
            await work.identities.attach(user.id, ARN_PREFIX + managed)
        if own:
            policy = PolicyRecord(
                account=ACCOUNT,
                name=f"of-{name}",
                document=policy_of(*own),
                description="",
                created_at_ms=0,
            )
            await work.identities.insert_policy(policy)
            await work.identities.attach(user.id, policy.arn)
    return user


async def add_key(store, user_id=ROOT, *, account=ACCOUNT):
    key = lasting_key(random_bytes, account=account, user_id=user_id, description="", now_ms=0)
    async with store.write() as work:
        await work.identities.insert_access_key(key)
    return key


async def add_temporary_key(store, user_id=ROOT, *, now_ms=None, lasts_ms=3_600_000):
    now_ms = now_ms or time.time_ns() // 1_000_000
    key, token = temporary_key(
        random_bytes,
        account=ACCOUNT,
        user_id=user_id,
        description="",
        now_ms=now_ms,
        lasts_ms=lasts_ms,
    )
    async with store.write() as work:
        await work.identities.insert_access_key(key)
    return key, token


def client_of(service, key, token=None):
    """A client that signs with that key."""
    return service.client(
        access_key=key.id,
        secret=key.secret.reveal(),
        token=token.reveal() if isinstance(token, Secret) else token,
    )


def user_client(service, name, *policies):
    """A client of a new user who has these policies."""
    run = service.runner.run
    user = run(add_user(service.store, name, *policies))
    return client_of(service, run(add_key(service.store, user.id)))
