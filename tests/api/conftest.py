"""A real API on a real SQLite file, called by a real botocore client without a socket."""

import asyncio
import contextlib
import itertools
import random
import shutil
import time
from urllib.parse import unquote, urlsplit

import botocore.loaders
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials

from headwater.api.app import Api, ApiSettings
from headwater.api.quotas import Quotas
from headwater.core.http import Request
from headwater.core.secret import Secret
from headwater.node.monitoring.charts import Charts
from headwater.node.monitoring.series import SeriesLog
from headwater.node.recording.destinations import Destinations, buckets_of
from headwater.node.sections import RecordingSettings
from headwater.store import Store
from headwater.store.identities import AccessKeyRecord

ACCOUNT = "123456789012"
REGION = "eu-west-1"
SECRETS = {"AKHWROOTKEY00001": "root-secret", "AKHWOTHERKEY0002": "other-secret"}
ACCOUNTS = {"AKHWROOTKEY00001": ACCOUNT, "AKHWOTHERKEY0002": "210987654321"}
CREDENTIALS = Credentials("AKHWROOTKEY00001", SECRETS["AKHWROOTKEY00001"])
LOADER = botocore.loaders.create_loader()  # keeps the models it has read
SETTINGS = ApiSettings(
    ingest_host="{prefix}.ingest.example.net",
    srt_host="{prefix}.srt.example.net",
    playback_base_url="https://{prefix}.{region}.play.example.net",
    quotas=Quotas(
        channels=6,
        playback_key_pairs=3,
        playback_restriction_policies=3,
        recording_configurations=4,
    ),
)


class Live:
    """What is live in a test: set `streams` and `connected`."""

    def __init__(self):
        self.streams = []
        self.connected = set()  # channel ARNs that somebody publishes to
        self.stopped = []
        self.metadata = []
        self.ad_breaks = []

    def live_stream(self, channel_arn):
        return next((one for one in self.streams if one.channel_arn == channel_arn), None)

    def is_publishing(self, channel_arn):
        return channel_arn in self.connected or self.live_stream(channel_arn) is not None

    def live_streams(self, account, region):
        prefix = f"arn:aws:ivs:{region}:{account}:"
        return [one for one in self.streams if one.channel_arn.startswith(prefix)]

    def put_metadata(self, channel_arn, text):
        if self.live_stream(channel_arn) is None:
            return False
        self.metadata.append((channel_arn, text))
        return True

    def tell_ad_break(self, ad_break):
        self.ad_breaks.append(ad_break)

    def stop_stream(self, channel_arn):
        if channel_arn not in self.connected:
            return False
        self.stopped.append(channel_arn)
        return True


class Body:
    """What botocore reads an answer from."""

    def __init__(self, body):
        self._body = body

    def stream(self):
        yield self._body


class Service:
    """The API, its collaborators, and clients of it."""

    def __init__(self, runner, store, folder):
        self.runner = runner
        self.store = store
        self.live = Live()
        self.destinations = Destinations(buckets_of(RecordingSettings(), folder), store)
        self.series = SeriesLog()
        clock = itertools.count(time.time_ns() // 1_000_000)
        self.api = Api(
            store=store,
            control=self.live,
            destinations=self.destinations,
            metrics=Charts(self.series),
            settings=SETTINGS,
            random_bytes=random.Random(1).randbytes,  # noqa: S311 - ids of a test
            now_ms=clock.__next__,
            token_secret=b"token-secret",
        )
        self.requests = []  # as the API got them
        self.responses = []

    def settle(self):
        """Wait for what the API does in the background."""
        self.runner.run(self.destinations.settle())

    def respond(self, request):
        self.requests.append(request)
        self.responses.append(self.runner.run(self.api.respond(request)))
        return self.responses[-1]

    def send(self, method, path, *, query="", body=b"", headers=()):
        """Sign and send a request as it is; path and query are encoded."""
        url = "http://127.0.0.1:8080" + path + (f"?{query}" if query else "")
        request = AWSRequest(method, url, dict(headers), body)
        SigV4Auth(CREDENTIALS, "ivs", REGION).add_auth(request)
        signed = [(name.lower(), value) for name, value in request.headers.items()]
        return self.respond(
            Request(
                method=method,
                path=unquote(path),
                query=query,
                headers=[("host", "127.0.0.1:8080"), *signed],
                body=body,
                client_address="192.0.2.1",
            )
        )

    def client(self, *, access_key="AKHWROOTKEY00001", secret=None, region=REGION, token=None):
        """A botocore client whose requests go straight to the API.

        It checks nothing itself, so that bad input reaches the API.
        """
        session = botocore.session.Session()
        session.register_component("data_loader", LOADER)
        session.set_credentials(access_key, secret or SECRETS.get(access_key, "x"), token)
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        client = session.create_client(
            "ivs", region_name=region, endpoint_url="http://127.0.0.1:8080", config=config
        )
        client.meta.events.register("before-send.ivs", self._send)
        return client

    def _send(self, request, **_):
        parts = urlsplit(request.url)
        body = request.body or b""
        headers = [
            (name.lower(), value.decode() if isinstance(value, bytes) else value)
            for name, value in request.headers.items()
        ]
        response = self.respond(
            Request(
                method=request.method,
                path=unquote(parts.path),
                query=parts.query,
                headers=[("host", parts.netloc), *headers],
                body=body.encode() if isinstance(body, str) else body,
                client_address="192.0.2.1",
            )
        )
        headers = HTTPHeaders()
        for name, value in response.headers:
            headers[name] = value
        return AWSResponse(request.url, response.status, headers, Body(response.body))


async def opened(path):
    return await Store.open(f"sqlite:///{path}")


async def prepare(path):
    """A database with the access keys, closed again."""
    store = await opened(path)
    async with store.write() as work:
        for id_, secret in SECRETS.items():
            await work.identities.insert_access_key(
                AccessKeyRecord(
                    id=id_,
                    account=ACCOUNTS[id_],
                    secret=Secret(secret),
                    created_at_ms=0,
                    description="",
                    user_id="",
                    session_digest=b"",
                    expires_at_ms=0,
                )
            )
    await store.close()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    path = tmp_path_factory.mktemp("api") / "prepared.sqlite3"
    asyncio.run(prepare(path))
    return path


@pytest.fixture(scope="session")
def serving(prepared):
    """Gives a service with all that it keeps in the folder."""

    @contextlib.contextmanager
    def serving(folder):
        path = folder / "test.sqlite3"
        shutil.copy(prepared, path)
        with asyncio.Runner() as runner:
            store = runner.run(opened(path))
            service = Service(runner, store, folder)
            try:
                yield service
            finally:
                service.settle()
                runner.run(store.close())

    return serving


@pytest.fixture
def service(tmp_path, serving):
    with serving(tmp_path) as service:
        yield service


@pytest.fixture
def ivs(service):
    return service.client()
