"""CloudWatch on the API's port, asked by botocore's own client in each of its protocols."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import botocore.session
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from hypothesis import given, settings
from hypothesis import strategies as st

from api.conftest import LOADER
from api.people import ACCOUNT, add_key, add_user, statement
from headwater.api import cloudwatch_data
from headwater.api.cloudwatch_wire import CloudWatchError, asked
from headwater.core.http import Request
from headwater.node.monitoring.charts import NAMESPACE
from headwater.node.monitoring.series import HAS_AUDIO, HAS_VIDEO, HEALTHY, Row, Series, SeriesLog
from headwater.store.records import Scope

REGION = "eu-west-1"
SCOPE = Scope(ACCOUNT, REGION)
START_S = 1_767_312_000  # 2026-01-02T00:00:00Z
START = datetime.fromtimestamp(START_S, UTC)
PROTOCOLS = ["json", "smithy-rpc-v2-cbor", "query"]


class Loader:
    """botocore's models, with one protocol for each service."""

    def __init__(self, protocol):
        self.protocol = protocol

    def __getattr__(self, name):
        return getattr(LOADER, name)

    def load_service_model(self, name, *rest, **more):
        model = LOADER.load_service_model(name, *rest, **more)
        if name != "cloudwatch" or "metadata" not in model:
            return model
        return {**model, "metadata": {**model["metadata"], "protocols": [self.protocol]}}


def cloudwatch(service, protocol="json", key=None):
    session = botocore.session.Session()
    session.register_component("data_loader", Loader(protocol))
    session.set_credentials(
        key.id if key else "AKHWROOTKEY00001", key.secret.reveal() if key else "root-secret"
    )
    client = session.create_client(
        "cloudwatch",
        region_name=REGION,
        endpoint_url="http://127.0.0.1:8080",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    client.meta.events.register("before-send.cloudwatch", service._send)
    return client


@pytest.fixture(params=PROTOCOLS)
def client(service, request):
    return cloudwatch(service, request.param)


@pytest.fixture
def stream(service):
    """A minute of a stream: its bits are 8 times its second, 0, 1, 2 ..."""
    series = Series(SCOPE, "Ab12Cd34Ef56", "st-1", START_S)
    for n in range(60):
        series.push(
            Row(
                video_bytes=n,
                audio_bytes=100,
                frames=30,
                keyframe_ms=2000 if n % 2 else 0,
                viewers=n // 30,
                state=HEALTHY | HAS_VIDEO | HAS_AUDIO,
            )
        )
    service.series._on["st-1"] = series
    return series


CHANNEL = {"Name": "Channel", "Value": "Ab12Cd34Ef56"}


def query(id_="q", name="IngestVideoBitrate", period=30, stat="Average", **more):
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": [CHANNEL]}
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def asks(*queries, length_s=60, **more):
    return {
        "MetricDataQueries": list(queries),
        "StartTime": START,
        "EndTime": START + timedelta(seconds=length_s),
        **more,
    }


def at(*seconds):
    return [START + timedelta(seconds=each) for each in seconds]


@pytest.mark.usefixtures("stream")
def test_metric_data(client):
    answer = client.get_metric_data(
        **asks(
            query("a"),
            query("b", period=60, stat="Maximum", Label="most"),
            query("c", name="IngestSmell"),
            query("d", ReturnData=False),
        )
    )

    assert re.fullmatch(r"[0-9a-f-]{36}", answer["ResponseMetadata"]["RequestId"])
    assert answer["MetricDataResults"] == [
        {
            "Id": "a",
            "Label": "IngestVideoBitrate",
            "Timestamps": at(30, 0),
            "Values": [8 * 44.5, 8 * 14.5],
            "StatusCode": "Complete",
        },
        {
            "Id": "b",
            "Label": "most",
            "Timestamps": at(0),
            "Values": [8 * 59],
            "StatusCode": "Complete",
        },
        {
            "Id": "c",
            "Label": "IngestSmell",
            "Timestamps": [],
            "Values": [],
            "StatusCode": "Complete",
        },
    ]
    assert "NextToken" not in answer


STATISTICS = [
    # statistic,    value of the minute 0, 8, 16 ... 472
    ("SampleCount", 60),
    ("Average",     236),
    ("Sum",         14_160),
    ("Minimum",     0),
    ("Maximum",     472),
    ("p50",         236),
    ("p0",          0),
    ("p100",        472),
    ("p99.5",       469.64),
]  # fmt: skip


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize(("stat", "value"), STATISTICS, ids=[row[0] for row in STATISTICS])
def test_statistics(service, stat, value):
    answer = cloudwatch(service).get_metric_data(**asks(query(period=60, stat=stat)))

    assert answer["MetricDataResults"][0]["Values"] == [pytest.approx(value)]


@pytest.mark.usefixtures("stream")
def test_metric_statistics(client):
    answer = client.get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName="IngestVideoBitrate",
        Dimensions=[CHANNEL, {"Name": "Track", "Value": "Track0"}],
        StartTime=START + timedelta(seconds=31),
        EndTime=START + timedelta(seconds=59),
        Period=30,
        Statistics=["Average", "SampleCount"],
        ExtendedStatistics=["p100"],
    )

    assert answer["Label"] == "IngestVideoBitrate"
    assert answer["Datapoints"] == [
        {
            "Timestamp": START + timedelta(seconds=30),
            "Average": 356,
            "SampleCount": 30,
            "Unit": "Bits/Second",
            "ExtendedStatistics": {"p100": 472},
        }
    ]


