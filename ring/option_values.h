/* Reads the values of options: from text into struct wye_options. */
#ifndef WYE_RING_OPTION_VALUES_H
#define WYE_RING_OPTION_VALUES_H

#include "ring/option_table.h"

/* Writes into options->why, and returns that. */
__attribute__((format(printf, 2, 3))) const char *wye_option_fault(struct wye_options *options, const char *format, ...);

/* ---- common readers: what they write to and what bounds it stands in the row ---- */

wye_option_reader wye_read_size;    /* bytes, or so many of something: K, M and G are understood */
wye_option_reader wye_read_count;   /* a number without a unit */
wye_option_reader wye_read_seconds; /* into nanoseconds: from 0 to 1000000, fractions too */
wye_option_reader wye_read_word;    /* one of the row's words, into an enum */
wye_option_reader wye_read_flag;    /* yes or no; nothing is yes; into a bool */
wye_option_reader wye_read_text;    /* one more of a struct wye_texts */
wye_option_reader wye_read_name;    /* a text, into a const char * */

/* ---- readers of one option ---- */

wye_option_reader wye_read_listen; /* also --tls-listen */
wye_option_reader wye_read_on_slow;
wye_option_reader wye_read_history; /* N[:BYTES] */
wye_option_reader wye_read_rate;    /* N[:BURST], into a struct wye_rate */
wye_option_reader wye_read_upgrade_rate;
wye_option_reader wye_read_trusted_proxy;
wye_option_reader wye_read_config;

#endif
