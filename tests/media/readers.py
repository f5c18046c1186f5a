"""Small readers of what the writers make, from the specifications alone."""


def synchsafe(four):
    assert all(byte < 0x80 for byte in four)
    return four[0] << 21 | four[1] << 14 | four[2] << 7 | four[3]


def id3_frames(data):
    """(id, content) of each frame, from the specification alone."""
    assert data[:6] == b"ID3\x04\x00\x00"
    assert synchsafe(data[6:10]) == len(data) - 10
    frames, position = [], 10
    while position < len(data):
        size = synchsafe(data[position + 4 : position + 8])
        assert data[position + 8 : position + 10] == b"\x00\x00"
        frames.append((data[position : position + 4], data[position + 10 : position + 10 + size]))
        position += 10 + size
    assert position == len(data)
    return frames


def ts_packets(data):
    """(pid, start, counter, adaptation, payload) of each packet."""
    assert len(data) % 188 == 0
    rows = []
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        assert packet[0] == 0x47
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        adaptation, payload = b"", packet[4:]
        if packet[3] & 0x20:
            adaptation, payload = packet[5 : 5 + packet[4]], packet[5 + packet[4] :]
        rows.append((pid, bool(packet[1] & 0x40), packet[3] & 15, adaptation, payload))
    return rows


def ts_payload(rows, pid):
    return b"".join(row[4] for row in rows if row[0] == pid)


def boxes(data):
    found, position = [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        found.append((data[position + 4 : position + 8], data[position + 8 : position + size]))
        position += size
    assert position == len(data)
    return found
