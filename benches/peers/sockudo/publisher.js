// Passes on what it is sent by WebSocket to sockudo's HTTP API: `node publisher.js --port 9002 --to 9001`.
//
// A client of the Pusher protocol cannot publish to a public channel, and signs for each connection that
// wants to be in a private one. This is what a back-end does instead: it posts events, as many at once as
// have come in meanwhile, on a connection that it keeps.
"use strict";

const { createHash, createHmac } = require("node:crypto");
const http = require("node:http");
const { parseArgs } = require("node:util");
const { WebSocketServer } = require("ws");

const APP = { id: "app-id", key: "app-key", secret: "app-secret" };
const EVENTS_MAX = 100;
const host = "127.0.0.1";

const { values: options } = parseArgs({
  options: { port: { type: "string" }, to: { type: "string" } },
});
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const path = `/apps/${APP.id}/batch_events`;

let waiting = [];
let isPosting = false;

function post() {
  if (isPosting || waiting.length === 0) {
    return;
  }
  isPosting = true;
  const batch = waiting.splice(0, EVENTS_MAX).map((data) => ({
    name: "news",
    channel: "topic",
    data,
  }));
  const body = JSON.stringify({ batch });
  const query = [
    `auth_key=${APP.key}`,
    `auth_timestamp=${Math.floor(Date.now() / 1000)}`,
    "auth_version=1.0",
    `body_md5=${createHash("md5").update(body).digest("hex")}`,
  ].join("&");
  const signature = createHmac("sha256", APP.secret).update(`POST\n${path}\n${query}`);
  const request = http.request({
    host,
    port: Number(options.to),
    agent,
    method: "POST",
    path: `${path}?${query}&auth_signature=${signature.digest("hex")}`,
    headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) },
  });
  request.on("response", (response) => {
    if (response.statusCode !== 200) {
      console.error(`sockudo answered ${response.statusCode}`);
    }
    response.on("data", (text) => response.statusCode !== 200 && console.error(`${text}`));
    response.on("end", () => {
      isPosting = false;
      post();
    });
  });
  request.on("error", (error) => {
    console.error(`${error}`);
    process.exit(1);
  });
  request.end(body);
}

const sockets = new WebSocketServer({ host, port: Number(options.port), clientTracking: false });
sockets.on("connection", (socket) => {
  // What the product says to a receiver, for which the load tool waits on all its connections.
  socket.send("subscription_succeeded");
  socket.on("message", (data) => {
    waiting.push(data.toString());
    // Once all that was read is here.
    setImmediate(post);
  });
});
sockets.on("listening", () => console.log(`listening on ws://${host}:${options.port}`));

// It goes with the server, which is its parent.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 250).unref();
