// SPDX-License-Identifier: Apache-2.0
#include "codec/http_message.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum state {
    STATE_START,
    STATE_FIELDS,
    STATE_LENGTH,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_DATA,
    STATE_CHUNK_END, // the CRLF after a chunk's bytes
    STATE_TRAILER,
    STATE_UNTIL_CLOSE,
    STATE_END,
};

void http_message_init(struct http_message *m, bool head_request) {
    // The buffer is large and every byte of it is written before it is read: only the rest is
    // cleared.
    memset(m, 0, offsetof(struct http_message, fields));
    m->head_request = head_request;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// tchar of RFC 9110 5.6.2.
static bool is_token_char(char c) {
    if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

// Characters of a field's value or of the reason phrase: anything but controls (tab is allowed).
static bool is_text_char(char c) {
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

// Moves one byte into the head. 1 when it completed a line (terminated, CRLF cut off), 0 when
// not, or an error.
static int line_add(struct http_message *m, uint8_t byte) {
    bool in_head = m->state == STATE_START || m->state == STATE_FIELDS;
    if (m->head_len >= (in_head ? HTTP_HEAD_MAX : m->line + HTTP_CHUNK_LINE_MAX)) return -E2BIG;
    if (byte == '\0') return -EBADMSG; // would end the text early
    if (byte == '\n') {
        if (m->head_len == m->line || m->head[m->head_len - 1] != '\r') return -EBADMSG;
        m->head[m->head_len - 1] = '\0';
        return 1;
    }
    // A carriage return is only good in front of a line feed.
    if (m->head_len > m->line && m->head[m->head_len - 1] == '\r') return -EBADMSG;
    m->head[m->head_len++] = (char)byte;
    return 0;
}

// "HTTP/1.1 200 OK"; the reason may be empty and its space may be missing (RFC 9112 4).
static int parse_status_line(struct http_message *m, const char *line) {
    if (strncmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1')) return -EBADMSG;
    if (line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]))
        return -EBADMSG;
    if (line[12] != '\0' && line[12] != ' ') return -EBADMSG;
    for (const char *at = line + 12; *at; at++)
        if (!is_text_char(*at)) return -EBADMSG;
    m->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (m->status < 100 || m->status > 599) return -EBADMSG;
    m->keep_alive = line[7] == '1';
    return 0;
}

static int parse_content_length(struct http_message *m, const char *value) {
    uint64_t length = 0;
    if (!*value) return -EBADMSG;
    for (const char *at = value; *at; at++) {
        if (!is_digit(*at)) return -EBADMSG;
        if (__builtin_mul_overflow(length, 10u, &length) ||
            __builtin_add_overflow(length, (unsigned)(*at - '0'), &length))
            return -EBADMSG;
    }
    if (m->sized && m->length != length) return -EBADMSG;
    m->sized = true;
    m->length = length;
    return 0;
}

static bool list_has(const char *list, const char *word) {
    size_t n = strlen(word);
    while (*list) {
        while (*list == ' ' || *list == ',' || *list == '\t') list++;
        size_t len = strcspn(list, ", \t");
        if (len == n && strncasecmp(list, word, n) == 0) return true;
        list += len;
    }
    return false;
}

// One "name: value" line, in place in the head: fields are stored as offsets.
static int parse_field(struct http_message *m, char *line) {
    char *colon = line;
    while (is_token_char(*colon)) colon++;
    if (colon == line || *colon != ':') return -EBADMSG; // folded lines start with a blank
    char *value = colon + 1;
    value += strspn(value, " \t");
    char *end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *colon = *end = '\0';
    for (const char *at = value; *at; at++)
        if (!is_text_char(*at)) return -EBADMSG;
    if (m->n_fields == HTTP_FIELDS_MAX) return -E2BIG;
    m->fields[m->n_fields++] = (struct http_field){.name = (uint16_t)(line - m->head),
                                                   .value = (uint16_t)(value - m->head)};

    if (strcasecmp(line, "content-length") == 0) return parse_content_length(m, value);
    if (strcasecmp(line, "transfer-encoding") == 0) {
        if (m->chunked || strcasecmp(value, "chunked") != 0) return -EBADMSG;
        m->chunked = true;
    } else if (strcasecmp(line, "connection") == 0) {
        if (list_has(value, "close"))
            m->keep_alive = false;
        else if (list_has(value, "keep-alive"))
            m->keep_alive = true;
    }
    return 0;
}

// The head is complete: which framing does the body have (RFC 9112 6.3)?
static int choose_body(struct http_message *m) {
    if (m->chunked && m->sized) return -EBADMSG;
    if (m->status == 101) m->keep_alive = false;
    if (m->head_request || m->status == 101 || m->status == 204 || m->status == 304) {
        m->state = STATE_END;
    } else if (m->chunked) {
        m->state = STATE_CHUNK_SIZE;
        m->line = m->head_len;
    } else if (m->sized) {
        m->left = m->length;
        m->state = m->left ? STATE_LENGTH : STATE_END;
    } else {
        m->until_close = true;
        m->keep_alive = false;
        m->state = STATE_UNTIL_CLOSE;
    }
    return HTTP_HEAD;
}

static void next_line(struct http_message *m) {
    m->line = m->head_len;
}

// A complete line of the head. HTTP_MORE to go on.
static int head_line(struct http_message *m) {
    char *line = m->head + m->line;
    if (m->state == STATE_START) {
        int r = parse_status_line(m, line);
        if (r < 0) return r;
        m->state = STATE_FIELDS;
        next_line(m);
        return HTTP_MORE;
    }
    if (*line) {
        int r = parse_field(m, line);
        next_line(m);
        return r < 0 ? r : HTTP_MORE;
    }
    if (m->status < 200 && m->status != 101) { // interim: forget it, the answer is still to come
        uint8_t interim = (uint8_t)(m->interim + 1);
        if (interim > HTTP_INTERIM_MAX || m->sized || m->chunked) return -EBADMSG;
        http_message_init(m, m->head_request);
        m->interim = interim;
        return HTTP_MORE;
    }
    return choose_body(m);
}

// "1a2b;extension" (RFC 9112 7.1): extensions are skipped.
static int chunk_size_line(struct http_message *m) {
    const char *at = m->head + m->line;
    uint64_t size = 0;
    int digits = 0;
    for (;; at++, digits++) {
        unsigned digit;
        if (is_digit(*at))
            digit = (unsigned)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            digit = (unsigned)(*at - 'a') + 10;
        else if (*at >= 'A' && *at <= 'F')
            digit = (unsigned)(*at - 'A') + 10;
        else
            break;
        if (digits == 16) return -EBADMSG;
        size = size << 4 | digit;
    }
    at += strspn(at, " \t");
    if (digits == 0 || (*at != '\0' && *at != ';')) return -EBADMSG;
    m->left = size;
    m->state = size ? STATE_CHUNK_DATA : STATE_TRAILER;
    return 0;
}

// A complete line between the chunks; it is dropped from the buffer again. 1 at the message's end.
static int chunk_line(struct http_message *m) {
    const char *line = m->head + m->line;
    int r = 0;
    if (m->state == STATE_CHUNK_SIZE) {
        r = chunk_size_line(m);
    } else if (m->state == STATE_CHUNK_END) {
        if (*line) return -EBADMSG;
        m->state = STATE_CHUNK_SIZE;
    } else if (!*line) {
        m->state = STATE_END;
    }
    m->head_len = m->line;
    return r;
}

static int push_body(struct http_message *m, const uint8_t *data, size_t size, size_t *used,
                     struct span *ret_data) {
    size_t n = size - *used;
    if (m->state != STATE_UNTIL_CLOSE) {
        if (n > m->left) n = (size_t)m->left;
        m->left -= n;
        if (m->left == 0) m->state = m->chunked ? STATE_CHUNK_END : STATE_END;
    }
    *ret_data = (struct span){data + *used, n};
    *used += n;
    return HTTP_DATA;
}

int http_message_push(struct http_message *m, const void *data, size_t size, size_t *ret_used,
                      struct span *ret_data) {
    const uint8_t *bytes = data;
    size_t used = 0;
    int r = HTTP_MORE;
    *ret_data = (struct span){NULL, 0};
    while (r == HTTP_MORE) {
        if (m->state == STATE_END) {
            r = HTTP_END;
            break;
        }
        if (used == size) break;
        if (m->state == STATE_LENGTH || m->state == STATE_CHUNK_DATA ||
            m->state == STATE_UNTIL_CLOSE) {
            r = push_body(m, bytes, size, &used, ret_data);
            break;
        }
        r = line_add(m, bytes[used++]);
        if (r == 1) {
            if (m->state == STATE_START || m->state == STATE_FIELDS)
                r = head_line(m);
            else
                r = chunk_line(m);
        }
    }
    *ret_used = used;
    return r;
}

int http_message_close(struct http_message *m) {
    if (m->state != STATE_UNTIL_CLOSE && m->state != STATE_END) return -ECONNRESET;
    m->state = STATE_END;
    return HTTP_END;
}

const char *http_message_field(const struct http_message *m, const char *name) {
    for (size_t i = 0; i < m->n_fields; i++)
        if (strcasecmp(m->head + m->fields[i].name, name) == 0) return m->head + m->fields[i].value;
    return NULL;
}
