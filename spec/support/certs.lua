-- SPDX-License-Identifier: MIT

--- Certificates, made by openssl on the spot.
--
--   local ca = certs.ca("name")               ca.path is its certificate
--   local c = ca:issue{ name=, san=, usage=, from=, until_= }  -> { cert=path, key=path }
--     san     ["DNS:localhost,IP:127.0.0.1"]
--     usage   the extended key usage ["serverAuth,clientAuth"]; false: none is said
--     from, until_  seconds from now [an hour ago, in a day]
--
--   certs.copy(c) -> pair                     in files of its own
--   certs.replace_pair(pair, c)               puts c into the files of a pair, each by a rename
--   certs.replace(path, bytes)                the same for one file
--
-- The keys are of P-256: RSA would take a second each.

local process = require "support.process"
local tmp = require "support.tmp"

local certs = {}
certs.__index = certs

local CONFIG = [[
[ca]
default_ca = one
[one]
database = %s/index
new_certs_dir = %s
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
]]

local function run(...)
  local r = process.run { "openssl", ... }
  assert(r.code == 0, r.stderr)
  return r.stdout
end

local function new_key(path)
  run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
  return path
end

function certs.ca(name)
  local dir = tmp.dir()
  local self = setmetatable({ dir = dir, path = dir .. "/ca.pem", key = dir .. "/ca.key", n = 0 },
    certs)
  tmp.write(dir .. "/config", CONFIG:format(dir, dir))
  tmp.write(dir .. "/index", "")
  new_key(self.key)
  run("req", "-x509", "-new", "-key", self.key, "-subj", "/CN=" .. name, "-days", "2", "-out",
    self.path)
  return self
end

local function date(seconds)
  return os.date("!%Y%m%d%H%M%SZ", os.time() + seconds)
end

function certs:issue(opts)
  opts = opts or {}
  self.n = self.n + 1
  local base = ("%s/%d"):format(self.dir, self.n)
  local pair = { cert = base .. ".pem", key = new_key(base .. ".key") }
  local more = "subjectAltName=" .. (opts.san or "DNS:localhost,IP:127.0.0.1") .. "\n"
  if opts.usage ~= false then
    more = more .. "extendedKeyUsage=" .. (opts.usage or "serverAuth,clientAuth") .. "\n"
  end
  tmp.write(base .. ".ext", more)
  run("req", "-new", "-key", pair.key, "-subj", "/CN=" .. (opts.name or "node"), "-out",
    base .. ".csr")
  run("ca", "-batch", "-notext", "-config", self.dir .. "/config", "-cert", self.path, "-keyfile",
    self.key, "-startdate", date(opts.from or -3600), "-enddate", date(opts.until_ or 86400),
    "-extfile", base .. ".ext", "-in", base .. ".csr", "-out", pair.cert)
  return pair
end

--- Replaces a file at once, as somebody does who rotates certificates well.
function certs.replace(path, bytes)
  tmp.write(path .. ".new", bytes)
  assert(os.rename(path .. ".new", path))
end

--- Copies a pair over the files of another.
function certs.replace_pair(to, from)
  certs.replace(to.cert, tmp.read(from.cert))
  certs.replace(to.key, tmp.read(from.key))
end

--- A pair in files of its own, which a spec may replace.
function certs.copy(pair)
  local dir = tmp.dir()
  local copy = { cert = dir .. "/cert.pem", key = dir .. "/key.pem" }
  certs.replace_pair(copy, pair)
  return copy
end

return certs
