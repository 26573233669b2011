/* A diagnosis, for human eyes. */
#include "handshake/diagnosis.h"

enum { SAID_LINES_MAX = 150, SAID_LINE_MAX = 1200, SAID_BRIEF_LINES = 6, SAID_BRIEF_LINE = 240 };

/* Where it is written, and how. */
struct page {
    struct wye_text *text;
    const struct wye_style *style;
};

enum ink { INK_PLAIN, INK_BOLD, INK_DIM, INK_OK, INK_NOTE, INK_FAULT };

static void ink(struct page *page, enum ink colour) {
    static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[0;2m",
                                        "\033[32m", "\033[33m", "\033[31m"};
    if (page->style->colour) wye_text_add_string(page->text, codes[colour]);
}

static void put(struct page *page, const char *string) { wye_text_add_string(page->text, string); }

static void put_spaces(struct page *page, size_t count) {
    while (count-- > 0) wye_text_add(page->text, WYE_SPAN(" "));
}

/* One byte as it may be shown, 1 to 4 characters. Quotes and backslashes stay: it is not in quotes here. */
static size_t shown(char to[4], char byte) {
    static const char hex[] = "0123456789ABCDEF";
    unsigned char value = (unsigned char)byte;
    if (value >= 0x20 && value < 0x7f) return to[0] = byte, 1;
    to[0] = '\\', to[1] = 'x', to[2] = hex[value >> 4], to[3] = hex[value & 15];
    return 4;
}

static size_t shown_width(struct wye_span word) {
    char piece[4];
    size_t width = 0;
    for (size_t i = 0; i < word.count; i++) width += shown(piece, word.bytes[i]);
    return width;
}

static void put_shown(struct page *page, struct wye_span word) {
    char piece[4];
    for (size_t i = 0; i < word.count; i++)
        wye_text_add(page->text, (struct wye_span){piece, shown(piece, word.bytes[i])});
}

/* Words from column `at` on (a space comes first unless that is the indent), the lines wrapped and those
 * behind the first indented. Ends the line. */
static void put_wrapped(struct page *page, size_t at, size_t indent, struct wye_span words) {
    size_t column = at;
    bool separate = at > indent;
    while (words.count > 0) {
        const char *space = memchr(words.bytes, ' ', words.count);
        struct wye_span word = {words.bytes, space ? (size_t)(space - words.bytes) : words.count};
        words.bytes += word.count + (space ? 1 : 0);
        words.count -= word.count + (space ? 1 : 0);
        if (word.count == 0) continue;
        size_t width = shown_width(word);
        if (separate && column + 1 + width > page->style->columns) {
            put(page, "\n");
            put_spaces(page, indent);
            column = indent;
        } else if (separate) {
            put(page, " ");
            column++;
        }
        put_shown(page, word);
        column += width;
        separate = true;
    }
    put(page, "\n");
}

static void put_paragraph(struct page *page, size_t indent, const char *words) {
    if (!*words) return;
    put_spaces(page, indent);
    put_wrapped(page, indent, indent, wye_span_of(words));
}

/* ---- checks ---- */

static void put_mark(struct page *page, enum wye_mark mark) {
    static const struct {
        enum ink ink;
        const char *symbol, *word;
    } rows[] = {
        [WYE_MARK_ABSENT] = {INK_DIM, " ", "     "},
        [WYE_MARK_OK] = {INK_OK, "\xe2\x9c\x93", "ok   "},
        [WYE_MARK_NOTE] = {INK_NOTE, "!", "note "},
        [WYE_MARK_FAULT] = {INK_FAULT, "\xe2\x9c\x97", "FAIL "},
        [WYE_MARK_UNTRIED] = {INK_DIM, "\xc2\xb7", "-    "},
    };
    ink(page, rows[mark].ink);
    put(page, page->style->symbols ? rows[mark].symbol : rows[mark].word);
    ink(page, INK_PLAIN);
    if (page->style->symbols) put(page, " ");
}

