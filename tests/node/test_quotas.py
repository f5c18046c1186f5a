from msgspec.structs import fields, replace

from headwater.api import quotas
from headwater.node.quotas import quotas_of
from headwater.node.sections import QuotaSettings


def test_every_quota_is_a_setting():
    names = {field.name for field in fields(QuotaSettings)} - {"profile", "call_rates"}

    assert names == {field.name for field in fields(quotas.Quotas)} - {"calls_per_s"}


def test_without_settings_the_quotas_are_the_profiles():
    assert quotas_of(QuotaSettings()) == quotas.DEFAULT
    assert quotas_of(QuotaSettings(profile="aws")) == quotas.AWS


def test_a_setting_replaces_the_profiles_figure():
    settings = QuotaSettings(profile="aws", channels=7)

    assert quotas_of(settings) == replace(quotas.AWS, channels=7)


def test_call_rates_can_be_had_without_the_profile():
    assert quotas_of(QuotaSettings(call_rates="aws")).calls_per_s == quotas.AWS_CALLS_PER_S
    assert not quotas_of(QuotaSettings(profile="aws", call_rates="off")).calls_per_s
