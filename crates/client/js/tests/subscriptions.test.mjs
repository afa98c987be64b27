import assert from "node:assert/strict";
import { test } from "node:test";
import { connected, flush, outcome, World } from "./scripted.mjs";

const message = (channel, offset, more) => ({ type: "message", channel, data: offset, offset, ...more });
const history = (offset, more) => ({ epoch: "e1", offset, ...more });

// A subscriber by callbacks, and everything that it is told.
const follow = async (world, channel, first, options = {}) => {
  const heard = [];
  const tell = (event) => heard.push(event.type === "gap" ? [event.reason, event.dropped] : event.data);
  const pending = world.client.subscribe(channel, { onMessage: tell, onGap: tell, ...options });
  if (first) world.socket.subscribed(first);
  return { subscription: first && (await pending), heard, pending };
};

test("all channels are subscribed again after a reconnect", async (t) => {
  const world = await connected(t);
  for (let index = 0; index < 3_000; index++) world.client.subscribe(`c${index}`);
  const waiting = world.client.publish("news", 1);
  const serve = () => {
    const names = [];
    while (world.socket.all("subscribe").length) {
      assert.ok(world.socket.all("subscribe").length <= 32, "a few at a time");
      names.push(world.socket.all("subscribe")[0].channel);
      world.socket.subscribed();
    }
    return names;
  };
  assert.equal(new Set(serve()).size, 3_000);
  world.socket.end(1006);
  await world.reconnect();
  assert.equal(new Set(serve()).size, 3_000);
  const { log } = world.socket;
  assert.ok(log.lastIndexOf("subscribe") < log.indexOf("publish"), "before what else is to be sent");
  world.socket.ack();
  await waiting;
});

test("a subscribe that was not answered before the cut is said again", async (t) => {
  const world = await connected(t);
  const { pending } = await follow(world, "news");
  world.socket.take("subscribe");
  world.socket.end(1006);
  await world.reconnect();
  world.socket.subscribed();
  assert.equal((await pending).channel, "news");
});

test("what was missed comes once and in order", async (t) => {
  const world = await connected(t);
  const { heard, subscription } = await follow(world, "news", history(3));
  world.socket.say(message("news", 4));
  world.socket.say(message("news", 5));
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(world.socket.subscribed(history(7, { recovered: true })), { epoch: "e1", offset: 5 });
  for (const offset of [4, 5, 6, 6, 7, 8]) world.socket.say(message("news", offset));
  assert.deepEqual(heard, [4, 5, 6, 7, 8]);
  assert.deepEqual(subscription.position, { epoch: "e1", offset: 8 });
});

test("what cannot be recovered is told as a gap", async (t) => {
  const world = await connected(t);
  const { heard, subscription } = await follow(world, "news", history(3));
  const gaps = [];
  world.client.on("gap", (gap) => gaps.push(gap.channel));
  world.socket.end(1006);
  await world.reconnect();
  world.socket.subscribed({ epoch: "e2", offset: 50, recovered: false });
  world.socket.say(message("news", 51));
  assert.deepEqual(heard, [["not_recovered", 0], 51]);
  assert.deepEqual(subscription.position, { epoch: "e2", offset: 51 });
  assert.deepEqual(gaps, ["news"]);
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(world.socket.subscribed({ recovered: false }), { epoch: "e2", offset: 51 });
  assert.deepEqual(heard.at(-1), ["no_history", 0], "where the history itself is gone");
});

test("a channel without history tells of each reconnect as a gap", async (t) => {
  const world = await connected(t);
  const { heard } = await follow(world, "news", {});
  for (let index = 0; index < 2; index++) {
    world.socket.end(1006);
    await world.reconnect();
    assert.equal(world.socket.subscribed(), undefined);
  }
  world.socket.say({ type: "message", channel: "news", data: "now" });
  assert.deepEqual(heard, [["no_history", 0], ["no_history", 0], "now"]);
});

