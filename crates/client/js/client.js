// What it does is told in client.d.ts, why so in README.md.

const LANES = ["", "critical", "high", "normal", "low"];
const PASSING = /^(rate_|broker_|overl|channel_f|hook_|internal)/;

export class GatewayError extends Error {
  name = "GatewayError";
  constructor(code, message = code, retryAfterMs) {
    super(message);
    Object.assign(this, { code, retryAfterMs });
  }
}

const defer = () => {
  const it = {};
  it.promise = new Promise((...both) => ([it.resolve, it.reject] = both));
  it.promise.catch(() => {});
  return it;
};

const later = (ms, work) => setTimeout(work, Math.min(ms, 2e9));

class Recent extends Map {
  recall(id) {
    const [at, value] = this.get(id) ?? [];
    return Date.now() - at < 3e5 && value;
  }
  note(id, value) {
    if (this.size >= 1e4) this.delete(this.keys().next().value);
    if (id) this.set(id, [Date.now(), value]);
  }
}

export function Client(url, options = {}) {
  const { token, sessionId, tokenIn = sessionId ? "message" : "protocol", network } = options;
  const { connectTimeout = 1e4, requestTimeout = 1e4, ackTimeout = 1e4, grace = 5e3 } = options;
  const { base = 1e3, cap = 3e4, jitter = "full", attemptsMax = Infinity, resetAfter = 1e4 } = options.backoff ?? {};
  const { entriesMax = 1e3, bytesMax = 2 ** 20, inFlightMax = 1 } = options.queue ?? {};
  const address = new URL(url, globalThis.location).href.replace(/^http/, "ws");
  const metrics = { connectedAt: null, lastMessageAt: null, messagesSent: 0, messagesReceived: 0, errors: 0, reconnectAttempts: 0 };
  const client = Object.assign(this, { state: "disconnected", metrics, stopped: null });
  const listeners = {};
  const lanes = LANES.map(() => ({ passed: 0, size: 0 }));
  const [asks] = lanes;
  const entries = new Map();
  const channels = new Map();
  const letters = new Recent();
  let ready, link, retry, page, status;
  let attempts = 0;
  let renewals = 0;
  let bytes = 0;
  let count = 0;

  const emit = (event, value) => listeners[event]?.forEach((handler) => run(handler, value, event));

  const fail = (error) => {
    metrics.errors++;
    emit("error", error);
  };

  const run = async (handler, value, event) => {
    try {
      await handler(value);
    } catch (error) {
      listeners.error?.size && event !== "error" ? fail(error) : console.error(error);
    }
  };

  const setState = (state) => {
    if (state === client.state) return;
    client.state = state;
    emit("state", state);
  };

  const fetchToken = async () => (token?.call ? token() : token);

  const attempt = async () => {
    if (link || !ready) return;
    if (status === "offline") return setState("reconnecting");
    clearTimeout(retry);
    const mine = (link = {});
    mine.timer = later(connectTimeout, () => end(mine, { reason: "timed_out" }));
    setState("connecting");
    try {
      mine.token = await fetchToken();
      const { WebSocket = (globalThis.process ? await import("./node.js").catch(() => globalThis) : globalThis).WebSocket } = options;
      if (mine !== link) return;
      const protocols = mine.token && tokenIn === "protocol" ? ["ws-gateway.v1", "bearer." + mine.token] : [];
      const socket = (mine.socket = new WebSocket(address, protocols, options));
      socket.onopen = () => setState("authenticating");
      socket.onmessage = ({ data }) => hear(mine, data);
      socket.onclose = (event) => end(mine, event);
      socket.onerror = () => {};
    } catch (error) {
      end(mine, { reason: error });
    }
  };

  const end = (mine, { code = 1006, reason, refused = {} }) => {
    if (mine !== link) return;
    const { status: told = code, message = reason, retryAfterMs } = refused;
    drop();
    if (Date.now() - mine.readyAt >= resetAfter) attempts = renewals = 0;
    renewals = /^(3000|401)$/.test(told) ? renewals + 1 : 0;
    if (code === 1000) return stop("disconnected", code, reason);
    if (code === 1008 || (/^4(?!08|25|29)..$/.test(told) && renewals !== 1)) return stop("error", told, message);
    const patience = { slow: 5e3, unstable: 2e3, offline: 1 }[status] ?? 0;
    if (attempts >= attemptsMax && !patience) return stop("error", told, "attempts used up");
    const spread = Math.min(cap, base * 2 ** attempts) * (1 - { full: 1, equal: 0.5, none: 0 }[jitter] * Math.random());
    const least = retryAfterMs ?? (/1001|1006|1012/.test(code) ? 0 : base);
    comeBack(mine.goodbye ?? (renewals === 1 ? 0 : Math.max(spread, patience, least)));
    fail(new GatewayError(told, message));
  };

  const comeBack = (delay) => {
    if (status !== "offline") {
      attempts++;
      metrics.reconnectAttempts++;
      retry = later(delay, attempt);
    }
    setState("reconnecting");
  };

  const drop = (reason) => {
    const { socket, timer, liveness } = link ?? {};
    link = null;
    [timer, liveness, retry].forEach(clearTimeout);
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    socket?.close(1000, reason);
    channels.forEach((place) => (place.isLive = place.asking = null));
    entries.forEach((entry) => (entry.lane === asks ? entries.delete(entry.id) : entry.isSent && repeat(entry)));
  };

  const stop = (state, code, reason) => {
    const error = new GatewayError("closed", `${code} ${reason}`);
    client.stopped = { code, reason, error };
    drop();
    page?.abort();
    entries.forEach((entry) => settle(entry, error));
    channels.forEach(({ members }) => members.forEach((it) => depart(it, state === "error" && error)));
    ready?.reject(error);
    ready = null;
    attempts = 0;
    setState(state);
  };

  const enter = () => {
    page = new AbortController();
    const listen = (type, work) => globalThis.addEventListener?.(type, work, page);
    const leave = () => {
      drop("goodbye");
      comeBack(1e3);
    };
    const look = () => setStatus(globalThis.navigator?.onLine === false ? "offline" : "online");
    listen("visibilitychange", () => document.hidden || ping());
    listen("beforeunload", leave);
    listen("pagehide", leave);
    if (network) return network(setStatus, client, page.signal);
    listen("online", look);
    listen("offline", look);
    look();
  };

  const setStatus = (next) => {
    const isBack = status === "offline" && next !== status;
    status = next;
    if (isBack) link ? ping() : attempt();
  };

  const ping = () => {
    if (!link?.readyAt || link.isPinged) return;
    link.isPinged = true;
    write({ type: "ping" });
    watch(link, grace);
  };

  const watch = (mine, ms) => {
    const due = Date.now() + ms;
    clearTimeout(mine.liveness);
    mine.liveness = later(ms, () => {
      const now = Date.now();
      // A timer that is late was held up, and so perhaps was what came.
      if (mine.isPinged && now < due + 1e3) return end(mine, { reason: "silent" });
      mine.isPinged = false;
      const rest = mine.heardAt + mine.heartbeat - now;
      rest > 0 ? watch(mine, rest) : ping();
    });
  };

  const hear = (mine, data) => {
    mine.heardAt = Date.now();
    mine.isPinged = false;
    try {
      const message = JSON.parse(data);
      if (!message?.type) throw new GatewayError("bad_json");
      metrics.messagesReceived++;
      metrics.lastMessageAt = mine.heardAt;
      handle(message, message.requestId ?? message.id);
    } catch (error) {
      fail(error);
    }
  };

  const handle = (message, id) => {
    const { type, channel } = message;
    const place = channels.get(channel ?? "room:" + message.room_id);
    const entry = entries.get(id);
    if (type === "ping") write({ type: "pong" });
    else if (type === "token_expiring") authenticate(fetchToken());
    else if (type === "error") refuse(id, entry, new GatewayError(message.code, message.message, message.retryAfterMs));
    else if (type === "goodbye") {
      link.goodbye = message.reconnectAfterMs;
      emit(type, message);
    } else if (type === "connected" || type === "authenticated") {
      client.userId = message.userId;
      link.heartbeat ??= message.heartbeatMs || 3e4;
      type === "connected" && link.token && !client.userId ? authenticate(link.token) : begin();
      emit("other", message);
    } else if (!link.readyAt) return;
    else if (entry) settle(entry, null, type === "response" ? message.payload : message);
    else if (type === "unsubscribed") id ?? place?.members.forEach((it) => depart(it, new GatewayError("revoked")));
    else if (type === "gap") miss(message);
    else if (listeners[type]?.size && /^(chat|message)$/.test(type) && !channel) letter(message);
    else if (place && type !== "subscribed") {
      if (message.offset > place.offset) place.offset = message.offset;
      place.members.forEach((it) => take(it, message));
    } else emit("other", message);
  };

  const authenticate = (promised, mine = link) =>
    run(async () => {
      const token = await promised;
      if (mine === link) write({ type: "auth", token, sessionId, id: "auth" });
    });

  const begin = () => {
    if (link.readyAt) return;
    clearTimeout(link.timer);
    metrics.reconnectAttempts = 0;
    watch(link, link.heartbeat);
    channels.forEach(ask);
    link.readyAt = metrics.connectedAt = Date.now();
    pump();
    ready.resolve();
    setState("connected");
  };

  const write = (message) => writeText(JSON.stringify(message));

  const writeText = (text) => {
    if (link?.socket?.readyState !== 1) return;
    link.socket.send(text);
    metrics.messagesSent++;
  };

  const say = (message) => link?.readyAt && write(message);

  const letter = (message) => {
    const { type, messageId } = message;
    const taken = letters.recall(messageId) || Promise.all([...listeners[type]].map(async (handler) => handler(message)));
    letters.note(messageId, taken);
    taken.then(
      () => messageId && say({ type: "ack", messageId }),
      () => {
        letters.delete(messageId);
        run(() => taken);
      },
    );
  };

  client.subscribe = (name, on = {}, more) => {
    const place = channels.get(name) ?? { name, members: new Set() };
    const { since } = on;
    const it = { ...defer(), ...more, on, place, channel: name, at: since, position: since, buffer: [], lag: 0, recent: new Recent() };
    it.unsubscribe = it.leave = () => depart(it);
    it[Symbol.asyncIterator] = () => iterate(it);
    place.members.add(it);
    if (client.stopped) depart(it, client.stopped.error);
    else {
      client.connect();
      channels.set(name, place);
      place.isLive && !since && (!on.presence || place.presence) ? start(it) : ask(place);
    }
    return it.promise;
  };

  const start = (it) => {
    const { epoch, offset } = it.place;
    if (!it.at && epoch) it.at = it.position = { epoch, offset };
    it.isStarted = true;
    it.resolve(it);
  };

  async function* iterate(it) {
    try {
      for (;;) {
        while (it.buffer.length) {
          const [event, at] = it.buffer.shift();
          const { lag } = it;
          it.position = at;
          if (lag && !it.buffer.length) {
            it.lag = 0;
            it.at ? ask(it.place) : tell(it, "slow", it.at, lag);
          }
          yield event;
        }
        if (it.error) throw it.error;
        if (!it.place.members.has(it)) return;
        await (it.wake ??= defer()).promise;
      }
    } finally {
      depart(it);
    }
  }

  const give = (it, event, at) => {
    const [word] = /[a-z]+$/.exec(event.type);
    const handler = it.on["on" + word[0].toUpperCase() + word.slice(1)];
    if (!handler && !it.on.onMessage) {
      if (it.lag || it.buffer.length >= 1024) return ++it.lag;
      it.buffer.push([event, at]);
      it.wake = it.wake?.resolve();
    } else it.position = at;
    it.at = at;
    if (handler) run(handler, event);
  };

  const take = (it, message) => {
    const { offset, eventId } = message;
    const isKept = it.at && offset >= 0;
    if ((isKept ? !it.place.isLive || offset <= it.at.offset : !it.isStarted) || it.recent.recall(eventId)) return;
    give(it, message, isKept ? { ...it.at, offset } : it.at) || it.recent.note(eventId, true);
  };

  const tell = (it, reason, at = it.at, dropped = 0) => {
    const gap = { type: "gap", channel: it.channel, reason, dropped };
    emit("gap", gap);
    give(it, gap, at);
  };

  const depart = (it, error) => {
    const { name, members, asking } = it.place;
    if (!members.delete(it)) return;
    it.error = error;
    it.reject(error || client.stopped?.error);
    it.wake = it.wake?.resolve();
    if (error && it.isStarted && it.on.onEnd) run(it.on.onEnd, error);
    if (members.size) return;
    entries.delete(asking?.id);
    channels.delete(name);
    if (!error) say({ type: "unsubscribe", channel: name, id: "-" });
  };

  const ask = (place) => {
    const { name: channel, members, asking } = place;
    if (!members.size) return;
    let since, presence;
    members.forEach(({ at, lag, on }) => {
      if (at && !lag && !(at.offset >= since?.offset)) since = at;
      presence ||= on.presence;
    });
    // What comes before the answer comes again behind it.
    if (since) place.isLive = false;
    entries.delete(asking?.id);
    const resolve = ({ epoch, offset, recovered }) => {
      let others;
      const { isLive } = place;
      Object.assign(place, { epoch, offset, isLive: true, presence, asking: null });
      members.forEach((it) => {
        const { at } = it;
        if (!isLive && !it.lag && (at || it.isStarted) && !(recovered && at?.epoch === epoch)) {
          if (!recovered && at?.epoch === epoch && at?.offset > since?.offset && at.offset <= offset) return (others = true);
          tell(it, epoch ? "not_recovered" : "no_history", epoch && { epoch, offset });
        }
        start(it);
      });
      if (others) ask(place);
    };
    const reject = (error) => {
      const fresh = [...members].filter((it) => !it.isStarted);
      place.asking = null;
      (fresh.length ? fresh : members).forEach((it) => depart(it, error));
      ask(place);
    };
    place.asking = enqueue(asks, { type: "subscribe", channel, since, presence }, "id", { resolve, reject });
    pump();
  };

  const miss = ({ channel, dropped, epoch, fromOffset }) => {
    const isAll = channel === "*";
    channels.forEach((place, name) => {
      if ((!isAll && name !== channel) || !place.isLive) return;
      let isAsked = epoch;
      place.members.forEach((it) => {
        if (epoch && epoch !== place.epoch) tell(it, "new_epoch", { epoch, offset: fromOffset - 1 });
        else if (isAll && it.at) isAsked = true;
        else if (!epoch) tell(it, "dropped", it.at, dropped);
      });
      if (isAsked) ask(place);
    });
  };

  const enqueue = (lane, message, idField, entry) => {
    const id = "c" + ++count;
    const text = JSON.stringify(idField ? { ...message, [idField]: id } : message);
    lane.size += text.length > 0;
    entries.set(id, Object.assign(entry, { id, lane, text, idField, refusals: 0 }));
    return entry;
  };

  const call = (message, { priority = "normal", timeout, resend } = {}, idField = "id") => {
    const entry = { ...defer(), resend };
    try {
      if (client.stopped) throw client.stopped.error;
      enqueue(lanes[LANES.indexOf(priority) || NaN], message, idField, entry);
      bytes += entry.text.length;
      if (entry.lane.size > entriesMax || bytes > bytesMax) settle(entry, new GatewayError("queue_full"));
      if (timeout) entry.deadline = later(timeout, () => settle(entry, new GatewayError("timed_out")));
      client.connect();
      pump();
    } catch (error) {
      entry.reject(error.code ? error : new GatewayError("invalid", error.message));
    }
    return entry.promise;
  };

  const settle = (entry, error, value) => {
    if (!entries.delete(entry.id)) return;
    entry.lane.size--;
    bytes -= entry.lane === asks ? 0 : entry.text.length;
    clearTimeout(entry.timer);
    clearTimeout(entry.deadline);
    error ? entry.reject(error) : entry.resolve(value);
    pump();
  };

  const repeat = (entry) => {
    clearTimeout(entry.timer);
    entry.isSent = false;
    entry.resend ? pump() : settle(entry, new GatewayError("unconfirmed"));
  };

  const refuse = (id, entry, error) => {
    if (id === "auth" && error.code === "unsupported") return begin();
    if (!entry) return fail(error);
    const isAsk = entry.lane === asks;
    metrics.errors++;
    if (!PASSING.test(error.code) || (++entry.refusals > 2 && !isAsk)) return settle(entry, error);
    const wait = error.retryAfterMs ?? Math.min(3e4, 500 * 2 ** entry.refusals);
    (isAsk && error.code !== "rate_limited" ? entry : entry.lane).heldUntil = Date.now() + wait;
    clearTimeout(entry.timer);
    entry.isSent = false;
    later(wait, pump).unref?.();
    pump();
  };

  const pump = () => {
    while (link?.readyAt && link.socket.readyState === 1) {
      const isHeld = ({ heldUntil }) => heldUntil > Date.now();
      lanes.forEach((lane) => Object.assign(lane, { next: null, inFlight: 0 }));
      entries.forEach((entry) => {
        if (entry.isSent) entry.lane.inFlight += entry.idField === "id";
        else if (!isHeld(entry)) entry.lane.next ??= entry;
      });
      const able = (asks.next ? [asks] : lanes).filter((lane) => {
        const { next, inFlight } = lane;
        return next && !isHeld(lane) && !(next.idField === "id" && inFlight >= (lane === asks ? 32 : inFlightMax));
      });
      const lane = able.findLast((lane) => lane.passed > 3 + lanes.indexOf(lane)) ?? able[0];
      if (!lane) return;
      const entry = lane.next;
      able.forEach((lane) => lane.passed++);
      lane.passed = 0;
      entry.isSent = true;
      writeText(entry.text);
      if (!entry.idField) queueMicrotask(() => settle(entry));
      else if (entry.idField !== "id") entry.timer = later(requestTimeout, () => settle(entry, new GatewayError("timed_out")));
      else if (lane !== asks) entry.timer = later(ackTimeout, () => repeat(entry));
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
  client.close = () => client.stopped || stop("disconnected", 1000, "closed");
  client.publish = (channel, data = null, { event, eventId = crypto.getRandomValues(new Uint32Array(4)).join(), ...options } = {}) =>
    call({ type: "publish", channel, event, data, eventId }, { ...options, resend: true });
  client.request = (payload = null, options) => call({ type: "request", payload }, options, "requestId");
  client.presence = (channel, options) => call({ type: "presence", channel }, { ...options, resend: true });
  client.sendRoomMessage = (room_id, message, options) => call({ type: "room_message", payload: { room_id, message } }, options);
  client.sendDirectMessage = (to, message, options) => call({ type: "chat", payload: { to, message } }, options);
  client.send = (message, options) => call(message, options, null);
  client.typing = (room_id) => say({ type: "typing", payload: { room_id } });
  client.joinRoom = (id, on) => {
    const send = (message, options) => client.sendRoomMessage(id, message, options);
    return client.subscribe("room:" + id, on, { id, send, typing: () => client.typing(id) });
  };
}
