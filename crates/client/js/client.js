// The client of ws-gateway for browsers and Node. What it does, takes and promises is written in client.d.ts.

const PRIORITIES = ["critical", "high", "normal", "low"];
const HANDLERS = {
  message: "onMessage",
  room_message: "onMessage",
  user_joined: "onJoined",
  user_left: "onLeft",
  typing: "onTyping",
  presence: "onPresence",
  gap: "onGap",
};
// Refusals that pass.
const PASSING = /^(rate_limited|broker_unavailable|overloaded|channel_full|hook_unavailable|internal)$/;

export class GatewayError extends Error {
  constructor(code, message = code, retryAfterMs) {
    super(message);
    Object.assign(this, { code, retryAfterMs });
  }
}

// Whoever does not look at a promise of ours is not told of its rejection either.
const quiet = (promise) => (promise.catch(() => {}), promise);

const defer = () => {
  const it = {};
  it.promise = quiet(new Promise((...both) => ([it.resolve, it.reject] = both)));
  return it;
};

const later = (ms, work) => setTimeout(work, Math.min(+ms || 0, 2 ** 31 - 1));

// What was noted under an id within five minutes.
class Recent extends Map {
  recall(id) {
    const [at, value] = this.get(id) ?? [];
    return Date.now() - at < 3e5 ? value : undefined;
  }
  note(id, value) {
    if (id === undefined) return;
    if (this.size >= 1e4) this.delete(this.keys().next().value);
    this.set(id, [Date.now(), value]);
  }
}

