/* Small files, read whole. */
#ifndef WYE_RING_FILE_H
#define WYE_RING_FILE_H

#include <stddef.h>

/*
 * What is in a file of less than `most` bytes; *bytes is to be freed, and isn't ended by NUL. secret: names the option that
 * asks for what nobody else should be able to read (a warning is logged when others can); NULL: it is no secret. 0, or -errno.
 */
int wye_file_read(const char *path, size_t most, const char *secret, char **bytes, size_t *count);

/* Wipes and frees what was secret. NULL: nothing. */
void wye_file_wipe(char *bytes, size_t count);

#endif
