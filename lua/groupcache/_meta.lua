---@meta
-- SPDX-License-Identifier: MIT
-- Types for editors (LuaCATS, as lua-language-server reads it). Nothing requires this file.

--- Why something failed at run time. docs/api.md has the table.
---@alias groupcache.Code
---| "INVAL"    # an argument or a request is malformed
---| "NOMEM"    # memory ran out, the node's or the VM's
---| "NOTFOUND" # the getter says that there is no such value; there is no such group
---| "GETTER"   # the getter failed
---| "PEER"     # another node or server could not be used
---| "TIMEOUT"  # a deadline passed
---| "TOOBIG"   # a value is over its limit
---| "CYCLE"    # a getter would wait for its own result
---| "BUSY"     # a limit on work in progress is reached
---| "CLOSED"   # the node is stopping, or a reload removed the group

--- Where a value came from: this node's main or hot cache, another node, this node's getter; a cache, past its ttl.
---@alias groupcache.Source "main"|"hot"|"peer"|"local"|"stale"

--- Bytes: 1500, or a text such as "64MB" (10^6) or "1GiB" (2^30).
---@alias groupcache.Size integer|string

--- Seconds; fractions count to the millisecond.
---@alias groupcache.Seconds number

--- Seconds, or a text such as "250ms" or "1.5h": ms, s, m, h or d.
---@alias groupcache.Duration groupcache.Seconds|string

--- What a getter is told besides the key.
---@class groupcache.Context
---@field group string the name of the group
---@field key string the key again
---@field traceparent? string the trace that the load belongs to, with the span of this node
---@field tracestate? string the vendors' part of the trace
---@field from_peer boolean another node asked first: the load was opened by its request
---@field old? { value: any, age: number, headers: table<string, string|string[]>, content_type?: string } with keep_old: the value that has expired
---@field deadline groupcache.Seconds the load's deadline, on the clock of groupcache.now()
---@field peer? string the URL of the node that asked, if it is one of ours
---@field body? string of a request that an HTTP cache passes on
---@field headers? table<string, string> what came of the group's pass_headers, names in lower case

--- Stands between Lua values and the bytes that are cached.
---@class groupcache.Codec
---@field encode fun(value: any): bytes: string?, err: string?
---@field decode fun(bytes: string): value: any, err: string?

--- A value with more than its bytes, as a getter may return it, or a set take it.
---@class groupcache.Value
---@field body? string the bytes; may only be missing beside a status other than 200
---@field ttl? groupcache.Seconds 0 or less: it is not kept
---@field age? groupcache.Seconds so old it is already
---@field status? integer 200 to 599, but not 206, 304, 412 and 416; outside of 200 to 299 it is no value for those who ask for bytes
---@field content_type? string
---@field headers? table<string, string|number|(string|number)[]> further headers of its answer
---@field tags? string[] up to 64, of 1 to 255 bytes
---@field stale_while_revalidate? groupcache.Seconds in place of the group's
---@field stale_if_error? groupcache.Seconds in place of the group's

--- Makes the value of a key. A value may come with a ttl in seconds; nil alone is "not found"; nil and
--- a text is a failure, as is a throw.
---@alias groupcache.Getter fun(key: string, ctx: groupcache.Context): value: any, err: string?, ttl: (groupcache.Seconds|string)?

