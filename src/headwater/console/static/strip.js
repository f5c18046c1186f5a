// Reads the time strip of Headwater's test picture from a canvas: when a frame was made.
// The format and its writer: headwater/publisher/strip.py.

const COLUMNS = 40;
const ROWS = 2;
const BLOCKS_PER_WIDTH = 80;

/**
 * @param {ImageData} image the whole picture, at any size
 * @returns {{unixMs: number, frame: number} | null} null where there is no strip
 */
export function readStrip(image) {
  const side = image.width / BLOCKS_PER_WIDTH;
  const bytes = new Uint8Array(10);
  for (let index = 0; index < COLUMNS * ROWS; index += 1) {
    const x = ((index % COLUMNS) + 0.5) * side;
    const y = image.height - (ROWS - Math.floor(index / COLUMNS) - 0.5) * side;
    const level = levelAround(image, x, y, side / 5);
    if (level >= 96 && level <= 160) return null;
    if (level > 160) bytes[index >> 3] |= 0x80 >> (index & 7);
  }
  if (crc8(bytes.subarray(0, 9)) !== bytes[9]) return null;
  const number = (from, to) => bytes.subarray(from, to).reduce((sum, byte) => sum * 256 + byte, 0);
  return { unixMs: number(0, 6), frame: number(6, 9) };
}

function levelAround(image, x, y, reach) {
  let sum = 0;
  for (const stepY of [-1, 0, 1]) {
    for (const stepX of [-1, 0, 1]) {
      const column = Math.floor(x + stepX * reach);
      const line = Math.floor(y + stepY * reach);
      sum += image.data[(line * image.width + column) * 4 + 1]; // green is most of luma
    }
  }
  return sum / 9;
}

function crc8(bytes) {
  let crc = 0xff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
  }
  return crc;
}
