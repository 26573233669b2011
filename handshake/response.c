#include "handshake/response.h"

#include "handshake/text.h"

#include <strings.h>

const char *wye_status_phrase(int status) {
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
    }
}

/* Does a block of field lines have one of this name? */
static bool names_field(const char *fields, struct wye_span name) {
    for (const char *line = fields; line && *line;) {
        if (strncasecmp(line, name.bytes, name.count) == 0 && line[name.count] == ':') return true;
        line = strchr(line, '\n');
        if (line) line++;
    }
    return false;
}

size_t wye_response_write(char *to, size_t room, const struct wye_response *response) {
    struct wye_text text = {.to = to, .room = room};
    wye_text_add(&text, WYE_SPAN("HTTP/1.1 "));
    wye_text_add_number(&text, (uint64_t)response->status);
    wye_text_add(&text, WYE_SPAN(" "));
    wye_text_add_string(&text, wye_status_phrase(response->status));
    if (response->date) {
        wye_text_add(&text, WYE_SPAN("\r\nDate: "));
        wye_text_add(&text, (struct wye_span){response->date, WYE_DATE_BYTES});
    }
    if (response->content_type) {
        wye_text_add(&text, WYE_SPAN("\r\nContent-Type: "));
        wye_text_add_string(&text, response->content_type);
    }
    /* A 204 may have none, and that of a 304 would speak of another response (RFC 9110 8.6). */
    if (response->status != 204 && response->status != 304) {
        wye_text_add(&text, WYE_SPAN("\r\nContent-Length: "));
        wye_text_add_number(&text, response->content_bytes);
    }
    wye_text_add(&text, WYE_SPAN("\r\n"));
    if (response->fields) wye_text_add_string(&text, response->fields);
    if (response->close && !names_field(response->fields, WYE_SPAN("Connection"))) {
        wye_text_add(&text, WYE_SPAN("Connection: close\r\n"));
    }
    if (response->keeps && !response->close) wye_text_add(&text, WYE_SPAN("Connection: keep-alive\r\n"));
    wye_text_add(&text, WYE_SPAN("\r\n"));
    return text.cut ? 0 : text.count;
}

static void two_digits(char *to, unsigned number) {
    to[0] = (char)('0' + number / 10 % 10);
    to[1] = (char)('0' + number % 10);
}

/* Not strftime(): it asks the locale for the names of days and months. */
void wye_date_write(char to[WYE_DATE_BYTES], uint64_t unix_s) {
    static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun",
                                    "Mon", "Tue", "Wed"}; /* 1970-01-01: a Thursday */
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    uint64_t day = unix_s / 86400;
    unsigned second = (unsigned)(unix_s % 86400);
    /* Years that begin in March have their leap day at the end; 719468 days lie between 0000-03-01 and 1970.
     */
    uint64_t days_since_0 = day + 719468;
    uint64_t era = days_since_0 / 146097; /* 400 years */
    unsigned of_era = (unsigned)(days_since_0 % 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * of_year + 2) / 153;
    unsigned of_month = of_year - (153 * march_month + 2) / 5 + 1;
    unsigned month = march_month < 10 ? march_month + 2 : march_month - 10; /* 0: January */
    unsigned year = (unsigned)(era * 400) + year_of_era + (month < 2);
    memcpy(to, "Ddd, 00 Mmm 0000 00:00:00 GMT", WYE_DATE_BYTES);
    memcpy(to, days[day % 7], 3);
    two_digits(to + 5, of_month);
    memcpy(to + 8, months[month], 3);
    two_digits(to + 12, year / 100);
    two_digits(to + 14, year % 100);
    two_digits(to + 17, second / 3600);
    two_digits(to + 20, second / 60 % 60);
    two_digits(to + 23, second % 60);
}
