from dataclasses import dataclass

import pytest

from headwater.delivery.address import ChannelAddress
from headwater.delivery.quota import TOLD_AGAIN_S, ViewQuota


@dataclass
class Stream:
    channel: ChannelAddress
    views: int

    def viewer_count(self):
        return self.views


def address(account="1", region="eu-west-1", channel_id="A"):
    return ChannelAddress(region, account, channel_id)


class Clock:
    now_s = 5.0

    def __call__(self):
        return self.now_s


COUNTED = [
    # id,                              views of account and region,                  refused
    ("nobody watches",                 [],                                           False),
    ("one less than the limit",        [("1", "eu-west-1", 9)],                      False),
    ("as many as the limit",           [("1", "eu-west-1", 10)],                     True),
    ("more",                           [("1", "eu-west-1", 11)],                     True),
    ("two streams together",           [("1", "eu-west-1", 4), ("1", "eu-west-1", 6)], True),
    ("another region's",               [("1", "us-east-1", 50), ("1", "eu-west-1", 9)], False),
    ("another account's",              [("2", "eu-west-1", 50), ("1", "eu-west-1", 9)], False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("views", "refused"), [row[1:] for row in COUNTED], ids=[row[0] for row in COUNTED]
)
def test_one_more_viewer_beside(views, refused):
    told = []
    quota = ViewQuota(10, now_s=Clock(), breached=lambda *breach: told.append(breach))
    live = [Stream(address(account, region), count) for account, region, count in views]

    assert quota.refuses(address(), live) is refused
    total = sum(count for *scope, count in views if scope == ["1", "eu-west-1"])
    assert told == ([(address(), total + 1)] if refused else [])


def test_a_breach_is_told_once_a_minute_for_each_account_and_region():
    clock, told = Clock(), []
    quota = ViewQuota(0, now_s=clock, breached=lambda channel, _: told.append(channel.account))

    def refused(*accounts):
        for account in accounts:
            assert quota.refuses(address(account), [])

    refused("1", "1", "2", "1")
    assert told == ["1", "2"]
    clock.now_s += TOLD_AGAIN_S - 0.1
    refused("1", "2")
    assert told == ["1", "2"]
    clock.now_s += 0.2
    refused("2", "2", "1")
    assert told == ["1", "2", "2", "1"]