---@class groupcache.GroupOptions
---@field getter? groupcache.Getter this or getter_many is required
---@field cache_bytes? groupcache.Size main and hot cache together, all overhead included; default "64MB"
---@field ttl? groupcache.Duration age at which a value ends, when it does not say itself; default 0, never
---@field ttl_jitter? number share of the ttl by which it may be shorter, 0.001 to 1, or 0; default 0.1
---@field negative_ttl? groupcache.Duration how long it is kept that there is no such value; default 0, not at all
---@field stale_while_revalidate? groupcache.Duration after its ttl a value is given while the next is loaded; default 0
---@field stale_if_error? groupcache.Duration after its ttl a value is given when its load fails; default 0
---@field timeout? groupcache.Duration of a load, waiting for its turn included; above 0, default 5
---@field max_value_bytes? groupcache.Size a larger value is TOOBIG; default "8MB", at most "1GiB"
---@field max_loads? integer getters that run at once, 1 to 16384; more wait their turn; default 256
---@field max_waiting? integer getters that run or wait for a source, 1 to 16384; more wait their turn; default 4096
---@field refresh_ahead? number how early hot values are loaded again, 1 is a good start, 0 not at all; default 0
---@field keep_old? groupcache.Duration after its ttl a value is kept for the getter, as ctx.old; default 0
---@field getter_many? fun(keys: string[], ctx: { group: string, deadline: groupcache.Seconds }): table?, any, any in place of getter: values, errors and ttls by key
---@field max_keys? integer of one call of getter_many; default 100
---@field gather? groupcache.Duration how long the first key of such a call waits for others; default 0
---@field max_rate? number loads that the getter begins a second, 0 for no bound; default 0
---@field breaker? integer failed loads in a row that open the breaker, 0 for none; default 0
---@field breaker_share? number the share of failed loads that opens the breaker; default 0
---@field cpu_timeout? groupcache.Duration processor time of one getter, 0 for no bound; default 1
---@field burst? groupcache.Duration how long a getter computes before others of its VM run, 0 for ever; default 0.1
---@field remember_bytes? groupcache.Size what `get` in programs and getters remembers, beside cache_bytes; default a quarter of cache_bytes, 256 KiB at least
---@field eviction? "lru"|"adaptive"|"sieve" which values are evicted first when the cache is full; default "adaptive"
---@field hot? "sample"|"always"|"never"|"rate" which values of other nodes are kept; default "sample", one in ten
---@field compress? "off"|"gzip"|"zstd" the form in which values are kept; default "off"
---@field content_type? string of answers on /cache/; default the codec's, else "application/octet-stream"
---@field codec? "json"|"msgpack"|groupcache.Codec between Lua values and bytes; default none
---@field pass_headers? string[] request headers that the getter may see; default none
---@field peers? string[]|groupcache.PeerSource URLs of the nodes that share this group, this one too, {} for none; default: the node's
---@field local_only? boolean every key is this node's own: no other node is asked; default false
---@field query? "refuse"|"key"|{ names?: string[], sort?: boolean } what a query in a client's URL means; default "refuse"
---@field vary? string[]|table<string, string[]> headers of a client's request that are a part of the key; default none
---@field key? groupcache.KeyFunction makes the key of a client's request, in place of query and vary; default none
---@field http? table set by groupcache.http.cache(), nothing else should
---@field writable? boolean|groupcache.Writable clients may set and remove over HTTP; default false

--- Returns the key of a request; or nil, and perhaps a status of 400 to 499 [400], and perhaps a message. It cannot wait.
--- `query` has the decoded values by name, and the pairs as they came by number. `headers` has the values by lower-case name.
---@alias groupcache.KeyFunction fun(path: string, query: table, headers: table<string, string>): string?, integer|string?, string?

--- What a client needs to change a group. If there are a token and networks, it needs both.
---@class groupcache.Writable
---@field token? string|string[] it sends `Authorization: Bearer TOKEN` with one of these
---@field token_file? string a file with such tokens, one a line; a reload reads it again
---@field networks? string[] it has an address in one of these, such as "10.0.0.0/8"

--- Where a list of peers comes from: a text such as "file:PATH" or "etcd://HOST:PORT/PREFIX/", a function, or a table.
---@alias groupcache.PeerSource string|groupcache.PeerLook|groupcache.PeerTable

--- What the functions of a source are given.
---@class groupcache.PeerContext
---@field self string this node's own URL
---@field peers string[] the list that is used now
---@field wait number seconds that look may wait for a change

--- Returns the list, nil, the seconds until the next call, and URLs that have left by themselves; or nil, message.
---@alias groupcache.PeerLook fun(ctx: groupcache.PeerContext): string[]?, string?, number?, string[]?

---@class groupcache.PeerTable
---@field look fun(self: table, ctx: groupcache.PeerContext): string[]?, string?, number?, string[]?
---@field tend? fun(self: table, ctx: groupcache.PeerContext): number?, string? keeps this node listed; the seconds until the next call
---@field leave? fun(self: table, ctx: groupcache.PeerContext) takes this node out, in two seconds
---@field name? string for the log and /stats
---@field host? string an address that a node with self = "auto" reaches

