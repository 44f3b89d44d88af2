/* crc.h - the two checksums that others can see. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli), by the processor's instruction where there is one; `seed` is 0 or an
 * earlier result. */
uint32_t crc32c(uint32_t seed, const void *data, size_t size);

/* CRC-16/XMODEM: the hash slot of Redis Cluster, before the modulus. */
uint16_t crc16(const void *data, size_t size);

#endif
