/* SPDX-License-Identifier: MIT */
#include "base/reaper.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for all children that have ended. If the node has ended, ends the process. */
static void reap(pid_t node)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == node && WIFEXITED(status))
            _exit(WEXITSTATUS(status));
        if (pid == node && WIFSIGNALED(status))
            _exit(128 + WTERMSIG(status));
    }
}

static void stay(pid_t node, const sigset_t *all)
{
    siginfo_t info;

    for (;;) {
        int signo = sigwaitinfo(all, &info);

        if (signo == SIGCHLD)
            reap(node);
        else if (signo > 0 && info.si_code != SI_KERNEL) /* a terminal sends its signals to both */
            kill(node, signo);
    }
}

void reaper_start(void)
{
    sigset_t all, old;
    pid_t node;

    if (getpid() != 1)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old); /* before the fork: no signal is lost */
    node = fork();
    if (node > 0)
        stay(node, &all);
    sigprocmask(SIG_SETMASK, &old, NULL); /* also without a child: then one process does all */
}