--- What a node script may return. A flag or GROUPCACHE_NAME in the environment goes before it.
---@class groupcache.Settings
---@field listen? string "host:port" or "unix:PATH" for peers and clients; port 0 is any free one; default "127.0.0.1:8080"
---@field peer_listen? string an address for peers alone; default: listen
---@field client_listen? string an address for clients alone; default: listen
---@field self? string this node's own URL, byte for byte as in every node's peers, or "auto"
---@field peers? string[]|groupcache.PeerSource the URL of every node of the cluster, this one too, or where the list is; default none: alone
---@field peers_wait? groupcache.Duration how long a node that starts waits for the first list of a source; default 30
---@field admin_listen? string an address for /stats; default: 127.0.0.1 on the port of listen + 1000, or a free one
---@field workers? integer Lua VMs that run getters, 1 to 256; default: one a core, or fewer by its control group
---@field http_threads? integer threads that serve HTTP, 1 to 256; default: one a core, or fewer by its control group
---@field dialect? "golang"|"mailgun"|"groupcache-go"|"modernprogram" what the cluster speaks; default "golang"
---@field access_log? string a path, "-" for stdout; default: no access log
---@field log_level? "debug"|"info"|"warn"|"error"|"off"|string|table<string|integer, string> of all modules, or "info,peers=debug"; default "info"
---@field trace_endpoint? string URL of a collector of OpenTelemetry, for spans of traced loads; default none
---@field trace_sample? number part of the loads without a trace that begin one, 0.001 to 1; default 0, none
---@field trace? groupcache.Trace the two settings above as a table; in a script only
---@field log_format? "text"|"json" of the log and of the access log; default "text"
---@field front? string the HTTP cache that has all paths of clients which no other part of the node has
---@field base_path? string where peers ask, the same on every node, with a slash at both ends; default "/_groupcache/"
---@field replicas? integer points of each peer on the ring, the same on every node, 1 to 10000; default 50
---@field hash? "crc32"|"fnv1-32"|"fnv1a-32"|"fnv1-64"|"fnv1a-64" hash of the ring; default the dialect's own
---@field max_key_bytes? integer a longer key is refused, 1 to 65536; default 4096
---@field max_connections? integer connections served at once; default 4000, or what the limit of open files allows
---@field connect_timeout? groupcache.Duration to connect to a peer, above 0; default 0.2, with TLS 1
---@field peer_changes? string|string[] addresses from which changes of other nodes are taken: "peers", networks, "open"; default "peers"
---@field peer_secret? string|string[] secrets of 16 bytes or more: the first signs requests to peers, each may sign theirs
---@field peer_secret_file? string path of a file with such secrets, one a line
---@field peer_secret_for? "all"|"changes" which requests of peers must be signed; default "all"
---@field tls_cert? string path of a PEM file: serve TLS with this certificate, and show it to https peers
---@field tls_key? string path of its key
---@field tls_ca? string path of a PEM file with the only CAs to believe, of https peers and of clients
---@field tls_client_auth? "none"|"peers"|"all" who must show a certificate of tls_ca; default "peers" if there is a tls_ca
---@field tls_faces? "all"|"peers"|"clients" what speaks TLS where faces are parted; default "all"
---@field tls_plain? boolean where TLS is spoken, take plain HTTP, too; default false
---@field tls? groupcache.Tls the six settings above as a table; in a script only
---@field ring_scheme? "http"|"https" the scheme of all peers' URLs on the ring; default their own
---@field drain_delay? groupcache.Duration how long a stopping node is not ready before it refuses connections; default 0
---@field drain_timeout? groupcache.Duration how long a stopping node lets requests end; default 10
---@field snapshot_path? string a file that keeps the values over a restart; default none
---@field snapshot_every? groupcache.Duration how often it is written, 0 for only at the end; default 300
---@field snapshot_max_age? groupcache.Duration an older one is not read; default 600
---@field snapshot? groupcache.Snapshot the three settings above as a table; in a script only
---@field stuck_timeout? groupcache.Duration how long all workers are stuck in C functions before groupcached ends with status 3, 0 for never; a program is never ended; default 30
---@field vm_bytes? groupcache.Size of each Lua VM's heap; default "64MiB"
---@field loop? "plain"|"cqueues"|"luv" event loop that getters may use beside this API; default "plain"
---@field jit? boolean compile getters; an endless loop can then not be stopped; default false

