/* SPDX-License-Identifier: MIT */
/* source.h - where an answer came from, and the public words for that. Any thread. */
#ifndef SOURCE_H
#define SOURCE_H

enum source { SOURCE_MAIN, SOURCE_HOT, SOURCE_PEER, SOURCE_LOCAL, SOURCE_STALE, SOURCE_COUNT };

const char *source_name(enum source s);

/* Whether a source has this public word. */
int source_is_name(const char *word);

#endif
