import subprocess
import time

import pytest

from e2e.harness import FFMPEG, publishing, wait_for, wait_until_live


def publish_and_fail(source, url):
    """What ffmpeg shows its user when the server will not take the stream."""
    done = subprocess.run(
        [*FFMPEG, "-re", "-i", str(source), "-c", "copy", "-f", "flv", url],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode != 0
    return done.stderr


def test_a_wrong_key_is_refused(server, channel, source):
    channel(insecureIngest=True)

    shown = publish_and_fail(source, server.ingest_url("rtmp", "sk_us-west-2_wrong_key"))

    assert "stream key is not valid" in shown


def test_a_missing_key_is_refused(server, source):
    publish_and_fail(source, server.ingest_url("rtmp", ""))


def test_the_key_of_a_deleted_channel_is_refused(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    client.delete_channel(arn=made["arn"])

    shown = publish_and_fail(source, server.ingest_url("rtmp", key["value"]))

    assert "stream key is not valid" in shown


def test_plain_rtmp_is_refused_unless_the_channel_allows_it(server, channel, source):
    _, key = channel()

    shown = publish_and_fail(source, server.ingest_url("rtmp", key["value"]))

    assert "RTMPS only" in shown


def test_a_second_encoder_is_refused_and_the_first_goes_on(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    url = server.ingest_url("rtmp", key["value"])
    with publishing(source, url, loop=True) as first:
        before = wait_until_live(client, made["arn"])

        shown = publish_and_fail(source, url)

        assert "live from another encoder" in shown
        assert client.get_stream(channelArn=made["arn"])["stream"] == before
        assert first.poll() is None


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
def test_stop_stream_disconnects_the_encoder(server, client, channel, source, scheme):
    made, key = channel(insecureIngest=True)
    with publishing(source, server.ingest_url(scheme, key["value"]), loop=True) as encoder:
        wait_until_live(client, made["arn"])

        client.stop_stream(channelArn=made["arn"])

        encoder.wait(10)
        with pytest.raises(client.exceptions.ChannelNotBroadcasting):
            client.get_stream(channelArn=made["arn"])


def test_a_live_channel_can_be_neither_updated_nor_deleted(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    with publishing(source, server.ingest_url("rtmp", key["value"]), loop=True):
        wait_until_live(client, made["arn"])

        with pytest.raises(client.exceptions.ConflictException):
            client.update_channel(arn=made["arn"], name="other")
        with pytest.raises(client.exceptions.ConflictException):
            client.delete_channel(arn=made["arn"])


def test_a_killed_encoder_ends_the_stream(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    with publishing(source, server.ingest_url("rtmp", key["value"]), loop=True):
        wait_until_live(client, made["arn"])

    def over():
        try:
            client.get_stream(channelArn=made["arn"])
        except client.exceptions.ChannelNotBroadcasting:
            return True
        return False

    wait_for(over, 10, "the stream to be over")


def test_no_key_or_secret_is_in_the_log(server, channel, source):
    _, key = channel(insecureIngest=True)
    wrong = "sk_us-west-2_0123456789ab_notakey"
    publish_and_fail(source, server.ingest_url("rtmp", wrong))
    with publishing(source, server.ingest_url("rtmp", key["value"])):
        time.sleep(1)

    log = "".join(server.log)
    assert "rtmp session ended" in log
    for secret in (key["value"], wrong, server.secret_access_key, "sk_us-west-2"):
        assert secret not in log
