/* SPDX-License-Identifier: MIT */
/* health.h - what this node knows of a peer's health: a state that events move, and how long the
 * peer takes to show a sign of life.
 *
 *   FINE      loads are sent to it
 *   SUSPECT   it failed once; loads are sent to it
 *   EJECTED   no load is sent to it until its pause has passed
 *   PROBING   the pause has passed; probes, which are no user's loads, decide
 *
 * A refused or unreachable connection ejects at once, and so does a node that says that it is not
 * ready. So do two silences in a row, and two broken answers in a row. A peer that is silent is
 * sent no loads until it speaks or is ejected. The pause is 1 s at first, twice as long with each
 * ejection, and 30 s at most; up to a fifth of it is added at random, so that nodes do not probe in
 * step. A peer that was fine for 10 s in a row counts an ejection less. One probe in time is enough
 * after a first failure that was no silence. All other peers must answer five in a row, over a
 * second: so a peer that stops each half second stays out. An error of a getter, NOTFOUND and BUSY
 * are answers.
 *
 * Pure: events and times are arguments, of any clock that does not go back. One thread. */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdint.h>

enum health_state { HEALTH_FINE, HEALTH_SUSPECT, HEALTH_EJECTED, HEALTH_PROBING, HEALTH_STATES };

enum health_event {
    HEALTH_ANSWERED,  /* a load was answered, also with an error of the getter */
    HEALTH_ALIVE,     /* a sign of life: any bytes */
    HEALTH_REFUSED,   /* no connection could be made */
    HEALTH_SILENT,    /* connected, and no sign of life within the patience */
    HEALTH_BROKEN,    /* an answer that makes no sense, or a connection that ended instead */
    HEALTH_PROBED,    /* the probe succeeded in time */
    HEALTH_LATE,      /* the probe was answered, too late */
    HEALTH_UNREADY,   /* a node of ours says that it starts, stops or can do no more */
    HEALTH_UNANSWERED /* the probe failed */
};

enum {
    HEALTH_PAUSE_MS = 1000,
    HEALTH_PAUSE_MAX_MS = 30000,
    HEALTH_CALM_MS = 10000,
    HEALTH_PROBES = 5,          /* in a row, for a peer that may fail again at once */
    HEALTH_PROBE_EACH_MS = 250, /* between them; a probe that takes longer is late */
    HEALTH_PATIENCE_MIN_MS = 50,
    HEALTH_PATIENCE_MAX_MS = 1000,
    HEALTH_BUCKETS = 17
};

/* What is to be done about a peer's silence. */
enum health_need {
    HEALTH_WAIT, /* nothing */
    HEALTH_ASK,  /* ask whether it lives, and call health_asked() */
    HEALTH_HEDGE /* send the loads that wait for it to other nodes too */
};

struct health {
    enum health_state state;
    const char *why;           /* a literal: the event that led to the state */
    unsigned silences, broken; /* in a row */
    unsigned level;            /* ejections that lengthen the next pause */
    int unready;               /* EJECTED, PROBING: by its own word */
    unsigned needed, probes;   /* in a row before it is used again; those that succeeded */
    uint64_t until_ms;         /* EJECTED, PROBING: the time of the next probe */
    uint64_t fine_ms;          /* since when it is in use */
    uint64_t random;
    uint64_t heard_ms;                     /* the last sign of life */
    uint64_t asked_ms;                     /* the last question */
    unsigned asking;                       /* questions without an answer, the probe too */
    int silent;                            /* the patience with the last question has passed */
    uint64_t spoke_ms;                     /* the end of the last such silence; 0: there was none */
    unsigned of_silence;                   /* times in took[] of the last such silence */
    uint32_t took[HEALTH_BUCKETS], n_took; /* times to a sign of life */
};

/* FINE. `seed` is for the random part of the pauses. */
void health_init(struct health *h, uint64_t seed, uint64_t now_ms);

/* Returns 1 if the state has changed. An ejected peer changes only by its probe: other events of it
 * come from exchanges that began before. */
int health_event(struct health *h, enum health_event event, uint64_t now_ms);

/* 1: the pause has passed, or the time between two probes. The state is PROBING from now on, and
 * the caller probes. */
int health_probe_is_due(struct health *h, uint64_t now_ms);

/* What a probe that was answered is, by the time that it took: HEALTH_PROBED or HEALTH_LATE. */
enum health_event health_probe_event(const struct health *h, uint64_t since_ms, uint64_t now_ms);

/* Whether the peer is neither ejected nor probed. */
int health_is_in_use(const struct health *h);

/* Whether loads may be sent to it: it is in use, and not silent. */
int health_is_usable(const struct health *h);

/* The peer is asked whether it lives, or probed; the question has ended, whatever its answer, which
 * was told before. */
void health_asked(struct health *h, uint64_t now_ms);
void health_question_ended(struct health *h);

/* A sign of life. Returns 1 if the state has changed. */
int health_heard(struct health *h, uint64_t now_ms);

/* The oldest load that waits for the peer. */
struct health_load {
    uint64_t since_ms; /* when it was sent */
    uint64_t time_ms;  /* its whole time */
};

/* To be called every now and then while loads (the oldest, or NULL) or questions wait for a peer in
 * use. A peer that was silent for half of its patience is to be asked. A load older than that is
 * asked after whenever it is older by a quarter. If the other half passes without a sign of life,
 * the peer is suspect, and ejected after a whole patience more. *changed: the state has. */
enum health_need health_look(struct health *h, const struct health_load *oldest, uint64_t now_ms,
                             int *changed);

/* The loads that began by this time are to be sent to other nodes, after HEALTH_HEDGE. */
uint64_t health_hedge_until_ms(const struct health *h, const struct health_load *oldest,
                               uint64_t now_ms);

/* A sign of life, to be told before health_heard(), of a peer that was asked at since_ms. If the
 * peer was silent in between, all that was asked at that time has waited for the one event, so only
 * three such times count: a peer that stops now and then is not taken for a slow one. */
void health_took(struct health *h, uint64_t since_ms, uint64_t now_ms);

/* How long the peer may be silent: three times the time within which 99 in 100 signs of life came,
 * from 50 ms to 1 s. 1 s until 32 times are known. */
uint64_t health_patience_ms(const struct health *h);

const char *health_state_name(enum health_state state);

#endif
