#!/bin/sh
# test_links.sh PROGRAM...: none of our programs may load OpenSSL: its symbols and BoringSSL's are the same.
looked=0 wrong=0
for program in "$@"; do
    [ -x "$program" ] || continue # not built in this configuration
    libraries=$(ldd "$program") || { echo "ldd $program failed"; wrong=1; continue; }
    looked=$((looked + 1))
    if echo "$libraries" | grep -E 'lib(ssl|crypto)\.so\.[13]'; then
        echo "$program loads OpenSSL"
        wrong=1
    fi
done
echo "$looked programs looked at"
[ "$looked" -gt 0 ] && [ "$wrong" -eq 0 ]
