"""A stand-in for the transcoder process: it speaks the wire and gives packets back as they are.

    stand_in.py honest | crash <n> | hang <n> | garbage <n> | deaf

It misbehaves with the n-th picture that it gets; `deaf` never reads.
"""

import os
import sys
import time

from headwater.media.transcode import wire

mode = sys.argv[1]
turn = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def say(message):
    os.write(1, wire.write_message(message))


def progress(pts):
    return wire.Progress(
        received_pts=pts,
        decoded_pts=pts,
        encoded_pts=pts,
        waiting_packets=0,
        waiting_frames=0,
        dropped_frames=7,
        dropped_packets=0,
        broken_packets=0,
        level="faster preset",
        cpu_s=1.5,
    )


def misbehave():
    if mode == "crash":
        os.abort()
    if mode == "hang":
        time.sleep(60)
    if mode == "garbage":
        os.write(1, b"\x00\x00\x00\x05hello")


def main():
    if mode == "deaf":
        time.sleep(60)
    reader, seen = wire.request_reader(), 0
    sys.stderr.write("here I am\n")
    while data := os.read(0, 1 << 16):
        for request in reader.push(data):
            match request:
                case wire.Begin() | wire.Configure():
                    say(wire.Ready(encoder="none"))
                    say(wire.Tracks(renditions=(0,), tracks=request.source))
                case wire.Media(packet=packet):
                    if packet.kind == "video":
                        seen += 1
                        if seen == turn:
                            misbehave()
                    say(wire.Encoded(renditions=(0,), packet=packet))
                    say(progress(packet.pts))
                case wire.End():
                    say(wire.Finished())
                    return


main()
