"""The part of CloudWatch that shows how streams do: reading metrics of AWS/IVS.

It answers at the API's own address, so that `boto3.client("cloudwatch", endpoint_url=...)`
works with the same keys. Requests are signed for the service `monitoring`; policies allow
`cloudwatch:GetMetricData`, `cloudwatch:GetMetricStatistics` and `cloudwatch:ListMetrics`, on
the resource `*`, as these have none. Nothing can be written.
"""

from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus

from headwater.api.authentication import Authenticator, Caller
from headwater.api.authorization import facts_of_request
from headwater.api.cloudwatch_data import (
    GetMetricData,
    GetMetricStatistics,
    ListMetrics,
    Metrics,
    Source,
    listed,
    metric_data,
    metric_statistics,
    read,
)
from headwater.api.cloudwatch_wire import Asked, CloudWatchError, Members, asked, shown
from headwater.api.errors import ValidationError
from headwater.api.pagination import ListId, PageTokens
from headwater.api.sts import QUERY_CODES
from headwater.auth.errors import SignatureError
from headwater.auth.policy import Decision, decide
from headwater.core.http import Request, Response
from headwater.store.records import Position

SERVICE = "monitoring"
PREFIX = "cloudwatch:"


class CloudWatch:
    """Answers what is asked of CloudWatch."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        authenticator: Authenticator,
        tokens: PageTokens,
        now_ms: Callable[[], int],
    ) -> None:
        self._source = Source(metrics)
        self._authenticator = authenticator
        self._tokens = tokens
        self._now_ms = now_ms
        self._operations = {
            "GetMetricData": self._get_metric_data,
            "GetMetricStatistics": self._get_metric_statistics,
            "ListMetrics": self._list_metrics,
        }

    async def respond(
        self, request: Request, line: dict[str, object], request_id: str
    ) -> Response | None:
        """The answer; None when the request is not for CloudWatch. Adds to the log line."""
        found = asked(request)
        if found is None:
            return None
        try:
            return found.answer(await self._act(found, line), request_id)
        except CloudWatchError as error:
            line["error"] = error.code
            return found.refusal(error, request_id)

    async def _act(self, found: Asked, line: dict[str, object]) -> Members:
        try:
            caller = await self._authenticator.caller(found.request, service=SERVICE)
        except SignatureError as refusal:
            code, status = QUERY_CODES[refusal.code]
            raise CloudWatchError(code, str(refusal), shape=refusal.code, status=status) from None
        line |= {"access_key_id": caller.key_id, "region": caller.scope.region}
        operation = self._operations.get(found.operation)
        if operation is None:
            raise CloudWatchError(
                "InvalidAction",
                f"Could not find operation {shown(found.operation)}",
                shape="UnknownOperationException",
            )
        line["operation"] = PREFIX + found.operation
        self._authorize(caller, found)
        return await operation(caller, found)

    def _authorize(self, caller: Caller, found: Asked) -> None:
        principal, action = caller.principal, PREFIX + found.operation
        if principal.is_root:
            return
        facts = facts_of_request(caller, found.request, self._now_ms())
        if decide(principal.policies, action, "*", facts) is not Decision.ALLOWED:
            raise CloudWatchError(
                "AccessDenied",
                f"User: {principal.arn} is not authorized to perform: {action}",
                shape="AccessDeniedException",
                status=HTTPStatus.FORBIDDEN,
            )

    async def _get_metric_data(self, caller: Caller, found: Asked) -> Members:
        wish = read(GetMetricData, found.members(), all_texts=found.protocol == "query")
        same = sha256(repr((wish.metric_data_queries, wish.start_time, wish.end_time)).encode())
        list_id = _list_id(caller, found, wish.scan_by, same.hexdigest())
        after = self._after(wish.next_token, list_id)
        result, position = await metric_data(self._source, caller.scope, wish, after)
        return result | self._next(position, list_id)

    async def _get_metric_statistics(self, caller: Caller, found: Asked) -> Members:
        wish = read(GetMetricStatistics, found.members(), all_texts=found.protocol == "query")
        return await metric_statistics(self._source, caller.scope, wish)

    async def _list_metrics(self, caller: Caller, found: Asked) -> Members:
        wish = read(ListMetrics, found.members(), all_texts=found.protocol == "query")
        same = sha256(repr((wish.namespace, wish.metric_name, wish.dimensions)).encode())
        list_id = _list_id(caller, found, same.hexdigest())
        after = self._after(wish.next_token, list_id)
        result, position = listed(self._source.metrics, caller.scope, wish, after)
        return result | self._next(position, list_id)

    def _after(self, token: str, list_id: ListId) -> Position | None:
        try:
            return self._tokens.read(token, list_id)
        except ValidationError:
            raise CloudWatchError(
                "InvalidNextToken", "NextToken is not that of an answer to the same request."
            ) from None

    def _next(self, position: Position | None, list_id: ListId) -> Members:
        return {"NextToken": self._tokens.write(position, list_id)} if position else {}


def _list_id(caller: Caller, found: Asked, *rest: str) -> ListId:
    return (PREFIX + found.operation, caller.scope.account, caller.scope.region, *rest)
