/* SPDX-License-Identifier: MIT */
#include "wire/removekeys.h"

#include <string.h>

#include "base/json_out.h"
#include "base/utf8.h"
#include "wire/json.h"

/* --- writing --- */

int removekeys_can_say(const char *bytes, size_t n)
{
    return utf8_valid(bytes, n);
}

enum err removekeys_put(struct buf *out, const char *group, size_t group_len,
                        const struct key *keys, size_t n)
{
    struct json_out j, list;
    size_t i;

    json_out_begin(&j, out, '{');
    json_out_bytes(&j, "group", group, group_len, JSON_OUT_GO);
    json_out_open(&j, "keys", &list, '[');
    for (i = 0; i < n; i++)
        json_out_bytes(&list, NULL, keys[i].bytes, keys[i].n, JSON_OUT_GO);
    json_out_close(&list);
    json_out_close(&j);
    return out->failed;
}

/* --- reading --- */

static enum err put_key(struct json *j, struct buf *keys)
{
    size_t at = keys->len, len = 0;

    buf_put(keys, &len, sizeof(len)); /* the length is filled in later */
    if (!json_text(j, keys))
        return ERR_INVAL;
    if (keys->failed)
        return keys->failed;
    len = keys->len - at - sizeof(len);
    memcpy(keys->data + at, &len, sizeof(len));
    return ERR_OK;
}

static enum err put_keys(struct json *j, struct buf *keys)
{
    enum err err;

    if (!json_char(j, '['))
        return ERR_INVAL;
    if (json_char(j, ']'))
        return ERR_OK;
    do {
        err = put_key(j, keys);
        if (err)
            return err;
    } while (json_char(j, ','));
    return json_char(j, ']') ? ERR_OK : ERR_INVAL;
}

/* Reads a member of the object: name and value. When "keys" is repeated, the last one counts. */
static enum err get_member(struct json *j, struct buf *keys, size_t first)
{
    static const char name[] = "keys";
    size_t at = keys->len;
    int ours;

    if (!json_text(j, keys) || !json_char(j, ':'))
        return ERR_INVAL;
    if (keys->failed)
        return keys->failed;
    ours = keys->len - at == strlen(name) && memcmp(keys->data + at, name, strlen(name)) == 0;
    keys->len = at;
    if (!ours)
        return json_skip(j) ? ERR_OK : ERR_INVAL;
    keys->len = first;
    return put_keys(j, keys);
}

static enum err get_object(struct json *j, struct buf *keys)
{
    size_t first = keys->len;
    enum err err;

    if (!json_char(j, '{'))
        return ERR_INVAL;
    if (json_char(j, '}'))
        return ERR_OK;
    do {
        err = get_member(j, keys, first);
        if (err)
            return err;
    } while (json_char(j, ','));
    return json_char(j, '}') ? ERR_OK : ERR_INVAL;
}

enum err removekeys_decode(const char *bytes, size_t n, struct buf *keys, struct error *e)
{
    struct json j = {.at = bytes, .end = bytes + n};
    enum err err = get_object(&j, keys);

    if (err == ERR_OK && j.at == j.end)
        return ERR_OK;
    if (err == ERR_INVAL && j.flaw)
        return error_set(e, ERR_INVAL, "invalid request: %s at byte %zu of %zu", j.flaw,
                         (size_t)(j.at - bytes), n);
    if (err == ERR_OK || err == ERR_INVAL)
        return error_set(e, ERR_INVAL, "invalid request: malformed JSON near byte %zu of %zu",
                         (size_t)(j.at - bytes), n);
    return error_set(e, err, "no room for the keys of a request of %zu bytes", n);
}

int removekeys_next(const struct buf *keys, size_t *at, struct key *out)
{
    if (*at == keys->len)
        return 0;
    memcpy(&out->n, keys->data + *at, sizeof(out->n));
    out->bytes = keys->data + *at + sizeof(out->n);
    *at += sizeof(out->n) + out->n;
    return 1;
}
