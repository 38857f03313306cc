// Looks at every page as people do: in Chromium, wide and narrow, light and dark, with the keyboard, and without scripts.
// Arguments: the folder of node's modules, the collector's address, and a JSON of tokens and pages. Each line that is printed is a problem.
"use strict";
const [modules, base, told] = process.argv.slice(2);
const { readFileSync } = require("node:fs");
const { chromium } = require(`${modules}/playwright-core`);
const axe = readFileSync(require.resolve(`${modules}/axe-core/axe.min.js`), "utf8");
const { viewer, operator, agent, pages, table, incident, lineage, batch } = JSON.parse(told);
const problem = (...what) => console.log(...what);

const signIn = async (page, token) => {
  await page.goto(`${base}/sign-in`);
  await page.fill("#token", token);
  await page.click("main button");
  await page.waitForURL("**/fleet");
};

/** What a page asks for elsewhere, and what it says that is wrong. */
const watch = (page, name) => {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problem(name(), message.text());
  });
  page.on("pageerror", (error) => problem(name(), error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) problem(name(), "asks", request.url());
  });
};

const looks = async (browser, width, colorScheme) => {
  const context = await browser.newContext({ viewport: { width, height: 850 }, colorScheme });
  const page = await context.newPage();
  let path = "/sign-in";
  const name = () => `${width} ${colorScheme} ${path}:`;
  watch(page, name);
  const judge = async () => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) problem(name(), `is ${over} pixels wider than the screen`);
    // by the debugger, whom the page's policy does not bind
    const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })
      .then((all) => [all.passes.length, all.violations.map((own) => own.id + " " + own.nodes[0].html)])`);
    if (found[0] < 10) problem(name(), "was hardly judged");
    for (const violation of found[1]) problem(name(), violation);
  };
  await page.goto(`${base}/sign-in`);
  await judge();
  await signIn(page, viewer);
  for (path of pages) {
    await page.goto(base + path);
    await judge();
  }
  path = table;
  await page.goto(base + path);
  await page.waitForSelector(".plot canvas");
  path = lineage;
  await page.goto(base + path);
  await page.waitForSelector(".graph svg a .focus");
  if ((await page.locator(".graph path.edge").count()) < 1) problem(name(), "no edge is drawn");
  await context.close();
};

/** What happens meanwhile is there without a reload, and nothing is taken from under whoever reads. */
const lives = async (browser) => {
  const page = await (await browser.newContext()).newPage();
  watch(page, () => "live:");
  await signIn(page, viewer);
  await page.goto(base + table);
  await page.evaluate(() => { window.same = true; });
  const sent = await page.request.post(`${base}/v1/ingest`, {
    headers: { authorization: `Bearer ${agent}`, "content-type": "application/json" }, data: batch,
  });
  if (!sent.ok()) problem("live: the batch was not taken", sent.status());
  await page.waitForFunction(() => document.querySelector("#sum").textContent.includes("1 failed, 1 passed"), null, { timeout: 40000 });
  if (!(await page.evaluate(() => window.same))) problem("live: the page was loaded again");
};

const keyboard = async (browser) => {
  const page = await (await browser.newContext()).newPage();
  watch(page, () => "keyboard:");
  await page.goto(`${base}/sign-in`);
  await page.keyboard.type(viewer);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/fleet");
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.className);
  if (first !== "skip") problem("keyboard: first is", first);
  await page.keyboard.press("Enter");
  const then = await page.evaluate(() => document.activeElement.id);
  if (then !== "main") problem("keyboard: the way to the content leads to", then);
  // each thing that can be reached is seen to be
  await page.goto(base + lineage);
  await page.waitForSelector(".graph svg a");
  await page.locator(".graph svg a").last().focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/lineage\?.*column=/);
};

const plain = async (browser) => {
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  watch(page, () => "plain:");
  await signIn(page, operator);
  await page.goto(base + incident);
  await page.fill("#note", "on it");
  await page.click("text=Acknowledge");
  if (!(await page.textContent("#sum")).includes("on it")) problem("plain: it was not taken up");
  await page.fill("#why", "restore");
  await page.click("main button:has-text('Silence')");
  if (!(await page.textContent("#sum")).includes("restore")) problem("plain: it was not silenced");
  await page.click("text=Sign out");
  await page.goto(base + incident);
  if (!page.url().includes("/sign-in?to=")) problem("plain: still signed in at", page.url());
};

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
  for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [390, "light"], [390, "dark"]]) await looks(browser, width, scheme);
  await keyboard(browser);
  await plain(browser);
  await lives(browser);
  await browser.close();
  console.log("looked");
})().catch((error) => { problem(error.stack); process.exit(1); });
