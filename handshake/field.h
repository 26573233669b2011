/* Field names that this house knows (RFC 9110 5.1). */
#ifndef WYE_HANDSHAKE_FIELD_H
#define WYE_HANDSHAKE_FIELD_H

#include "handshake/request.h"

/* Which known field has this name, in any case; WYE_FIELD_OTHER: none. */
enum wye_field_name wye_field_known(const char *name, size_t count);

#endif
