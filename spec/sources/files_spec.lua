-- SPDX-License-Identifier: MIT

-- examples/files.lua over a folder that is half copied, taken away, brought back and changed.

local many = require "sources.many"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"
local tree = require "support.tree"

local EXAMPLE = "examples/files.lua"
local FILES = 1000

describe("examples/files.lua", function()
  local root, paths, n

  -- The list that coreutils make of all files in the folder.
  local function list()
    local out = process.run { "sh", "-c", "rm -f SHA256SUMS && find . -type f -printf '%P\\0' "
      .. "| xargs -0 sha256sum >../sums && mv ../sums SHA256SUMS", cwd = root }
    assert.equal(0, out.code, out.stderr)
  end

  local function content(path)
    return tmp.read(root .. "/" .. path)
  end

  setup(function()
    root, paths = tmp.dir() .. "/files", {}
    for i, file in ipairs(tree.make(root, FILES, { total = 20 * 1024 * 1024 })) do
      paths[i] = file.path
    end
    list()
  end)

  before_each(function()
    n = node.start { script = EXAMPLE, env = { ROOT = root } }
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  it("loads a thousand files, each once", function()
    assert.same({ ["local"] = FILES }, many.right(many.ask(n, "files", paths), content))
    assert.same({ main = FILES }, many.right(many.ask(n, "files", paths), content))
    assert.equal(FILES, n:stats().groups.files.local_loads)
  end)

  it("opens nothing that is not listed", function()
    tmp.write(root .. "/unlisted", "secret")
    for _, key in ipairs { "", ".", "..", "../files/unlisted", "unlisted", "SHA256SUMS", "a",
      "./" .. paths[1], paths[1] .. "\0", "a/../" .. paths[1], root .. "/" .. paths[1] } do
      local res = assert(n:get("files", key))
      assert.equal('404 {"error":"group files: not found","code":"NOTFOUND"}', many.said(res))
    end
    assert(os.remove(root .. "/unlisted"))
  end)

  it("says that it cannot read the list while the folder is away", function()
    local failed = {}
    local answers = many.ask(n, "files", paths, function(count)
      if count == 300 then
        assert(os.rename(root, root .. ".away"))
      elseif count == 600 then
        assert(os.rename(root .. ".away", root))
      end
    end)
    for path, res in pairs(answers) do
      if res.status ~= 200 then
        failed[#failed + 1] = path
        answers[path] = nil
        local said = many.said(res)
        if not said:find('^502 {"error":"cannot read .*","code":"GETTER"}$') then
          error(said)
        end
      end
    end
    many.right(answers, content)
    -- But for what was under way as the folder went and came.
    assert(#failed >= 290 and #failed <= 310, #failed .. " failed")
    assert.same({ ["local"] = #failed }, many.right(many.ask(n, "files", failed), content))
    assert.same({ main = FILES }, many.right(many.ask(n, "files", paths), content))
  end)

  it("refuses what is not what the list says, until it is", function()
    local before = ("all of it\n"):rep(10000)
    tmp.write(root .. "/copied.bin", before)
    tmp.write(root .. "/listed-only", "")
    list()
    assert(os.remove(root .. "/listed-only"))
    local wrong = many.promised(EXAMPLE, "NAME", "copied.bin")
    for _, bytes in ipairs { before:sub(1, 65536), before .. "\n", "", before:upper() } do
      tmp.write(root .. "/copied.bin", bytes)
      assert.equal(wrong, many.said(assert(n:get("files", "copied.bin"))))
    end
    tmp.write(root .. "/copied.bin", before)
    assert.equal(before, assert(n:get("files", "copied.bin")).body)

    tmp.write(root .. "/copied.bin", "a new version")
    assert.equal("main", assert(n:get("files", "copied.bin")).headers["x-cache"])
    assert.equal('502 {"error":"cannot read listed-only","code":"GETTER"}',
      many.said(assert(n:get("files", "listed-only"))))
    assert(os.remove(root .. "/copied.bin"))
    list()
  end)
end)
