"""Failover slate configurations: create, get, list, update, delete.

Source: IVS API reference. There is nothing to make ready for one, so it is CREATED at once.
The shortest time that a slate shows is never above the longest: their ranges lie apart.
"""

from msgspec.structs import asdict, replace

from headwater.api.operation import Call, operation
from headwater.api.resources import any_of, member
from headwater.api.validation import check_tags
from headwater.core import ids
from headwater.shapes.failover_slates import (
    CreateFailoverSlateConfigurationRequest,
    CreateFailoverSlateConfigurationResponse,
    DeleteFailoverSlateConfigurationRequest,
    FailoverSlateConfiguration,
    FailoverSlateConfigurationSummary,
    GetFailoverSlateConfigurationRequest,
    GetFailoverSlateConfigurationResponse,
    ListFailoverSlateConfigurationsRequest,
    ListFailoverSlateConfigurationsResponse,
    UpdateFailoverSlateConfigurationRequest,
    UpdateFailoverSlateConfigurationResponse,
)
from headwater.shapes.wire import members_sent, shaped
from headwater.store.records import FailoverSlateConfigurationRecord


@operation(
    "CreateFailoverSlateConfiguration", on=any_of("failover-slate-configuration"), writes=True
)
async def create_failover_slate_configuration(
    call: Call, req: CreateFailoverSlateConfigurationRequest
) -> CreateFailoverSlateConfigurationResponse:
    """Create a failover slate configuration."""
    check_tags(call.operation, req.tags)
    await call.within_quota(FailoverSlateConfigurationRecord)
    record = FailoverSlateConfigurationRecord(
        id=ids.resource_id(call.random_bytes),
        region=call.scope.region,
        account=call.scope.account,
        created_at_ms=call.now_ms,
        state="CREATED",
        **asdict(req),
    )
    await call.store.insert(record)
    return CreateFailoverSlateConfigurationResponse(failover_slate_configuration=_shape(record))


@operation("GetFailoverSlateConfiguration", on=member("arn"))
async def get_failover_slate_configuration(
    call: Call, req: GetFailoverSlateConfigurationRequest
) -> GetFailoverSlateConfigurationResponse:
    """One failover slate configuration."""
    record = await call.find(FailoverSlateConfigurationRecord, req.arn)
    return GetFailoverSlateConfigurationResponse(failover_slate_configuration=_shape(record))


@operation("ListFailoverSlateConfigurations", on=any_of("failover-slate-configuration"))
async def list_failover_slate_configurations(
    call: Call, req: ListFailoverSlateConfigurationsRequest
) -> ListFailoverSlateConfigurationsResponse:
    """One page of failover slate configurations."""
    page, next_token = await call.page(
        FailoverSlateConfigurationRecord, next_token=req.next_token, max_results=req.max_results
    )
    return ListFailoverSlateConfigurationsResponse(
        failover_slate_configurations=[
            shaped(FailoverSlateConfigurationSummary, record) for record in page
        ],
        next_token=next_token,
    )


@operation("UpdateFailoverSlateConfiguration", on=member("arn"), writes=True)
async def update_failover_slate_configuration(
    call: Call, req: UpdateFailoverSlateConfigurationRequest
) -> UpdateFailoverSlateConfigurationResponse:
    """Change what was sent and keep the rest; streams that run keep what they began with."""
    before = await call.find(FailoverSlateConfigurationRecord, req.arn)
    record = replace(before, **members_sent(req))
    await call.store.update(record)
    return UpdateFailoverSlateConfigurationResponse(failover_slate_configuration=_shape(record))


@operation("DeleteFailoverSlateConfiguration", on=member("arn"), writes=True)
async def delete_failover_slate_configuration(
    call: Call, req: DeleteFailoverSlateConfigurationRequest
) -> None:
    """Delete a failover slate configuration; refused while a channel has it."""
    record = await call.find(FailoverSlateConfigurationRecord, req.arn)
    await call.unattached(record)
    await call.store.delete(FailoverSlateConfigurationRecord, call.scope, record.id)


def _shape(record: FailoverSlateConfigurationRecord) -> FailoverSlateConfiguration:
    return shaped(FailoverSlateConfiguration, record)