@pytest.mark.usefixtures("stream")
def test_only_data_of_the_unit_that_is_asked_for(client):
    wish = query()
    wish["MetricStat"]["Unit"] = "Seconds"

    (result,) = client.get_metric_data(**asks(wish))["MetricDataResults"]
    points = client.get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName="IngestVideoBitrate",
        StartTime=START,
        EndTime=START + timedelta(seconds=60),
        Period=60,
        Statistics=["Sum"],
        Unit="Count",
    )

    assert (result["Values"], points["Datapoints"]) == ([], [])


@pytest.mark.usefixtures("stream")
def test_metrics_are_listed_and_filtered(client):
    every = client.list_metrics()["Metrics"]

    assert {each["MetricName"] for each in every} >= {"ConcurrentViews", "KeyframeInterval"}
    assert client.list_metrics(Namespace="AWS/EC2")["Metrics"] == []
    assert client.list_metrics(OwningAccount="1" * 12)["Metrics"] == []
    channel = {"Name": "Channel"}
    found = client.list_metrics(MetricName="KeyframeInterval", Dimensions=[channel])["Metrics"]
    assert found == [
        {"Namespace": NAMESPACE, "MetricName": "KeyframeInterval", "Dimensions": dimensions}
        for dimensions in ([CHANNEL], [CHANNEL, {"Name": "Track", "Value": "Track0"}])
    ]
    other = {"Name": "Channel", "Value": "other"}
    assert client.list_metrics(Dimensions=[other])["Metrics"] == []


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize("scan_by", ["TimestampAscending", "TimestampDescending"])
@pytest.mark.parametrize("size", [1, 7, 60, 61, 1000])
def test_pages_together_are_the_whole(service, scan_by, size):
    client = cloudwatch(service)
    wish = asks(query("a", period=1), query("b", period=1, name="IngestFramerate"), ScanBy=scan_by)
    whole = client.get_metric_data(**wish)["MetricDataResults"]

    found, token = {"a": [], "b": []}, ""
    while token is not None:
        more = {"NextToken": token} if token else {}
        page = client.get_metric_data(**wish, MaxDatapoints=size, **more)
        assert sum(len(each["Values"]) for each in page["MetricDataResults"]) <= size
        for each in page["MetricDataResults"]:
            found[each["Id"]] += zip(each["Timestamps"], each["Values"], strict=True)
            assert each["StatusCode"] in {"Complete", "PartialData"}
        token = page.get("NextToken")

    for each in whole:
        assert found[each["Id"]] == list(zip(each["Timestamps"], each["Values"], strict=True))
        assert len(each["Values"]) == 60
    assert whole[0]["Timestamps"] == sorted(
        whole[0]["Timestamps"], reverse=scan_by == "TimestampDescending"
    )


@pytest.mark.usefixtures("stream")
def test_lists_have_pages(service, monkeypatch):
    client = cloudwatch(service)
    whole = client.list_metrics()["Metrics"]
    monkeypatch.setattr(cloudwatch_data, "MAX_LISTED", 5)

    pages = list(client.get_paginator("list_metrics").paginate())

    assert len(pages) > 2
    assert [each for page in pages for each in page["Metrics"]] == whole


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    status = error["ResponseMetadata"]["HTTPStatusCode"]
    return error["Error"]["Code"], status, error["Error"]["Message"]


