# SPDX-License-Identifier: MIT
"""gdb: how lists, items and flights are printed, and what a node is doing.

Loaded by .gdbinit in the root of the checkout; docs/debugging.md has the use. Works on a running
process and on a core. Everything is read without a lock, so a running node must be stopped, as gdb
does when it attaches; a list that is being changed at that moment may be cut short.

    groupcache nodes      the nodes of the process, with groups and counters
    groupcache flights    every open flight: key, state, waiters, deadline
    groupcache workers    every worker: the task that runs, the tasks that wait
    groupcache lua        where each of these tasks is in its Lua code; not of a core
"""

import time

import gdb
import gdb.printing

MAX_WALK = 100000  # elements of a list: one that is broken may go round for ever


def pointer_to(name):
    return gdb.lookup_type("struct " + name).pointer()


def container(link, name, field):
    """The struct that a list's link is embedded in."""
    struct = gdb.lookup_type("struct " + name)
    offset = next(f.bitpos // 8 for f in struct.fields() if f.name == field)
    byte = gdb.lookup_type("char").pointer()
    return (link.cast(byte) - offset).cast(struct.pointer()).dereference()


def links(head):
    """The links of a list, without its sentinel."""
    start, at = head.address, head["next"]
    for _ in range(MAX_WALK):
        if int(at) == int(start) or int(at) == 0:
            return
        yield at
        at = at.dereference()["next"]


def elements(head, name, field):
    return [container(link, name, field) for link in links(head)]


def atomic(value):
    """The number in an _Atomic field."""
    return int(value.cast(value.type.unqualified()))


def quoted(address, n):
    """Bytes as a text on one line; at most 80 of them."""
    if address is None:  # a copy of the struct, without what lies behind it
        return "?"
    if n == 0:
        return '""'
    raw = bytes(gdb.selected_inferior().read_memory(int(address), min(n, 80)))
    text = raw.decode("latin-1").encode("unicode_escape").decode().replace('"', '\\"')
    return '"%s"%s' % (text, "..." if n > 80 else "")


def key_of(flight):
    return quoted(flight["key"].address, int(flight["key_len"]))


def name_of_enum(value):
    return str(value).split("_", 1)[-1].lower()


def is_core():
    connection = getattr(gdb.selected_inferior(), "connection", None)
    return connection is not None and connection.type == "core"


def deadline(ms):
    """A clock_ms() time; of a running process also how far it is off."""
    ms = int(ms)
    if ms == 0 or ms >= 2 ** 63:
        return "none"
    if is_core():
        return "%d" % ms
    return "%+.3f s" % (ms / 1000 - time.monotonic())


# --- printers ---


class ListPrinter:
    """struct list: how many it has. An element that is on no list looks like an empty one."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        if int(self.value["next"]) == 0:
            return "list: never initialised"
        if self.value.address is None:
            return "list"
        n = sum(1 for _ in links(self.value))
        return "list: empty, or not on one" if n == 0 else "list: %d others" % n


class FlightPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        f = self.value
        parts = [
            "flight",
            name_of_enum(f["kind"]),
            name_of_enum(f["state"]),
            "%s[%s]" % (f["group"]["name"].string() if int(f["group"]) else "?", key_of(f)),
            "waiters=%d" % int(f["n_waiters"]),
            "refs=%d" % atomic(f["refs"]),
            "deadline=%s" % deadline(f["deadline_ms"]),
        ]
        if int(f["generation"]) == 0:
            parts.append("outdated")
        if int(f["fell_back"]):
            parts.append("fell-back")
        if int(f["from_peer"]):
            parts.append("from-peer")
        return " ".join(parts)


def expiry(it):
    if not int(it["mortal"]):
        return 0
    end = it.address.cast(gdb.lookup_type("struct item_end").pointer()) - 1
    return int(end["high_ms"]) << 32 | int(end["low_ms"])


class ItemPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        it = self.value
        if it.address is None:
            return "item: a copy, look at it by its address"
        at = int(it["bytes"].address)
        key, value, prefix = int(it["key_len"]), int(it["value_len"]), int(it["prefix_len"])
        what = "negative" if int(it["negative"]) else quoted(at + key + prefix, value)
        return "item %s = %s (%d bytes) refs=%d expires=%s" % (
            quoted(at, key), what, value, atomic(it["refs"]), deadline(expiry(it)))


def register_printers():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("groupcache")
    printers.add_printer("list", "^list$", ListPrinter)
    printers.add_printer("flight", "^flight$", FlightPrinter)
    printers.add_printer("item", "^item$", ItemPrinter)
    gdb.printing.register_pretty_printer(None, printers, replace=True)


# --- commands ---


def argument_in_threads(function, name, struct):
    """The pointers that a thread's main function has been given: [(thread, value)]."""
    found = []
    selected = gdb.selected_thread()
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            frame = gdb.newest_frame()
            while frame is not None and frame.name() != function:
                frame = frame.older()
            if frame is None:
                continue
            frame.select()
            for variable in (name, "arg"):
                value = frame.read_var(variable)
                if not value.is_optimized_out:
                    found.append((thread, value.cast(pointer_to(struct)).dereference()))
                    break
    finally:
        if selected is not None and selected.is_valid():
            selected.switch()
    return found


def thread_id(thread):
    """The kernel's number of a pthread_t; None without libc's debug symbols."""
    try:
        return int(thread.cast(pointer_to("pthread")).dereference()["tid"])
    except gdb.error:
        return None


def nodes():
    return [value for _, value in argument_in_threads("watch_main", "n", "node")]


def groups_of(node):
    groups = node["groups"].dereference()
    return [groups["list"][i].dereference() for i in range(int(groups["n"]))]


class Groupcache(gdb.Command):
    """What the groupcache nodes of this process are doing: nodes, flights, workers."""

    def __init__(self):
        super().__init__("groupcache", gdb.COMMAND_DATA, prefix=True)


class Nodes(gdb.Command):
    """The nodes of the process, with their groups."""

    def __init__(self):
        super().__init__("groupcache nodes", gdb.COMMAND_DATA)

    def invoke(self, _arg, _from_tty):
        for n in nodes():
            print("node %s: ready=%d stopping=%d" % (
                n["servers"]["sockets"]["list"][0]["address"].string(), atomic(n["ready"]), atomic(n["stopping"])))
            for g in groups_of(n):
                print("  group %s: running=%d waiting=%d waiters=%d closed=%d mutex owner=%d" % (
                    g["name"].string(), int(g["running"]), int(g["waiting"]), int(g["waiters"]),
                    atomic(g["closed"]), int(g["mu"]["__data"]["__owner"])))


class Flights(gdb.Command):
    """Every open flight of every node."""

    def __init__(self):
        super().__init__("groupcache flights", gdb.COMMAND_DATA)

    def invoke(self, _arg, _from_tty):
        total = 0
        for n in nodes():
            for g in groups_of(n):
                for kind in range(2):
                    for f in elements(g["flights"][kind]["order"], "flight", "link"):
                        total += 1
                        print("%s  %s" % (f.address, FlightPrinter(f).to_string()))
        print("%d flights" % total)


def workers_of(node):
    """The workers of a node's crew, then those that were retired or abandoned."""
    workers = node["workers"].dereference()
    for i in range(int(workers["crew"]["n"])):
        yield "crew", workers["crew"]["list"][i].dereference()
    for leaver in elements(workers["leaving"], "leaver", "link"):
        yield ("abandoned" if int(leaver["stuck"]) else "retired"), leaver["worker"].dereference()


class Workers(gdb.Command):
    """Every worker: the task that runs, and the tasks that wait."""

    def __init__(self):
        super().__init__("groupcache workers", gdb.COMMAND_DATA)

    def invoke(self, _arg, _from_tty):
        threads = {t.ptid[1]: t.num for t in gdb.selected_inferior().threads()}
        for n in nodes():
            for state, w in workers_of(n):
                self.say(state, w, threads)

    def say(self, state, w, threads):
        vm = w["vm"].dereference()
        inside = vm["interrupt"]
        name = vm["opts"]["name"].string()
        print("%s: %s, gdb thread %s, heap %d bytes, loads=%d, code may run until %s" % (
            name, state, threads.get(thread_id(w["thread"]), "?"), int(vm["bytes"]),
            atomic(w["taker"]["begun"]), deadline(atomic(inside["until_ms"]))))
        for t in elements(vm["tasks"], "task", "link"):
            what = "runs" if int(t.address) == int(vm["current"]) else "waits"
            flight = t["flight"]
            print("  %s: %s" % (what, FlightPrinter(flight.dereference()).to_string()
                                if int(flight) else "no load"))


def call(function, prototype, *arguments):
    """Calls a function of libluajit, which has no debug symbols."""
    return gdb.parse_and_eval("((%s)%s)(%s)" % (prototype, function, ", ".join(
        "%d" % int(a) if not isinstance(a, str) else a for a in arguments)))


class Lua(gdb.Command):
    """Where each task of each worker is in its Lua code.

    Calls functions in the process, which allocate: when a thread was stopped inside of malloc this
    may never return. Code that computes at this moment may show nothing."""

    def __init__(self):
        super().__init__("groupcache lua", gdb.COMMAND_DATA)

    def invoke(self, _arg, _from_tty):
        if is_core():
            raise gdb.GdbError("a core runs nothing: only of a process")
        scratch = call("luaL_newstate", "void *(*)(void)")
        for n in nodes():
            for _, w in workers_of(n):
                self.say(w, scratch)
        call("lua_close", "void (*)(void *)", scratch)

    def say(self, w, scratch):
        vm = w["vm"].dereference()
        for t in elements(vm["tasks"], "task", "link"):
            strand = t["current"].dereference() if int(t["current"]) else t["own"]
            call("luaL_traceback", "void (*)(void *, void *, char *, int)", scratch, strand["co"],
                 "(char *)0", 0)
            text = call("lua_tolstring", "char *(*)(void *, int, void *)", scratch, -1, "(void *)0")
            name = vm["opts"]["name"].string()
            flight = t["flight"]
            print("%s %s: %s" % (name, key_of(flight.dereference()) if int(flight) else "no load",
                                 text.string(errors="replace")))
            call("lua_settop", "void (*)(void *, int)", scratch, 0)


register_printers()
Groupcache()
Nodes()
Flights()
Workers()
Lua()
