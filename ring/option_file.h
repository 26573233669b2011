/*
 * The configuration file: INI, by libinih. Every option but those of a single start is a key, named as on the command
 * line without its --; in [node] or before any section. [listener NAME] takes those of listeners, for the eye;
 * [topic PATTERN] those that are about topics: KEY = VALUE there is KEY = PATTERN=VALUE in [node].
 */
#ifndef WYE_RING_OPTION_FILE_H
#define WYE_RING_OPTION_FILE_H

#include "ring/options.h"

/*
 * Appends what a file gives. -1: all of it, and each value is yet to be read; or the exit status, and `why` says what is
 * wrong: "FILE:12: outbx = 3: no such option". What was appended then is the caller's to end, too.
 */
int wye_option_file_read(struct wye_givens *givens, const char *file, char *why, size_t room);

/*
 * Prints all options as such a file, with help: those that were given with their values, the others as comments. The exit
 * status; WYE_EXIT_USAGE, and a line on stderr, when a value can't stand in a file.
 */
int wye_option_file_print(const struct wye_givens *givens);

#endif