export class Client {
  constructor(url, options = {}) {
    const { token, sessionId, network, probe, connectTimeout = 1e4, requestTimeout = 1e4, ackTimeout = 1e4, grace = 5e3 } = options;
    const { tokenIn = sessionId ? "message" : "protocol" } = options;
    const { base = 1e3, cap = 3e4, jitter = "full", attemptsMax = Infinity, resetAfter = 1e4 } = options.backoff ?? {};
    const { entriesMax = 1e3, bytesMax = 2 ** 20, inFlightMax = 1, lossesMax = Infinity } = options.queue ?? {};
    const client = this;
    const address = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    const metrics = { connectedAt: null, lastMessageAt: null, messagesSent: 0, messagesReceived: 0, errors: 0, reconnectAttempts: 0 };
    const listeners = {};
    // Entries by id, in their order, those that wait for an answer too. The first lane is that of subscribing.
    const lanes = ["", ...PRIORITIES].map(() => Object.assign(new Map(), { passed: 0, notBefore: 0 }));
    const channels = new Map();
    const letters = new Recent();
    let ready, link, retry, page, status;
    let [attempts, renewals, bytes, count] = [0, 0, 0, 0];
    Object.assign(client, { state: "disconnected", metrics, stopped: null });

    const emit = (event, value) => listeners[event]?.forEach((handler) => run(handler, value, event));

    const fail = (error, event) => {
      metrics.errors++;
      if (event !== "error") emit("error", error);
    };

    // What a handler throws is told and breaks nothing.
    const run = (handler, value, event) => {
      const failed = (error) => (listeners.error?.size ? fail(error, event) : console.error(error));
      try {
        handler(value)?.catch?.(failed);
      } catch (error) {
        failed(error);
      }
    };

    const setState = (state) => {
      if (state === client.state) return;
      client.state = state;
      emit("state", state);
    };

    // ---- Connecting, ending, coming back

    const attempt = async () => {
      clearTimeout(retry);
      if (status === "offline") return setState("reconnecting");
      const mine = (link = {});
      mine.timer = later(connectTimeout, () => end(mine, { reason: "timed out" }));
      setState("connecting");
      try {
        mine.token = await (typeof token === "function" ? token() : token);
        const Socket = options.WebSocket ?? (await platformSocket());
        if (mine !== link) return;
        const place = mine.token && tokenIn;
        const socket = (mine.socket = new Socket(address, place === "protocol" ? ["ws-gateway.v1", "bearer." + mine.token] : [], {
          headers: place === "header" ? { Authorization: "Bearer " + mine.token } : {},
        }));
        socket.onopen = () => setState("authenticating");
        socket.onmessage = ({ data }) => hear(mine, data);
        socket.onclose = (event) => end(mine, event);
        socket.onerror = () => {};
      } catch (error) {
        end(mine, { reason: String(error) });
      }
    };

    const end = (ended, { code = 1006, reason, refused = {} }) => {
      if (ended !== link) return;
      drop();
      if (Date.now() - ended.readyAt >= resetAfter) attempts = renewals = 0;
      const { status = code, retryAfterMs, message = reason } = refused;
      renewals = /^(3000|401)$/.test(status) ? renewals + 1 : 0;
      if (code === 1000) return stop("disconnected", code, reason);
      if (code === 1008 || (/^4(?!08|25|29)..$/.test(status) && renewals !== 1)) return stop("error", status, message);
      fail(new GatewayError("disconnected", `${status} ${message}`, retryAfterMs));
      schedule(retryAfterMs ?? (/^10(01|06|12)$/.test(code) ? 0 : base), ended.goodbye ?? (renewals === 1 ? 0 : undefined));
    };

    const schedule = (least, exact) => {
      const patience = { slow: 5e3, unstable: 2e3, offline: 0 }[status];
      if (attempts >= attemptsMax && patience === undefined) return stop("error", 1006, "attempts used up");
      const spread = Math.min(cap, base * 2 ** attempts++);
      const share = { none: 1, equal: 0.5 + Math.random() / 2 }[jitter] ?? Math.random();
      comeBack(exact ?? Math.max(least, patience ?? 0, spread * share));
    };

    const comeBack = (delay) => {
      clearTimeout(retry);
      retry = later(delay, reconnect);
      setState("reconnecting");
    };

    const reconnect = () => {
      if (!ready || link) return;
      metrics.reconnectAttempts++;
      attempt();
    };

    // Lets go of the socket without waiting for it: a half-open one closes late or never.
    const drop = (code, reason) => {
      const { socket, timer, liveness, refresh } = link ?? {};
      link = null;
      [timer, liveness, refresh, retry].forEach(clearTimeout);
      if (socket) {
        socket.onopen = socket.onmessage = socket.onclose = null;
        try {
          socket.close(code, reason);
        } catch {}
      }
      lanes[0].clear();
      channels.forEach((channel) => {
        channel.asking = null;
        channel.followers.forEach((follower) => (follower.isLive = false));
      });
      for (const lane of lanes) for (const entry of [...lane.values()]) if (entry.isSent) repeat(entry, ++entry.losses > lossesMax);
    };

    const stop = (state, code, reason) => {
      const error = new GatewayError("closed", `${code} ${reason}`);
      const promised = ready;
      client.stopped = { code, reason, error };
      ready = null;
      attempts = 0;
      drop(1000);
      page?.abort();
      for (const lane of lanes) for (const entry of [...lane.values()]) settle(entry, error);
      for (const channel of channels.values()) finish(channel, state === "error" ? error : undefined);
      promised?.reject(error);
      setState(state);
    };

    // ---- Page and network

    const enter = () => {
      page = new AbortController();
      const { document, addEventListener, navigator } = globalThis;
      const listen = (type, work) => addEventListener?.(type, work, page);
      const leave = () => {
        drop(1000, "goodbye");
        comeBack(1e3); // if it is still there by then
      };
      document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ping(), page);
      listen("beforeunload", leave);
      listen("pagehide", leave);
      listen("pageshow", ({ persisted }) => persisted && reconnect());
      status = "online";
      if (network) {
        const leaveNetwork = network(setStatus);
        page.signal.addEventListener("abort", () => leaveNetwork?.());
      } else {
        if (navigator?.onLine === false) status = "offline";
        listen("online", () => setStatus("online"));
        listen("offline", () => setStatus("offline"));
      }
    };

    const setStatus = (next) => {
      const before = status;
      status = next;
      if (next === "offline") clearTimeout(retry);
      else if (before === "offline") link ? ping() : reconnect();
    };

    // ---- Liveness