test("what comes before the answer to since is not handed out twice", async (t) => {
  const world = await connected(t);
  const { heard } = await follow(world, "news", history(3));
  world.socket.end(1006);
  await world.reconnect();
  world.socket.say(message("news", 6));
  world.socket.subscribed(history(6, { recovered: true }));
  for (const offset of [4, 5, 6, 7]) world.socket.say(message("news", offset));
  assert.deepEqual(heard, [4, 5, 6, 7]);
});

test("a gap with a range is filled and not told", async (t) => {
  const world = await connected(t);
  const { heard } = await follow(world, "news", history(3));
  world.socket.say(message("news", 4));
  world.socket.say({ type: "gap", channel: "news", dropped: 3, epoch: "e1", fromOffset: 5, toOffset: 7 });
  world.socket.say(message("news", 8));
  assert.deepEqual(world.socket.subscribed(history(8, { recovered: true })), { epoch: "e1", offset: 4 });
  for (const offset of [5, 6, 7, 8, 9]) world.socket.say(message("news", offset));
  assert.deepEqual(heard, [4, 5, 6, 7, 8, 9]);
  world.socket.say({ type: "gap", channel: "news", dropped: 3, epoch: "e1", fromOffset: 10, toOffset: 12 });
  world.socket.subscribed(history(20, { recovered: false }));
  assert.deepEqual(heard.at(-1), ["not_recovered", 0], "but where that fails");
});

test("a gap without a range is told", async (t) => {
  const world = await connected(t);
  const { heard } = await follow(world, "news", {});
  world.socket.say({ type: "gap", channel: "news", dropped: 3 });
  assert.deepEqual(heard, [["dropped", 3]]);
  assert.equal(world.socket.all("subscribe").length, 0);
});

test("a gap of another epoch is told and what is there is fetched", async (t) => {
  const world = await connected(t);
  const { heard } = await follow(world, "news", history(30));
  world.socket.say({ type: "gap", channel: "news", dropped: 0, epoch: "e2", fromOffset: 1, toOffset: 2 });
  assert.deepEqual(heard, [["new_epoch", 0]]);
  assert.deepEqual(world.socket.subscribed({ epoch: "e2", offset: 2, recovered: true }), { epoch: "e2", offset: 0 });
  for (const offset of [1, 2, 3]) world.socket.say(message("news", offset));
  assert.deepEqual(heard, [["new_epoch", 0], 1, 2, 3]);
});

test("a gap of all channels asks those with a position again", async (t) => {
  const world = await connected(t);
  const kept = await follow(world, "kept", history(3));
  const plain = await follow(world, "plain", {});
  world.socket.say({ type: "gap", channel: "*", dropped: 0 });
  assert.deepEqual(plain.heard, [["dropped", 0]]);
  assert.deepEqual(world.socket.all("subscribe").map(({ channel }) => channel), ["kept"]);
  world.socket.subscribed(history(4, { recovered: true }));
  world.socket.say(message("kept", 4));
  assert.deepEqual(kept.heard, [4]);
});

test("two subscribers of a channel share one subscription", async (t) => {
  const world = await connected(t);
  const first = await follow(world, "news", history(3));
  world.socket.say(message("news", 4));
  const second = await follow(world, "news");
  assert.deepEqual(world.socket.all("subscribe"), []);
  const { position } = await second.pending;
  assert.deepEqual(position, { epoch: "e1", offset: 4 });
  world.socket.say(message("news", 5));
  assert.deepEqual([first.heard, second.heard], [[4, 5], [5]]);
  first.subscription.unsubscribe();
  assert.deepEqual(world.socket.all("unsubscribe"), []);
  world.socket.say(message("news", 6));
  assert.deepEqual([first.heard, second.heard], [[4, 5], [5, 6]]);
  (await second.pending).unsubscribe();
  (await second.pending).unsubscribe();
  assert.equal(world.socket.take("unsubscribe").channel, "news");
  assert.deepEqual(world.socket.all("unsubscribe"), []);
});

