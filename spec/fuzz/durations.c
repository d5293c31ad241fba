/* SPDX-License-Identifier: MIT */
/* durations.c - sizes, durations and other values of settings, as lua/groupcache/options.lua reads
 * them. A value is in its base unit, whole and within its bounds, or refused with a text.
 *
 * FUZZ_ROOT is the folder of the tree. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "fuzz.h"

#ifndef FUZZ_ROOT
#define FUZZ_ROOT "."
#endif

static const char CHECKS[] =
    "package.path = '" FUZZ_ROOT "/lua/?.lua'\n"
    "local core = { limits = function() return 1, 1024 end }\n"
    "package.preload['groupcache.core'] = function() return core end\n"
    "local options = require 'groupcache.options'\n"
    "local function check(rule, value, least, most)\n"
    "  local ok, why = options.value(rule, value)\n"
    "  if ok == nil then assert(type(why) == 'string' and why ~= '') return end\n"
    "  assert(type(ok) == 'number' and ok % 1 == 0 and ok >= least and ok <= most, ok)\n"
    "end\n"
    "return function(text)\n"
    "  for _, value in ipairs { text, tonumber(text) } do\n"
    "    check({ kind = 'size' }, value, 0, 2 ^ 50)\n"
    "    check({ kind = 'duration' }, value, 0, 1e12)\n"
    "    check({ kind = 'duration', above_zero = true }, value, 1, 1e12)\n"
    "    check({ kind = 'share' }, value, 0, 1000)\n"
    "    check({ kind = 'integer', min = -5, max = 1e6 }, value, -5, 1e6)\n"
    "    options.value({ kind = 'text' }, value)\n"
    "    options.show({}, value)\n"
    "  end\n"
    "  local seconds = options.seconds(text)\n"
    "  assert(seconds == nil or seconds >= 0)\n"
    "  options.check({ ttl = { kind = 'duration' } }, { ttl = text, [text] = 1 }, 'group')\n"
    "end\n";

static lua_State *start(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    if (luaL_loadbuffer(L, CHECKS, sizeof(CHECKS) - 1, "=checks") || lua_pcall(L, 0, 1, 0)) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    return L;
}

FUZZ_TARGET
{
    static lua_State *L;

    if (!L)
        L = start();
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 1, 0, 0)) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    return 0;
}