---@class groupcache.Trace
---@field endpoint? string
---@field sample? number

---@class groupcache.Snapshot
---@field path? string
---@field every? groupcache.Duration
---@field max_age? groupcache.Duration

---@class groupcache.Tls
---@field cert? string
---@field key? string
---@field ca? string
---@field client_auth? "none"|"peers"|"all"
---@field faces? "all"|"peers"|"clients"
---@field plain? boolean

--- What groupcache.start() takes: the node script, and settings that go before the script's own.
---@class groupcache.StartOptions: groupcache.Settings
---@field script string path of a node script

---@class groupcache.GetOptions
---@field timeout? groupcache.Duration above 0: TIMEOUT for this caller after it, while the load goes on
---@field full? boolean a table with the value, its status and headers, in place of the bytes

---@class groupcache.Group
---@field name string
local Group = {}

--- A get that has begun. A table for cqueues.poll(), and a socket for copas.receive().
---@class groupcache.Pending
---@field done fun(self: groupcache.Pending): boolean whether it has ended
---@field result fun(self: groupcache.Pending): any, string?, groupcache.Source|groupcache.Code as group:get; blocks until it has ended
---@field pollfd fun(self: groupcache.Pending): integer a descriptor, readable from its end on
---@field getfd fun(self: groupcache.Pending): integer the same
---@field events fun(self: groupcache.Pending): string "r"
---@field timeout fun(self: groupcache.Pending): number? seconds until the timeout of its options
---@field receive fun(self: groupcache.Pending): any, string?, groupcache.Source|groupcache.Code result(), or nil, "timeout"
---@field close fun(self: groupcache.Pending) waits no longer

--- Begins a get, without waiting. In a program only.
---@param key string
---@param options? groupcache.GetOptions|groupcache.Duration
---@return groupcache.Pending
function Group:start(key, options) end

--- Begins a get of many keys, without waiting. In a program only.
---@param keys string[]
---@param options? groupcache.GetOptions|groupcache.Duration
---@return groupcache.Pending pending its result() is values, errors
function Group:start_many(keys, options) end

--- The value of a key, loaded if need be. In a getter it waits and others run; in a program it blocks the thread
--- when the group is a node's, outside of coroutines of cqueues, and runs the getter when it is a group alone.
---@param key string
---@param options? groupcache.GetOptions|groupcache.Duration without effect for a group alone
---@return (string|groupcache.Value)? value a table if the options have full
---@return string? message nil with a value
---@return groupcache.Source|groupcache.Code source of the value; without one the code of the failure
function Group:get(key, options) end

--- Why one key of many has no value.
---@class groupcache.KeyError
---@field message string
---@field code groupcache.Code

--- The values of up to 10000 keys, all at the same time; waits as get does.
---@param keys string[]
---@param options? groupcache.GetOptions|groupcache.Duration
---@return table<string, any> values by key
---@return table<string, groupcache.KeyError> errors by key
function Group:get_many(keys, options) end

--- Puts a value in place: the key's owner holds it, the other nodes nothing. Waits until all have confirmed.
---@param key string
---@param value any a string, what the group's codec encodes, or a table with a body (groupcache.Value)
---@param ttl? groupcache.Seconds nil: the group's own; 0 or less: the key is removed
---@return true? ok
---@return string? message
---@return groupcache.Code? code
---@return string[]? unconfirmed with the code PEER: URLs of the nodes that did not confirm; they are told again
function Group:set(key, value, ttl) end

--- Removes a key from every node. Waits as set does.
---@param key string
---@return true? ok
---@return string? message
---@return groupcache.Code? code
---@return string[]? unconfirmed
function Group:remove(key) end

--- Removes up to 10000 keys from every node.
---@param keys string[]
---@return true? ok
---@return string? message
---@return groupcache.Code? code
---@return string[]? unconfirmed
function Group:remove_many(keys) end

--- Removes every value that has this tag from every node.
---@param tag string 1 to 255 bytes
---@return true? ok
---@return string? message
---@return groupcache.Code? code
---@return string[]? unconfirmed
function Group:remove_tag(tag) end

