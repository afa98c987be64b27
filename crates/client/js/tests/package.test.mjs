import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as all from "../index.js";
import { connected } from "./scripted.mjs";

const folder = fileURLToPath(new URL("..", import.meta.url));
const read = (name) => readFileSync(join(folder, name), "utf8");

test("client.js is 6 KiB gzipped as it lies there", () => {
  const { length } = gzipSync(read("client.js"), { level: 9 });
  assert.ok(length <= 6_144, `${length} bytes`);
});

test("client.js needs nothing beside it in a browser", () => {
  const text = read("client.js");
  assert.doesNotMatch(text, /^import /m);
  assert.deepEqual(text.match(/import\([^)]*\)/g), ['import("./node.js")'], "and that for Node alone");
});

test("the types declare every export and every method", async (t) => {
  const types = read("client.d.ts") + read("index.d.ts");
  for (const name of Object.keys(all)) assert.match(types, new RegExp(`^export (class|function) ${name}\\b`, "m"), name);
  const world = await connected(t);
  const declared = (name) => new RegExp(`^  (readonly )?${name}\\??[(:<]`, "m");
  for (const name of Object.keys(world.client)) assert.match(read("client.d.ts"), declared(name), name);
  for (const made of [all.WebSocketClient, all.Pool]) {
    const names = Object.getOwnPropertyNames(made.prototype).filter((name) => name !== "constructor");
    for (const name of names) assert.match(read("index.d.ts"), declared(name), name);
  }
  const joining = world.client.joinRoom("lobby");
  world.socket.subscribed();
  const room = await joining;
  for (const name of ["channel", "position", "unsubscribe", "id", "send", "typing", "leave"]) {
    assert.ok(name in room, name);
    assert.match(read("client.d.ts"), declared(name), name);
  }
});

test("a program is checked against the types", (t) => {
  const modules = process.env.WS_TEST_NODE_MODULES;
  assert.ok(modules, 'WS_TEST_NODE_MODULES is not set: run `cargo xtask test`, or `eval "$(cargo xtask provision)"` first');
  const workplace = mkdtempSync(join(tmpdir(), "ws-gateway-client-"));
  t.after(() => rmSync(workplace, { recursive: true }));
  const check = (name, lines) => {
    const file = join(workplace, name);
    writeFileSync(file, `import { Client, Pool, WebSocketClient, GatewayError, healthProbe } from ${JSON.stringify(join(folder, "index.js"))};\n${lines}`);
    const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "--types", "", "--ignoreConfig"];
    try {
      execFileSync(process.execPath, [join(modules, "typescript/bin/tsc"), ...options, file], { cwd: workplace, encoding: "utf8" });
      return "";
    } catch ({ stdout }) {
      return stdout;
    }
  };
  const right = `
    const url = "wss://example.org/ws";
    const client = new Client(url, { token: async () => "t", backoff: { jitter: "equal" }, network: healthProbe(url) });
    const off: () => void = client.on("chat", async ({ from, messageId }) => console.log(from.length, messageId.length));
    client.on("state", (state) => state === "connected" && off());
    const news = await client.subscribe("news", { since: { epoch: "e", offset: 1 } });
    for await (const event of news) if (event.type === "gap") console.log(event.reason, event.dropped + 1);
    const offset: number | undefined = news.position?.offset;
    const ack = await client.publish("news", { offset, nested: [1, null] }, { event: "e", priority: "high" });
    const room = await client.joinRoom("lobby", { onTyping: ({ user_id }) => user_id.length });
    await room.send("hi", { resend: true });
    const { messageId } = await client.sendDirectMessage("bob", "hi");
    const error: unknown = new GatewayError("closed", "why", ack.offset);
    class Mine extends WebSocketClient { override onRoomMessage(message: any) { this.sendRoomMessage(message.room_id, messageId); } }
    new Mine(url, "t").connect();
    const pooled: Client = await new Pool({ connectionsMax: 3, grace: 1 }).get(url, "t");
    console.log(error, pooled.metrics.connectedAt ?? client.stopped?.reason);
    declare const console: { log(...all: unknown[]): void };
    export {};
  `;
  assert.equal(check("right.mts", right), "");
  for (const wrong of [
    'new Client("/ws", { tokens: "t" });',
    'new Client("/ws").on("nothing", () => {});',
    'new Client("/ws").publish("news", 1, { priority: "urgent" });',
    'new Client("/ws").publish("news", () => {});',
    'const state: "open" = new Client("/ws").state;',
    'new Pool({ connections: 3 });',
  ]) {
    assert.match(check("wrong.mts", `${wrong}\nexport {};`), /error TS2/, wrong);
  }
});

test("the package installs from its folder", (t) => {
  const { exports, files } = JSON.parse(read("package.json"));
  for (const entry of Object.values(exports)) {
    for (const path of typeof entry === "string" ? [entry] : Object.values(entry)) assert.ok(read(path), path);
  }
  assert.deepEqual(files, ["*.js", "*.d.ts"]);
  const workplace = mkdtempSync(join(tmpdir(), "ws-gateway-client-"));
  t.after(() => rmSync(workplace, { recursive: true }));
  const npm = (...args) => execFileSync("npm", [...args, "--offline", "--no-audit", "--no-fund"], { cwd: workplace, encoding: "utf8" });
  npm("install", folder);
  const script = 'import("ws-gateway-client").then(({ Client, Pool }) => console.log(typeof Client, typeof Pool))';
  assert.equal(execFileSync(process.execPath, ["-e", script], { cwd: workplace, encoding: "utf8" }), "function function\n");
});
