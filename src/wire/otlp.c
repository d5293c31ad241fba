/* SPDX-License-Identifier: MIT */
#include "wire/otlp.h"

#include <stdio.h>
#include <string.h>

#include "base/json_out.h"

enum { KIND_INTERNAL = 1, KIND_CLIENT = 3, STATUS_ERROR = 2 };

static void put_attribute(struct json_out *list, const char *name, const char *value)
{
    struct json_out one, in;

    json_out_open(list, NULL, &one, '{');
    json_out_text(&one, "key", name);
    json_out_open(&one, "value", &in, '{');
    json_out_text(&in, "stringValue", value);
    json_out_close(&in);
    json_out_close(&one);
}

static void put_time(struct json_out *o, const char *name, uint64_t ns)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)ns);
    json_out_text(o, name, text);
}

static void put_attributes(struct json_out *o, const struct span *s)
{
    struct json_out list;
    char status[12];

    json_out_open(o, "attributes", &list, '[');
    put_attribute(&list, s->kind == SPAN_LOAD ? "groupcache.group" : "http.request.method",
                  s->name);
    if (s->source)
        put_attribute(&list, "groupcache.source", s->source);
    if (s->status) {
        snprintf(status, sizeof(status), "%d", s->status);
        put_attribute(&list, "http.response.status_code", status);
    }
    if (s->code)
        put_attribute(&list, "error.type", err_name(s->code));
    json_out_close(&list);
}

/* That there is no such value is an answer. */
static void put_status(struct json_out *o, const struct span *s)
{
    struct json_out in;

    json_out_open(o, "status", &in, '{');
    json_out_number(&in, "code", s->code && s->code != ERR_NOTFOUND ? STATUS_ERROR : 0);
    json_out_close(&in);
}

static void put_span(struct json_out *list, const struct span *s)
{
    char name[SPANS_NAME_BYTES + 8];
    struct json_out o;

    snprintf(name, sizeof(name), "%s %s", s->kind == SPAN_LOAD ? "load" : "http", s->name);
    json_out_open(list, NULL, &o, '{');
    json_out_text(&o, "traceId", s->trace);
    json_out_text(&o, "spanId", s->id);
    if (*s->from)
        json_out_text(&o, "parentSpanId", s->from);
    json_out_text(&o, "name", name);
    json_out_number(&o, "kind", s->kind == SPAN_LOAD ? KIND_INTERNAL : KIND_CLIENT);
    put_time(&o, "startTimeUnixNano", s->since_ns);
    put_time(&o, "endTimeUnixNano", s->since_ns + s->took_ns);
    put_attributes(&o, s);
    put_status(&o, s);
    json_out_close(&o);
}

enum err otlp_put(struct buf *out, const char *self, const struct span *spans, size_t n)
{
    struct json_out whole, resources, resource, in, attributes, scopes, scope, name, list;
    size_t i;

    json_out_begin(&whole, out, '{');
    json_out_open(&whole, "resourceSpans", &resources, '[');
    json_out_open(&resources, NULL, &resource, '{');
    json_out_open(&resource, "resource", &in, '{');
    json_out_open(&in, "attributes", &attributes, '[');
    put_attribute(&attributes, "service.name", "groupcache");
    put_attribute(&attributes, "service.instance.id", self);
    json_out_close(&attributes);
    json_out_close(&in);
    json_out_open(&resource, "scopeSpans", &scopes, '[');
    json_out_open(&scopes, NULL, &scope, '{');
    json_out_open(&scope, "scope", &name, '{');
    json_out_text(&name, "name", "groupcache");
    json_out_close(&name);
    json_out_open(&scope, "spans", &list, '[');
    for (i = 0; i < n; i++)
        put_span(&list, &spans[i]);
    json_out_close(&list);
    json_out_close(&scope);
    json_out_close(&scopes);
    json_out_close(&resource);
    json_out_close(&resources);
    json_out_close(&whole);
    return out->failed;
}