--- Removes every value that has one of up to 10000 tags from every node.
---@param tags string[]
---@return true? ok
---@return string? message
---@return groupcache.Code? code
---@return string[]? unconfirmed
function Group:remove_tags(tags) end

--- Removes every key from every node.
---@return true? ok
---@return string? message
---@return groupcache.Code? code
---@return string[]? unconfirmed
function Group:flush() end

--- The value that this node holds for a key: nothing is loaded, counted or moved; never waits.
---@param key string
---@param options? { full?: boolean }
---@return any value
---@return string? message nil with a value
---@return groupcache.Source|groupcache.Code source "main", "hot" or "stale"; without a value NOTFOUND
function Group:peek(key, options) end

--- Seconds that what this node holds of a key has left: less than 0 when stale, math.huge when it does not end.
---@param key string
---@return groupcache.Seconds? seconds
---@return string? message
---@return groupcache.Code? code NOTFOUND
function Group:ttl(key) end

--- A node in this program, from groupcache.start().
---@class groupcache.Node
---@field address string where it listens, "host:port"
---@field admin_address string where /stats is
---@field url string its `self` setting
local Node = {}

--- A group of the node. Keep what it returns: it remembers hits.
---@param name string
---@return groupcache.Group? group
---@return string? message
---@return groupcache.Code? code NOTFOUND
function Node:group(name) end

--- Replaces the list of peers; {} for none. This node's own URL must be in a list that is not empty.
---@param urls string[]? each http://host:port; nil, for a group: the node's list again
---@param group? string the name of a group whose own list it is
---@return true? ok
---@return string? message
---@return groupcache.Code? code
function Node:set_peers(urls, group) end

--- Reads the script again: its getters, groups and peers take over, what is cached stays.
---@return true? ok
---@return string? message nothing has changed
---@return groupcache.Code? code
function Node:reload() end

--- What /stats says.
---@return table
function Node:stats() end

--- Ends the node, requests under way first, for up to drain_timeout; blocks meanwhile.
function Node:close() end

---@class groupcache
---@field _VERSION string
local groupcache = {}

--- Starts a node in this program. Raises for an unknown option or a wrong type.
---@param options groupcache.StartOptions
---@return groupcache.Node? node
---@return string? message
---@return groupcache.Code? code
function groupcache.start(options) end

--- Defines a group: in a node script, of the node; in a program, one that is part of no node, whose getter runs
--- in the calls that need it. Raises when the options are wrong or the name is taken.
---@param name string 1 to 255 bytes without NUL
---@param options groupcache.GroupOptions
---@return groupcache.Group
function groupcache.group(name, options) end

---@class groupcache.EveryOptions
---@field name? string in the log and in /stats; default: the place of the call

--- Has the node call fn() when it has started, and again `seconds` after each call has ended, beside its getters.
--- Only while a node script is read.
---@param seconds groupcache.Seconds above 0
---@param fn fun()
---@param options? groupcache.EveryOptions
function groupcache.every(seconds, fn, options) end

---@class groupcache.BackgroundOptions: groupcache.EveryOptions
---@field ready? boolean the node is not ready before fn has returned or failed for the first time; default false
---@field ready_timeout? groupcache.Seconds above 0: the node waits no longer for that; default 60

--- Has the node call fn() once when it has started, beside its getters, and again after a pause when it throws. Only
--- while a node script is read.
---@param fn fun()
---@param options? groupcache.BackgroundOptions
function groupcache.background(fn, options) end

--- Lets the other getters of this VM run for that long. Only inside a getter or a background function of a node.
---@param seconds groupcache.Seconds 0 to 1000000
function groupcache.sleep(seconds) end

--- A function that runs beside its getter.
---@class groupcache.Task
local Task = {}

--- Waits until its function has ended. Raises what it threw.
---@async
---@return any ... what it returned
function Task:wait() end

--- Runs fn(...) as a child of the getter, until it waits. Only inside a getter or a background function of a node.
---@param fn function
---@param ... any
---@return groupcache.Task
function groupcache.spawn(fn, ...) end

