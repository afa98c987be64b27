// The client of ws-gateway for browsers and Node. What it does, takes and promises is written in client.d.ts.

// The first lane is that of subscribing: nothing overtakes it.
const PRIORITIES = ["subscribe", "critical", "high", "normal", "low"];
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
  name = "GatewayError";
  constructor(code, message = code, retryAfterMs) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

// Nobody has to look at a promise of ours: its rejection is never unhandled.
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
  note(id, value = true) {
    if (this.size >= 1e4) this.delete(this.keys().next().value);
    if (id) this.set(id, [Date.now(), value]);
  }
}

export class Client {
  constructor(url, options = {}) {
    const { token, sessionId, network, connectTimeout = 1e4, requestTimeout = 1e4, ackTimeout = 1e4, grace = 5e3 } = options;
    const { base = 1e3, cap = 3e4, jitter = "full", attemptsMax = Infinity, resetAfter = 1e4 } = options.backoff ?? {};
    const { entriesMax = 1e3, bytesMax = 2 ** 20, inFlightMax = 1 } = options.queue ?? {};
    const { tokenIn = sessionId ? "message" : "protocol" } = options;
    const address = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    const metrics = { connectedAt: null, lastMessageAt: null, messagesSent: 0, messagesReceived: 0, errors: 0, reconnectAttempts: 0 };
    const client = Object.assign(this, { state: "disconnected", metrics, stopped: null });
    const listeners = {};
    // Entries by id, in their order, until they are answered.
    const lanes = PRIORITIES.map((_, index) =>
      Object.assign(new Map(), { passed: 0, patience: 4 + index, inFlightMax: index ? inFlightMax : 32 }),
    );
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

    // What a handler throws is told and breaks nothing.
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

    // ---- Connecting, ending, coming back

    const fetchToken = async () => (typeof token === "function" ? token() : token);

    const attempt = async () => {
      if (link || !ready) return;
      if (status === "offline") return setState("reconnecting");
      clearTimeout(retry);
      const mine = (link = {});
      mine.timer = later(connectTimeout, () => end(mine, { reason: "timed out" }));
      setState("connecting");
      try {
        mine.token = await fetchToken();
        const Socket = options.WebSocket ?? (await platformSocket());
        if (mine !== link) return;
        const protocols = mine.token && tokenIn === "protocol" ? ["ws-gateway.v1", "bearer." + mine.token] : [];
        const socket = (mine.socket = new Socket(address, protocols, options));
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
      renewals = /3000|401/.test(told) ? renewals + 1 : 0;
      if (code === 1000) return stop("disconnected", code, reason);
      if (code === 1008 || (/^4(?!08|25|29)..$/.test(told) && renewals !== 1)) return stop("error", told, message);
      fail(new GatewayError("disconnected", `${told} ${message}`));
      if (status === "offline") return setState("reconnecting");
      const patience = { slow: 5e3, unstable: 2e3 }[status];
      if (attempts >= attemptsMax && patience === undefined) return stop("error", told, "attempts used up");
      const spread = Math.min(cap, base * 2 ** attempts++) * ({ none: 1, equal: 0.5 + Math.random() / 2 }[jitter] ?? Math.random());
      const least = Math.max(spread, patience ?? 0, retryAfterMs ?? (/1001|1006|1012/.test(code) ? 0 : base));
      comeBack(mine.goodbye ?? (renewals === 1 ? 0 : least));
    };

    const comeBack = (delay) => {
      metrics.reconnectAttempts++;
      retry = later(delay, attempt);
      setState("reconnecting");
    };

    // Lets go of the socket without waiting for it: a half-open one closes late or never.
    const drop = (code, reason) => {
      const { socket, timer, liveness } = link ?? {};
      link = null;
      [timer, liveness, retry].forEach(clearTimeout);
      if (socket) {
        socket.onopen = socket.onmessage = socket.onclose = null;
        try {
          socket.close(code, reason);
        } catch {}
      }
      lanes[0].clear();
      for (const channel of channels.values()) {
        channel.isLive = channel.asking = null;
        channel.followers.forEach((it) => (it.isLive = false));
      }
      forEntries((entry) => entry.isSent && repeat(entry));
    };

    const forEntries = (work) => lanes.forEach((lane) => lane.forEach(work));

    const stop = (state, code, reason) => {
      const error = new GatewayError("closed", `${code} ${reason}`);
      client.stopped = { code, reason, error };
      drop(1000);
      page?.abort();
      forEntries((entry) => settle(entry, error));
      for (const { followers } of channels.values()) followers.forEach((it) => depart(it, state === "error" && error));
      ready?.reject(error);
      ready = null;
      attempts = 0;
      setState(state);
    };

    // ---- Page, network, liveness

    const enter = () => {
      page = new AbortController();
      const { document, navigator } = globalThis;
      const listen = (type, work, target = globalThis) => target.addEventListener?.(type, work, page);
      const leave = () => {
        drop(1000, "goodbye");
        comeBack(1e3); // if it is still there by then
      };
      const look = () => setStatus(navigator?.onLine === false ? "offline" : "online");
      listen("visibilitychange", () => document.hidden || ping(), document ?? {});
      listen("beforeunload", leave);
      listen("pagehide", leave);
      listen("pageshow", attempt);
      if (network) return page.signal.addEventListener("abort", network(setStatus, client) ?? (() => {}));
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
        const late = Date.now() - due;
        const rest = mine.heardAt - due - late + mine.heartbeat;
        // A timer that is late was held up with its page, and so perhaps was what came.
        if (mine.isPinged && late < 1e3) return end(mine, { reason: "silent" });
        mine.isPinged = false;
        rest > 0 ? watch(mine, rest) : ping();
      });
    };

