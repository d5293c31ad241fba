/* SPDX-License-Identifier: MIT */
#include "script/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static enum err read_all(FILE *f, const char *path, struct buf *text, struct error *e)
{
    char chunk[8192];
    size_t n;

    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(text, chunk, n);
    if (ferror(f))
        return error_set(e, ERR_INVAL, "cannot read %s: %s", path, strerror(errno));
    if (text->failed)
        return error_set(e, text->failed, "%s has more than %d bytes, or there is no memory", path,
                         SCRIPT_MAX_BYTES);
    return ERR_OK;
}

/* luaL_loadbuffer() refuses bytecode too, but does not name the file. */
static enum err check_text(const struct buf *text, const char *path, struct error *e)
{
    if (text->len && text->data[0] == '\x1b')
        return error_set(e, ERR_INVAL, "%s is bytecode: only Lua source is run", path);
    return ERR_OK;
}

struct script *script_read(const char *path, struct error *e)
{
    struct script *s = NULL;
    struct buf text;
    FILE *f = fopen(path, "rbe");

    if (!f) {
        error_set(e, ERR_INVAL, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    buf_init(&text, SCRIPT_MAX_BYTES);
    if (!read_all(f, path, &text, e) && !check_text(&text, path, e)) {
        s = mem_zalloc(sizeof(*s));
        s->path = mem_strdup(path);
        s->text = mem_strndup(text.len ? text.data : "", text.len);
        s->len = text.len;
    }
    buf_deinit(&text);
    fclose(f);
    return s;
}

struct script *script_copy(const struct script *s)
{
    struct script *copy = mem_zalloc(sizeof(*copy));

    copy->path = mem_strdup(s->path);
    copy->text = mem_strndup(s->text, s->len);
    copy->len = s->len;
    return copy;
}

void script_failed(struct script *s, const char *whole)
{
    mem_free(s->failure);
    s->failure = whole ? mem_strdup(whole) : NULL;
}

const char *script_message(const struct script *s, const struct error *e)
{
    int is_cut = s->failure && strncmp(s->failure, e->msg, strlen(e->msg)) == 0;

    return is_cut ? s->failure : e->msg;
}

void script_free(struct script *s)
{
    if (!s)
        return;
    mem_free(s->path);
    mem_free(s->text);
    mem_free(s->failure);
    mem_free(s);
}