--- Runs functions at the same time and waits for all. Only inside a getter or a background function of a node.
---@async
---@param functions function[]|table<string, function>
---@return table values their first results, by the key of the function
---@return table errors their second results
---@return table codes their third results
function groupcache.all(functions) end

--- Runs fn(...), in which the getter is not set aside while it computes, and cannot wait.
---@param fn function
---@param ... any
---@return any ... its results
function groupcache.critical(fn, ...) end

--- Seconds on the node's monotonic clock.
---@return groupcache.Seconds
function groupcache.now() end

--- Stands for nil inside of values with the codec "json" or "msgpack"; cjson.null, too.
---@type userdata
groupcache.null = nil

--- The parts of a key that a client's request has made.
---@param key string
---@return { path: string, query?: string, args: table<string, string>, vary: table<string, string> }
function groupcache.split(key) end

--- A table that all VMs of a node have in common.
---@class groupcache.Shared
---@field get fun(self: groupcache.Shared, key: string): string|number|nil
---@field set fun(self: groupcache.Shared, key: string, value: string|number|nil, ttl?: number): true?, string?, groupcache.Code?
---@field incr fun(self: groupcache.Shared, key: string, by?: number, ttl?: number, first?: number): number?, string?, groupcache.Code?
---@field ttl fun(self: groupcache.Shared, key: string): number?
---@field stats fun(self: groupcache.Shared): { entries: integer, bytes: integer, evictions: integer }

--- A table of texts and numbers that all VMs of the node have in common. In a node's script only.
---@param name string
---@param options? { bytes?: groupcache.Size }
---@return groupcache.Shared
function groupcache.shared(name, options) end

--- A value that no VM changes: the first VM of a script makes it, and all VMs read the same memory. Its tables are read
--- like any other, and walked by groupcache.pairs and groupcache.ipairs.
---@generic T: table|string|number|boolean
---@param fn fun(): T
---@return T
function groupcache.constant(fn) end

--- pairs(), also of a table of a constant.
---@param t table
---@return function, table, nil
function groupcache.pairs(t) end

--- ipairs(), also of a table of a constant.
---@param t table
---@return function, table, integer
function groupcache.ipairs(t) end

--- What a getter returns in place of the value of ctx.old, if that is still right.
---@type userdata
groupcache.same = nil

--- Marks a table as one that has a value in its `body`, in a group with a codec.
---@param t groupcache.Value
---@return groupcache.Value
function groupcache.value(t) end

--- Marks a table as a list, so that it is one with the codec "json" though it is empty.
---@generic T: table
---@param t T
---@return T
function groupcache.list(t) end

--- Writes a line to the node's log.
---@param level "debug"|"info"|"warn"|"error"
---@param message any its tostring() is written
---@param fields? table<string, any> further key=value pairs; names are letters, digits and _
function groupcache.log(level, message, fields) end

---@class groupcache.http.Options
---@field method? string default "GET"
---@field headers? table<string, string|number>
---@field body? string
---@field timeout? groupcache.Duration of all of it; default, and at most, what is left of the getter's own; 30 in a background function
---@field connect_timeout? groupcache.Duration default 1
---@field max_bytes? integer of the answer's body; default: the group's max_value_bytes
---@field identity? boolean https with the node's own certificate; default false
---@field ca_file? string PEM file of the authorities to trust for https; default: the system's
---@field cert_file? string PEM file of the certificate that the client shows over https; with key_file
---@field key_file? string PEM file of its key
---@field proxy? string "http://host:port", or with "user:password@" before the host; default none, whatever the environment says
---@field user_agent? string default "groupcache/VERSION"; "" for none
---@field compressed? boolean asks for a compressed body, by an Accept-Encoding; default false
---@field as_value? boolean response.body is bytes outside of the VM, which a getter returns; default false
---@field insecure? boolean https without verifying the other side; default false
---@field follow? integer redirects to follow at most, 0 to 20; default 0: a redirect is an answer
---@field deny_private? boolean addresses that are not public are an error; default false
---@field allow? string[] networks that deny_private does not deny, such as "10.1.2.0/24"
---@field query? table<string, any> names and values or lists of values, added to the URL
---@field json? table the body, as JSON
---@field retries? integer how often a repeatable request is sent again, 0 to 10; default 0
---@field decode? boolean whether a body with Content-Encoding gzip or deflate is decoded; default true

