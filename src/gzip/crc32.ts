// The CRC-32 of what is put together from parts, out of the parts' own: no byte is looked at twice.

// Polynomials over GF(2) modulo that of the CRC, the highest power in the lowest bit (as zlib's crc32_combine does it).
const POLYNOMIAL = 0xedb88320
const ONE = 1 << 31

/** x to the power of 2^n. */
const POWERS = [1 << 30]
for (let n = 1; n < 32; n++) POWERS.push(multiply(POWERS[n - 1]!, POWERS[n - 1]!))

/**
 * What a CRC becomes when so many bytes follow it, but for their own: the CRC of A and B together is
 * `shiftCrc(crc32(A), B.length) ^ crc32(B)`. The result is a signed 32-bit integer.
 */
export function shiftCrc(crc: number, bytes: number): number {
  let factor = ONE
  // 2^3 bits a byte; the powers repeat after 32.
  for (let left = bytes, power = 3; left > 0; left = Math.floor(left / 2), power++) {
    if (left % 2 === 1) factor = multiply(POWERS[power % 32]!, factor)
  }
  return multiply(factor, crc)
}

function multiply(one: number, other: number): number {
  let product = 0
  let shifted = other
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((one & bit) !== 0) product ^= shifted
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL
  }
  return product
}