test("who comes with an older position asks for it and the others hear nothing twice", async (t) => {
  const world = await connected(t);
  const first = await follow(world, "news", history(5));
  const second = await follow(world, "news", null, { since: { epoch: "e1", offset: 2 } });
  assert.deepEqual(world.socket.subscribed(history(5, { recovered: true })), { epoch: "e1", offset: 2 });
  for (const offset of [3, 4, 5, 6]) world.socket.say(message("news", offset));
  assert.deepEqual([first.heard, second.heard], [[6], [3, 4, 5, 6]]);
  const third = await follow(world, "news", null, { since: { epoch: "e1", offset: 1 } });
  world.socket.say(message("news", 7));
  world.socket.subscribed(history(7, { recovered: false }));
  assert.deepEqual(third.heard, [["not_recovered", 0]]);
  assert.deepEqual(world.socket.subscribed(history(7, { recovered: true })), { epoch: "e1", offset: 6 }, "for the others it is there");
  world.socket.say(message("news", 7));
  assert.deepEqual([first.heard, second.heard, third.heard.length], [[6, 7], [3, 4, 5, 6, 7], 1]);
});

test("a subscriber that does not keep up misses nothing of a history", async (t) => {
  const world = await connected(t);
  const { heard: quick } = await follow(world, "news", history(0));
  const slow = await world.client.subscribe("news");
  for (let offset = 1; offset <= 3_000; offset++) world.socket.say(message("news", offset));
  assert.equal(quick.length, 3_000);
  const heard = [];
  let isOver = false;
  const reading = (async () => {
    for await (const { type, data } of slow) {
      assert.equal(type, "message");
      heard.push(data);
      if (data === 3_001) break;
    }
    isOver = true;
  })();
  world.socket.end(1006);
  await world.reconnect();
  while (!isOver) {
    await flush();
    if (!world.socket.all("subscribe").length) continue;
    const { offset } = world.socket.subscribed(history(3_001, { recovered: true }));
    for (let next = offset + 1; next <= 3_001; next++) world.socket.say(message("news", next));
  }
  await reading;
  assert.deepEqual(heard, Array.from({ length: 3_001 }, (_, index) => index + 1));
  assert.deepEqual(quick, heard, "and nobody else hears anything twice");
  assert.deepEqual(slow.position, { epoch: "e1", offset: 3_001 });
});

test("what comes while a subscriber catches up is not put before what it missed", async (t) => {
  const world = await connected(t);
  const pending = world.client.subscribe("news");
  world.socket.subscribed(history(0));
  const reader = (await pending)[Symbol.asyncIterator]();
  for (let offset = 1; offset <= 1_100; offset++) world.socket.say(message("news", offset));
  const heard = [];
  const read = async (count) => {
    for (let index = 0; index < count; index++) heard.push((await reader.next()).value.data);
  };
  await read(10);
  world.socket.say(message("news", 1_101));
  await read(1_014);
  assert.deepEqual(world.socket.subscribed(history(1_101, { recovered: true })), { epoch: "e1", offset: 1_024 });
  for (let offset = 1_025; offset <= 1_101; offset++) world.socket.say(message("news", offset));
  await read(77);
  assert.deepEqual(heard, Array.from({ length: 1_101 }, (_, index) => index + 1));
});

test("a position tells what was taken and not what waits", async (t) => {
  const world = await connected(t);
  const pending = world.client.subscribe("news");
  world.socket.subscribed(history(3));
  const news = await pending;
  for (const offset of [4, 5, 6]) world.socket.say(message("news", offset));
  assert.equal(news.position.offset, 3);
  const reader = news[Symbol.asyncIterator]();
  await reader.next();
  assert.equal(news.position.offset, 4);
});

test("a subscriber that does not keep up is told what it went without", async (t) => {
  const world = await connected(t);
  const pending = world.client.subscribe("news");
  world.socket.subscribed();
  const news = await pending;
  for (let data = 1; data <= 1_030; data++) world.socket.say({ type: "message", channel: "news", data });
  const reader = news[Symbol.asyncIterator]();
  const heard = [];
  for (let index = 0; index < 1_025; index++) heard.push((await reader.next()).value);
  assert.deepEqual(heard.slice(0, 1_024).map(({ data }) => data), Array.from({ length: 1_024 }, (_, index) => index + 1));
  const { type, reason, dropped } = heard[1_024];
  assert.deepEqual([type, reason, dropped], ["gap", "slow", 6]);
  world.socket.say({ type: "message", channel: "news", data: "now" });
  assert.equal((await reader.next()).value.data, "now");
});

