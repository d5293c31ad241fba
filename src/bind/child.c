/* SPDX-License-Identifier: MIT */
/* child.c - commands that a node script runs: io.popen and os.execute of guard.lua.
 *
 * LuaJIT's own functions do not say how a command ended. Their commands inherit the blocked signals
 * of the calling thread. A worker blocks all signals, so `timeout 5 COMMAND` would never end.
 *
 * core.popen() puts a pipe's stream into a file object that Lua has opened, so all of Lua's
 * functions accept it. Closing the file waits for the child. A child that was not waited for is
 * reaped when the next child starts. */
#include "bind/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "bind/core.h"

#define BIND_CHILD "groupcache.child"

extern char **environ;

/* A child that was dropped while it ran. */
struct dropped {
    struct list link;
    pid_t pid;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct list dropped = {&dropped, &dropped}; /* guarded by mu */

/* Returns the status; -1: it is not our child any more. */
static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return status;
}

static void reap_dropped(void)
{
    struct list *l, *next;

    pthread_mutex_lock(&mu);
    for (l = dropped.next; l != &dropped; l = next) {
        struct dropped *d = list_entry(l, struct dropped, link);

        next = l->next;
        if (waitpid(d->pid, NULL, WNOHANG) != 0) {
            list_del(l);
            mem_free(d);
        }
    }
    pthread_mutex_unlock(&mu);
}

/* Starts a shell that runs the command, with no signal blocked and `fd` as its descriptor `as`. fd
 * -1: the shell has our descriptors. Returns 0 or an errno. */
static int start(const char *command, int fd, int as, pid_t *pid)
{
    char *argv[] = {(char *)(size_t) "sh", (char *)(size_t) "-c", (char *)(size_t)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, usual;
    int failed;

    reap_dropped();
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGXFSZ);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawn_file_actions_init(&actions);
    if (fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, fd, as);
    fflush(NULL); /* as Lua's own does, so that earlier output comes first */
    failed = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return failed;
}

/* Pushes how it ended: "exit" or "signal", and a number. */
static int push_status(lua_State *L, int status)
{
    int signaled = status >= 0 && WIFSIGNALED(status);

    lua_pushstring(L, signaled ? "signal" : "exit");
    lua_pushinteger(L, signaled ? WTERMSIG(status) : status < 0 ? -1 : WEXITSTATUS(status));
    return 2;
}

static int push_errno(lua_State *L, int error)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(error));
    lua_pushinteger(L, error);
    return 3;
}

/* core.execute(command) -> "exit" | "signal", number | nil, message, errno */
static int l_execute(lua_State *L)
{
    pid_t pid;
    int failed = start(luaL_checkstring(L, 1), -1, -1, &pid);

    return failed ? push_errno(L, failed) : push_status(L, wait_for(pid));
}

static void replace_stream(FILE **slot, FILE *stream)
{
    fclose(*slot);
    *slot = stream;
}

/* core.popen(file, command, "r" | "w") -> child | nil, message, errno. `file` is an open file of
 * Lua's, which gets the pipe as its stream. */
static int l_popen(lua_State *L)
{
    FILE **slot = luaL_checkudata(L, 1, LUA_FILEHANDLE), *stream;
    const char *command = luaL_checkstring(L, 2), *mode = luaL_checkstring(L, 3);
    int reads = *mode == 'r', ends[2], ours, theirs, failed;
    pid_t *child = lua_newuserdata(L, sizeof(*child));

    *child = -1;
    luaL_getmetatable(L, BIND_CHILD);
    lua_setmetatable(L, -2);
    if (pipe2(ends, O_CLOEXEC))
        return push_errno(L, errno);
    ours = ends[reads ? 0 : 1];
    theirs = ends[reads ? 1 : 0];
    stream = fdopen(ours, reads ? "r" : "w");
    failed = stream ? start(command, theirs, reads ? STDOUT_FILENO : STDIN_FILENO, child) : errno;
    close(theirs);
    if (!failed) {
        replace_stream(slot, stream);
        return 1;
    }
    *child = -1;
    if (stream)
        fclose(stream);
    else
        close(ours);
    return push_errno(L, failed);
}

/* core.wait_child(child) -> as execute */
static int l_wait_child(lua_State *L)
{
    pid_t *child = luaL_checkudata(L, 1, BIND_CHILD), pid = *child;

    luaL_argcheck(L, pid > 0, 1, "it was waited for");
    *child = -1;
    return push_status(L, wait_for(pid));
}

static int l_child_gc(lua_State *L)
{
    pid_t *child = luaL_checkudata(L, 1, BIND_CHILD);
    struct dropped *d;

    if (*child <= 0 || waitpid(*child, NULL, WNOHANG) != 0)
        return 0;
    d = mem_zalloc(sizeof(*d));
    d->pid = *child;
    *child = -1;
    pthread_mutex_lock(&mu);
    list_push_back(&dropped, &d->link);
    pthread_mutex_unlock(&mu);
    return 0;
}

static const luaL_Reg child_methods[] = {
    {"__gc", l_child_gc},
    {NULL, NULL},
};

void bind_child_open(lua_State *L)
{
    core_new_class(L, BIND_CHILD, child_methods);
}

const luaL_Reg bind_child[] = {
    {"execute", l_execute},
    {"popen", l_popen},
    {"wait_child", l_wait_child},
    {NULL, NULL},
};
