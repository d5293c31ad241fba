/* SPDX-License-Identifier: MIT */
/* The files are those of cgroups(7) and of the kernel's Documentation/admin-guide/cgroup-v2.rst,
 * "cpu.max", "memory.high" and "memory.max". /proc/self/mountinfo, in proc(5), says which part of a
 * hierarchy is mounted where: in a container it begins at the container's own group. */
#include "base/cgroup.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

enum { LINE_BYTES = 8192, PATH_BYTES = 4096, VALUE_BYTES = 64 };

/* Version 1 has a number of this size where there is no limit, rounded down to a page. */
#define UNLIMITED (UINT64_C(1) << 60)

/* Whether `word` is in the list, whose words have commas between. */
static int listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    const char *p = list;

    while (*p) {
        size_t len = strcspn(p, ",");
        if (len == n && !memcmp(p, word, n))
            return 1;
        p += len + (p[len] == ',');
    }
    return 0;
}

static FILE *open_below(const char *root, const char *path)
{
    char full[PATH_BYTES];
    int n = snprintf(full, sizeof(full), "%s%s", root, path);

    return n > 0 && (size_t)n < sizeof(full) ? fopen(full, "re") : NULL;
}

/* The process's group in the hierarchy of a controller, or with NULL in that of version 2. */
static int find_group(const char *root, const char *controller, char group[PATH_BYTES])
{
    FILE *f = open_below(root, "/proc/self/cgroup");
    char line[LINE_BYTES];
    int found = 0;

    while (f && !found && fgets(line, sizeof(line), f)) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        names++;
        path[strcspn(path, "\n")] = '\0';
        found = controller ? listed(names, controller) : !*names;
        if (found)
            snprintf(group, PATH_BYTES, "%.*s", PATH_BYTES - 1, path);
    }
    if (f)
        fclose(f);
    return found;
}

/* Where that hierarchy is mounted, and which of its groups is seen there. */
static int find_mount(const char *root, const char *controller, char point[PATH_BYTES],
                      char top[PATH_BYTES])
{
    FILE *f = open_below(root, "/proc/self/mountinfo");
    char line[LINE_BYTES], type[16], options[512];
    int found = 0;

    while (f && !found && fgets(line, sizeof(line), f)) {
        const char *rest = strstr(line, " - ");
        if (!rest || sscanf(rest, " - %15s %*s %511s", type, options) != 2 ||
            sscanf(line, "%*s %*s %*s %4095s %4095s", top, point) != 2)
            continue;
        found = controller ? !strcmp(type, "cgroup") && listed(options, controller)
                           : !strcmp(type, "cgroup2");
    }
    if (f)
        fclose(f);
    return found;
}

struct place {
    char folder[PATH_BYTES]; /* of the group, with the root before it */
    size_t top;              /* the length of its part above which there is no group */
};

static int find_place(const char *root, const char *controller, struct place *at)
{
    char group[PATH_BYTES], point[PATH_BYTES], top[PATH_BYTES];
    const char *below = group;
    size_t n;

    if (!find_group(root, controller, group) || !find_mount(root, controller, point, top))
        return 0;
    n = strcmp(top, "/") ? strlen(top) : 0;
    /* A group that is not below what is mounted cannot be seen; what is mounted is above it. */
    below = !strncmp(group, top, n) && (!group[n] || group[n] == '/') ? group + n : "";
    if (strstr(below, "/.."))
        below = "";
    at->top = strlen(root) + strlen(point);
    n = (size_t)snprintf(at->folder, sizeof(at->folder), "%s%s%s", root, point, below);
    if (n >= sizeof(at->folder))
        return 0;
    while (n > at->top && at->folder[n - 1] == '/')
        at->folder[--n] = '\0';
    return 1;
}

/* The first line of a file of the group -> 1. */
static int read_value(const struct place *at, const char *name, char value[VALUE_BYTES])
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s/%s", at->folder, name);
    FILE *f = n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
    int ok = f && fgets(value, VALUE_BYTES, f);

    if (f)
        fclose(f);
    if (ok)
        value[strcspn(value, "\n")] = '\0';
    return ok;
}

static uint64_t number(const char *text)
{
    uint64_t n;

    return num_parse_u64(text, strlen(text), UINT64_MAX, &n) ? n : 0;
}

static void take_memory(const struct place *at, const char *name, struct cgroup_limits *out)
{
    char value[VALUE_BYTES];
    uint64_t n = read_value(at, name, value) ? number(value) : 0;

    if (n && n < UNLIMITED && (!out->memory || n < out->memory))
        out->memory = n;
}

static void take_cpus(uint64_t quota, uint64_t period, struct cgroup_limits *out)
{
    double cpus = quota && period ? (double)quota / (double)period : 0;

    if (cpus > 0 && (out->cpus <= 0 || cpus < out->cpus))
        out->cpus = cpus;
}

static void take_cpus_v1(const struct place *at, struct cgroup_limits *out)
{
    char quota[VALUE_BYTES], period[VALUE_BYTES];

    if (read_value(at, "cpu.cfs_quota_us", quota) && read_value(at, "cpu.cfs_period_us", period))
        take_cpus(number(quota), number(period), out); /* -1 is no number: no limit */
}

static void take_memory_v1(const struct place *at, struct cgroup_limits *out)
{
    take_memory(at, "memory.limit_in_bytes", out);
}

static void take_v2(const struct place *at, struct cgroup_limits *out)
{
    char value[VALUE_BYTES], *period;

    take_memory(at, "memory.max", out);
    take_memory(at, "memory.high", out);
    if (!read_value(at, "cpu.max", value))
        return;
    period = strchr(value, ' ');
    if (period) {
        *period++ = '\0';
        take_cpus(number(value), number(period), out); /* "max" is no number */
    }
}

/* The limits of the process's group, and of each above it up to the mount. */
static void take_all(const char *root, const char *controller,
                     void (*take)(const struct place *at, struct cgroup_limits *out),
                     struct cgroup_limits *out)
{
    struct place at;
    char *slash;

    if (!find_place(root, controller, &at))
        return;
    for (;;) {
        take(&at, out);
        slash = strrchr(at.folder, '/');
        if (!slash || (size_t)(slash - at.folder) < at.top)
            return;
        *slash = '\0';
    }
}

void cgroup_limits(const char *root, struct cgroup_limits *out)
{
    memset(out, 0, sizeof(*out));
    take_all(root, NULL, take_v2, out);
    take_all(root, "cpu", take_cpus_v1, out);
    take_all(root, "memory", take_memory_v1, out);
}

unsigned cgroup_cores(void)
{
    cpu_set_t set;
    long n;

    if (!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    n = sysconf(_SC_NPROCESSORS_ONLN); /* of a machine with more than 1024 */
    return n > 0 ? (unsigned)n : 1;
}