test("a refused subscription fails the call", async (t) => {
  const world = await connected(t);
  const { pending } = await follow(world, "secret");
  world.socket.refuse("subscribe", "forbidden", { message: "no rule allows this channel" });
  await assert.rejects(pending, { code: "forbidden", message: "no rule allows this channel" });
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(world.socket.all("subscribe"), []);
});

test("a refusal of more does not end what was there", async (t) => {
  const world = await connected(t);
  const first = await follow(world, "news", history(3));
  const second = await follow(world, "news", null, { presence: true });
  world.socket.refuse("subscribe", "forbidden");
  await assert.rejects(second.pending, { code: "forbidden" });
  world.socket.subscribed(history(3, { recovered: true }));
  world.socket.say(message("news", 4));
  assert.deepEqual(first.heard, [4]);
});

test("a subscription that is refused after a reconnect ends", async (t) => {
  const world = await connected(t);
  const ends = [];
  await follow(world, "news", history(3), { onEnd: (error) => ends.push(error.code) });
  const pending = world.client.subscribe("news");
  const reader = (await pending)[Symbol.asyncIterator]();
  const read = outcome(reader.next());
  world.socket.end(1006);
  await world.reconnect();
  world.socket.refuse("subscribe", "forbidden");
  await flush();
  assert.deepEqual(ends, ["forbidden"]);
  assert.equal(read.code, "forbidden");
});

test("a refusal for a while is tried again", async (t) => {
  const world = await connected(t);
  const { pending, heard } = await follow(world, "news");
  const seen = outcome(pending);
  world.socket.refuse("subscribe", "channel_full");
  for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    await world.advance(wait - 100);
    assert.deepEqual(world.socket.all("subscribe"), [], `not before ${wait}`);
    await world.advance(100);
    world.socket.refuse("subscribe", "channel_full");
  }
  const other = await follow(world, "other", {});
  assert.ok(other.subscription, "another channel need not wait");
  await world.advance(30_000);
  world.socket.refuse("subscribe", "rate_limited", { retryAfterMs: 3_300 });
  world.client.subscribe("third");
  await world.advance(3_200);
  assert.deepEqual(world.socket.all("subscribe"), [], "but what would be refused as well");
  await world.advance(100);
  world.socket.subscribed();
  await flush();
  assert.equal(seen.state, "resolved");
  assert.deepEqual(heard, []);
});

test("a permission that is withdrawn ends the subscription", async (t) => {
  const world = await connected(t);
  const ends = [];
  await follow(world, "news", history(3), { onEnd: (error) => ends.push(error.code) });
  const reader = (await world.client.subscribe("news"))[Symbol.asyncIterator]();
  world.socket.say(message("news", 4));
  const read = [outcome(reader.next()), outcome(reader.next())];
  world.socket.say({ type: "unsubscribed", channel: "news" });
  await flush();
  assert.deepEqual(ends, ["revoked"]);
  assert.equal(read[0].value.value.data, 4, "what came before is handed out");
  assert.equal(read[1].code, "revoked");
  world.socket.end(1006);
  await world.reconnect();
  assert.deepEqual(world.socket.all("subscribe"), []);
});

test("who unsubscribes and subscribes at once is not ended by the answer", async (t) => {
  const world = await connected(t);
  const { subscription } = await follow(world, "news", {});
  subscription.unsubscribe();
  const again = await follow(world, "news");
  const { id } = world.socket.take("unsubscribe");
  world.socket.say({ type: "unsubscribed", channel: "news", id });
  world.socket.subscribed();
  await again.pending;
  world.socket.say({ type: "message", channel: "news", data: 1 });
  assert.deepEqual(again.heard, [1]);
});

