/* SPDX-License-Identifier: MIT */
/* main.c - groupcached: sets up the process, then hands over to groupcache/cli.lua.
 *
 * Lua modules are looked for beside the binary first, so that a build tree, a rock
 * and an installed package all work without any environment. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <libgen.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/activation.h"
#include "base/notify.h"
#include "base/reaper.h"
#include "base/signals.h"
#include "base/thread.h"
#include "bind/open.h"

/* Opens descriptors 0 to 2: a connection that got number 2 would be sent the log. */
static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* Raises the limit to all that the operator allows: each connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Puts <prefix>/... in front of package.path and package.cpath. The prefix is the parent of the
 * binary's folder. */
static void add_own_tree(lua_State *L)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    const char *prefix;

    if (n <= 0)
        return;
    exe[n] = '\0';
    prefix = dirname(dirname(exe));
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;", prefix, prefix);
    lua_getfield(L, -2, "path");
    lua_concat(L, 2);
    lua_setfield(L, -2, "path");
    lua_pushfstring(L, "%s/lib/lua/5.1/?.so;", prefix);
    lua_getfield(L, -2, "cpath");
    lua_concat(L, 2);
    lua_setfield(L, -2, "cpath");
    /* This binary holds the engine: core.so beside it would be a second one. */
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_groupcache_core);
    lua_setfield(L, -2, "groupcache.core");
    lua_pop(L, 2);
}

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

struct args {
    int argc;
    char **argv;
    int status;
};

/* Protected: require("groupcache.cli").main(args...) -> exit status */
static int run(lua_State *L)
{
    struct args *a = lua_touserdata(L, 1);
    int i;

    luaL_openlibs(L);
    add_own_tree(L);
    lua_pushcfunction(L, traceback);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "groupcache.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    luaL_checkstack(L, a->argc, "too many arguments");
    for (i = 1; i < a->argc; i++)
        lua_pushstring(L, a->argv[i]);
    if (lua_pcall(L, a->argc - 1, 1, 2))
        return lua_error(L);
    a->status = (int)lua_tointeger(L, -1);
    return 0;
}

/* How long libraries and files may take to close. A write to a full pipe may never end. */
enum { EXIT_MS = 5000, EXIT_STUCK_MS = 500 };

int main(int argc, char **argv)
{
    struct args a = {argc, argv, EXIT_FAILURE};
    struct error e;
    lua_State *L;

    open_standard_descriptors();
    if (activation_take(&e)) {
        fprintf(stderr, "groupcached: %s\n", e.msg);
        return EXIT_FAILURE;
    }
    notify_open();
    reaper_start();
    if (signals_take(&e)) {
        fprintf(stderr, "groupcached: %s\n", e.msg);
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    L = luaL_newstate();
    if (!L) {
        fprintf(stderr, "groupcached: no memory for Lua\n");
        return EXIT_FAILURE;
    }
    raise_descriptor_limit();
    if (lua_cpcall(L, run, &a)) {
        fprintf(stderr, "groupcached: %s\n", lua_tostring(L, -1));
        a.status = EXIT_FAILURE;
    }
    signals_end_within(thread_left_behind() ? EXIT_STUCK_MS : EXIT_MS, a.status);
    lua_close(L);
    if (thread_left_behind()) {
        fflush(NULL);
        _exit(a.status);
    }
    return a.status;
}
