"""PutMetadata: a text that all viewers of a live stream get at the same picture.

Source: IVS API reference; IVS user guide, "Service Quotas" (1 KB; 5 calls a second for a
channel, 155 for an account). The size is that of the text in UTF-8, which is what is sent.
"""

from headwater.api.errors import ChannelNotBroadcastingError, ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import member
from headwater.shapes.metadata import PutMetadataRequest
from headwater.store.records import ChannelRecord

MAX_METADATA_BYTES = 1024


@operation("PutMetadata", on=member("channel_arn"))
async def put_metadata(call: Call, req: PutMetadataRequest) -> None:
    """Insert the text at the live edge."""
    text = req.metadata.reveal()
    if not text:
        raise ValidationError(f"{call.operation}.metadata must be a string of at least 1 character")
    if len(text.encode()) > MAX_METADATA_BYTES:
        raise ValidationError("Metadata size exceeds payload limit")
    channel = await call.find(ChannelRecord, req.channel_arn)
    quotas = call.settings.quotas
    call.within_rate(quotas.put_metadata_per_channel_per_s, resource=channel.arn)
    call.within_rate(quotas.put_metadata_per_account_per_s, resource=call.scope.account)
    if not call.control.put_metadata(channel.arn, text):
        raise ChannelNotBroadcastingError(channel_arn=channel.arn)