    const ping = () => {
      if (!link?.readyAt || link.pingedAt) return;
      link.pingedAt = Date.now();
      write({ type: "ping" });
      watch(link, grace);
    };

    const watch = (mine, ms) => {
      const due = Date.now() + ms;
      clearTimeout(mine.liveness);
      mine.liveness = later(ms, () => {
        const now = Date.now();
        // A timer that is late was held up with its page, and so perhaps was what came.
        if (mine.pingedAt && now < due + 1e3) return end(mine, { reason: "silent" });
        mine.pingedAt = 0;
        const rest = mine.heardAt + mine.heartbeat - now;
        rest > 0 ? watch(mine, rest) : ping();
      });
    };

    // ---- Hearing

    const hear = (mine, data) => {
      if (mine !== link) return;
      mine.heardAt = Date.now();
      mine.pingedAt = 0;
      try {
        const message = JSON.parse(data);
        if (!message?.type) throw new GatewayError("bad_json");
        metrics.messagesReceived++;
        metrics.lastMessageAt = mine.heardAt;
        emit("raw", message);
        if (mine === link) handle(message);
      } catch (error) {
        fail(error);
      }
    };

    const handle = (message) => {
      const { type, id, channel } = message;
      if (type === "connected") {
        link.heartbeat = message.heartbeatMs || 3e4;
        client.userId = message.userId;
        link.token && !client.userId ? authenticate(link, link.token) : begin();
      } else if (type === "authenticated") {
        client.userId = message.userId;
        begin();
      } else if (type === "goodbye") {
        link.goodbye = message.reconnectAfterMs;
        emit(type, message);
      } else if (type === "token_expiring") authenticate(link);
      else if (type === "ping") write({ type: "pong" });
      else if (type === "error") refuse(message.requestId ?? id, new GatewayError(message.code, message.message, message.retryAfterMs));
      else if (!link.readyAt) return;
      else if (find(message.requestId ?? id)) settle(find(message.requestId ?? id), null, message);
      // With an id it is the answer to one's own wish.
      else if (type === "unsubscribed") id ?? finish(channels.get(channel), new GatewayError("revoked"));
      else if (type === "gap") miss(message);
      else if (type === "chat" || (type === "message" && channel === undefined)) letter(message);
      else if (HANDLERS[type]) {
        const place = channels.get(channel ?? "room:" + message.room_id);
        if (message.offset > place?.offset) place.offset = message.offset;
        place?.followers.forEach((follower) => take(follower, message));
      }
    };

    const authenticate = async (mine, known) => {
      clearTimeout(mine.refresh);
      try {
        const fresh = known ?? (await (typeof token === "function" ? token() : token));
        if (mine === link && fresh) write({ type: "auth", token: fresh, sessionId, id: "auth" });
      } catch (error) {
        fail(error);
        if (mine === link) mine.refresh = later(5e3, () => authenticate(mine));
      }
    };

    const begin = () => {
      if (link.readyAt) return;
      clearTimeout(link.timer);
      link.readyAt = metrics.connectedAt = Date.now();
      metrics.reconnectAttempts = 0;
      watch(link, link.heartbeat);
      channels.forEach(ask);
      ready.resolve();
      setState("connected");
      pump();
    };

    const write = (message) => writeText(JSON.stringify(message));

    const writeText = (text) => {
      if (link?.socket?.readyState !== 1) return;
      link.socket.send(text);
      metrics.messagesSent++;
    };

    // Acked when all its handlers are done with it; one that fails lets it come again.
    const letter = (message) => {
      const { type, messageId } = message;
      if (!listeners[type]?.size) return;
      const taken = letters.recall(messageId) ?? Promise.all([...listeners[type]].map(async (handler) => handler(message)));
      letters.note(messageId, taken);
      taken.then(
        () => messageId !== undefined && link?.readyAt && write({ type: "ack", messageId }),
        (error) => {
          letters.delete(messageId);
          run(() => Promise.reject(error));
        },
      );
    };

    // ---- Subscriptions. `at` is how far a follower was told, `position` how far the application took it.

