"""The client itself: botocore signs, sends, retries and reads; this gives it its shape.

One client may be used by many threads. Nothing is shared between two clients: each has its
own botocore session, so credentials, connections and caches are its own.

Source: botocore's `ivs` model, which `operations` and `shapes` are generated from.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config as BotoConfig
from botocore.session import Session

from headwater.client.config import Config, Settings, read_config
from headwater.client.errors import AnswerError, ours
from headwater.client.operations import Operations
from headwater.client.pages import Pages


class IvsClient(Operations):
    """One method for each operation; made by `ivs()`.

    `paginate` has the nine lists once more, as iterators over all items. A client holds
    connections: `close()` it, or use it in a `with` statement.
    """

    def __init__(self, settings: Settings) -> None:
        with ours():
            self._boto = _botocore_client(settings)
        self.paginate = _AllPages(self)

    def close(self) -> None:
        """Close all connections."""
        self._boto.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        """Where it points, without credentials."""
        return f"IvsClient(endpoint={self._boto.meta.endpoint_url!r})"

    def _call(self, method: str, /, **members: object) -> Any:  # noqa: ANN401 - as declared
        given = {name: value for name, value in members.items() if value is not None}
        with ours():
            answer = getattr(self._boto, method)(**given)
        meta = self._boto.meta
        shape = meta.service_model.operation_model(meta.method_to_api_mapping[method]).output_shape
        # Left out: what tells of the HTTP exchange (ResponseMetadata, members that are headers).
        body = [
            name
            for name, member in ({} if shape is None else shape.members).items()
            if "location" not in member.serialization
        ]
        found = {name: answer[name] for name in body if name in answer}
        if not found and body not in ([], ["errors"]):
            raise AnswerError(f"{meta.endpoint_url} gave an answer without {' or '.join(body)}")
        return found


class _AllPages(Pages):
    """The lists of one client, page after page."""

    def __init__(self, client: IvsClient) -> None:
        self._client = client

    def _items(self, method: str, key: str, /, **members: object) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._client._call(method, nextToken=token, **members)  # noqa: SLF001 - its other half
            yield from page[key]
            token = page.get("nextToken")
            if not token:
                return


def ivs(config: Config | None = None) -> IvsClient:
    """A client for Headwater or, without `endpoint`, for AWS.

    Args:
        config: see `headwater.client.Config`. What it leaves out comes from where every AWS
            SDK looks: variables, the shared configuration files, the machine's role.

    Raises:
        ConfigurationError: a name or value in it is wrong, or no region was found.
        CredentialsError: one part of the credentials is missing.
    """
    return IvsClient(read_config(config or {}))


def _botocore_client(settings: Settings) -> Any:  # noqa: ANN401 - botocore has no types
    client = Session(profile=settings.profile).create_client(
        "ivs",
        region_name=settings.region,
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        aws_session_token=settings.session_token,
        config=BotoConfig(
            connect_timeout=settings.timeout,
            read_timeout=settings.timeout,
            signature_version=UNSIGNED if settings.anonymous else None,
        ),
    )
    if settings.close_connection:
        client.meta.events.register("before-send.ivs", _ask_to_close)
        # Whatever the answer says: no further request may use its connection (RFC 9112 §9.6).
        client.meta.events.register("response-received.ivs", lambda **_: client.close())
    return client


def _ask_to_close(request: AWSPreparedRequest, **_: object) -> None:
    """Say `Connection: close`, so that the server closes after its answer (RFC 9110 §7.6.1)."""
    request.headers["Connection"] = "close"
