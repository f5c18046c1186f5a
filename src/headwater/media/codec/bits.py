"""A bounded reader of bits and Exp-Golomb codes.

Source: ITU-T H.264 §7.2 and §9.1; ISO/IEC 14496-3 uses the same plain bit order.
"""

from headwater.core.errors import PeerError

MAX_LEADING_ZEROS = 32  # §9.1: no syntax element is longer; stops on endless zeros


class BitReader:
    """Reads fields from the most significant bit on; running out is a PeerError.

    Each read costs as much as the bits it takes, however much data there is.
    """

    __slots__ = ("_data", "_position", "_size")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._size = 8 * len(data)

    @property
    def left(self) -> int:
        """Bits not read yet."""
        return self._size - self._position

    def read(self, bits: int) -> int:
        """The next `bits` bits as an unsigned number."""
        end = self._position + bits
        if end > self._size:
            raise PeerError("bitstream ends in the middle of a field")
        last = (end + 7) // 8
        value = int.from_bytes(self._data[self._position // 8 : last], "big")
        self._position = end
        return (value >> (8 * last - end)) & ((1 << bits) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.read(1) == 1

    def ue(self) -> int:
        """An unsigned Exp-Golomb code, 0 to 2**33 - 2."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > MAX_LEADING_ZEROS:
                raise PeerError("Exp-Golomb code is too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)