    client.subscribe = (name, on = {}) => {
      const channel = channels.get(name) ?? { name, followers: new Set() };
      const it = { ...defer(), on, channel: name, at: on.since, position: on.since, buffer: [], recent: new Recent() };
      it.unsubscribe = () => {
        channel.followers.delete(it);
        close(it);
        if (channel.followers.size || channels.get(name) !== channel) return;
        finish(channel);
        if (link?.readyAt) write({ type: "unsubscribe", channel: name, id: "-" });
      };
      it.drained = () => channels.get(name) === channel && ask(channel);
      it[Symbol.asyncIterator] = () => iterate(it);
      if (client.stopped) close(it, client.stopped.error);
      else {
        channels.set(name, channel);
        channel.followers.add(it);
        if (channel.isLive && !on.since && (!on.presence || channel.presence)) start(it, channel);
        else ask(channel);
        client.connect();
      }
      return it.promise;
    };

    const start = (it, { epoch, offset }) => {
      if (!it.at && epoch !== undefined) it.at = it.position = { epoch, offset };
      it.isStarted = it.isLive = true;
      it.resolve(it);
    };

    async function* iterate(it) {
      try {
        for (;;) {
          while (it.buffer.length) {
            const [event, at] = it.buffer.shift();
            it.position = at;
            if (it.behind !== undefined && !it.buffer.length) {
              const dropped = it.behind;
              it.behind = undefined;
              it.at ? it.drained() : tell(it, "slow", dropped);
            }
            yield event;
          }
          if (it.isEnded) {
            if (it.error) throw it.error;
            return;
          }
          it.wake = defer();
          await it.wake.promise;
        }
      } finally {
        it.unsubscribe();
      }
    }

    // False where the follower is behind: then what there is of history is asked for later.
    const give = (it, event, at) => {
      const handler = it.on[HANDLERS[event.type]];
      if (handler) run(handler, event);
      else if (!it.on.onMessage) {
        if (it.behind !== undefined || it.buffer.length >= 1024) return (it.behind = (it.behind ?? 0) + (event.dropped ?? 1)), false;
        it.buffer.push([event, at]);
        it.wake?.resolve();
        return true;
      }
      it.position = at;
      return true;
    };

    const take = (it, message) => {
      const { offset, eventId } = message;
      const isKept = offset !== undefined && it.at;
      if (isKept ? !it.isLive || offset <= it.at.offset : !it.isStarted) return;
      const at = isKept ? { ...it.at, offset } : it.at;
      if (eventId === undefined || !it.recent.recall(eventId)) {
        if (!give(it, message, at)) return;
        it.recent.note(eventId, true);
      }
      it.at = at;
    };

    const tell = (it, reason, dropped = 0, at = it.at) => {
      const gap = { type: "gap", channel: it.channel, reason, dropped };
      emit("gap", gap);
      if (give(it, gap, at)) it.at = at;
    };

    const close = (it, error) => {
      if (it.isEnded) return;
      Object.assign(it, { isEnded: true, error });
      it.reject(error ?? client.stopped?.error);
      it.wake?.resolve();
      if (it.isStarted && error && it.on.onEnd) run(it.on.onEnd, error);
    };

    const finish = (channel, error) => {
      if (!channel) return;
      channels.delete(channel.name);
      if (channel.asking) settle(channel.asking, error);
      channel.followers.forEach((follower) => close(follower, error));
    };

    const ask = (channel) => {
      if (!link?.readyAt) return;
      const { name, followers, asking } = channel;
      let since, presence;
      for (const { at, behind, on } of followers) {
        if (at && behind === undefined && !(at.offset >= since?.offset)) since = at;
        presence ||= on.presence;
      }
      // What comes before the answer comes again behind it.
      if (since) followers.forEach((follower) => (follower.isLive = false));
      if (asking) lanes[0].delete(asking.id);
      channel.presence = presence;
      channel.asking = enqueue(lanes[0], { type: "subscribe", channel: name, since, presence }, "id", {
        isRepeatable: true,
        resolve: (answer) => answerAsk(channel, since, answer),
        reject: (error) => refuseAsk(channel, error),
      });
      pump();
    };