static void put_checks(struct page *page, const struct wye_attempt *attempt) {
    enum { TITLE_WIDTH = 13 };
    struct wye_check checks[WYE_CHECK_COUNT];
    const size_t indent = 2 + (page->style->symbols ? 2 : 5) + TITLE_WIDTH;
    bool untried = false;
    wye_attempt_checks(checks, attempt);
    for (unsigned i = 0; i < WYE_CHECK_COUNT; i++) {
        const struct wye_check *check = &checks[i];
        untried |= check->mark == WYE_MARK_UNTRIED;
        if (check->mark == WYE_MARK_ABSENT || check->mark == WYE_MARK_UNTRIED) continue;
        put(page, "  ");
        put_mark(page, check->mark);
        put(page, check->title);
        put_spaces(page, TITLE_WIDTH - strlen(check->title));
        put_wrapped(page, indent, indent, wye_span_of(check->detail));
    }
    if (!untried) return;
    char names[256];
    struct wye_text list = {.to = names, .room = sizeof names - 1};
    for (unsigned i = 0; i < WYE_CHECK_COUNT; i++)
        if (checks[i].mark == WYE_MARK_UNTRIED)
            wye_text_addf(&list, "%s%s", list.count ? ", " : "not reached: ", checks[i].title);
    put(page, "  ");
    put_mark(page, WYE_MARK_UNTRIED);
    ink(page, INK_DIM);
    put_wrapped(page, indent - TITLE_WIDTH, indent - TITLE_WIDTH, (struct wye_span){names, list.count});
    ink(page, INK_PLAIN);
}

/* ---- findings ---- */

/* The server's own words, line by line, cut; brief: only their beginning. */
static void put_said(struct page *page, size_t indent, struct wye_span said, bool brief) {
    size_t most_lines = brief ? SAID_BRIEF_LINES : SAID_LINES_MAX,
           most = brief ? SAID_BRIEF_LINE : SAID_LINE_MAX, lines = 0;
    while (said.count > 0) {
        const char *lf = memchr(said.bytes, '\n', said.count);
        struct wye_span line = {said.bytes, lf ? (size_t)(lf - said.bytes) : said.count};
        said.bytes += line.count + (lf ? 1 : 0);
        said.count -= line.count + (lf ? 1 : 0);
        if (line.count > 0 && line.bytes[line.count - 1] == '\r') line.count--;
        if (lines++ == most_lines) {
            put_paragraph(page, indent, "...");
            return;
        }
        bool cut = line.count > most;
        if (cut) line.count = most;
        put_spaces(page, line.count ? indent : 0);
        put_wrapped(page, indent, indent, line);
        if (cut) put_paragraph(page, indent, "...");
    }
}

static void put_lines(struct page *page, size_t indent, const char *lines) {
    for (const char *at = lines; *at;) {
        size_t count = strcspn(at, "\n");
        put_spaces(page, indent);
        put_shown(page, (struct wye_span){at, count});
        put(page, "\n");
        at += count + (at[count] == '\n');
    }
}

static void put_proxy_lines(struct page *page, size_t indent, const struct wye_diagnosis *diagnosis,
                            const struct wye_proxy_lines *lines) {
    bool known = diagnosis->proxy >= 0 && wye_proxy_lines_of(lines, (unsigned)diagnosis->proxy);
    for (unsigned i = 0; i < WYE_PROXY_COUNT; i++) {
        const char *of = wye_proxy_lines_of(lines, i);
        if (!of || (known && i != (unsigned)diagnosis->proxy)) continue;
        put_spaces(page, indent);
        ink(page, INK_BOLD);
        put(page, wye_proxy_names[i]);
        ink(page, INK_PLAIN);
        put(page, "\n");
        put_lines(page, indent + 4, of);
    }
}

/* The request line by line, but for what is secret in it. */
static void put_sent(struct page *page, size_t indent, struct wye_span sent) {
    while (sent.count > 0) {
        const char *end = memchr(sent.bytes, '\n', sent.count);
        const struct wye_span line = {sent.bytes, end ? (size_t)(end - sent.bytes) + 1 : sent.count};
        size_t open = wye_span_open_length(line);
        put_said(page, indent, (struct wye_span){line.bytes, open}, false);
        if (open < line.count) put_paragraph(page, indent, "***");
        sent.bytes += line.count;
        sent.count -= line.count;
    }
}

