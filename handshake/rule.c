#include "handshake/rule.h"

#define NGINX_UPGRADE                                                                                        \
    "with nginx, add proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "                       \
    "proxy_set_header Connection \"upgrade\";"
/* Whoever answers 426 names what to upgrade to (RFC 9110 15.5.22), and Connection must list Upgrade then. */
#define UPGRADE_FIELDS "Upgrade: {token}\r\nConnection: upgrade, close\r\n"

const struct wye_rule_row wye_rules[WYE_RULE_COUNT] = {
    [WYE_RULE_NONE] = {"none", "", "", 0, "", "", "", ""},
    [WYE_RULE_TLS] =
        {
            .id = "tls",
            .must = "A port with TLS is spoken to with TLS.",
            .source = "RFC 9110 4.2.2",
            .status = 400,
            .fields = "",
            .sentence = "This is a TLS port, and plain HTTP came: '%s'.",
            .absent = "This is a TLS port, and plain HTTP came.",
            .mend = "Use https:// or wss:// here, or the port that speaks plain HTTP.",
        },
    [WYE_RULE_PROXY_HEADER] =
        {
            .id = "proxy-header",
            .must = "What a trusted proxy begins like a PROXY header is one, of version 1 or 2.",
            .source = "PROXY protocol 2",
            .status = 400,
            .fields = "",
            .sentence = "The PROXY header is broken; it begins with '%s'.",
            .absent = "The PROXY header is broken.",
            .mend = "Let the proxy write it: with HAProxy, send-proxy-v2 on the server line; with nginx, proxy_protocol on;",
        },
    [WYE_RULE_PROXY_TRUST] =
        {
            .id = "proxy-trust",
            .must = "Only a trusted proxy sends a PROXY header.",
            .source = "PROXY protocol 5",
            .status = 400,
            .fields = "",
            .sentence = "This connection begins with a PROXY header, and comes from nobody whom this node trusts to send one: '%s'.",
            .absent = "This connection begins with a PROXY header, and comes from nobody whom this node trusts to send one.",
            .mend = "If it is a proxy of yours, start the node with --trusted-proxy and its address, like --trusted-proxy 10.0.0.0/8; else let it send none.",
        },
    [WYE_RULE_ADDRESS] =
        {
            .id = "connections-per-address",
            .must = "An address has no more connections at once than --per-address.",
            .source = "RFC 6585 4",
            .status = 429,
            .fields = "Retry-After: 1\r\n",
            .sentence = "Your address has as many connections to this node as it may have: '%s'.",
            .absent = "Your address has as many connections to this node as it may have.",
            .mend = "Close some, or raise --per-address. If it is a proxy that many share, start the node with --trusted-proxy and its address.",
        },
    [WYE_RULE_REQUEST_LINE] =
        {
            .id = "request-line",
            .must = "The first line is a method, a space, a target, a space and HTTP/1.1, ended by CRLF.",
            .source = "RFC 9112 3",
            .status = 400,
            .fields = "",
            .sentence =
                "The first line must be like 'GET /chat HTTP/1.1', ended by CRLF; this one went wrong at "
                "the end of '%s'.",
            .absent = "The first line must be like 'GET /chat HTTP/1.1', ended by CRLF; this one is empty.",
            .mend =
                "Speak HTTP/1.1 to this port; in a hand-written request look for missing or doubled spaces.",
        },
    [WYE_RULE_TARGET_LENGTH] =
        {
            .id = "target-length",
            .must = "The request target has at most 8000 bytes.",
            .source = "RFC 9110 15.5.15",
            .status = 414,
            .fields = "",
            .sentence = "The request target may have 8000 bytes; this one has more, and begins with '%s'.",
            .absent = "The request target may have 8000 bytes; this one has more.",
            .mend = "Send what is long as a message instead of in the URL.",
        },
    [WYE_RULE_FIELD_GRAMMAR] =
        {
            .id = "field-grammar",
            .must = "A header field is a name, a colon and a value without control bytes, on one line ended "
                    "by CRLF.",
            .source = "RFC 9112 5",
            .status = 400,
            .fields = "",
            .sentence = "A header field must be like 'Name: value', on one line ended by CRLF; this one went "
                        "wrong at "
                        "the end of '%s'.",
            .absent = "A header field must be like 'Name: value', on one line ended by CRLF; this one isn't.",
            .mend = "Look at how the client or the proxy before this server writes that line.",
        },
    [WYE_RULE_HEAD_SIZE] =
        {
            .id = "head-size",
            .must = "The head of a request has at most 16384 bytes and 100 fields.",
            .source = "RFC 6585 5",
            .status = 431,
            .fields = "",
            .sentence = "The head of a request may have 100 fields; this one has more, the next being '%s'.",
            .absent = "The head of a request may have 16384 bytes; this one has more.",
            .mend = "Often it is Cookie that grew: clear this site's cookies, or have the proxy drop fields "
                    "that nobody "
                    "reads here.",
        },
    [WYE_RULE_HEAD_TIME] =
        {
            .id = "head-time",
            .must = "The head of a request arrives within the time that it is given.",
            .source = "RFC 9110 15.5.9",
            .status = 408,
            .fields = "",
            .sentence = "The head of this request wasn't finished in time; it begins with '%s'.",
            .absent = "No request arrived in time.",
            .mend = "Send the whole head at once, ended by an empty line, and open connections when they are "
                    "needed.",
        },
    [WYE_RULE_VERSION] =
        {
            .id = "version",
            .must = "The version is HTTP/1.1 or HTTP/1.0.",
            .source = "RFC 9110 15.6.6",
            .status = 505,
            .fields = "",
            .sentence = "This port speaks HTTP/1.1; this request says '%s'.",
            .absent = "This port speaks HTTP/1.1; this request names no version.",
            .mend = "Use HTTP/1.1 (curl --http1.1). A proxy that speaks HTTP/2 to this server must be told to speak 1.1.",
        },
    [WYE_RULE_HOST] =
        {
            .id = "host",
            .must = "Host is there exactly once and names a host, with a port or without.",
            .source = "RFC 9112 3.2",
            .status = 400,
            .fields = "",
            .sentence =
                "Host must name one host, like 'example.com' or 'example.com:8080'; this request says '%s'.",
            .absent =
                "Host must name one host, like 'example.com' or 'example.com:8080'; this request has none.",
            .mend = "HTTP clients take it from the URL; by hand, add a line like Host: example.com, and look "
                    "for a proxy that "
                    "adds another.",
        },
    [WYE_RULE_FORWARDED] =
        {
            .id = "forwarded-for",
            .must = "X-Forwarded-For of a trusted proxy lists addresses.",
            .source = "RFC 7239 7.4",
            .status = 400,
            .fields = "",
            .sentence = "X-Forwarded-For of a trusted proxy must list addresses; this one says '%s' where the client's should be.",
            .absent = "X-Forwarded-For of a trusted proxy must list addresses.",
            .mend = "Let the proxy append the address it sees: with nginx, proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; with HAProxy, option forwardfor.",
        },
    [WYE_RULE_HOST_NAMED] =
        {
            .id = "host-named",
            .must = "Host is a name of this node: an address, localhost, or one given by --host.",
            .source = "RFC 9110 15.5.20",
            .status = 421,
            .fields = "",
            .sentence = "This node doesn't go by the name of '%s'.",
            .absent = "This node wants to be called by a name; this request has no Host.",
            .mend = "If it should go by that name, start the node with --host NAME. (A node on loopback "
                    "answers only to its names, "
                    "or else any "
                    "web page could reach it by a name of its own: DNS rebinding.)",
        },
    [WYE_RULE_FRAMING] =
        {
            .id = "framing",
            .must = "The length of a body is said once: by Content-Length, or by Transfer-Encoding: chunked "
                    "(another coding before that: 501).",
            .source = "RFC 9112 6",
            .status = 400,
            .fields = "",
            .sentence =
                "The length of a body must be said once, by Content-Length or by Transfer-Encoding: chunked; "
                "this request says '%s'.",
            .absent =
                "The length of a body must be said once, by Content-Length or by Transfer-Encoding: chunked.",
            .mend =
                "Send one Content-Length in decimal digits, or Transfer-Encoding: chunked and nothing else.",
        },
    [WYE_RULE_PATH] =
        {
            .id = "path",
            .must = "The path names something here (a topic by a name that cannot be one: 400).",
            .source = "RFC 9110 15.5.5",
            .status = 404,
            .fields = "",
            .sentence = "There is nothing here by the path of '%s'.",
            .absent = "There is nothing here by this path.",
            .mend = "What there is: / (the page), /echo, /chat, /topic/NAME, /stream, /topics, /metrics, "
                    "/healthz. A NAME "
                    "has at most 255 bytes and 16 levels, none of them empty, and no %2F.",
        },
    [WYE_RULE_METHOD] =
        {
            .id = "method",
            .must = "The method is one that the path answers to; an upgrade is a GET.",
            .source = "RFC 9110 15.5.6",
            .status = 405,
            .fields = "Allow: {allow}\r\n",
            .sentence = "This path answers to {allow}; this request says '%s'.",
            .absent = "This path answers to {allow}.",
            .mend = "An upgrade is a GET; the pages here answer to GET and HEAD.",
        },
    [WYE_RULE_QUERY] =
        {
            .id = "query",
            .must = "A query asks /topics for limit (1 to 1000), after (a name) and match, each once or not at all; a topic for last and also.",
            .source = "RFC 9110 15.5.1",
            .status = 400,
            .fields = "",
            .sentence = "The query of this path can't have '%s'.",
            .absent = "The query of this path can't be understood.",
            .mend = "Ask like /topic/a?last=10&also=b, or /topics?limit=100&match=a/%23 and go on with the answer's \"next\".",
        },
    [WYE_RULE_UPGRADE_VERSION] =
        {
            .id = "upgrade-version",
            .must = "An upgrade needs HTTP/1.1.",
            .source = "RFC 9110 7.8",
            .status = 426,
            .fields = UPGRADE_FIELDS,
            .sentence = "An upgrade needs HTTP/1.1; this request says '%s'.",
            .absent = "An upgrade needs HTTP/1.1.",
            .mend = "A proxy in between probably speaks 1.0 to this server: with nginx, add "
                    "proxy_http_version 1.1;",
        },
    [WYE_RULE_UPGRADE_BODY] =
        {
            .id = "upgrade-body",
            .must = "A request that asks to upgrade has no body.",
            .source = "RFC 9110 9.3.1",
            .status = 400,
            .fields = "",
            .sentence = "A request that asks to upgrade must have no body here; this one announces '%s'.",
            .absent = "A request that asks to upgrade must have no body here.",
            .mend = "Leave out Content-Length and Transfer-Encoding, and send the data after the 101.",
        },
    [WYE_RULE_CONNECTION_UPGRADE] =
        {
            .id = "connection-upgrade",
            .must = "Connection lists 'upgrade'.",
            .source = "RFC 9110 7.8",
            .status = 426,
            .fields = UPGRADE_FIELDS,
            .sentence = "Connection must list 'upgrade'; this request says '%s'.",
            .absent = "Connection must list 'upgrade'; this request has no Connection field.",
            .mend = "If the client sent it, a proxy in between removed it: " NGINX_UPGRADE,
        },
    [WYE_RULE_UPGRADE_TOKEN] =
        {
            .id = "upgrade-token",
            .must = "Upgrade lists the protocol that the path speaks.",
            .source = "RFC 9110 7.8",
            .status = 426,
            .fields = UPGRADE_FIELDS,
            .sentence =
                "Upgrade must list '{token}', which is what this path speaks; this request says '%s'.",
            .absent = "Upgrade must list '{token}', which is what this path speaks; this request has no "
                      "Upgrade field.",
            .mend = "If the client sent it, a proxy in between removed it: " NGINX_UPGRADE,
        },
    [WYE_RULE_HTTP2_SETTINGS] =
        {
            .id = "http2-settings",
            .must = "A request for h2c has one HTTP2-Settings, the payload of a SETTINGS frame in base64url, and lists it in Connection.",
            .source = "RFC 7540 3.2.1",
            .status = 400,
            .fields = "",
            .sentence = "An upgrade to h2c needs one HTTP2-Settings, which Connection lists; this request's says '%s'.",
            .absent = "An upgrade to h2c needs one HTTP2-Settings, which Connection lists; this request has none.",
            .mend = "Send Connection: Upgrade, HTTP2-Settings; if the client did, a proxy in between passed on Upgrade alone.",
        },
    [WYE_RULE_KEY] =
        {
            .id = "key",
            .must = "Sec-WebSocket-Key is there exactly once: 16 bytes in canonical base64.",
            .source = "RFC 6455 4.2.1",
            .status = 400,
            .fields = "",
            .sentence = "Sec-WebSocket-Key must be 16 bytes in base64, 24 characters that end with '=='; "
                        "this request "
                        "says '%s'.",
            .absent = "Sec-WebSocket-Key is missing: it must be 16 bytes in base64, 24 characters that end "
                      "with '=='.",
            .mend = "WebSocket clients add it by themselves, fresh for each connection; by hand, "
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ== will do.",
        },
    [WYE_RULE_WEBSOCKET_VERSION] =
        {
            .id = "websocket-version",
            .must = "Sec-WebSocket-Version is there exactly once and says 13.",
            .source = "RFC 6455 4.2.1",
            .status = 426,
            .fields = UPGRADE_FIELDS "Sec-WebSocket-Version: 13\r\n",
            .sentence = "Sec-WebSocket-Version must be 13; this request says '%s'.",
            .absent = "Sec-WebSocket-Version is missing: it must be 13.",
            .mend = "WebSocket clients add it by themselves; by hand, Sec-WebSocket-Version: 13.",
        },
    [WYE_RULE_ORIGIN] =
        {
            .id = "origin",
            .must = "Origin, if a browser sends it, is this Host or one given by --origin.",
            .source = "RFC 6455 10.2",
            .status = 403,
            .fields = "",
            .sentence = "Pages from '%s' may not connect here.",
            .absent = "Pages from nowhere may not connect here.",
            .mend = "If pages from there should, start the node with --origin and that origin, like --origin "
                    "https://example.com. "
                    "If it is the same site, a proxy in between changed Host: with nginx, add "
                    "proxy_set_header Host $host; (or $http_host, when the port isn't a default one).",
        },
    [WYE_RULE_TOKEN_SINGLE] =
        {
            .id = "token-single",
            .must = "A request carries at most one token.",
            .source = "RFC 6750 2",
            .status = 400,
            .fields = "WWW-Authenticate: Bearer error=\"invalid_request\"\r\n",
            .sentence = "A request must carry one token; beside that in '%s' there is another.",
            .absent = "A request must carry one token; this one has more.",
            .mend = "Send it in one place: Authorization: Bearer TOKEN, or token=TOKEN in the query.",
        },
    [WYE_RULE_TOKEN] =
        {
            .id = "token",
            .must = "Where the node has keys (--token-key), a request shows a token.",
            .source = "RFC 6750 3",
            .status = 401,
            .fields = "WWW-Authenticate: Bearer realm=\"wye\"\r\n",
            .sentence = "This needs a token, and what is in '%s' is none.",
            .absent = "This needs a token, and the request has none.",
            .mend = "Send it as Authorization: Bearer TOKEN, as token=TOKEN in the query (browsers' WebSockets), or as the cookie "
                    "'token' from an allowed origin. Whoever has the key makes one by wye --make-token.",
        },
    [WYE_RULE_TOKEN_VALID] =
        {
            .id = "token-valid",
            .must = "The token is signed by a key of the node, for this node and this time.",
            .source = "RFC 6750 3.1",
            .status = 401,
            .fields = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n",
            .sentence = "The token in '%s' isn't good.",
            .absent = "The token isn't good.",
            .mend = "Ask for a fresh one where this came from, and compare the key there with the node's --token-key.",
        },
    [WYE_RULE_TOKEN_SCOPE] =
        {
            .id = "token-scope",
            .must = "The token's claims 'publish' and 'subscribe' cover what is asked for.",
            .source = "RFC 6750 3.1",
            .status = 403,
            .fields = "WWW-Authenticate: Bearer error=\"insufficient_scope\"\r\n",
            .sentence = "The token doesn't cover '%s'.",
            .absent = "The token doesn't cover this.",
            .mend = "Use a token whose claim lists it, by name or by a pattern. To publish without subscribing, use POST.",
        },
    [WYE_RULE_SUBPROTOCOL] =
        {
            .id = "subprotocol",
            .must = "Sec-WebSocket-Protocol lists names, at least one and each once.",
            .source = "RFC 6455 4.1",
            .status = 400,
            .fields = "",
            .sentence =
                "Sec-WebSocket-Protocol must list names, at least one and each once; this request says '%s'.",
            .absent = "Sec-WebSocket-Protocol must list names, at least one and each once.",
            .mend = "List them like 'mqtt, chat.example.com', or leave the field out.",
        },
    [WYE_RULE_EXTENSIONS] =
        {
            .id = "extensions",
            .must = "Sec-WebSocket-Extensions lists extensions with their parameters.",
            .source = "RFC 6455 9.1",
            .status = 400,
            .fields = "",
            .sentence = "Sec-WebSocket-Extensions must list extensions, like 'permessage-deflate; "
                        "client_max_window_bits=12'; this request says '%s'.",
            .absent = "Sec-WebSocket-Extensions must list extensions, like 'permessage-deflate; "
                      "client_max_window_bits=12'.",
            .mend = "Mend the list, or leave the field out: no extension is needed here.",
        },
    [WYE_RULE_TOPIC_COUNT] =
        {
            .id = "topics-per-connection",
            .must = "A connection subscribes to no more topics than --topics-per-connection.",
            .source = "RFC 6455 10.1",
            .status = 400,
            .fields = "",
            .sentence = "This asks for more topics than one connection may have: '%s'.",
            .absent = "This asks for more topics than one connection may have.",
            .mend = "Subscribe by a pattern (+ and #), over several connections, or raise --topics-per-connection.",
        },
    [WYE_RULE_UPGRADE_RATE] =
        {
            .id = "upgrade-rate",
            .must = "An address upgrades no more often than --upgrade-rate.",
            .source = "RFC 6585 4",
            .status = 429,
            .fields = "Retry-After: {retry}\r\n",
            .sentence = "Your address has upgraded as often as it may for now: '%s'.",
            .absent = "Your address has upgraded as often as it may for now.",
            .mend = "Wait as long as Retry-After says, and longer each time; or raise --upgrade-rate.",
        },
    [WYE_RULE_MESSAGE_RATE] =
        {
            .id = "message-rate",
            .must = "A connection says no more than --message-rate and --byte-rate.",
            .source = "RFC 6585 4",
            .status = 429,
            .fields = "Retry-After: 1\r\n",
            .sentence = "This connection says more than it may: '%s'.",
            .absent = "This connection says more than it may.",
            .mend = "Publish more slowly, raise --message-rate or --byte-rate, or let --on-rate pause instead of close.",
        },
    [WYE_RULE_TOPIC] =
        {
            .id = "topic",
            .must = "A message is published to one topic that isn't the node's own (403; a pattern: 400).",
            .source = "RFC 9110 15.5.4",
            .status = 403,
            .fields = "",
            .sentence = "Nobody publishes to '%s'.",
            .absent = "Nobody publishes there.",
            .mend = "Publish to a topic by its name, without the wildcards '+' and '#', and not beginning with '$'; both may be "
                    "subscribed to.",
        },
    [WYE_RULE_BODY_LENGTH] =
        {
            .id = "body-length",
            .must = "A request that publishes says how long its body is, or sends it chunked.",
            .source = "RFC 9110 15.5.12",
            .status = 411,
            .fields = "",
            .sentence = "A message to be published needs a Content-Length; this request has '%s'.",
            .absent = "A message to be published needs a Content-Length, or Transfer-Encoding: chunked; this request has neither.",
            .mend = "Send Content-Length, 0 for an empty message; with curl, use --data-binary.",
        },
    [WYE_RULE_BODY_SIZE] =
        {
            .id = "body-size",
            .must = "A message to be published is no longer than --max-message, and fits a subscriber's --outbox.",
            .source = "RFC 9110 15.5.14",
            .status = 413,
            .fields = "",
            .sentence = "This message is longer than the node takes: its Content-Length is '%s'.",
            .absent = "This message is longer than the node takes.",
            .mend = "Publish less at once, or start the node with a larger --max-message and --outbox.",
        },
    [WYE_RULE_BODY_TYPE] =
        {
            .id = "body-type",
            .must = "A message to be published is text in UTF-8, or bytes.",
            .source = "RFC 9110 15.5.16",
            .status = 415,
            .fields = "Accept: text/plain; charset=utf-8, application/json, application/octet-stream\r\n",
            .sentence = "The Content-Type '%s' is neither text in UTF-8 nor one run of bytes.",
            .absent = "The body is neither text in UTF-8 nor one run of bytes.",
            .mend = "Send one body as text/plain, application/json or application/octet-stream; not a form with parts (curl -d, not -F).",
        },
    [WYE_RULE_BODY_CODING] =
        {
            .id = "body-coding",
            .must = "A message to be published is sent as it is: subscribers get the body without its fields.",
            .source = "RFC 9110 8.4",
            .status = 415,
            .fields = "Accept-Encoding: identity\r\n",
            .sentence = "Bodies are published as they are, without Content-Encoding; this one says '%s'.",
            .absent = "Bodies are published as they are, without Content-Encoding.",
            .mend = "Send it without a content coding; to publish what is compressed, say application/octet-stream alone.",
        },
    [WYE_RULE_BODY_CHUNKS] =
        {
            .id = "body-chunks",
            .must = "A chunked body is made of sizes in hexadecimal, CRLF, and as many bytes.",
            .source = "RFC 9112 7.1",
            .status = 400,
            .fields = "",
            .sentence = "This is not the chunked coding; it went wrong near '%s'.",
            .absent = "This is not the chunked coding.",
            .mend = "Let the client library write the chunks, or send a Content-Length.",
        },
    [WYE_RULE_BODY_TEXT] =
        {
            .id = "body-text",
            .must = "A body whose Content-Type says text is UTF-8.",
            .source = "RFC 6455 8.1",
            .status = 400,
            .fields = "",
            .sentence = "The body is said to be text, and is not UTF-8: '%s'.",
            .absent = "The body is said to be text, and is not UTF-8.",
            .mend = "Encode it as UTF-8, or send it as application/octet-stream.",
        },
    [WYE_RULE_BODY_TIME] =
        {
            .id = "body-time",
            .must = "The body of a request keeps coming.",
            .source = "RFC 9110 15.5.9",
            .status = 408,
            .fields = "",
            .sentence = "The rest of the body did not come within 10 seconds: '%s'.",
            .absent = "The rest of the body did not come within 10 seconds.",
            .mend = "Compare Content-Length with what is sent; a proxy or a slow network may hold it back.",
        },
    [WYE_RULE_LOAD] =
        {
            .id = "load",
            .must = "The node has room for another connection, and isn't about to stop.",
            .source = "RFC 9110 15.6.4",
            .status = 503,
            .fields = "Retry-After: 1\r\n",
            .sentence = "This node takes no more connections at the moment: '%s'.",
            .absent = "This node takes no more connections at the moment.",
            .mend =
                "Try again in a second, or at another node; --max-connections says how many this one takes.",
        },
};

int wye_refusal_add(struct wye_refusal *refusal, enum wye_rule rule, struct wye_span seen) {
    return wye_refusal_add_cause(refusal, rule, seen, WYE_CAUSE_NONE);
}

int wye_refusal_add_cause(struct wye_refusal *refusal, enum wye_rule rule, struct wye_span seen,
                          enum wye_cause cause) {
    refusal->failed |= UINT64_C(1) << rule;
    refusal->seen[rule] = seen;
    refusal->cause[rule] = (uint8_t)cause;
    if (refusal->first == WYE_RULE_NONE || rule < refusal->first) {
        refusal->first = rule;
        refusal->status = wye_rules[rule].status;
    }
    return -refusal->status;
}
