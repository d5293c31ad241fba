-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local tmp = require "support.tmp"
local C = require("support.unit").load("base/identity.h", "base/err.h")

local function read(cert, key, ca)
  local paths, e = ffi.new "struct identity_paths", ffi.new "struct error"
  paths.cert, paths.key, paths.ca = cert, key, ca
  local id = C.identity_read(paths, e)
  if id == nil then
    return nil, ffi.string(e.msg)
  end
  return id
end

describe("an identity", function()
  local a, b, c = tmp.file "certificate", tmp.file "key", tmp.file "ca"

  it("has the texts of its files, also after they have changed", function()
    local id = read(a, b, c)
    tmp.write(b, "another")
    assert.same({ "certificate", "key", "ca" }, { ffi.string(id.cert), ffi.string(id.key),
      ffi.string(id.ca) })
    assert.same({ 11, 3, 2 }, { tonumber(id.cert_len), tonumber(id.key_len), tonumber(id.ca_len) })
    C.identity_unref(C.identity_ref(id))
    C.identity_unref(id)
  end)

  it("may be a CA alone", function()
    local id = read(nil, nil, c)
    assert.is_true(id.cert == nil and id.key == nil)
    C.identity_unref(id)
  end)

  it("is refused with the setting and the path", function()
    local large = tmp.file(("x"):rep(2 ^ 20 + 1))
    local empty = tmp.file ""
    for said, files in pairs {
      ["tls: cert and key belong together, and key is missing"] = { a },
      ["tls: cert and key belong together, and cert is missing"] = { [2] = b },
      ["tls.cert /nowhere: No such file or directory"] = { "/nowhere", b },
      ["tls.key " .. empty .. ": the file is empty"] = { a, empty },
      ["tls.ca " .. large .. ": the file has more than 1048576 bytes"] = { a, b, large },
      ["tls.ca /: Is a directory"] = { a, b, "/" },
    } do
      local id, err = read(files[1], files[2], files[3])
      assert.is_nil(id)
      assert.equal(said, err)
    end
  end)
end)
