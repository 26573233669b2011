/* In which ways rules are broken, a sentence each. */
#include "handshake/rule.h"

const char *const wye_causes[WYE_CAUSE_COUNT] = {
    [WYE_CAUSE_NONE] = "",
    [WYE_CAUSE_TLS] =
        "These look like the first bytes of TLS, and this port speaks plain HTTP: use http:// and ws:// "
        "here, or the port that has TLS.",
    [WYE_CAUSE_TARGET_BYTE] =
        "A target is printable ASCII without spaces and '#'; other bytes are written as %HH.",
    [WYE_CAUSE_TARGET_FORM] =
        "A target begins with '/' or is an http, https, ws or wss URL; '*' goes with OPTIONS, and "
        "CONNECT isn't done here.",
    [WYE_CAUSE_VERSION_MISSING] =
        "The line ended before target and version were there; HTTP/0.9 isn't spoken here.",
    [WYE_CAUSE_VERSION_FORM] =
        "Behind the target and one space stands the version, like 'HTTP/1.1', and then CRLF.",
    [WYE_CAUSE_EMPTY_LINES] = "There are too many empty lines before it.",
    [WYE_CAUSE_BARE_LF] = "There is a bare LF; lines end with CRLF.",
    [WYE_CAUSE_BARE_CR] = "There is a bare CR; lines end with CRLF.",
    [WYE_CAUSE_CONTROL_BYTE] = "There is a control byte.",
    [WYE_CAUSE_FOLD] = "It begins with a space: a value may not be folded over several lines.",
    [WYE_CAUSE_NAME_EMPTY] = "Its name is empty.",
    [WYE_CAUSE_NAME_SPACE] = "No space may stand between the name and the colon.",
    [WYE_CAUSE_NAME_BYTE] = "A name is made of letters, digits and !#$%&'*+-.^_`|~ and followed by a colon.",
    [WYE_CAUSE_NO_UPGRADE] =
        "None of the fields that ask for a WebSocket came, so this is likely no client of one but curl or a browser's "
        "address line. This path is for WebSocket clients: new WebSocket('ws://...') in a page, wscat -c ws://..., or "
        "wye-probe ws://... to check the way here; a topic is published to by POST, like curl -d TEXT.",
    [WYE_CAUSE_DOUBLED] = "The field is there more than once.",
    [WYE_CAUSE_EMPTY] = "It is empty.",
    [WYE_CAUSE_AUTHORITY] = "That is not a host name or address, with an optional port of 0 to 65535.",
    [WYE_CAUSE_NUMBER] = "That is not a decimal number of at most 64 bits.",
    [WYE_CAUSE_TWO_LENGTHS] = "It has a Content-Length as well.",
    [WYE_CAUSE_CODING_OLD] = "HTTP/1.0 has no Transfer-Encoding.",
    [WYE_CAUSE_CODING_LAST] = "The last coding must be chunked, and it must be there once.",
    [WYE_CAUSE_CODING_UNKNOWN] = "No coding but chunked is understood here.",
    [WYE_CAUSE_HTTP2] = "These are the first bytes of HTTP/2 with prior knowledge.",
    [WYE_CAUSE_HTTP2_STREAM] = "A 101 can't be said in HTTP/2: ask for this path on a connection of HTTP/1.1.",
    [WYE_CAUSE_SETTINGS] = "It isn't base64url (without '=') of the entries of a SETTINGS frame, each in its range.",
    [WYE_CAUSE_NOT_LISTED] = "Connection doesn't list it, so that a proxy may have passed on what was meant for itself.",
    [WYE_CAUSE_KEY_LENGTH] = "It doesn't have 24 characters.",
    [WYE_CAUSE_KEY_BASE64] = "It isn't base64 of 16 bytes: 22 of A-Z, a-z, 0-9, + and /, then '=='.",
    [WYE_CAUSE_KEY_LOOSE] = "It isn't canonical: the last character before '==' must be A, Q, g or w.",
    [WYE_CAUSE_ORIGIN_OTHER] = "That is another origin than this request's Host.",
    [WYE_CAUSE_ORIGIN_NULL] =
        "Files opened from disk and sandboxed frames have the origin 'null': serve the page over "
        "HTTP.",
    [WYE_CAUSE_ELEMENT] = "One of its elements is malformed.",
    [WYE_CAUSE_ELEMENT_TWICE] = "One of its elements is there twice.",
    [WYE_CAUSE_ELEMENTS] = "It has more than 64 elements.",
    [WYE_CAUSE_CHUNK_SIZE] = "A chunk begins with its size, hexadecimal digits, and CRLF or ';' behind them.",
    [WYE_CAUSE_CHUNK_LARGE] = "No chunk is that large.",
    [WYE_CAUSE_CHUNK_EXTENSION] = "Behind ';' stands an extension: a name, and perhaps '=' and a value, which may be quoted and ends with its line.",
    [WYE_CAUSE_CHUNK_DATA] = "CRLF follows a chunk's data, which is longer or shorter than its size says.",
    [WYE_CAUSE_CHUNK_SPARE] = "Its sizes, extensions and trailer fields are 8192 bytes more than its content needs.",
    [WYE_CAUSE_TOKEN_SCHEME] = "It doesn't begin with 'Bearer'.",
    [WYE_CAUSE_TOKEN_LONG] = "It is longer than 4096 bytes.",
    [WYE_CAUSE_TOKEN_FORM] = "It isn't three parts in base64url, without padding, and a '.' between each two.",
    [WYE_CAUSE_TOKEN_HEADER] = "Its header isn't a JSON object with each name once, an 'alg', and strings where they belong.",
    [WYE_CAUSE_TOKEN_TYPE] = "Its 'typ' is neither JWT nor at+jwt: it was made for something else.",
    [WYE_CAUSE_TOKEN_CRITICAL] = "Its header has 'crit', and no extension is understood here.",
    [WYE_CAUSE_TOKEN_KID] = "Its 'kid' names no key of this node.",
    [WYE_CAUSE_TOKEN_UNNAMED] = "Its header names no key ('kid'), and every key of this node has a name.",
    [WYE_CAUSE_TOKEN_ALGORITHM] = "Its 'alg' isn't that of the key: HS256 for a secret, EdDSA for an Ed25519 key, and never none.",
    [WYE_CAUSE_TOKEN_SIGNATURE] = "Its signature isn't by the node's key.",
    [WYE_CAUSE_TOKEN_CLAIMS] = "What is signed isn't a JSON object with each name once.",
    [WYE_CAUSE_TOKEN_TIME] = "Its 'exp' or 'nbf' isn't a number of seconds.",
    [WYE_CAUSE_TOKEN_EXPIRED] = "It has expired.",
    [WYE_CAUSE_TOKEN_EARLY] = "It isn't good yet ('nbf'); compare the clocks.",
    [WYE_CAUSE_TOKEN_AUDIENCE] = "Its 'aud' doesn't name this node (--token-audience; without it no token may have one).",
    [WYE_CAUSE_TOKEN_SUBJECT] = "Its 'sub' isn't a string.",
    [WYE_CAUSE_TOKEN_PATTERNS] = "Its 'publish' or 'subscribe' isn't a list of topics' names and patterns.",
    [WYE_CAUSE_TOKEN_PUBLISH] = "No name or pattern in its claim 'publish' matches that.",
    [WYE_CAUSE_TOKEN_SUBSCRIBE] = "It lies wholly within no pattern in its claim 'subscribe'.",
    [WYE_CAUSE_TOKEN_OWN] = "That is the node's own: its claim 'subscribe' would list '$wye' and this path, or '$wye/#'.",
};