    const answerAsk = (channel, since, { epoch, offset, recovered }) => {
      Object.assign(channel, { epoch, offset, isLive: true, asking: null });
      const at = epoch === undefined ? undefined : { epoch, offset };
      let others;
      for (const it of channel.followers) {
        if (it.behind === undefined && !it.isLive && (it.at || it.isStarted) && !(recovered && it.at?.epoch === epoch)) {
          // Since `since` it is not there; since where this one is it may be.
          if (!recovered && at && it.at && (it.at.epoch !== since.epoch || it.at.offset > since.offset)) {
            others = true;
            continue;
          }
          tell(it, at ? "not_recovered" : "no_history", 0, at);
        }
        start(it, channel);
      }
      if (others) ask(channel);
    };

    const refuseAsk = (channel, error) => {
      const { followers } = channel;
      const fresh = [...followers].filter(({ isStarted }) => !isStarted);
      channel.asking = null;
      // What was there before, the server has left as it was.
      if (!fresh.length || fresh.length === followers.size) return finish(channel, error);
      for (const it of fresh) {
        followers.delete(it);
        close(it, error);
      }
      ask(channel);
    };

    const miss = ({ channel: name, dropped, epoch, fromOffset }) => {
      for (const channel of name === "*" ? channels.values() : [channels.get(name)]) {
        if (!channel?.isLive || channel.asking) continue;
        const isOther = epoch !== undefined && epoch !== channel.epoch;
        let isAsked = epoch !== undefined;
        for (const it of channel.followers) {
          if (isOther) tell(it, "new_epoch", 0, { epoch, offset: fromOffset - 1 });
          else if (name === "*" && it.at) isAsked = true;
          else if (!isAsked) tell(it, "dropped", dropped);
        }
        if (isAsked) ask(channel);
      }
    };

    // ---- Sending

    const enqueue = (lane, message, idField, entry) => {
      const id = "c" + ++count;
      const text = JSON.stringify(idField ? { ...message, [idField]: id } : message);
      if (lane !== lanes[0] && (lane.size >= entriesMax || bytes + text.length > bytesMax)) throw new GatewayError("queue_full");
      Object.assign(entry, { id, lane, text, idField, refusals: 0, losses: 0 });
      bytes += text.length;
      lane.set(id, entry);
      return entry;
    };

    const call = (message, { priority = "normal", timeout, resend } = {}, idField) => {
      const entry = { ...defer(), isRepeatable: resend, isCounted: /^(publish|chat|room_message)$/.test(message.type) };
      try {
        if (client.stopped) throw client.stopped.error;
        if (!PRIORITIES.includes(priority)) throw new GatewayError("invalid", "priority");
        enqueue(lanes[PRIORITIES.indexOf(priority) + 1], message, idField, entry);
        if (timeout) entry.deadline = later(timeout, () => settle(entry, new GatewayError("timed_out")));
        client.connect();
        pump();
      } catch (error) {
        entry.reject(error instanceof GatewayError ? error : new GatewayError("invalid", error.message));
      }
      return entry.promise;
    };

    const find = (id) => lanes.map((lane) => lane.get(id)).find((entry) => entry?.isSent);

    const settle = (entry, error, value) => {
      if (!entry.lane.delete(entry.id)) return;
      bytes -= entry.text.length;
      clearTimeout(entry.timer);
      clearTimeout(entry.deadline);
      error ? entry.reject(error) : entry.resolve(value);
      pump();
    };

    // Sent and not known to have arrived.
    const repeat = (entry, isLast) => {
      clearTimeout(entry.timer);
      entry.isSent = false;
      if (!entry.isRepeatable || isLast) settle(entry, new GatewayError("unconfirmed"));
      pump();
    };

