/* PROXY headers: however they are cut, the answer is the same, and nothing behind them is read. */
#include "tests/fuzz/fuzz.h"

#include "handshake/proxy_header.h"

static ptrdiff_t read_prefix(struct wye_ip *ip, const char **fault, const uint8_t *bytes, size_t count) {
    uint8_t *copy = exact_copy(bytes, count);
    ptrdiff_t used = wye_proxy_header_read(ip, fault, copy, count);
    MUST(used >= 0 || used == -400);
    MUST((used < 0) == (*fault != NULL));
    MUST(used <= (ptrdiff_t)count);
    if (count > 0 && !wye_proxy_header_may_begin(copy, count)) MUST(used < 0);
    if (used <= 0) MUST(ip->kind == WYE_IP_NONE);
    free(copy);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    struct wye_ip whole, part;
    const char *fault, *why;
    if (count > 70000) return 0;
    ptrdiff_t used = read_prefix(&whole, &fault, bytes, count);
    size_t step = count > 600 ? count / 97 : 1;
    for (size_t cut = 0; cut < count; cut += step) {
        ptrdiff_t n = read_prefix(&part, &why, bytes, cut);
        if (n == 0) continue;
        /* As soon as it is decided, it stays so. */
        MUST(n == used && (n < 0 || memcmp(&part, &whole, sizeof part) == 0));
    }
    if (used == 0) MUST(count < 16 + 65536);
    return 0;
}
