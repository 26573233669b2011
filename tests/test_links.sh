#!/bin/sh
# test_links.sh PROGRAM...: none of our programs may load OpenSSL: its symbols and BoringSSL's are the same.
looked=0 wrong=0
for program in "$@"; do
    [ -x "$program" ] || continue # not built in this configuration
    libraries=$(LD_TRACE_LOADED_OBJECTS=1 "$program") && [ -n "$libraries" ] || { echo "$program cannot be loaded"; wrong=1; continue; } # as ldd does, without a shell each
    looked=$((looked + 1))
    if echo "$libraries" | grep -E 'lib(ssl|crypto)\.so\.[13]'; then
        echo "$program loads OpenSSL"
        wrong=1
    fi
done
echo "$looked programs looked at"
[ "$looked" -gt 0 ] && [ "$wrong" -eq 0 ]