test("changes of presence reach the subscriber", async (t) => {
  const world = await connected(t);
  const heard = [];
  const pending = world.client.subscribe("news", { presence: true, onPresence: ({ joined, left }) => heard.push([joined, left]), onMessage() {} });
  assert.equal(world.socket.sent[0].presence, true);
  world.socket.subscribed(history(3));
  await pending;
  world.socket.say({ type: "presence", channel: "news", count: 1, joined: ["alice"], left: [] });
  const asked = world.client.presence("news");
  world.socket.say({ type: "presence", channel: "news", count: 1, users: ["alice"], ...world.socket.answer("presence") });
  assert.deepEqual((await asked).users, ["alice"]);
  assert.deepEqual(heard, [[["alice"], []]]);
  world.socket.end(1006);
  await world.reconnect();
  assert.equal(world.socket.sent[0].presence, true);
  world.socket.say({ type: "presence", channel: "news", count: 2, joined: ["bob"], left: [] });
  assert.deepEqual(heard.at(-1), [["bob"], []]);
});

test("who wants presence later asks for it", async (t) => {
  const world = await connected(t);
  await follow(world, "news", {});
  const { pending } = await follow(world, "news", null, { presence: true });
  assert.equal(world.socket.all("subscribe")[0].presence, true);
  world.socket.subscribed();
  await pending;
});

test("a message with an event id is handed out once", async (t) => {
  const world = await connected(t);
  const first = await follow(world, "news", {});
  const other = await follow(world, "other", {});
  const event = (channel, eventId) => world.socket.say({ type: "message", channel, data: eventId, eventId });
  event("news", "a");
  event("other", "a");
  event("news", "a");
  event("news", "b");
  assert.deepEqual([first.heard, other.heard], [["a", "b"], ["a"]]);
  for (let minutes = 0; minutes < 10; minutes++) {
    event("news", "b");
    assert.equal(first.heard.length, 2);
    await world.advance(30_000);
    world.socket.say({ type: "pong" });
  }
  await world.advance(100);
  event("news", "b");
  assert.equal(first.heard.length, 3, "after five minutes it is forgotten");
  for (let index = 0; index < 10_000; index++) event("news", `n${index}`);
  event("news", "n0");
  assert.equal(first.heard.length, 10_003);
  event("news", "b");
  assert.equal(first.heard.length, 10_004, "the oldest of more than 10,000 are forgotten");
});

test("a position of an earlier run goes on from there", async (t) => {
  const world = await connected(t);
  const { pending, heard } = await follow(world, "news", null, { since: { epoch: "e1", offset: 40 } });
  assert.deepEqual(world.socket.subscribed(history(42, { recovered: true })), { epoch: "e1", offset: 40 });
  const { position } = await pending;
  assert.deepEqual(position, { epoch: "e1", offset: 40 });
  for (const offset of [41, 42, 43]) world.socket.say(message("news", offset));
  assert.deepEqual(heard, [41, 42, 43]);
  const other = await follow(world, "other", null, { since: { epoch: "e1", offset: 1 } });
  world.socket.subscribed(history(42, { recovered: false }));
  await other.pending;
  assert.deepEqual(other.heard, [["not_recovered", 0]]);
});

test("who leaves the loop is unsubscribed", async (t) => {
  const world = await connected(t);
  const pending = world.client.subscribe("news");
  world.socket.subscribed();
  world.socket.say({ type: "message", channel: "news", data: 1 });
  for await (const { data } of await pending) if (data === 1) break;
  assert.equal(world.socket.take("unsubscribe").channel, "news");
});

test("a subscription that is wanted before there is a connection waits for it", async (t) => {
  const world = new World(t);
  await world.start();
  const { pending } = await follow(world, "news");
  world.socket.accept();
  world.socket.subscribed();
  await pending;
  world.socket.end(1006);
  const late = await follow(world, "news");
  assert.equal(outcome(late.pending).state, "pending");
  await world.reconnect();
  world.socket.subscribed();
  await late.pending;
  assert.deepEqual(late.heard, []);
});
