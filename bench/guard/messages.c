/* SPDX-License-Identifier: MIT */
/* messages.c - the hot messages, written and read as often as it is told, for their instructions to
 * be counted, or their time.
 *
 *   messages MESSAGE ours|protobuf-c N
 *
 *   get-read       a GetResponse of a value of 100 bytes with its expiry, as the asker reads it
 *   get-write      what an owner sends of it; ours is the tail, since an item has its head
 *   request-read   a BatchRequest of 100 keys of 12 bytes; the count is of keys
 *   request-write  the same
 *   answer-read    a frame of a BatchAnswer with such a value
 *   answer-write   the same; ours is its head alone, since the value is sent as it lies
 *
 * "ours" is what a node runs. "protobuf-c" is the generated code alone, without the walk that would
 * have to come before it (wire/pbc.h). See bench/guard/guard.lua, and the heads of
 * wire/getresponse.h and wire/batch.h, which have the figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "batch.pb-c.h"
#include "groupcache.pb-c.h"
#include "wire/batch.h"
#include "wire/getresponse.h"

enum { VALUE_LEN = 100, KEYS = 100, KEY_LEN = 12, EXPIRE_FIELD = 3, MESSAGE_BYTES = 4096 };

static const int64_t EXPIRE_NS = 1700000000000000000;

static char value[VALUE_LEN];
static char keys[KEYS][KEY_LEN + 1];
static uint8_t message[MESSAGE_BYTES];
static size_t message_len;
static uint64_t sum; /* of what was read: so that nothing is left out */

static void die(const char *what)
{
    fprintf(stderr, "messages: %s\n", what);
    exit(1);
}

static ProtobufCBinaryData data_of(const char *bytes, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(size_t)bytes};
}

/* --- GetResponse --- */

static void get_write_protobuf(void)
{
    Groupcachepb__GetResponse m = GROUPCACHEPB__GET_RESPONSE__INIT;

    m.has_value = m.has_expire = 1;
    m.value = data_of(value, VALUE_LEN);
    m.expire = EXPIRE_NS;
    message_len = groupcachepb__get_response__pack(&m, message);
}

static void get_write(void)
{
    const struct getresponse r = {.expire_ns = EXPIRE_NS};

    sum += getresponse_tail((char *)message, &r, EXPIRE_FIELD);
}

static void get_read_protobuf(void)
{
    Groupcachepb__GetResponse *m = groupcachepb__get_response__unpack(NULL, message_len, message);

    if (!m)
        die("no GetResponse");
    sum += m->value.len + (uint64_t)m->expire;
    groupcachepb__get_response__free_unpacked(m, NULL);
}

static void get_read(void)
{
    struct getresponse r;
    struct error e;

    if (getresponse_decode(message, message_len, &r, &e))
        die(e.msg);
    sum += r.value_len + (uint64_t)r.expire_ns;
}

/* --- BatchRequest --- */

static void request_write_protobuf(void)
{
    Batchpb__BatchRequest m = BATCHPB__BATCH_REQUEST__INIT;
    ProtobufCBinaryData list[KEYS];
    int i;

    for (i = 0; i < KEYS; i++)
        list[i] = data_of(keys[i], KEY_LEN);
    m.has_op = 1;
    m.op = BATCH_GET;
    m.n_key = KEYS;
    m.key = list;
    if (batchpb__batch_request__get_packed_size(&m) > sizeof(message))
        die("a BatchRequest that is too long");
    message_len = batchpb__batch_request__pack(&m, message);
}

static void request_write(void)
{
    static struct buf out;
    static struct key list[KEYS];
    const struct batch_request r = {.op = BATCH_GET, .keys = list, .n_keys = KEYS};
    int i;

    for (i = 0; i < KEYS; i++)
        list[i] = (struct key){keys[i], KEY_LEN};
    buf_reset(&out);
    batch_put(&out, &r);
    sum += out.len;
}

