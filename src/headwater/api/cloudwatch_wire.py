"""The three protocols that CloudWatch speaks: which request is whose, and answers in each.

    JSON     POST /, X-Amz-Target: GraniteServiceVersion20100801.<operation>   botocore
    CBOR     POST /service/GraniteServiceVersion20100801/operation/<operation>  newer SDKs
    query    POST /, Action=<operation>&Version=2010-08-01, answered in XML     older SDKs

Source: Smithy, "AWS JSON 1.0", "Smithy RPC v2 CBOR", "AWS Query", and "awsQueryCompatible":
the first two send the query protocol's error code in `x-amzn-query-error`. Pure.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec
from msgspec import Struct

from headwater.api import cbor
from headwater.core.errors import HeadwaterError, PeerError
from headwater.core.http import Request, Response

VERSION = "2010-08-01"
NAMESPACE = f"http://monitoring.amazonaws.com/doc/{VERSION}/"
TARGET = "GraniteServiceVersion20100801"
MAX_FIELDS = 20_000
"""Of a query: 500 metrics with 30 fields each, and some room."""
MAX_DEPTH = 12
"""Of a query's names, e.g. `MetricDataQueries.member.1.MetricStat.Metric.MetricName`: six."""
MAX_SHOWN = 64  # characters of a name that is repeated in an error

_PATH = f"/service/{TARGET}/operation/"
_INDEX = re.compile(r"[1-9][0-9]{0,4}")
_XML_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_MAPS = frozenset({"ExtendedStatistics"})
"""Members whose keys are data, which no element may be named by."""

Protocol = Literal["json", "cbor", "query"]
Members = dict[str, Any]
"""Of a request or an answer; times in answers are `datetime`."""


class CloudWatchError(HeadwaterError):
    """A refusal. `code` is the query protocol's, `shape` the model's name of it."""

    def __init__(
        self, code: str, text: str, *, shape: str = "", status: int = HTTPStatus.BAD_REQUEST
    ) -> None:
        super().__init__(text)
        self.code = code
        self.shape = shape or code
        self.status = HTTPStatus(status)


class Asked(Struct, frozen=True):
    """A request for CloudWatch, not read yet."""

    protocol: Protocol
    operation: str
    request: Request

    def members(self) -> Members:
        """What the request says; of the query protocol all figures are texts.

        Raises:
            CloudWatchError: it cannot be read.
        """
        body = self.request.body
        try:
            if self.protocol == "query":
                return _unflattened(_fields(self.request))
            decode = msgspec.json.decode if self.protocol == "json" else cbor.decode
            read = decode(body) if body else {}
        except (PeerError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CloudWatchError(
                "SerializationException", f"The request cannot be read: {error}"
            ) from None
        if not isinstance(read, dict):
            raise CloudWatchError("SerializationException", "The request is not a structure")
        return read

    def answer(self, result: Members, request_id: str) -> Response:
        """A result in the request's protocol."""
        if self.protocol == "query":
            metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
            inner = f"<{self.operation}Result>{_elements(result)}</{self.operation}Result>"
            return _xml(f"{self.operation}Response", inner + metadata, HTTPStatus.OK)
        return self._written(result, HTTPStatus.OK)

    def refusal(self, error: CloudWatchError, request_id: str) -> Response:
        """An error in the request's protocol."""
        text = str(error)
        side = "Sender" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
        if self.protocol == "query":
            inner = (
                f"<Error><Type>{side}</Type><Code>{error.code}</Code>"
                f"<Message>{_escaped(text)}</Message></Error><RequestId>{request_id}</RequestId>"
            )
            return _xml("ErrorResponse", inner, error.status)
        members = {"__type": f"com.amazonaws.cloudwatch#{error.shape}", "message": text}
        response = self._written(members, error.status)
        response.headers.append(("x-amzn-query-error", f"{error.code};{side}"))
        return response

    def _written(self, members: Members, status: HTTPStatus) -> Response:
        if self.protocol == "cbor":
            headers = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
            return Response(status=status.value, headers=headers, body=cbor.encode(members))
        body = msgspec.json.encode(_with_numbers(members))
        headers = [("Content-Type", "application/x-amz-json-1.0")]
        return Response(status=status.value, headers=headers, body=body)


def asked(request: Request) -> Asked | None:
    """The request as one for CloudWatch; None when it is none."""
    if request.method == "POST" and request.path.startswith(_PATH):
        return Asked("cbor", request.path.removeprefix(_PATH), request)
    if request.path != "/" or request.method not in {"GET", "POST"}:
        return None
    service, _, operation = (request.header("x-amz-target") or "").partition(".")
    if service == TARGET and request.method == "POST":
        return Asked("json", operation, request)
    if VERSION not in request.query and VERSION.encode() not in request.body:
        return None
    fields = _fields(request)
    if fields.get("Version") != VERSION or "Action" not in fields:
        return None
    return Asked("query", fields["Action"], request)


def shown(text: str) -> str:
    """What may stand in an error of what somebody sent."""
    return "".join(char for char in text[:MAX_SHOWN] if char.isascii() and char.isprintable())


def _fields(request: Request) -> dict[str, str]:
    text = request.query if request.method == "GET" else request.body.decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text or request.query, max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _unflattened(fields: Mapping[str, str]) -> Members:
    """Structures and lists from names like `Dimensions.member.1.Name`."""
    root: dict[str, Any] = {}
    for name, value in fields.items():
        steps = name.split(".", MAX_DEPTH)
        if len(steps) > MAX_DEPTH:
            raise CloudWatchError("MalformedInput", "A parameter's name has too many parts")
        place = root
        for step in steps[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise CloudWatchError("MalformedInput", f"Two parameters are {shown(step)}")
            place = inner
        place[steps[-1]] = value
    return {name: _listed(value) for name, value in root.items()}


def _listed(tree: Any) -> Any:  # noqa: ANN401 - a tree of dicts and texts
    if not isinstance(tree, dict):
        return tree
    members = tree.get("member")
    if (
        set(tree) == {"member"}
        and isinstance(members, dict)
        and all(map(_INDEX.fullmatch, members))
    ):
        return [_listed(members[index]) for index in sorted(members, key=int)]
    return {name: _listed(value) for name, value in tree.items()}


def _with_numbers(value: Any) -> Any:  # noqa: ANN401 - a tree
    """JSON has Unix seconds for times."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: _with_numbers(each) for name, each in value.items()}
    return [_with_numbers(each) for each in value] if isinstance(value, list) else value


def _elements(value: Any, name: str = "") -> str:  # noqa: ANN401 - a tree
    if isinstance(value, dict) and name in _MAPS:
        return "".join(
            f"<entry><key>{_escaped(key)}</key><value>{_elements(each)}</value></entry>"
            for key, each in value.items()
        )
    if isinstance(value, dict):
        return "".join(f"<{each}>{_elements(of, each)}</{each}>" for each, of in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_elements(each)}</member>" for each in value)
    return value.strftime(_XML_TIME) if isinstance(value, datetime) else _escaped(str(value))


def _escaped(text: str) -> str:
    return escape(_NOT_XML.sub("?", text))


def _xml(root: str, inner: str, status: HTTPStatus) -> Response:
    body = f'<{root} xmlns="{NAMESPACE}">{inner}</{root}>'
    return Response(status=status.value, headers=[("Content-Type", "text/xml")], body=body.encode())