    const refuse = (id, error) => {
      const entry = find(id);
      if (!entry) {
        if (id === "auth" && error.code === "unsupported") return begin(); // nobody has to say who they are
        if (id === "auth") link.refresh = later(5e3, authenticate.bind(null, link));
        return fail(error);
      }
      metrics.errors++;
      const isAsk = entry.lane === lanes[0];
      if (!PASSING.test(error.code) || (++entry.refusals > 2 && !isAsk)) return settle(entry, error);
      const wait = error.retryAfterMs ?? Math.min(3e4, 500 * 2 ** entry.refusals);
      // What follows waits behind it, but other channels only if they would be refused as well.
      (isAsk && error.code !== "rate_limited" ? entry : entry.lane).notBefore = Date.now() + wait;
      clearTimeout(entry.timer);
      entry.isSent = false;
      later(wait, pump);
    };

    const pump = () => {
      while (link?.readyAt && link.socket.readyState === 1) {
        // Behind what the socket holds even the urgent would wait.
        if (link.socket.bufferedAmount > 65536) return (link.timer = later(20, pump));
        const now = Date.now();
        const able = [];
        for (const lane of lanes) {
          let inFlight = 0;
          let next;
          for (const entry of lane.values()) {
            if (!entry.isSent && !(entry.notBefore > now)) next ??= entry;
            if (entry.isSent && (entry.isCounted || lane === lanes[0])) inFlight++;
          }
          if (!next) continue;
          if (now >= lane.notBefore && inFlight < (lane === lanes[0] ? 32 : next.isCounted ? inFlightMax : Infinity)) able.push(next);
          if (lane === lanes[0]) break; // nothing overtakes a subscription
        }
        // The lowest that was passed over as often as may be, or else the highest.
        const entry = able.findLast(({ lane }) => lane.passed > 3 + lanes.indexOf(lane)) ?? able[0];
        if (!entry) return;
        for (const { lane } of able) lane.passed++;
        entry.lane.passed = 0;
        writeText(entry.text);
        entry.isSent = true;
        if (!entry.idField) settle(entry);
        else if (entry.idField === "requestId") entry.timer = later(requestTimeout, () => settle(entry, new GatewayError("timed_out")));
        else if (entry.lane !== lanes[0]) entry.timer = later(ackTimeout, () => repeat(entry));
      }
    };

    client.on = (event, handler) => {
      (listeners[event] ??= new Set()).add(handler);
      return () => listeners[event].delete(handler);
    };
    client.connect = () => {
      if (!ready) {
        ready = defer();
        client.stopped = null;
        enter();
        attempt();
      }
      return ready?.promise;
    };
    client.close = () => stop("disconnected", 1000, "closed by the application");
    client.publish = (channel, data = null, { event, eventId = randomId(), ...options } = {}) =>
      call({ type: "publish", channel, event, data, eventId }, { ...options, resend: true }, "id");
    client.request = (payload = null, options) => quiet(call({ type: "request", payload }, options, "requestId").then((answer) => answer.payload));
    client.presence = (channel, options) => call({ type: "presence", channel }, { ...options, resend: true }, "id");
    client.sendRoomMessage = (room_id, message, options) => call({ type: "room_message", payload: { room_id, message } }, options, "id");
    client.sendDirectMessage = (to, message, options) => call({ type: "chat", payload: { to, message } }, options, "id");
    client.send = call;
    // News or nothing: what cannot go now does not go.
    client.typing = (room_id) => link?.readyAt && write({ type: "typing", payload: { room_id } });
    client.joinRoom = (id, on) =>
      quiet(
        client.subscribe("room:" + id, on).then((room) => {
          const send = (message, options) => client.sendRoomMessage(id, message, options);
          return Object.assign(room, { id, send, typing: () => client.typing(id), leave: room.unsubscribe });
        }),
      );
  }
}

// Node's own tells a refused upgrade as 1006, as browsers do; ours says why.
const platformSocket = async () => {
  const isNode = globalThis.process?.versions?.node && !globalThis.document;
  return (isNode && (await import("./node.js").catch(() => {}))?.WebSocket) || globalThis.WebSocket;
};

const randomId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

