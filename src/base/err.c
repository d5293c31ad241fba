/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const char *const names[ERR_COUNT] = {
    [ERR_OK] = "OK",           [ERR_INVAL] = "INVAL",
    [ERR_NOMEM] = "NOMEM",     [ERR_NOTFOUND] = "NOTFOUND",
    [ERR_GETTER] = "GETTER",   [ERR_PEER] = "PEER",
    [ERR_TIMEOUT] = "TIMEOUT", [ERR_TOOBIG] = "TOOBIG",
    [ERR_CYCLE] = "CYCLE",     [ERR_BUSY] = "BUSY",
    [ERR_CLOSED] = "CLOSED",
};

const char *err_name(enum err code)
{
    return (unsigned)code < ERR_COUNT ? names[code] : "UNKNOWN";
}

enum err err_from_name(const char *name)
{
    int i;

    for (i = 0; i < ERR_COUNT; i++) {
        if (strcmp(names[i], name) == 0)
            break;
    }
    return (enum err)i;
}

int err_is_final(enum err code)
{
    return code == ERR_NOTFOUND || code == ERR_GETTER || code == ERR_PEER || code == ERR_TIMEOUT ||
           code == ERR_TOOBIG || code == ERR_CYCLE || code == ERR_BUSY;
}

enum err error_set(struct error *e, enum err code, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return code;
    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    return code;
}
