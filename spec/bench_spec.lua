-- SPDX-License-Identifier: MIT

-- The benchmark's own arithmetic, and one row from end to end. Figures are nobody's business here.

local process = require "support.process"
local quote = require "bench.lib.quote"
local report = require "bench.lib.report"
local tmp = require "support.tmp"

local ROW = { title = "a row" }

-- Rounds of one figure, "n".
local function side(...)
  local rounds = {}
  for i, n in ipairs { ... } do
    rounds[i] = { n = n }
  end
  return { rounds = rounds }
end

local function line(spec, measured)
  spec.figure, spec.of, spec.ours = "n", "n", "ours"
  return report.line(ROW, spec, measured)
end

describe("a line of the benchmark", function()
  it("shows median, least and most of both sides", function()
    local l = line({ peer = "Go" }, { ours = side(3, 1, 2), Go = side(10, 30, 20) })
    assert.equal("2.00 (1.00..3.00)", l.ours)
    assert.equal("20.0 (10.0..30.0)", l.theirs)
    assert.equal("", l.verdict)
  end)

  it("takes the ratio round by round", function()
    -- The third round was slow for both: the medians alone would say 1.
    local l = line({ peer = "Go" }, { ours = side(20, 20, 2), Go = side(10, 10, 20) })
    assert.equal("2", l.ratio)
  end)

  it("says whether the reach is reached, where more is better", function()
    local function verdict(n)
      return line({ peer = "Go", reach = 1.8, better = "more" },
        { ours = side(n), Go = side(10) }).verdict
    end
    assert.equal("reached", verdict(18))
    assert.equal("falls short", verdict(17.9))
  end)

  it("and where less is", function()
    local function verdict(n)
      return line({ peer = "Go", reach = 0.5, better = "less" },
        { ours = side(n), Go = side(10) }).verdict
    end
    assert.equal("reached", verdict(5))
    assert.equal("falls short", verdict(5.1))
  end)

  it("bounds our figure alone when there is no peer", function()
    local l = line({ reach = 50, better = "less" }, { ours = side(40, 60, 70) })
    assert.equal("<= 50", l.reach)
    assert.equal("falls short", l.verdict)
  end)

  it("is missing, and not reached, when a side could not run", function()
    local l = line({ peer = "Go", reach = 1.8, better = "more" },
      { ours = side(100), Go = { rounds = {}, trouble = "no Go here" } })
    assert.is_true(l.missing)
    assert.equal("missing: Go: no Go here", l.verdict)
    assert.equal("100", l.ours)
  end)

  it("is missing when our side could not run", function()
    local l = line({ reach = 50, better = "less" }, { ours = { rounds = {}, trouble = "gone" } })
    assert.equal("missing: ours: gone", l.verdict)
  end)
end)

describe("a report", function()
  local function reported(...)
    return report.markdown({ ... }, {}, {}, {})
  end

  it("counts its verdicts in the last line", function()
    local far = line({ reach = 1, better = "more" }, { ours = side(900) })
    local short = line({ reach = 50, better = "less" }, { ours = side(60) })
    local plain = line({}, { ours = side(1) })
    local absent = line({ reach = 50, better = "less" }, { ours = { rounds = {}, trouble = "x" } })
    assert.truthy(reported(far, short, far, plain, absent)
      :find "\n\n2 reached, 1 fall short, 1 missing%.\n$")
  end)

  it("gives README.md its figures, with two digits", function()
    local function of(title, figure, ours, peer, theirs)
      return report.line({ title = title },
        { figure = figure, of = "n", ours = "ours", peer = peer },
        { ours = side(ours), [peer] = side(theirs) })
    end
    local hit = of("HTTP hit, 100 B, 64 connections", "/_groupcache/, requests/s", 231234,
      "Go /_groupcache/", 100000)
    local other = of("HTTP hit, 100 B, 64 connections", "/cache/, requests/s", 7, "nginx", 1)
    local forward = of("forward, every key new", "requests/s", 1234, "Go default", 100)
    local readme = assert(quote.renew(tmp.read "README.md", reported(hit, other, forward)))
    assert.truthy(readme:find "answers 230 000 hits a second over HTTP, 2%.3 times as many")
    assert.truthy(readme:find "each key answers 1 200 a second, 12 times as many")
    local unchanged, missing = quote.renew(readme, reported(hit, other))
    assert.is_nil(unchanged)
    assert.equal('the results have no figure of row "forward", "requests/s", peer "Go default"',
      missing)
  end)

  it("is docs/results.md, where the figures of README.md are from", function()
    local readme = tmp.read "README.md"
    assert.equal(readme, assert(quote.renew(readme, tmp.read "docs/results.md")))
  end)
end)

describe("bench/run.lua", function()
  local function run(env)
    env.BUILD, env.ROUNDS, env.SECONDS = os.getenv "BUILD" or "build", 2, 1
    env.RESULTS = tmp.dir() .. "/results.md"
    local r = process.run { "luajit", "bench/run.lua", env = env, timeout = 120 }
    return r, env.RESULTS
  end

  it("runs a row and writes the same table twice", function()
    local r, results = run { ONLY = "start", STRICT = false }
    assert.equal(0, r.code, r.stderr)
    assert.truthy(r.stdout:find("\nstart to ready, 1 group, 2 workers  ms ", 1, true))
    assert.truthy(r.stdout:find "\n%d reached, %d fall short, 0 missing\n$")
    assert.truthy(tmp.read(results):find("\n| start to ready, 1 group, 2 workers | ms | ", 1, true))
  end)

  it("names the rows when it knows none of that name", function()
    local r = run { ONLY = "stat" }
    assert.equal(1, r.code)
    assert.truthy(r.stderr:find('no row "stat"; there are: hit ', 1, true))
  end)
end)
