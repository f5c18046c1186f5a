"""The operation table: each operation of the API that is there."""

from headwater.api.operations import channels, stream_keys, streams

OPERATIONS = (
    channels.batch_get_channel,
    channels.create_channel,
    channels.delete_channel,
    channels.get_channel,
    channels.list_channels,
    channels.update_channel,
    stream_keys.batch_get_stream_key,
    stream_keys.create_stream_key,
    stream_keys.delete_stream_key,
    stream_keys.get_stream_key,
    stream_keys.list_stream_keys,
    streams.get_stream,
    streams.list_streams,
    streams.stop_stream,
)
