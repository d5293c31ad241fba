-- SPDX-License-Identifier: MIT
-- Built from a checkout: `luarocks make --lua-version=5.1` in its root. `make rock` tries it.
rockspec_format = "3.0"
package = "groupcache"
version = "scm-1"
source = {
  url = "git+file://.", -- whoever publishes the project puts its public address here
  branch = "main",
}
description = {
  summary = "A groupcache node with getters in Lua",
  detailed = [[
    A cache that fills itself: one load per key in the whole cluster. The engine, the HTTP server
    and the peer protocol of Go's groupcache are C; what a group holds and how a missing value is
    loaded is a Lua script. Runs as a node, groupcached, or inside a LuaJIT program.
  ]],
  license = "MIT",
  labels = { "cache", "distributed", "http", "luajit" },
}
supported_platforms = { "linux" }

-- Only LuaJIT 2.1 will do; LuaRocks knows it as Lua 5.1.
dependencies = { "lua == 5.1" }

-- CURL goes without a header on purpose: Debian keeps it in a multiarch folder, where LuaRocks
-- looks for libraries only, and the compiler finds it anyway. LUAJIT stands here because
-- groupcached links it, and because LuaRocks' own LUA_INCDIR may lead to the headers of Lua 5.1.
external_dependencies = {
  LUAJIT = { header = "luajit-2.1/luajit.h", library = "luajit-5.1" },
  CURL = { library = "curl" },
  MICROHTTPD = { header = "microhttpd.h", library = "microhttpd" },
  GNUTLS = { header = "gnutls/gnutls.h", library = "gnutls" },
  PROTOBUF_C = { header = "protobuf-c/protobuf-c.h", library = "protobuf-c" },
  ZLIB = { header = "zlib.h", library = "z" },
}

build = {
  type = "make",
  -- For both passes: with other flags `make install` would compile everything once more.
  variables = {
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUAJIT_INCDIR = "$(LUAJIT_INCDIR)",
    LUAJIT_LIBDIR = "$(LUAJIT_LIBDIR)",
    CURL_INCDIR = "$(CURL_INCDIR)",
    CURL_LIBDIR = "$(CURL_LIBDIR)",
    MICROHTTPD_INCDIR = "$(MICROHTTPD_INCDIR)",
    MICROHTTPD_LIBDIR = "$(MICROHTTPD_LIBDIR)",
    GNUTLS_INCDIR = "$(GNUTLS_INCDIR)",
    GNUTLS_LIBDIR = "$(GNUTLS_LIBDIR)",
    PROTOBUF_C_INCDIR = "$(PROTOBUF_C_INCDIR)",
    PROTOBUF_C_LIBDIR = "$(PROTOBUF_C_LIBDIR)",
    ZLIB_INCDIR = "$(ZLIB_INCDIR)",
    ZLIB_LIBDIR = "$(ZLIB_LIBDIR)",
  },
  install_variables = {
    INST_BINDIR = "$(BINDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_DATADIR = "$(PREFIX)/share", -- the man page and the completions stay in the rock's folder
    INST_LIST = "",
  },
  copy_directories = { "docs", "examples" },
}

-- `make test` brings its own tools, as Debian packages.
test = { type = "command", command = "make test" }