    // ---- Hearing and saying

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
      if (type === "connected" || type === "authenticated") {
        client.userId = message.userId;
        link.heartbeat ??= message.heartbeatMs || 3e4;
        type === "connected" && link.token && !client.userId ? authenticate(link, link.token) : begin();
      } else if (type === "token_expiring") return authenticate(link);
      else if (type === "ping") return write({ type: "pong" });
      else if (type === "error") return refuse(id, new GatewayError(message.code, message.message, message.retryAfterMs));
      else if (type === "goodbye") link.goodbye = message.reconnectAfterMs;
      else if (!link.readyAt) return;
      else if (find(id)) return settle(find(id), null, message);
      // With an id it is the answer to one's own wish.
      else if (type === "unsubscribed") return id ?? place?.followers.forEach((it) => depart(it, new GatewayError("revoked")));
      else if (type === "gap") return miss(message);
      else if (listeners[type]?.size && (type === "chat" || (type === "message" && !channel))) return letter(message);
      else if (place && HANDLERS[type]) {
        if (message.offset > place.offset) place.offset = message.offset;
        return place.followers.forEach((it) => take(it, message));
      }
      emit(type === "goodbye" ? type : "other", message);
    };

    const authenticate = async (mine, known) => {
      try {
        const fresh = await (known ?? fetchToken());
        if (mine === link) write({ type: "auth", token: fresh, sessionId, id: "auth" });
      } catch (error) {
        fail(error);
        authenticateLater(mine);
      }
    };

    const authenticateLater = (mine) => later(5e3, () => mine === link && authenticate(mine));

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

    const write = (message) => {
      if (link?.socket?.readyState !== 1) return;
      link.socket.send(typeof message === "string" ? message : JSON.stringify(message));
      metrics.messagesSent++;
    };

    const say = (message) => link?.readyAt && write(message);

    // Acked when all its handlers are done with it. One that fails lets it come again.
    const letter = (message) => {
      const { type, messageId } = message;
      const taken = letters.recall(messageId) ?? Promise.all([...listeners[type]].map(async (handler) => handler(message)));
      letters.note(messageId, taken);
      taken.then(
        () => messageId && say({ type: "ack", messageId }),
        (error) => {
          letters.delete(messageId);
          run(() => taken);
        },
      );
    };

    // ---- Subscriptions: `at` is how far a follower was told, `position` how far the application took it

    client.subscribe = (name, on = {}) => {
      const place = channels.get(name) ?? { name, followers: new Set() };
      const { since } = on;
      const it = { ...defer(), on, place, channel: name, at: since, position: since, buffer: [], lag: 0, recent: new Recent() };
      it.unsubscribe = () => depart(it);
      it[Symbol.asyncIterator] = () => iterate(it);
      place.followers.add(it);
      if (client.stopped) depart(it, client.stopped.error);
      else {
        channels.set(name, place);
        place.isLive && !since && (!on.presence || place.presence) ? start(it) : ask(place);
        client.connect();
      }
      return it.promise;
    };

    const start = (it) => {
      const { epoch, offset } = it.place;
      if (!it.at && epoch) it.at = it.position = { epoch, offset };
      it.isStarted = it.isLive = true;
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
              it.at ? ask(it.place) : tell(it, "slow", lag);
            }
            yield event;
          }
          if (it.error) throw it.error;
          if (!it.place.followers.has(it)) return;
          it.wake = defer();
          await it.wake.promise;
        }
      } finally {
        depart(it);
      }
    }

    // One that does not keep up takes nothing until it has taken what it has, and then asks for the rest.
    const give = (it, event, at) => {
      const handler = it.on[HANDLERS[event.type]];
      if (!handler && !it.on.onMessage) {
        if (it.lag || it.buffer.length >= 1024) return ++it.lag;
        it.buffer.push([event, at]);
        it.wake?.resolve();
      } else it.position = at;
      it.at = at;
      if (handler) run(handler, event);
    };

    const take = (it, message) => {
      const { offset, eventId } = message;
      const isKept = it.at && offset >= 0;
      if (isKept ? !it.isLive || offset <= it.at.offset : !it.isStarted) return;
      if (it.recent.recall(eventId)) return;
      give(it, message, isKept ? { ...it.at, offset } : it.at) || it.recent.note(eventId);
    };

    const tell = (it, reason, dropped = 0, at = it.at) => {
      const gap = { type: "gap", channel: it.channel, reason, dropped };
      emit("gap", gap);
      give(it, gap, at);
    };

    const depart = (it, error) => {
      const { name, followers, asking } = it.place;
      if (!followers.delete(it)) return;
      it.error = error;
      it.reject(error || client.stopped?.error);
      it.wake?.resolve();
      if (error && it.isStarted && it.on.onEnd) run(it.on.onEnd, error);
      if (followers.size) return;
      if (asking) lanes[0].delete(asking.id);
      channels.delete(name);
      if (!error) say({ type: "unsubscribe", channel: name, id: "-" });
    };

    const ask = (place) => {
      const { name, followers, asking } = place;
      if (!followers.size) return;
      let since, presence;
      for (const { at, lag, on } of followers) {
        if (at && !lag && !(at.offset >= since?.offset)) since = at;
        presence ||= on.presence;
      }
      // What comes before the answer comes again behind it.
      if (since) followers.forEach((it) => (it.isLive = false));
      if (asking) lanes[0].delete(asking.id);
      const resolve = ({ epoch, offset, recovered }) => {
        const now = epoch && { epoch, offset };
        let others;
        Object.assign(place, { epoch, offset, isLive: true, presence, asking: null });
        for (const it of followers) {
          const { at } = it;
          const isMissing = !it.isLive && !it.lag && (at || it.isStarted) && !(recovered && at?.epoch === epoch);
          // Since `since` it is not there; since where this one is it may be.
          if (isMissing && !recovered && at?.epoch === epoch && at?.offset > since?.offset && at.offset <= offset) others = true;
          else {
            if (isMissing) tell(it, now ? "not_recovered" : "no_history", 0, now);
            start(it);
          }
        }
        if (others) ask(place);
      };
      const reject = (error) => {
        const fresh = [...followers].filter((it) => !it.isStarted);
        place.asking = null;
        // What was there before, the server has left as it was.
        for (const it of fresh.length ? fresh : followers) depart(it, error);
        ask(place);
      };
      place.asking = enqueue(lanes[0], { type: "subscribe", channel: name, since, presence }, "id", { isCounted: true, resolve, reject });
      pump();
    };

    const miss = ({ channel, dropped, epoch, fromOffset }) => {
      const isAll = channel === "*";
      for (const place of isAll ? channels.values() : [channels.get(channel)]) {
        if (!place?.isLive || place.asking) continue;
        let isAsked = epoch;
        for (const it of place.followers) {
          if (epoch && epoch !== place.epoch) tell(it, "new_epoch", 0, { epoch, offset: fromOffset - 1 });
          else if (isAll && it.at) isAsked = true;
          else if (!epoch) tell(it, "dropped", dropped);
        }
        if (isAsked) ask(place);
      }
    };

    // ---- Sending

    const enqueue = (lane, message, idField, entry) => {
      const id = "c" + ++count;
      const text = JSON.stringify(idField ? { ...message, [idField]: id } : message);
      return lane.set(id, Object.assign(entry, { id, lane, text, idField, refusals: 0 })) && entry;
    };

    const call = (message, { priority = "normal", timeout, resend } = {}, idField) => {
      const entry = { ...defer(), resend, isCounted: /publish|chat|room_/.test(message.type) };
      try {
        if (client.stopped) throw client.stopped.error;
        enqueue(lanes[PRIORITIES.indexOf(priority) || NaN], message, idField, entry);
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

    const find = (id) => lanes.map((lane) => lane.get(id)).find((entry) => entry?.isSent);

    const settle = (entry, error, value) => {
      if (!entry.lane.delete(entry.id)) return;
      if (entry.lane !== lanes[0]) bytes -= entry.text.length;
      clearTimeout(entry.timer);
      clearTimeout(entry.deadline);
      error ? entry.reject(error) : entry.resolve(value);
      pump();
    };

    // Sent, and nobody knows whether it arrived.
    const repeat = (entry) => {
      clearTimeout(entry.timer);
      entry.isSent = false;
      entry.resend ? pump() : settle(entry, new GatewayError("unconfirmed"));
    };

    const refuse = (id, error) => {
      const entry = find(id);
      const isAsk = entry?.lane === lanes[0];
      if (id === "auth") {
        if (error.code === "unsupported") return begin(); // nobody has to say who they are
        authenticateLater(link);
      }
      if (!entry) return fail(error);
      metrics.errors++;
      if (!PASSING.test(error.code) || (++entry.refusals > 2 && !isAsk)) return settle(entry, error);
      const wait = error.retryAfterMs ?? Math.min(3e4, 500 * 2 ** entry.refusals);
      // What follows waits behind it, other channels only if they would be refused as well.
      (isAsk && error.code !== "rate_limited" ? entry : entry.lane).notBefore = Date.now() + wait;
      clearTimeout(entry.timer);
      entry.isSent = false;
      later(wait, pump);
    };

    const pump = () => {
      while (link?.readyAt && link.socket.readyState === 1) {
        const able = [];
        for (const lane of lanes) {
          const isHeld = ({ notBefore }) => notBefore > Date.now();
          let inFlight = 0;
          let next;
          for (const entry of lane.values()) {
            if (entry.isSent) inFlight += entry.isCounted ? 1 : 0;
            else if (!isHeld(entry)) next ??= entry;
          }
          if (next && !isHeld(lane) && !(next.isCounted && inFlight >= lane.inFlightMax)) able.push(next);
          if (next && lane === lanes[0]) break;
        }
        // The lowest that was passed over as often as may be, or else the highest.
        const entry = able.findLast(({ lane }) => lane.passed >= lane.patience) ?? able[0];
        if (!entry) return;
        for (const { lane } of able) lane.passed++;
        entry.lane.passed = 0;
        entry.isSent = true;
        write(entry.text);
        if (!entry.idField) settle(entry);
        else if (entry.lane !== lanes[0]) {
          const isRequest = entry.idField !== "id";
          entry.timer = later(isRequest ? requestTimeout : ackTimeout, () => (isRequest ? settle(entry, new GatewayError("timed_out")) : repeat(entry)));
        }
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
    client.send = (message, options) => call(message, options);
    // News or nothing: what cannot go now does not go.
    client.typing = (room_id) => say({ type: "typing", payload: { room_id } });
    client.joinRoom = (id, on) =>
      quiet(
        client.subscribe("room:" + id, on).then((room) => {
          const send = (message, options) => client.sendRoomMessage(id, message, options);
          return Object.assign(room, { id, send, typing: () => client.typing(id), leave: room.unsubscribe });
        }),
      );
  }
}

// In the place of the class of this name that many have copied.
export class WebSocketClient extends Client {
  constructor(url, token, options) {
    super(url, { ...options, token });
    const tell = (message) => this.handleMessage(message);
    const { joinRoom } = this;
    const rooms = {};
    const join = async (room_id) => {
      const room = await joinRoom(room_id, { onMessage: tell, onJoined: tell, onLeft: tell, onTyping: tell });
      tell({ type: "user_joined", user_id: this.userId, room_id });
      return room;
    };
    ["chat", "message", "other"].forEach((event) => this.on(event, tell));
    this.joinRoom = (id) => (rooms[id] ??= quiet(join(id)));
  }
  handleMessage(message) {
    const names = { chat: "onChatMessage", room_message: "onRoomMessage", user_joined: "onUserJoined", typing: "onTyping" };
    this[names[message.type]]?.(message);
  }
  onChatMessage() {}
  onRoomMessage() {}
  onUserJoined() {}
  onTyping() {}
}

// Node's own tells a refused upgrade as 1006, as browsers do; ours says why.
const platformSocket = async () => {
  const isNode = globalThis.process?.versions?.node && !globalThis.document;
  return (isNode && (await import("./node.js").catch(() => {}))?.WebSocket) || globalThis.WebSocket;
};

const randomId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