REFUSED = [
    # id,                      what is asked,                                  code,                  says
    ("an expression",          asks({"Id": "a", "Expression": "SUM(METRICS())"}), "ValidationError",  "Expressions"),
    ("neither",                asks({"Id": "a"}),                              "ValidationError",       "MetricStat"),
    ("an id twice",            asks(query(), query()),                         "ValidationError",       "unique"),
    ("a wrong id",             asks(query("Q<script>")),                       "ValidationError",       "lower-case"),
    ("no query",               asks(),                                         None,                    "MetricDataQueries"),
    ("too many queries",       asks(*(query(f"q{n}") for n in range(501))),    "ValidationError",       "500"),
    ("no points",              asks(query(), MaxDatapoints=0),                 "ValidationError",       "MaxDatapoints"),
    ("a period between",       asks(query(period=7)),                          "InvalidParameterValue", "Period"),
    ("a period of two days",   asks(query(period=172_800)),                    "InvalidParameterValue", "Period"),
    ("a period below zero",    asks(query(period=-60)),                        "InvalidParameterValue", "Period"),
    ("a statistic of ours",    asks(query(stat="tm90")),                       "InvalidParameterValue", "tm90"),
    ("a percentile above all", asks(query(stat="p101")),                       "InvalidParameterValue", "p101"),
    ("times the other way",    asks(query(), length_s=0),                      "InvalidParameterValue", "StartTime"),
    ("a token of nobody",      asks(query(), NextToken="bm8="),                "InvalidNextToken",      "NextToken"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "code", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_cannot_be_asked(client, wish, code, says):
    found = refusal(client.get_metric_data, **wish)

    assert found[:2] == (code or found[0], 400)
    assert says in found[2]


def test_what_cannot_be_asked_of_statistics(client):
    wish = {
        "Namespace": NAMESPACE,
        "MetricName": "IngestFramerate",
        "StartTime": START,
        "EndTime": START + timedelta(hours=3),
        "Period": 5,
        "Statistics": ["Sum"],
    }

    def refused(**other):
        return refusal(client.get_metric_statistics, **(wish | other))[:2]

    assert refused() == ("InvalidParameterCombination", 400)
    assert refused(Period=60, Statistics=["p50"]) == ("InvalidParameterValue", 400)
    assert refused(Period=60, Statistics=[]) == ("MissingParameter", 400)
    wish.pop("Period")
    assert refused() == ("MissingParameter", 400)


@pytest.mark.usefixtures("stream")
def test_a_token_is_good_for_the_same_request_only(service):
    client = cloudwatch(service)
    token = client.get_metric_data(**asks(query(period=1)), MaxDatapoints=1)["NextToken"]

    code, _, _ = refusal(client.get_metric_data, **asks(query(period=5)), NextToken=token)

    assert code == "InvalidNextToken"


def test_other_operations_are_unknown(client):
    assert refusal(client.describe_alarms)[:2] == ("InvalidAction", 400)


def test_a_wrong_secret_is_refused(service):
    ana = service.runner.run(add_user(service.store, "ana"))
    key = service.runner.run(add_key(service.store, ana.id))
    for protocol in PROTOCOLS:
        client = cloudwatch(service, protocol, key)
        client._request_signer._credentials.secret_key = "wrong"
        assert refusal(client.list_metrics)[:2] == ("SignatureDoesNotMatch", 403)


@pytest.mark.usefixtures("stream")
def test_users_need_a_permission_for_each_operation(service, client):
    ana = service.runner.run(
        add_user(service.store, "ana", statement("cloudwatch:Get*"), "IVSFullAccess")
    )
    key = service.runner.run(add_key(service.store, ana.id))
    client._request_signer._credentials.access_key = key.id
    client._request_signer._credentials.secret_key = key.secret.reveal()

    assert client.get_metric_data(**asks(query()))["MetricDataResults"][0]["Values"]
    code, status, text = refusal(client.list_metrics)
    assert (code, status) == ("AccessDenied", 403)
    assert text.endswith(":user/ana is not authorized to perform: cloudwatch:ListMetrics")


@pytest.mark.usefixtures("stream")
def test_another_region_has_other_metrics(service):
    client = cloudwatch(service)
    client._request_signer._region_name = "us-east-1"

    assert client.list_metrics()["Metrics"] == []


UNREADABLE = [
    # id,          path and headers,                                                       body
    ("json",       {"headers": [("x-amz-target", "GraniteServiceVersion20100801.ListMetrics")]}, b"{"),
    ("a list",     {"headers": [("x-amz-target", "GraniteServiceVersion20100801.ListMetrics")]}, b"[]"),
    ("cbor",       {"path": "/service/GraniteServiceVersion20100801/operation/ListMetrics"},     b"\xa1"),
    ("deep names", {}, b"Action=ListMetrics&Version=2010-08-01&" + b"a." * 40 + b"b=1"),
    ("two of one", {}, b"Action=ListMetrics&Version=2010-08-01&a=1&a.b=1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "body"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_be_read_is_refused(how, body):
    request = Request(
        **({"method": "POST", "path": "/", "query": "", "headers": []} | how), body=body
    )

    with pytest.raises(CloudWatchError):
        asked(request).members()


NOT_OURS = [
    # id,                     request
    ("the API",               {"path": "/ListStreams"}),
    ("STS",                   {"body": b"Action=GetCallerIdentity&Version=2011-06-15"}),
    ("STS with our version",  {"body": b"Action=GetCallerIdentity&Version=2011-06-15&x=2010-08-01"}),
    ("another target",        {"headers": [("x-amz-target", "DynamoDB_20120810.GetItem")]}),
    ("no action",             {"body": b"Version=2010-08-01"}),
    ("another method",        {"method": "PUT", "body": b"Action=ListMetrics&Version=2010-08-01"}),
]  # fmt: skip


@pytest.mark.parametrize("how", [row[1] for row in NOT_OURS], ids=[row[0] for row in NOT_OURS])
def test_what_is_not_for_cloudwatch(how):
    assert (
        asked(Request(**({"method": "POST", "path": "/", "query": "", "headers": []} | how)))
        is None
    )


names = st.text("abMmember.1290", max_size=30)


@settings(max_examples=60)
@given(st.dictionaries(names, st.text(max_size=5), max_size=6))
def test_any_parameters_are_read_or_refused(fields):
    body = urlencode({"Action": "GetMetricData", "Version": "2010-08-01", **fields}).encode()
    request = Request(method="POST", path="/", query="", headers=[], body=body)
    found = asked(request)
    if found is None:
        return
    try:
        cloudwatch_data.read(cloudwatch_data.GetMetricData, found.members(), all_texts=True)
    except CloudWatchError:
        return
    raise AssertionError("there are no queries in it")


def test_a_presigned_get_has_all_of_it_in_the_query():
    query_text = "Action=ListMetrics&Version=2010-08-01&Namespace=AWS%2FIVS"
    found = asked(Request(method="GET", path="/", query=query_text, headers=[]))

    assert found.protocol == "query"
    assert found.members()["Namespace"] == "AWS/IVS"


def test_nothing_is_listed_where_nothing_was(service):
    assert list(SeriesLog()) == []
    assert cloudwatch(service).list_metrics()["Metrics"] == []


MODEL = ServiceModel(LOADER.load_service_model("cloudwatch", "service-2"))
SHAPES = [
    # ours,                               the model's
    (cloudwatch_data.GetMetricData,       "GetMetricDataInput"),
    (cloudwatch_data.GetMetricStatistics, "GetMetricStatisticsInput"),
    (cloudwatch_data.ListMetrics,         "ListMetricsInput"),
    (cloudwatch_data.Query,               "MetricDataQuery"),
    (cloudwatch_data.MetricStat,          "MetricStat"),
    (cloudwatch_data.Metric,              "Metric"),
    (cloudwatch_data.Dimension,           "DimensionFilter"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), SHAPES, ids=[row[1] for row in SHAPES])
def test_what_is_read_is_named_and_needed_as_in_the_model(ours, theirs):
    model = MODEL.shape_for(theirs)
    fields = {field.encode_name: field for field in msgspec.structs.fields(ours)}

    assert set(fields) <= set(model.members)
    assert set(model.required_members) <= set(fields)
    for name in model.required_members:
        assert fields[name].required, name


async def test_whoever_asks_at_once_gets_one_part_in_each_turn():
    """Each part takes milliseconds, in which no media moves."""
    turns, made = [0], []

    class Parts:
        def samples(self, *_):
            for n in range(5):
                made.append(turns[0])
                yield {n: [1.0]}

    async def count_turns():
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    source = cloudwatch_data.Source(Parts())
    asking = [source.samples(SCOPE, (NAMESPACE, "x"), {}, (0, 5, 1)) for _ in range(4)]

    assert await asyncio.gather(*asking) == [{n: [1.0] for n in range(5)}] * 4

    counting.cancel()
    assert len(made) == len(set(made)) == 20
