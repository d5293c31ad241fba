/* SPDX-License-Identifier: MIT */
#include "node/settings.h"

#include "base/mem.h"

#define KIND(type)                                                                                 \
    _Generic((type)0, uint64_t                                                                     \
             : SETTING_NUMBER, const char *                                                        \
             : SETTING_TEXT, int                                                                   \
             : SETTING_FLAG, enum dialect                                                          \
             : SETTING_DIALECT, enum hash_kind                                                     \
             : SETTING_HASH)

static const struct setting all[] = {
#define X(type, name) {#name, KIND(type), offsetof(struct settings, name)},
    NODE_SETTINGS(X)
#undef X
#define X(type, name) {#name, KIND(type), offsetof(struct settings, peers.name)},
        PEERS_SETTINGS(X)
#undef X
#define X(type, name) {#name, KIND(type), offsetof(struct settings, changes.name)},
            CHANGES_SETTINGS(X)
#undef X
#define X(type, name) {#name, KIND(type), offsetof(struct settings, server.name)},
                SERVER_SETTINGS(X)
#undef X
#define X(type, name) {#name, KIND(type), offsetof(struct settings, vm.name)},
                    VM_SETTINGS(X)
#undef X
};

const struct setting *settings_at(size_t i)
{
    return i < sizeof(all) / sizeof(*all) ? &all[i] : NULL;
}

static const char **text_of(struct settings *s, const struct setting *which)
{
    return (const char **)(void *)((char *)s + which->at);
}

void settings_copy(struct settings *to, const struct settings *from)
{
    const struct setting *s;
    size_t i;

    *to = *from;
    for (i = 0; (s = settings_at(i)); i++) {
        const char **text = s->kind == SETTING_TEXT ? text_of(to, s) : NULL;

        if (text && *text)
            *text = mem_strdup(*text);
    }
}

void settings_deinit(struct settings *s)
{
    size_t i;

    for (i = 0; settings_at(i); i++) {
        if (settings_at(i)->kind == SETTING_TEXT)
            mem_free((char *)(size_t)*text_of(s, settings_at(i)));
    }
}
