"""What tests of recordings have in common."""

from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler

from e2e.harness import wait_for
from e2e.web import web_server

BUCKET = "my-recordings"


def configured(client, bucket=BUCKET, **wishes):
    """A recording configuration that is ACTIVE."""
    destination = {"s3": {"bucketName": bucket}}
    answer = client.create_recording_configuration(destinationConfiguration=destination, **wishes)
    arn = answer["recordingConfiguration"]["arn"]
    assert answer["recordingConfiguration"]["state"] == "CREATING"

    def state():
        found = client.get_recording_configuration(arn=arn)["recordingConfiguration"]["state"]
        return found if found != "CREATING" else None

    assert wait_for(state, 20, "the bucket to be looked at") == "ACTIVE"
    return arn


def created(client, configuration, **wishes):
    fields = {"type": "BASIC", "insecureIngest": True, "recordingConfigurationArn": configuration}
    answer = client.create_channel(**(fields | wishes))
    return answer["channel"]["arn"], answer["streamKey"]["value"]


def events_of(client, arn):
    sessions = client.list_stream_sessions(channelArn=arn)["streamSessions"]
    return [
        event["name"]
        for session in reversed(sessions)
        for event in reversed(
            client.get_stream_session(channelArn=arn, streamId=session["streamId"])[
                "streamSession"
            ]["truncatedEvents"]
        )
    ]


def recorded_of(data_dir, arn):
    """The folder of a channel's only recording."""
    root = data_dir / "buckets" / BUCKET
    (check,) = root.glob(f"ivs/v1/*/{arn.rpartition('/')[2]}/**/events/ivs-check")
    return check.parent.parent


class _Files(SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """The address of a folder, as a bucket behind a web server is read."""
    with web_server(partial(_Files, directory=folder)) as port:
        yield f"http://127.0.0.1:{port}"
