/* SPDX-License-Identifier: MIT */
/* cgroup.h - what the kernel lets this process have of the machine: processors, and the limits of
 * its control groups. Versions 1 and 2, and both at once. Any thread; it reads files. */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdint.h>

struct cgroup_limits {
    double cpus;     /* how much time of processors the group may use; 0: no limit */
    uint64_t memory; /* bytes; 0: no limit */
};

/* The lowest limits of the process's groups and all groups above these that it can see. A limit
 * that cannot be read is none. `root` stands before all paths: "" but for specs. */
void cgroup_limits(const char *root, struct cgroup_limits *out);

/* The processors on which the process may run: at least 1. */
unsigned cgroup_cores(void);

#endif