---@class groupcache.http.Request: groupcache.http.Options
---@field url string http:// or https://

---@class groupcache.http.Response
---@field status integer
---@field headers table<string, string> by lower-case name; a repeated header's values joined with ", "
---@field body string|groupcache.http.Bytes bytes with as_value
---@field url? string with follow: the last one

--- A body outside of the VM: #bytes is its length, tostring(bytes) all of it.
---@class groupcache.http.Bytes
---@field sub fun(self: groupcache.http.Bytes, i: integer, j?: integer): string a part, as of a string

---@class groupcache.http
local http = {}

--- One HTTP exchange. Only inside a getter or a background function of a node; waits. Any status is an answer; redirects are followed with options.follow only.
---@param request groupcache.http.Request
---@return groupcache.http.Response? response
---@return string? message
---@return groupcache.Code? code
function http.request(request) end

--- A GET, or what options.method says.
---@param url string
---@param options? groupcache.http.Options
---@return groupcache.http.Response? response
---@return string? message
---@return groupcache.Code? code
function http.get(url, options) end

--- The decoded body of a server that speaks JSON.
---@param url string
---@param options? groupcache.http.Options
---@return any value
---@return string? message
---@return groupcache.Code? code
function http.json(url, options) end

--- An answer that is read while it arrives. line() and read() wait, and return nothing at the end.
---@class groupcache.http.Stream
---@field status? integer once something was read
---@field line fun(self: groupcache.http.Stream): string?, string?, groupcache.Code? the next line, without its end; or nil, message, code
---@field read fun(self: groupcache.http.Stream): string?, string?, groupcache.Code? the bytes that have arrived; or nil, message, code
---@field close fun(self: groupcache.http.Stream) ends the exchange

--- Begins an HTTP exchange whose body is read while it arrives. Only inside a getter or a background function of a node.
---@param request groupcache.http.Request without follow and decode
---@return groupcache.http.Stream? stream
---@return string? message
---@return groupcache.Code? code
function http.stream(request) end

--- Percent-encodes bytes as one path segment: everything but A-Z a-z 0-9 - . _ ~.
---@param bytes string at most 1 MiB
---@return string
function http.escape(bytes) end

--- Of http.cache(), beside those of a group.
---@class groupcache.http.CacheOptions: groupcache.GroupOptions
---@field heuristic? number share of the time since Last-Modified for which an answer is fresh; default 0.1
---@field heuristic_max? groupcache.Duration and for so long at most; default a day
---@field keep? groupcache.Duration how long a stale answer is kept; default 3600
---@field obey_requests? boolean the Cache-Control of requests counts; default true
---@field cache_status? boolean answers have a Cache-Status; default false
---@field host? string the Host that the origin gets; default the origin's
---@field connect_timeout? groupcache.Duration to the origin; default 1
---@field ca_file? string PEM file of the authorities of an https origin; default: the system's

--- The options of a group that is a shared HTTP cache in front of an origin (RFC 9111).
---@param origin string "http://host:port"
---@param options? groupcache.http.CacheOptions
---@return groupcache.GroupOptions
function http.cache(origin, options) end

--- The module groupcache.discover: sources of lists of peers.
---@class groupcache.discover
---@field static fun(urls: string[]): groupcache.PeerTable
---@field file fun(options: string|{ path: string, interval?: groupcache.Duration, scheme?: "http"|"https" }): groupcache.PeerTable
---@field dns fun(options: { name: string, port?: integer, srv?: boolean, scheme?: "http"|"https", server?: string, least?: groupcache.Duration, most?: groupcache.Duration }): groupcache.PeerTable
---@field etcd fun(options: { endpoints: string[], prefix: string, ttl?: integer, register?: boolean, user?: string, password?: string, ca_file?: string, insecure?: boolean, identity?: boolean }): groupcache.PeerTable
---@field consul fun(options: { service: string, address?: string, scheme?: "http"|"https", token?: string, ttl?: integer, register?: boolean, consul_scheme?: "http"|"https", ca_file?: string, insecure?: boolean, identity?: boolean }): groupcache.PeerTable

return { groupcache = groupcache, http = http, Group = Group, Node = Node }
