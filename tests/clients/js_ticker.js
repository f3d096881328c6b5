#!/usr/bin/env node
// Streams with Zerodha's own JavaScript client, unmodified, and prints what it decoded.
//
// Needs `npm install kiteconnect` (NODE_PATH may name the folder of modules).
//
//   js_ticker.js ws://127.0.0.1:7070 TICKS TOKEN=MODE...
//
// Prints JSON lines: {"event": "connect"}, {"event": "ticks", "ticks": [...]}, {"event": "message"
// | "error" | "disconnect", ...}. Ends with status 0 after the asked number of ticks, with 1 after
// 30 seconds. Text frames of type "error" never show: this client swallows them.
const { KiteTicker } = require("kiteconnect");

const [root, wanted, ...subscriptions] = process.argv.slice(2);
const emit = (event, members = {}) => console.log(JSON.stringify({ event, ...members }));

const byMode = {};
for (const subscription of subscriptions) {
  const [token, mode] = subscription.split("=");
  (byMode[mode] ||= []).push(Number(token));
}

const ticker = new KiteTicker({ api_key: "client", access_token: "AT+/=", root: `${root}/` });
let left = Number(wanted);
ticker.on("connect", () => {
  emit("connect");
  for (const [mode, tokens] of Object.entries(byMode)) {
    ticker.subscribe(tokens);
    ticker.setMode(mode, tokens);
  }
});
ticker.on("ticks", (ticks) => {
  emit("ticks", { ticks });
  left -= ticks.length;
  if (left <= 0) process.exit(0);
});
ticker.on("message", (message) => {
  if (!(message instanceof ArrayBuffer) && !Buffer.isBuffer(message)) emit("message");
});
ticker.on("error", (error) => emit("error", { reason: String(error && error.message) }));
ticker.on("disconnect", (error) => emit("disconnect", { reason: String(error && error.message) }));
setTimeout(() => {
  emit("timeout");
  process.exit(1);
}, 30000);
ticker.connect();
