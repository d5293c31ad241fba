-- SPDX-License-Identifier: MIT

-- A list of peers in a file, in all the ways in which files are changed.

local eventually = require "support.eventually"
local lfs = require "lfs"
local listed = require "discover.listed"
local rig = require "node.rig"
local tmp = require "support.tmp"

local A, B, C, D = "http://10.9.0.1:80", "http://10.9.0.2:80", "http://10.9.0.3:80",
  "http://10.9.0.4:80"

describe("a list of peers in a file", function()
  local dir, path, n

  local function lines(...)
    local urls = { ... }
    urls[#urls + 1] = n and n.url
    return table.concat(urls, "\n") .. "\n"
  end

  -- The node finds its own URL out, so the file has it from the second write on.
  local function start(text, opts)
    dir = tmp.dir()
    path = dir .. "/peers"
    if text then
      tmp.write(path, text)
    end
    n = listed.start("file:" .. path .. "?interval=0.2", opts)
  end

  after_each(function()
    local ended = n
    n = nil
    rig.stop(ended)
  end)

  it("is taken before the node is ready, with this node in it", function()
    start(lines(A, B))
    assert.equal(table.concat({ A, B, n.url }, " "), listed.peers(n))
    assert.equal(1, listed.count(n, 'msg="this node is not in the list of its source'))
    assert.is_false(listed.source(n).self_listed)
    assert.equal("file:" .. path, listed.source(n).source)
  end)

  it("has a URL a line, comments, empty lines and lines that end with CR LF", function()
    start("# all nodes\r\n\r\n  " .. A .. "  # the first\r\n" .. B .. "\r\n")
    listed.wait(n, { A, B, n.url })
  end)

  it("may be the JSON of Prometheus' file_sd", function()
    start(('[{"targets":["10.9.0.1:80","10.9.0.2:80"],"labels":{"job":"gc"}},'
      .. '{"targets":["10.9.0.3:443"],"labels":{"__scheme__":"https"}}]'))
    listed.wait(n, { A, B, "https://10.9.0.3:443", n.url })
  end)

  it("is seen when it is written in place", function()
    start(lines(A))
    tmp.write(path, lines(A, B))
    listed.wait(n, { A, B, n.url })
    tmp.write(path, lines(A, C)) -- of the same size
    listed.wait(n, { A, C, n.url })
    assert.is_true(listed.source(n).self_listed)
  end)

  it("is seen when another file is renamed over it, a hundred times, the last one too", function()
    start(lines(A, B))
    for i = 1, 100 do
      tmp.write(path .. ".new", lines(A, ("http://10.9.1.%d:80"):format(i)))
      assert(os.rename(path .. ".new", path))
    end
    listed.wait(n, { A, "http://10.9.1.100:80", n.url })
    assert.is_true(listed.count(n, 'msg="peers"') <= 4, "a ring a second at most")
  end)

  it("is seen when the link that a ConfigMap is made of is swapped", function()
    dir = tmp.dir()
    local function version(name, text)
      tmp.write(("%s/..%s/peers"):format(dir, name), text)
      assert(lfs.link(".." .. name, dir .. "/..data_tmp", true))
      assert(os.rename(dir .. "/..data_tmp", dir .. "/..data"))
    end
    version("1", lines(A, B))
    assert(lfs.link("..data/peers", dir .. "/peers", true))
    n = listed.start("file:" .. dir .. "/peers?interval=0.2")
    listed.wait(n, { A, B, n.url })
    version("2", lines(A, C))
    tmp.remove(dir .. "/..1")
    listed.wait(n, { A, C, n.url })
  end)

  it("stays when the file is removed, is a folder, or is half JSON", function()
    start(lines(A, B))
    assert(os.remove(path))
    listed.looks(n, 2)
    local source = listed.source(n)
    assert.matches(path .. ": No such file or directory", source.last_error, 1, true)
    assert.equal(1, listed.count(n, 'msg="a source of peers cannot be read"'))
    assert(lfs.mkdir(path))
    eventually(function() return listed.source(n).last_error:find("Is a directory", 1, true) end,
      listed.patience)
    assert(lfs.rmdir(path))
    tmp.write(path, '[{"targets":["10.9.0.1:80"')
    eventually(function() return listed.source(n).errors > source.errors + 1 end, listed.patience)
    listed.wait(n, { A, B, n.url })
    tmp.write(path, lines(A, D))
    listed.wait(n, { A, D, n.url })
    assert.equal(1, listed.count(n, 'msg="a source of peers can be read again"'))
  end)

  for _, text in ipairs { '{"targets":["10.9.0.1:80"]}', '[{"targets":{"a":"10.9.0.1:80"}}]' } do
    it("is no empty list when its JSON has an object for a list: " .. text, function()
      start(lines(A, B))
      tmp.write(path, text)
      listed.looks(n, 4) -- an empty list would be taken by now
      assert.matches("list", listed.source(n).last_error, 1, true)
      listed.wait(n, { A, B, n.url })
    end)
  end

  it("is not taken while its last line is being written", function()
    start(lines(A, B))
    tmp.write(path, lines(A) .. "http://10.9.0.33")
    tmp.write(path, lines(A) .. B:sub(1, -2)) -- "…:8" is a peer, too
    listed.looks(n, 1)
    tmp.write(path, lines(A, B, C))
    listed.wait(n, { A, B, C, n.url })
    assert.is_nil(n:log():find("10.9.0.33", 1, true))
  end)

  it("need not end with a line end", function()
    start(lines(A, B))
    tmp.write(path, lines(A) .. C)
    listed.wait(n, { A, C, n.url })
  end)

  it("that is cut to nothing, or to a few peers, must stay so for three looks", function()
    start(lines(A, B, C))
    tmp.write(path, lines(A, B, C))
    listed.wait(n, { A, B, C, n.url })
    local before = listed.source(n).looks
    tmp.write(path, "")
    eventually(function() return listed.source(n).held == 2 end, listed.patience)
    assert.equal(table.concat({ A, B, C, n.url }, " "), listed.peers(n))
    tmp.write(path, lines(A, B, C))
    eventually(function() return listed.source(n).held == 0 end, listed.patience)
    assert.equal(table.concat({ A, B, C, n.url }, " "), listed.peers(n))
    tmp.write(path, "")
    listed.wait(n, { n.url })
    assert.is_true(listed.source(n).looks - before >= 5)
    assert.equal(2, listed.count(n, 'msg="a source has lost most peers'))
  end)

  it("that loses half of its peers is taken at once", function()
    start(lines(A, B, C))
    tmp.write(path, lines(A, B, C))
    listed.wait(n, { A, B, C, n.url })
    tmp.write(path, lines(A))
    listed.wait(n, { A, n.url })
    assert.equal(0, listed.count(n, 'msg="a source has lost most peers'))
  end)

  it("loses the entries that cannot be peers, and the log says so once for each", function()
    start(lines(A, "10.9.0.3:80", A, "http://10.9.0.2:0x50"))
    listed.wait(n, { A, n.url })
    listed.looks(n, 2)
    tmp.write(path, lines(A, B, "10.9.0.3:80"))
    listed.wait(n, { A, B, n.url })
    assert.equal(2, listed.count(n, 'msg="an entry of a source of peers is left out"'))
    assert.equal(1, listed.count(n, 'entry="10.9.0.3:80"'))
  end)

  it("may come after the start: the node is not ready before, for a bounded time", function()
    start(nil, { ready = false })
    eventually(function() return n:logged 'msg="a source of peers cannot be read"' end,
      listed.patience)
    assert.equal(503, n:request({ target = "/readyz" }).status)
    tmp.write(path, lines(A, B))
    eventually(function() return n:request({ target = "/readyz" }).status == 200 end,
      listed.patience)
    assert.equal(table.concat({ A, B, n.url }, " "), listed.peers(n))
  end)

  it("that never comes leaves the node alone after peers_wait", function()
    start(nil, { args = { "--peers", "file:/nowhere/peers", "--peers-wait", "0.3" } })
    assert.equal("", listed.peers(n))
    assert.equal(200, n:get("g", "k").status)
    assert.equal(1, listed.count(n, 'msg="the node stops waiting for a background function"'))
  end)
end)