static void request_read_protobuf(void)
{
    Batchpb__BatchRequest *m = batchpb__batch_request__unpack(NULL, message_len, message);

    if (!m)
        die("no BatchRequest");
    sum += m->n_key;
    batchpb__batch_request__free_unpacked(m, NULL);
}

static void request_read(void)
{
    struct batch_request r;
    struct error e;

    if (batch_parse(message, message_len, &r, &e))
        die(e.msg);
    sum += r.n_keys;
    batch_request_deinit(&r);
}

/* --- BatchAnswer --- */

static void answer_write_protobuf(void)
{
    Batchpb__BatchAnswer m = BATCHPB__BATCH_ANSWER__INIT;

    m.has_index = m.has_value = m.has_ttl_ms = m.has_age_s = 1;
    m.index = 7;
    m.value = data_of(value, VALUE_LEN);
    m.ttl_ms = 60000;
    m.age_s = 9;
    message_len = batchpb__batch_answer__pack(&m, message);
}

static void put_answer(struct buf *out)
{
    const struct batch_answer a = {.index = 7,
                                   .value = value,
                                   .value_len = VALUE_LEN,
                                   .has_ttl = 1,
                                   .ttl_ms = 60000,
                                   .age_s = 9};

    batch_put_answer(out, &a);
}

static void answer_write(void)
{
    static struct buf out;

    buf_reset(&out);
    put_answer(&out);
    sum += out.len;
}

static void answer_read_protobuf(void)
{
    Batchpb__BatchAnswer *m = batchpb__batch_answer__unpack(NULL, message_len, message);

    if (!m)
        die("no BatchAnswer");
    sum += m->value.len + m->ttl_ms;
    batchpb__batch_answer__free_unpacked(m, NULL);
}

static void answer_read(void)
{
    struct batch_answer a;
    struct error e;

    if (batch_get_answer(message, message_len, sizeof(message), &a, &e) <= 0)
        die(e.msg);
    sum += a.value_len + a.ttl_ms;
}

static void make_frame(void)
{
    struct buf out;

    buf_init(&out, 0);
    put_answer(&out);
    buf_put(&out, value, VALUE_LEN);
    message_len = out.len;
    memcpy(message, out.data, out.len);
    buf_deinit(&out);
}

/* --- all of them --- */

static void nothing(void)
{
}

static const struct {
    const char *name;
    unsigned each; /* of the count in one call */
    void (*begin_ours)(void), (*ours)(void), (*begin_protobuf)(void), (*protobuf)(void);
} all[] = {
    {"get-read", 1, get_write_protobuf, get_read, get_write_protobuf, get_read_protobuf},
    {"get-write", 1, nothing, get_write, nothing, get_write_protobuf},
    {"request-read", KEYS, request_write_protobuf, request_read, request_write_protobuf,
     request_read_protobuf},
    {"request-write", KEYS, nothing, request_write, nothing, request_write_protobuf},
    {"answer-read", 1, make_frame, answer_read, answer_write_protobuf, answer_read_protobuf},
    {"answer-write", 1, nothing, answer_write, nothing, answer_write_protobuf},
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    int ours = argc == 4 && strcmp(argv[2], "ours") == 0;
    unsigned n = argc == 4 ? (unsigned)atoi(argv[3]) : 0, calls, i;
    size_t m;

    for (i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "k%011u", i);
    for (m = 0; n && m < sizeof(all) / sizeof(all[0]); m++) {
        void (*begin)(void) = ours ? all[m].begin_ours : all[m].begin_protobuf;
        void (*one)(void) = ours ? all[m].ours : all[m].protobuf;
        double from;

        if (strcmp(argv[1], all[m].name) != 0)
            continue;
        begin();
        calls = n / all[m].each;
        from = now_ns();
        for (i = 0; i < calls; i++)
            one();
        printf("bench ns=%.1f\n", (now_ns() - from) / n);
        return 0;
    }
    fprintf(stderr, "usage: messages MESSAGE ours|protobuf-c N\n");
    return 2;
}
