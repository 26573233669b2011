/* What a server said behind its 101, judged by a strict client: for fuzz_conn. */
#ifndef WYE_TESTS_FUZZ_SERVER_FRAMES_H
#define WYE_TESTS_FUZZ_SERVER_FRAMES_H

#include "tests/wire.h"

/*
 * Aborts unless the frames are what a server may send (RFC 6455 5, RFC 7692 6): not masked, lengths minimal,
 * reserved bits as agreed, control frames short and whole, fragments in their places, text and close reasons
 * UTF-8, compressed messages a deflate stream, nothing behind a close frame. The last frame may be cut off.
 * Adds to `heard` what was said, whatever fragments it came in.
 */
void server_frames_read(struct wire *heard, const struct wire *received);

#endif
