/* A frame's header: decided on the first byte that decides it, written as it was read; its payload: masked by
 * every variant alike. */
#include "tests/fuzz/fuzz.h"

#include "frames/frame.h"
#include "frames/mask.h"

/* Shows one byte more at a time: undecided, and then decided for good. */
static ptrdiff_t read_growing(struct wye_frame *frame, const uint8_t *bytes, size_t count) {
    ptrdiff_t decided = 0;
    size_t most = count < 2 * WYE_FRAME_HEADER_MAX ? count : 2 * WYE_FRAME_HEADER_MAX;
    for (size_t shown = 0; shown <= most; shown++) {
        const char *fault = NULL;
        uint8_t *copy = exact_copy(bytes, shown);
        ptrdiff_t used = wye_frame_read(frame, copy, shown, &fault);
        free(copy);
        MUST(used == 0 || used == -1002 || (used >= 2 && used <= WYE_FRAME_HEADER_MAX));
        MUST((fault != NULL) == (used < 0));
        MUST(used <= (ptrdiff_t)shown);
        if (decided) MUST(used == decided);
        else if (used > 0) MUST((size_t)used == shown);
        decided = used;
    }
    if (most == count) return decided;
    MUST(decided != 0);
    return wye_frame_read(frame, bytes, count, NULL);
}

static void look_at(const struct wye_frame *frame, const uint8_t *bytes, size_t used) {
    uint8_t again[WYE_FRAME_HEADER_MAX];
    MUST(frame->payload_bytes <= INT64_MAX && frame->reserved < 8);
    MUST(frame->masked || frame->masking_key == 0);
    MUST(!wye_opcode_is_control(frame->opcode) ||
         (frame->fin && frame->payload_bytes <= WYE_FRAME_CONTROL_MAX));
    MUST(wye_frame_header_bytes(frame->payload_bytes, frame->masked) == used);
    MUST(wye_frame_write(again, frame) == used);
    MUST(memcmp(again, bytes, used) == 0);
}

static void mask(const uint8_t *bytes, size_t count, uint32_t key, uint64_t hash) {
    unsigned phase = hash & 3;
    size_t apart = hash >> 2 & 127;
    uint8_t *memory = malloc(count + apart + 1), *expected = malloc(count + 1);
    MUST(memory && expected);
    for (size_t i = 0; i < count; i++) expected[i] = bytes[i] ^ ((uint8_t *)&key)[(phase + i) & 3];
    for (const struct wye_mask_variant *variant = wye_mask_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        if (count > 0) memcpy(memory + apart, bytes, count);
        variant->run(memory, memory + apart, count, key, phase);
        MUST(memcmp(memory, expected, count) == 0);
    }
    /* And cut anywhere, by the one that was chosen. */
    size_t cut = count ? (hash >> 9) % (count + 1) : 0;
    if (count > 0) memcpy(memory, bytes, count);
    wye_mask(memory, memory, cut, key, phase);
    wye_mask(memory + cut, memory + cut, count - cut, key, (unsigned)(phase + cut) & 3);
    MUST(memcmp(memory, expected, count) == 0);
    free(expected);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    struct wye_frame frame;
    ptrdiff_t used = read_growing(&frame, bytes, count);
    if (used <= 0) return 0;
    look_at(&frame, bytes, (size_t)used);
    size_t payload = count - (size_t)used;
    if (payload > frame.payload_bytes) payload = (size_t)frame.payload_bytes;
    mask(bytes + used, payload, frame.masking_key, hash_of(bytes, count));
    return 0;
}
