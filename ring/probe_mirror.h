/* wye-probe --serve: a mirror that answers every request with what arrived. */
#ifndef WYE_RING_PROBE_MIRROR_H
#define WYE_RING_PROBE_MIRROR_H

/* Serves at "ADDR:PORT" until SIGTERM or SIGINT. Returns the exit status; what is wrong goes to stderr. */
int wye_probe_mirror_serve(const char *address);

#endif
