// Logs in at Kite's page as a person with a browser does, and prints what the operator's page says in the end.
//
// node login.js LINK USER [confirm]

const { execSync } = require("node:child_process");
const puppeteer = require("puppeteer-core");

const [link, user, confirm] = process.argv.slice(2);

async function main() {
  const browser = await puppeteer.launch({
    executablePath: execSync("command -v chromium").toString().trim(),
    // The sandbox wants a user namespace, which a container may not have.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    timeout: 0,
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    // What the content policy forbids is an error here.
    const problems = [];
    page.on("console", (message) => {
      if (message.type() === "error" && !/favicon/.test(message.location().url || "")) problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(link);
    await page.$eval("input[name=user_id]", (input) => (input.value = ""));
    await page.type("input[name=user_id]", user);
    await page.type("input[name=password]", "any");
    await page.type("input[name=totp]", "123456");
    await Promise.all([page.waitForNavigation(), page.click("button[value=login]")]);
    if (confirm) await Promise.all([page.waitForNavigation(), page.click("form button")]);
    // The page loads itself again until it says how the account is.
    for (;;) {
      const text = await page.evaluate(() => document.body.innerText).catch(() => "");
      if (/is ready|Not logged in|Logged in already|still good/.test(text)) break;
      await page.waitForNavigation();
    }
    const seen = await page.evaluate(() => ({
      text: document.body.innerText,
      address: location.pathname,
      query: location.search,
      width: getComputedStyle(document.body).maxWidth,
      referrer: document.referrer,
    }));
    console.log(JSON.stringify({ ...seen, problems }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