export class Pool {
  constructor({ connectionsMax = 100, connectionsPerHostMax = 10, connectionTimeout = 1e4, idleTimeout = 6e4, ...options } = {}) {
    const items = new Set();
    const waiting = new Set();

    const remove = (item) => {
      items.delete(item);
      clearTimeout(item.timer);
      item.client.close();
      waiting.forEach((look) => look());
    };

    this.get = (url, token) => {
      const { host } = new URL(url);
      const wish = defer();
      const timer = later(connectionTimeout, () => done(new GatewayError("timed_out")));
      let item;
      const done = (error) => {
        clearTimeout(timer);
        waiting.delete(look);
        if (error && item) remove(item);
        error ? wish.reject(error) : wish.resolve(item.client);
      };
      const look = () => {
        if (item) return;
        const all = [...items];
        const idle = all.filter(({ isIdle }) => isIdle);
        item = idle.find((each) => each.url === url && each.token === token);
        if (item) {
          item.isIdle = false;
          clearTimeout(item.timer);
          return done();
        }
        const near = (each) => each.host === host;
        const isFull = all.filter(near).length >= connectionsPerHostMax;
        if (isFull || all.length >= connectionsMax) {
          // One that is idle makes way for another.
          const other = isFull ? idle.find(near) : idle[0];
          if (other) remove(other);
          if (other) look();
          return;
        }
        const mine = (item = { url, token, host, client: new Client(url, { ...options, token }) });
        items.add(mine);
        mine.client.on("state", () => mine.client.stopped && items.has(mine) && remove(mine));
        mine.client.connect().then(() => done(), done);
      };
      waiting.add(look);
      look();
      return wish.promise;
    };

    this.release = (client) => {
      const item = [...items].find((each) => each.client === client);
      if (!item || item.isIdle) return;
      item.isIdle = true;
      item.timer = later(idleTimeout, () => remove(item));
      waiting.forEach((look) => look());
    };

    this.closeAll = () => items.forEach(remove);
  }
}

// In the place of the class of that name that many have copied: what it is told waits, is sent again and recovered.
export class WebSocketClient {
  #rooms = new Map();

  constructor(url, token, options) {
    const tell = (message) => this.handleMessage(message);
    this.client = new Client(url, { token, ...options });
    this.client.on("chat", tell);
    this.client.on("message", tell);
    this.client.on("raw", (message) => /^(chat|message|room_message|user_joined|user_left|typing)$/.test(message.type) || tell(message));
  }
  connect() {
    return this.client.connect();
  }
  close() {
    this.client.close();
  }
  send(message) {
    const { room_id, to, message: text } = message.payload ?? {};
    if (message.type === "join_room") return this.joinRoom(room_id);
    if (message.type === "leave_room") return this.leaveRoom(room_id);
    if (message.type === "room_message") return this.sendRoomMessage(room_id, text);
    if (message.type === "chat") return this.sendDirectMessage(to, text);
    return this.client.send(message);
  }
  joinRoom(room_id) {
    const tell = (message) => this.handleMessage(message);
    if (!this.#rooms.has(room_id)) {
      const joined = this.client.joinRoom(room_id, { onMessage: tell, onJoined: tell, onLeft: tell, onTyping: tell, onPresence: tell });
      this.#rooms.set(room_id, joined);
      joined.then(() => tell({ type: "user_joined", user_id: this.client.userId, room_id })).catch(() => this.#rooms.delete(room_id));
    }
    return this.#rooms.get(room_id);
  }
  leaveRoom(room_id) {
    this.#rooms.get(room_id)?.then((room) => room.leave(), () => {});
    this.#rooms.delete(room_id);
  }
  sendRoomMessage(room_id, message) {
    return this.client.sendRoomMessage(room_id, message);
  }
  sendDirectMessage(user, message) {
    return this.client.sendDirectMessage(user, message);
  }
  handleMessage(message) {
    const name = { chat: "onChatMessage", room_message: "onRoomMessage", user_joined: "onUserJoined", typing: "onTyping" }[message.type];
    if (name) this[name](message);
  }
  onChatMessage() {}
  onRoomMessage() {}
  onUserJoined() {}
  onTyping() {}
}
