/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"

#include <string.h>

#include "base/buf.h"

static void put_name(struct json_out *j, const char *name)
{
    if (j->members++)
        buf_puts(j->out, ",");
    if (!name)
        return;
    buf_put_json(j->out, name, strlen(name));
    buf_puts(j->out, ":");
}

void json_out_begin(struct json_out *j, struct buf *out, char bracket)
{
    j->out = out;
    j->members = 0;
    j->end = bracket == '{' ? '}' : ']';
    buf_put(out, &bracket, 1);
}

void json_out_open(struct json_out *parent, const char *name, struct json_out *j, char bracket)
{
    put_name(parent, name);
    json_out_begin(j, parent->out, bracket);
}

void json_out_close(struct json_out *j)
{
    buf_put(j->out, &j->end, 1);
}

void json_out_number(struct json_out *j, const char *name, uint64_t n)
{
    put_name(j, name);
    buf_putf(j->out, "%llu", (unsigned long long)n);
}

void json_out_bool(struct json_out *j, const char *name, int is)
{
    put_name(j, name);
    buf_puts(j->out, is ? "true" : "false");
}

void json_out_text(struct json_out *j, const char *name, const char *text)
{
    put_name(j, name);
    buf_put_json(j->out, text, strlen(text));
}

void json_out_raw(struct json_out *j, const char *name, const void *bytes, size_t n)
{
    put_name(j, name);
    buf_put(j->out, bytes, n);
}
