// Follows channels and publishes in them with the JavaScript client, through whatever lies in between, and
// prints what it saw and what it was told:
//
//   seen CHANNEL PUBLISHER NUMBER OFFSET
//   acked CHANNEL PUBLISHER NUMBER OFFSET
//   told WHATEVER                           everything else that is worth knowing
//
// node numbered.mjs PLAN; it begins to publish when it is told a line, behind `ready`.

import { createInterface } from "node:readline";

import { Client } from "../../../../client/js/client.js";

const plan = JSON.parse(process.argv[2]);
const options = {
  backoff: { base: 10, cap: 200, resetAfter: 20 },
  queue: { inFlightMax: plan.inFlight },
  grace: 500,
  connectTimeout: 3000,
};

let lines = [];
const flush = () => {
  if (lines.length > 0) process.stdout.write(lines.join("\n") + "\n");
  lines = [];
};
const say = (line) => {
  if (lines.push(line) >= 500) flush();
};

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function follow({ uri, token, count }) {
  const client = new Client(uri, { ...options, token });
  let seen = 0;
  let at = Date.now();
  const channels = Array.from({ length: plan.channels }, (_, index) => index);
  const all = new Promise((resolve) => {
    const watch = setInterval(() => {
      if (seen < count && Date.now() - at < plan.patience) return;
      clearInterval(watch);
      resolve();
    }, 20);
    const ready = channels.map((index) =>
      client.subscribe(`t:${index}`, {
        onMessage: ({ data, offset }) => {
          seen += 1;
          at = Date.now();
          say(`seen ${index} ${data.p} ${data.n} ${offset}`);
        },
        onGap: (gap) => say(`told a gap: ${JSON.stringify(gap)}`),
        onEnd: (end) => say(`told an end: ${JSON.stringify(end)}`),
      }),
    );
    Promise.all(ready).then(() => {
      say("ready");
      flush();
    });
  });
  await all;
  if (seen < count) say(`told nothing comes any more: ${client.state} ${seen}`);
  say(`told follower ${JSON.stringify(client.metrics)}`);
  client.close();
}

async function publish({ uri, token, count, publisher }) {
  const client = new Client(uri, { ...options, token });
  let [underWay, acked, goOn] = [0, 0, () => {}];
  const until = async (isSo) => {
    while (!isSo()) await new Promise((resolve) => (goOn = resolve));
  };
  for (let index = 0; index < count; index += 1) {
    await until(() => underWay < plan.underWay);
    const [channel, n] = [index % plan.channels, Math.floor(index / plan.channels) + 1];
    underWay += 1;
    client.publish(`t:${channel}`, { p: publisher, n }).then(({ offset }) => {
      say(`acked ${channel} ${publisher} ${n} ${offset}`);
      underWay -= 1;
      acked += 1;
      goOn();
    });
  }
  await until(() => acked === count);
  say(`told publisher ${JSON.stringify(client.metrics)}`);
  client.close();
}

const following = follow(plan.follow);
await input.next();
const flushing = setInterval(flush, 50);
await Promise.all([following, publish(plan.publish)]);
const { user, system } = process.cpuUsage();
say(`told CPU ${((user + system) / 1e6).toFixed(1)} s`);
clearInterval(flushing);
flush();
process.exit(0);
