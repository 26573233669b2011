/*
 * A stream of frames, against a model that keeps the whole message and judges it at every byte: what may
 * follow what, how much, and whether a text is UTF-8 so far. The first byte is the role, the second the
 * limit.
 */
#include "tests/fuzz/fuzz.h"

#include "frames/close_code.h"
#include "frames/mask_utf8.h"
#include "frames/message.h"
#include "tests/utf8_samples.h"

enum { MESSAGE_MOST = 4096 };

/* The obvious bookkeeper. */
struct model {
    uint8_t bytes[MESSAGE_MOST]; /* of the message under way, unmasked */
    size_t count;
    uint64_t announced;
    uint8_t opcode; /* 0: none */
};

static int model_frame(struct model *model, const struct wye_frame *frame, enum wye_role role,
                       uint64_t limit) {
    if (frame->reserved != 0) return -1002;
    if (frame->masked != (role == WYE_ROLE_SERVER)) return -1002;
    if (frame->opcode >= 8) return 0;
    if ((frame->opcode == 0) != (model->opcode != 0)) return -1002;
    if (frame->payload_bytes > limit || model->announced + frame->payload_bytes > limit) return -1009;
    if (frame->opcode != 0) model->opcode = frame->opcode;
    model->announced += frame->payload_bytes;
    return 0;
}

/* Could the text so far become UTF-8? */
static bool model_is_text(const struct model *model) {
    size_t prefix = slow_prefix(model->bytes, model->count);
    return slow_may_go_on(model->bytes + prefix, model->count - prefix);
}

/* A data frame's payload, in two pieces as two receives would bring it. false: no text any more. */
static bool take_payload(struct model *model, struct wye_utf8 *utf8, const struct wye_frame *frame,
                         const uint8_t *bytes, size_t count, uint64_t hash) {
    size_t start = model->count, cut = count ? hash % (count + 1) : 0;
    uint8_t *copy = exact_copy(bytes, count);
    MUST(start + count <= MESSAGE_MOST);
    for (size_t i = 0; i < count; i++)
        model->bytes[start + i] = bytes[i] ^ ((const uint8_t *)&frame->masking_key)[i & 3];
    model->count += count;
    bool right = wye_mask_utf8(utf8, copy, copy, cut, frame->masking_key, 0) &&
                 wye_mask_utf8(utf8, copy + cut, copy + cut, count - cut, frame->masking_key, cut & 3);
    if (right) MUST(count == 0 || memcmp(copy, model->bytes + start, count) == 0);
    free(copy);
    return right;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    static struct model model;
    struct wye_message message = {0};
    struct wye_utf8 utf8 = {0};
    if (count < 2 || count > MESSAGE_MOST) return 0;
    enum wye_role role = bytes[0] & 1 ? WYE_ROLE_CLIENT : WYE_ROLE_SERVER;
    uint64_t limit = bytes[1] < 255 ? bytes[1] * 16u : UINT64_MAX, hash = hash_of(bytes, count);
    model.count = model.announced = model.opcode = 0;

    for (size_t at = 2; at < count;) {
        struct wye_frame frame;
        ptrdiff_t used = wye_frame_read(&frame, bytes + at, count - at, NULL);
        if (used <= 0) return 0;
        at += (size_t)used;
        const char *fault = NULL;
        struct wye_message before = message;
        int reason = wye_message_frame(&message, &frame, role, limit, &fault);
        MUST(reason == model_frame(&model, &frame, role, limit));
        MUST((reason < 0) == (fault != NULL));
        if (reason < 0) {
            MUST(before.bytes == message.bytes && before.opcode == message.opcode);
            return 0;
        }
        MUST(message.opcode == model.opcode && message.bytes == model.announced);
        size_t payload = count - at;
        if (payload > frame.payload_bytes) payload = (size_t)frame.payload_bytes;
        if (!wye_opcode_is_control(frame.opcode)) {
            bool right = take_payload(&model, &utf8, &frame, bytes + at, payload, hash ^ at);
            if (message.opcode == WYE_OPCODE_TEXT) {
                MUST(right == model_is_text(&model));
                if (!right) return 0;
                MUST(wye_utf8_may_end(&utf8) == (slow_prefix(model.bytes, model.count) == model.count));
            } else {
                utf8 = (struct wye_utf8){0};
            }
        }
        at += payload;
        if (payload < frame.payload_bytes) return 0;
        if (frame.fin && !wye_opcode_is_control(frame.opcode)) {
            wye_message_end(&message);
            utf8 = (struct wye_utf8){0};
            model.count = model.announced = model.opcode = 0;
        }
    }
    return 0;
}