static void put_finding(struct page *page, const struct wye_diagnosis *diagnosis,
                        const struct wye_finding *finding, const struct wye_attempt *attempt) {
    const struct wye_trouble_row *row = &wye_troubles[finding->trouble];
    const char *source = wye_trouble_source(row);
    bool fault = row->weight == WYE_WEIGHT_FAULT;
    const size_t indent = page->style->symbols ? 4 : 7;
    put(page, "\n  ");
    put_mark(page, fault ? WYE_MARK_FAULT : WYE_MARK_NOTE);
    ink(page, INK_BOLD);
    put(page, row->title);
    ink(page, INK_DIM);
    wye_text_addf(page->text, "  [%s%s%s]", row->id, *source ? ", " : "", source);
    ink(page, INK_PLAIN);
    put(page, "\n");
    put_paragraph(page, indent, finding->evidence);
    if (!finding->by_rule) { /* a node's own words say it already */
        if (row->rule != WYE_RULE_NONE) put_paragraph(page, indent, wye_rules[row->rule].must);
        put_paragraph(page, indent, row->means);
    }
    for (unsigned i = 0; i < 3 && finding->said[i].count > 0; i++) {
        if (i == 0 && finding->trouble != WYE_TROUBLE_MIRROR) put_paragraph(page, indent, "It says:");
        put_said(page, indent + 2, finding->said[i],
                 !finding->by_rule && finding->trouble != WYE_TROUBLE_MIRROR);
    }
    if (finding->trouble == WYE_TROUBLE_BAD_REQUEST) {
        put_paragraph(page, indent, "The probe sent:");
        put_sent(page, indent + 2, attempt->sent);
    }
    put_spaces(page, indent);
    ink(page, INK_OK);
    put(page, "Mend:");
    ink(page, INK_PLAIN);
    put_wrapped(page, indent + 5, indent, wye_span_of(row->mend));
    if (fault && row->lines && !finding->no_lines) put_proxy_lines(page, indent, diagnosis, row->lines);
}

/* ---- the whole ---- */

static void put_result(struct page *page, const struct wye_diagnosis *diagnosis,
                       const struct wye_attempt *attempt) {
    struct wye_span token = attempt->request.token.count ? attempt->request.token : WYE_SPAN("websocket");
    put(page, "\n  ");
    switch (diagnosis->result) {
    case WYE_RESULT_UPGRADED:
        ink(page, INK_OK);
        put(page, "Upgraded");
        ink(page, INK_PLAIN);
        put(page, " to ");
        put_shown(page, token);
        put(page, diagnosis->count ? ", with a note.\n" : ". Nothing is wrong.\n");
        if (attempt->origin.count > 0 || !wye_client_request_is_websocket(&attempt->request)) return;
        ink(page, INK_DIM);
        put_paragraph(
            page, 2,
            "(Browsers send the page's Origin as well; to see whether it is welcome, add --origin.)");
        ink(page, INK_PLAIN);
        return;
    case WYE_RESULT_REFUSED:
        ink(page, INK_FAULT);
        put(page, wye_attempt_switched(attempt) ? "Upgraded, but something is wrong." : "Not upgraded.");
        break;
    case WYE_RESULT_NO_CONNECTION:
        ink(page, INK_FAULT);
        put(page, "No connection.");
        break;
    }
    ink(page, INK_PLAIN);
    put(page, "\n");
}

size_t wye_diagnosis_text(char *to, size_t room, const struct wye_diagnosis *diagnosis,
                          const struct wye_attempt *attempt, const struct wye_style *style) {
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    struct page page = {&text, style};
    ink(&page, INK_BOLD);
    struct wye_span url = wye_span_of(attempt->url);
    put_shown(&page, (struct wye_span){url.bytes, url.count > 400 ? 400 : url.count});
    if (url.count > 400) put(&page, "...");
    ink(&page, INK_PLAIN);
    put(&page, "\n");
    put_checks(&page, attempt);
    for (unsigned i = 0; i < diagnosis->count; i++)
        put_finding(&page, diagnosis, &diagnosis->findings[i], attempt);
    put_result(&page, diagnosis, attempt);
    to[text.count] = '\0';
    return text.count;
}
