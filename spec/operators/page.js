// SPDX-License-Identifier: MIT
//
// node page.js URL PID: looks at a node's page in Chromium, asks the node for keys meanwhile, and kills
// the process PID, a peer of it. Prints what it has seen as JSON. The groups are those of page_spec.lua.

"use strict";
const http = require("http");
const { chromium } = require("playwright-core");
const [url, pid, self] = process.argv.slice(2);

const get = path => new Promise((done, fail) => http.get(url + path, res => {
  res.resume();
  res.on("end", done);
}).on("error", fail));

(async () => {
  const seen = { noise: [], foreign: [], widths: {} };
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.on("console", m => seen.noise.push(m.text()));
  page.on("pageerror", e => seen.noise.push(e.message));
  page.on("request", r => {
    const to = r.url();
    if (!to.startsWith(url + "/") && !to.startsWith("data:")) seen.foreign.push(to);
  });
  const text = selector => page.locator(selector).first().innerText();
  const until = (what, fn, arg) => page.waitForFunction(fn, arg, { timeout: 30000, polling: 100 })
    .catch(e => { throw new Error(what + ": " + e.message); });

  await page.goto(url + "/");
  await until("groups", () => document.querySelectorAll("#groups tr td.name").length >= 3);
  seen.groups = await page.locator("#groups td.name").allInnerTexts();
  seen.title = await page.title();
  seen.ready = await text("#ready");
  seen.peers = await page.locator("#peers td.name").allInnerTexts();

  let busy = true;
  const load = (async () => {
    for (let i = 0; busy; i++) {
      await get("/cache/g/k" + i % 20);
      await get("/cache/g/popular");
      if (i % 10 === 0) await get("/cache/g/bad" + i);
    }
  })();
  await until("a rate", () => +document.querySelector("#tiles .tile .value").textContent.replace(",", "") > 1);
  await until("a line", () => document.querySelector("#groups polyline"));
  await until("popular", () => [...document.querySelectorAll("#popular td.key")].some(e => e.textContent === "popular"));
  await until("failed", () => document.querySelector("#failed td.name"));
  seen.failed = await text("#failed tr td.name");
  seen.slow = await page.locator("#slow td.key").count();

  await page.selectOption("#key-group", { label: "g" });
  await page.fill("#key-key", "popular");
  await page.click("#key-form button");
  await until("the key", () => document.querySelector("#key-answer dd"));
  seen.key = await text("#key-answer");

  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1280, 768, 390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      seen.widths[scheme + width] = await page.evaluate(() => document.documentElement.scrollWidth);
    }
    seen[scheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  }
  await page.setViewportSize({ width: 1280, height: 900 });

  process.kill(+pid, "SIGKILL");
  await until("the peer is seen to be out of use",
    () => [...document.querySelectorAll("#peers .pill")].some(e => e.textContent.startsWith("out of use")));
  busy = false;
  await load;
  seen.quiet = [...seen.noise]; // from here on requests fail
  process.kill(+self, "SIGKILL");
  await until("the node is seen to be away", () => document.querySelector("#away.on"));
  seen.away = await text("#away");
  await browser.close();
  console.log(JSON.stringify(seen));
})().catch(e => { console.error(e); process.exit(1); });
