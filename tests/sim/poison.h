/* Memory that the kernel owns: with AddressSanitizer touching it is an error, without it a pattern shows
 * writes. */
#ifndef WYE_TESTS_SIM_POISON_H
#define WYE_TESTS_SIM_POISON_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>

static inline void sim_poison(uint8_t *bytes, size_t count) { __asan_poison_memory_region(bytes, count); }
static inline void sim_unpoison(uint8_t *bytes, size_t count) { __asan_unpoison_memory_region(bytes, count); }
static inline void sim_check_poison(const uint8_t *bytes, size_t count) { (void)bytes, (void)count; }
#else
enum { SIM_PATTERN = 0xdd };

static inline void sim_poison(uint8_t *bytes, size_t count) { memset(bytes, SIM_PATTERN, count); }
static inline void sim_unpoison(uint8_t *bytes, size_t count) { (void)bytes, (void)count; }
static inline void sim_check_poison(const uint8_t *bytes, size_t count) {
    /* Equal to itself one byte further, and the first is right: all are. */
    assert(count == 0 || (bytes[0] == SIM_PATTERN && memcmp(bytes, bytes + 1, count - 1) == 0));
}
#endif

#endif
