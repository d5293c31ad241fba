/* SPDX-License-Identifier: MIT */
/* sim.c - the simulator's main loop: sim SEED STEPS [DROP]
 *
 * Runs STEPS events, in clusters of SIM_EPOCH_STEPS each, with the seeds SEED, SEED + 1 and so on.
 * If a rule is broken, it says which, leaves out as many acts as it can so that it is still broken,
 * and prints the command that replays the rest. DROP are numbers of acts that are left out:
 * "3,7-20". SIM_VERBOSE=1 tells the story. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sim.h"

enum {
    MOST_ACTS = SIM_EPOCH_STEPS, /* an act is an event, too */
    END_MS = 4 * SIM_TIMEOUT_MS,
    BROKEN = 3,   /* the exit status */
    SHRINK_S = 60 /* at most */
};

int sim_verbose;
struct sim_counts *sim_counts; /* shared with the processes of the clusters */

static uint64_t seed, step;
static char broken_text[512];
static unsigned char dropped[MOST_ACTS];
static int quiet; /* a run for a shorter schedule says nothing */

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014) of the seed and the two numbers. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t sim_random(uint64_t a, uint64_t b, uint64_t n)
{
    return n ? mix(mix(mix(seed) ^ a) ^ b) % n : 0;
}

/* The secret of hash_table(): the same in every run. */
ssize_t getrandom(void *out, size_t n, unsigned flags)
{
    (void)flags;
    memset(out, 7, n);
    return (ssize_t)n;
}

void sim_say(const char *fmt, ...)
{
    va_list ap;

    if (!sim_verbose)
        return;
    printf("%8llu ", (unsigned long long)(clock_ms() % 100000000));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

void sim_broken(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(broken_text, sizeof(broken_text), fmt, ap);
    va_end(ap);
    sim_counts->broken_step = step;
    sim_counts->broken_act = plan_acts();
    if (!quiet)
        printf("sim: seed %llu, step %llu, time %llu: %s\n", (unsigned long long)seed,
               (unsigned long long)step, (unsigned long long)clock_ms(), broken_text);
    fflush(stdout);
    _exit(BROKEN);
}

int sim_step(void)
{
    if (!events_step())
        return 0;
    step++;
    check_step();
    return 1;
}

/* --- a run --- */

/* One cluster. Ends the process if a rule is broken. Returns how many acts there were. */
static uint64_t run(uint64_t steps)
{
    uint64_t acts, until_ms;

    check_reset();
    plan_start(dropped, MOST_ACTS);
    step = 0;
    while (step < steps && sim_step())
        ;
    acts = plan_acts();
    plan_end();
    for (until_ms = clock_ms() + END_MS; clock_ms() < until_ms && events_step();)
        check_step();
    check_end();
    nodes_end();
    while (events_step()) /* getters that still run */
        ;
    return acts;
}

/* --- a shorter schedule --- */

/* Whether the rule is still broken, in a process of its own. */
static int is_broken(uint64_t steps)
{
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        quiet = 1;
        run(steps);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == BROKEN;
}

/* Leaves out pieces of the schedule, at first large ones (Zeller's ddmin, in its simple form). */
static void shrink(uint64_t steps, uint64_t acts)
{
    static unsigned char before[MOST_ACTS];
    time_t until = time(NULL) + SHRINK_S;
    uint64_t size, from, i, any;

    memset(dropped + acts, 1,
           MOST_ACTS - acts); /* else later ones come in the place of the others */
    for (size = (acts + 1) / 2; size; size = size > 1 ? (size + 1) / 2 : 0) {
        for (from = 0; from < acts && time(NULL) < until; from += size) {
            memcpy(before, dropped, sizeof(before));
            for (any = 0, i = from; i < from + size && i < acts; i++) {
                any += !dropped[i];
                dropped[i] = 1;
            }
            if (any && !is_broken(steps))
                memcpy(dropped, before, sizeof(before));
        }
    }
}

static void print_dropped(void)
{
    size_t i, from;
    const char *comma = "";

    for (i = 0; i < MOST_ACTS; i++) {
        if (!dropped[i])
            continue;
        for (from = i; i + 1 < MOST_ACTS && dropped[i + 1]; i++)
            ;
        if (from == i)
            printf("%s%zu", comma, i);
        else
            printf("%s%zu-%zu", comma, from, i);
        comma = ",";
    }
}

static void read_dropped(const char *text)
{
    while (*text) {
        char *end;
        unsigned long from = strtoul(text, &end, 10), to = from;

        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        for (; from <= to && from < MOST_ACTS; from++)
            dropped[from] = 1;
        text = *end ? end + 1 : end;
    }
}

static void explain(uint64_t steps)
{
    uint64_t kept = 0;
    size_t i;

    printf("again:  make sim SEED=%llu STEPS=%llu\n", (unsigned long long)seed,
           (unsigned long long)steps);
    if (getenv("SIM_KEEP"))
        return;
    shrink(steps, sim_counts->broken_act && sim_counts->broken_act < MOST_ACTS
                      ? sim_counts->broken_act
                      : MOST_ACTS);
    for (i = 0; i < MOST_ACTS; i++)
        kept += !dropped[i];
    printf("short:  make sim SEED=%llu STEPS=%llu DROP=", (unsigned long long)seed,
           (unsigned long long)steps);
    print_dropped();
    printf("\n        %llu acts are left; SIM_VERBOSE=1 tells the story\n",
           (unsigned long long)kept);
}

int main(int argc, char **argv)
{
    uint64_t steps, done;

    if (argc < 3) {
        fprintf(stderr, "usage: sim SEED STEPS [DROP]\n");
        return 2;
    }
    if (!getenv(
            "SIM_SAME")) { /* the same addresses each time: a peer's pauses are seeded by its own */
        setenv("SIM_SAME", "1", 1);
        personality(ADDR_NO_RANDOMIZE);
        execv("/proc/self/exe", argv);
    }
    seed = strtoull(argv[1], NULL, 10);
    steps = strtoull(argv[2], NULL, 10);
    sim_verbose = getenv("SIM_VERBOSE") != NULL;
    if (argc > 3)
        read_dropped(argv[3]);
    log_set_level(sim_verbose ? LOG_WARN : LOG_OFF);
    sim_counts =
        mmap(NULL, sizeof(*sim_counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sim_counts == MAP_FAILED)
        return 1;
    for (done = 0; done < steps; seed++) {
        uint64_t some = steps - done < SIM_EPOCH_STEPS ? steps - done : SIM_EPOCH_STEPS;
        int status = 0;
        pid_t child;

        fflush(stdout);
        child = fork(); /* each cluster has a process that is like all others at its start */
        if (child == 0) {
            run(some);
            exit(0); /* so that coverage is counted */
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
            return 1;
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            if (!WIFEXITED(status))
                printf("sim: seed %llu ended by signal %d\n", (unsigned long long)seed,
                       WTERMSIG(status));
            explain(WIFEXITED(status) && sim_counts->broken_step < some
                        ? sim_counts->broken_step + 1
                        : some);
            return 1;
        }
        done += some;
    }
    printf("sim: fine, %llu steps:", (unsigned long long)done);
#define X(name) printf(" %llu " #name, (unsigned long long)sim_counts->name);
    SIM_COUNTS(X)
#undef X
    printf("\n");
    return 0;
}
