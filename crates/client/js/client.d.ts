/**
 * The client of ws-gateway for browsers and Node: it comes back by itself, recovers what it missed, and keeps what it
 * could not send.
 *
 * ```js
 * import { Client } from "/client.js";
 *
 * const client = new Client("wss://example.org/ws", { token: () => fetch("/token").then((answer) => answer.text()) });
 * for await (const message of await client.subscribe("news")) {
 *   if (message.type === "gap") console.log("something was missed:", message.reason);
 *   else console.log(message.data);
 * }
 * ```
 *
 * No promise of it ever ends in an unhandled rejection: whoever does not look at one is not told. What a handler throws
 * is told to those who listen to `error`, or to the console, and breaks nothing.
 */

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * - `disconnected`: never begun, ended by {@link Client.close}, or by the server with 1000
 * - `connecting`: a token is fetched, the socket opens
 * - `authenticating`: it is open, and the gateway has not said yet who one is
 * - `connected`
 * - `reconnecting`: waits for the next attempt, or for the network
 * - `error`: stopped for good; {@link Client.stopped} says why
 */
export type State = "disconnected" | "connecting" | "authenticating" | "connected" | "reconnecting" | "error";

/** Higher ones go first, but none is passed over more than eight times in a row. Within one all goes in its order. */
export type Priority = "critical" | "high" | "normal" | "low";

/**
 * How the network is. `offline`: no attempt is made, and its end makes one at once. `slow` and `unstable`: at least 5 s
 * and 2 s pass before the next attempt, and there is no bound on their number.
 */
export type NetworkStatus = "online" | "slow" | "unstable" | "offline";

/** Tells `report` how the network is, now and whenever it changes, until `signal` aborts. */
export type NetworkSource = (report: (status: NetworkStatus) => void, client: Client, signal: AbortSignal) => void;

/** Where a history was: `epoch` is one life of it, `offset` the last message. To be kept, and given back as `since`. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

export interface Metrics {
  /** When the last connection began, in milliseconds since 1970; `null` before the first. */
  readonly connectedAt: number | null;
  /** When the last message was heard. */
  readonly lastMessageAt: number | null;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** Errors of the server, connections that were lost or refused, and what handlers threw. */
  readonly errors: number;
  /** Attempts of this outage; 0 while connected. */
  readonly reconnectAttempts: number;
}

/** Why a client stopped. `code` is a close code, or the status of a refused upgrade. */
export interface Stopped {
  readonly code: number;
  readonly reason: string;
  readonly error: GatewayError;
}

/** As much of the browser's WebSocket as is needed. A `close` event may have `refused`, as that of `node.js` has. */
export interface SocketConstructor {
  new (url: string, protocols: string[], options: ClientOptions): {
    readonly readyState: number;
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    send(data: string): void;
    close(code?: number, reason?: string): void;
  };
}

export interface BackoffOptions {
  /** The longest delay before the first attempt, which doubles with each. 1,000 ms. */
  base?: number;
  /** The longest of all. 30,000 ms. */
  cap?: number;
  /** Which part of the delay is random: all of it (`full`, the default), half of it (`equal`), `none`. */
  jitter?: "full" | "equal" | "none";
  /** How many attempts are made in a row. No bound by default. */
  attemptsMax?: number;
  /** A connection that was good for so long makes the next attempt the first again. 10,000 ms. */
  resetAfter?: number;
}

export interface QueueOptions {
  /** How many calls of one priority may wait, for the connection or their answer. 1,000. */
  entriesMax?: number;
  /** How many characters of all priorities together. 1,048,576. */
  bytesMax?: number;
  /**
   * How many publishes, letters and room messages of one priority are unanswered at a time. 1, which keeps their
   * order; more are faster, and then a refusal for a while may let later ones pass.
   */
  inFlightMax?: number;
}

export interface ClientOptions {
  /** A token, or a function that fetches a fresh one for each attempt and before the old one runs out. */
  token?: string | (() => string | null | undefined | Promise<string | null | undefined>);
  /** By a subprotocol of the upgrade (the default), or as the first message (the default with a `sessionId`). */
  tokenIn?: "protocol" | "message";
  /** The name of this device, for what is kept while it is away. It travels with tokens that are sent as messages. */
  sessionId?: string;
  backoff?: BackoffOptions;
  queue?: QueueOptions;
  /** By default a browser's `online` and `offline` events, and in Node nothing. See {@link healthProbe}. */
  network?: NetworkSource;
  /** For token, upgrade and authentication together. 10,000 ms. */
  connectTimeout?: number;
  /** For the response to a request, from when it was sent. 10,000 ms. */
  requestTimeout?: number;
  /** For the ack of what was sent, which then counts as unconfirmed. 10,000 ms. */
  ackTimeout?: number;
  /** How long an answer may take when the connection is asked whether it lives. 5,000 ms. */
  grace?: number;
  /** Another WebSocket. In Node it is that of `node.js` by default, otherwise the platform's. */
  WebSocket?: SocketConstructor;
  /** Node only: headers of the upgrade. */
  headers?: Record<string, string>;
}

export interface CallOptions {
  priority?: Priority;
  /** For all of it, the time in the queue too; then it fails with `timed_out`. No bound by default. */
  timeout?: number;
  /** Whether it may be sent again when nobody knows whether it arrived; otherwise it fails with `unconfirmed`. */
  resend?: boolean;
}

export interface PublishOptions extends Omit<CallOptions, "resend"> {
  /** What kind of thing it is. */
  event?: string;
  /** One's own name for it, by which it is there once. A random one by default. */
  eventId?: string;
}

/**
 * What went wrong. `code` is one of the gateway's (`forbidden`, `rate_limited`, …), or one of the client's own:
 * `timed_out`, `unconfirmed` (sent, and the connection was lost before the answer), `queue_full`, `closed` (the client
 * has stopped), `invalid` (what was given cannot be sent), `bad_json` (what was heard is no message), `revoked` (the
 * permission for a channel was withdrawn). Of a lost connection it is the close code, of a refused one the status.
 */
export class GatewayError extends Error {
  constructor(code: string | number, message?: string, retryAfterMs?: number);
  readonly name: "GatewayError";
  readonly code: string | number;
  readonly retryAfterMs?: number;
}

interface Stamped {
  readonly timestamp: number;
}

/** What was published in a channel. */
export interface ChannelMessage extends Stamped {
  readonly type: "message";
  readonly channel: string;
  readonly event?: string;
  readonly data: any;
  readonly from?: string;
  readonly subject?: string;
  readonly offset?: number;
  readonly eventId?: string;
}

/** What was said in a room. */
export interface RoomMessage extends Stamped {
  readonly type: "room_message";
  readonly room_id: string;
  readonly from: string;
  readonly message: any;
  readonly offset?: number;
}

/** Who came to a room, left it, or types in it. */
export interface RoomEvent<Type extends "user_joined" | "user_left" | "typing" = "user_joined" | "user_left" | "typing"> extends Stamped {
  readonly type: Type;
  readonly room_id: string;
  readonly user_id: string;
}

/** Who came to a channel and left it. */
export interface PresenceChange extends Stamped {
  readonly type: "presence";
  readonly channel: string;
  readonly count: number;
  readonly joined: readonly string[];
  readonly left: readonly string[];
  readonly joinedMore?: number;
  readonly leftMore?: number;
}

/**
 * Something was missed and cannot be had. One does well to fetch the present state of things.
 *
 * - `not_recovered`: after a reconnect, more than the history still has
 * - `no_history`: after a reconnect, in a channel that keeps none
 * - `new_epoch`: another life of the history has begun; what it holds follows
 * - `dropped`: the connection was too slow; `dropped` messages, or 0 where nobody knows how many
 * - `slow`: the loop was too slow, and went without `dropped` messages
 */
export interface Gap {
  readonly type: "gap";
  readonly channel: string;
  readonly reason: "not_recovered" | "no_history" | "new_epoch" | "dropped" | "slow";
  readonly dropped: number;
}

/** A direct message: what somebody sent to the user of this connection. */
export interface Letter extends Stamped {
  readonly type: "chat";
  readonly from: string;
  readonly message: any;
  readonly messageId: string;
}

/** What a back-end sent to the user of this connection, or to everybody. */
export interface BackEndLetter extends Stamped {
  readonly type: "message";
  readonly event?: string;
  readonly data: any;
  readonly messageId?: string;
}

export interface Events {
  state: State;
  error: unknown;
  /** Acked when all its handlers are done. Where one throws it comes again with the next connection. */
  chat: Letter;
  /** Acked in the same way, if it was kept. */
  message: BackEndLetter;
  goodbye: { readonly type: "goodbye"; readonly reconnectAfterMs?: number };
  /** Each {@link Gap} of each subscription. */
  gap: Gap;
  /** What is for nobody else: `connected`, `authenticated`, `pong`, and what this client does not know. */
  other: { readonly type: string; readonly [key: string]: any };
}

export interface SubscribeOptions {
  /** Goes on from there, where an earlier run ended. */
  since?: Position;
  /** Also be told who comes and goes, for which the permission is needed. */
  presence?: boolean;
  /** Without it, and with no other handler for an event, the subscription is to be iterated. */
  onMessage?(message: any): unknown;
  onGap?(gap: Gap): unknown;
  onPresence?(change: PresenceChange): unknown;
  /** The subscription has ended, and not by one's own wish: it was refused after a reconnect, or `revoked`. */
  onEnd?(error: GatewayError): unknown;
}

export interface RoomOptions extends SubscribeOptions {
  onJoined?(event: RoomEvent<"user_joined">): unknown;
  onLeft?(event: RoomEvent<"user_left">): unknown;
  onTyping?(event: RoomEvent<"typing">): unknown;
}

/**
 * One subscriber of a channel. Without `onMessage` it is iterated: messages, gaps and changes in their order, at most
 * 1,024 waiting. A loop that is slower than that misses nothing of a channel with a history, and is told of a gap
 * elsewhere. Leaving the loop unsubscribes; a subscription that is revoked makes it throw.
 */
export interface Subscription<Event = ChannelMessage | PresenceChange | Gap> extends AsyncIterable<Event> {
  readonly channel: string;
  /** How far the application has taken it; undefined in a channel without a history. */
  readonly position: Position | undefined;
  unsubscribe(): void;
}

/** A room that one is in. */
export interface Room extends Subscription<RoomMessage | ChannelMessage | RoomEvent | PresenceChange | Gap> {
  readonly id: string;
  /** Resolves when the gateway has it. */
  send(message: Json, options?: CallOptions): Promise<Ack>;
  /** News or nothing: it is said now or not at all. */
  typing(): void;
  leave(): void;
}

export interface Ack {
  readonly type: "ack";
  /** Where it is in the history of its channel. */
  readonly offset?: number;
  readonly messageId?: string;
}

export interface PresenceAnswer {
  readonly channel: string;
  /** Users, each once. */
  readonly count: number;
  /** Their names, where there are not too many. */
  readonly users?: readonly string[];
}

export class Client {
  /**
   * Nothing happens before {@link connect}, or the first use.
   *
   * @param url `wss://…`, or in a page also one relative to it, like `/ws`. What is no URL throws a TypeError.
   */
  constructor(url: string | URL, options?: ClientOptions);

  readonly state: State;
  /** The same object all the time; it changes. */
  readonly metrics: Metrics;
  /** Why it stopped, and `null` while it has not. */
  readonly stopped: Stopped | null;
  /** Who one is, as the gateway says. */
  readonly userId?: string;

  /** Begins, or begins anew after a stop. Resolves with the first `connected`; rejects with `closed` when it stops before. */
  connect(): Promise<void>;

  /**
   * Ends it. What waits fails with `closed`, subscriptions end, and nothing is sent any more until {@link connect} is
   * called.
   */
  close(): void;

  /** Returns what takes the handler away again. */
  on<Name extends keyof Events>(event: Name, handler: (value: Events[Name]) => unknown): () => void;

  /** Resolves when the gateway has accepted it. After each reconnect it is subscribed again, from its position. */
  subscribe(channel: string, options?: SubscribeOptions): Promise<Subscription>;

  /**
   * Resolves when the gateway has it: kept, in a channel with a history, and on its way elsewhere. However often the
   * connection is cut meanwhile, it is sent again under the same `eventId`, and is there once. What is refused for a
   * while is tried three times.
   */
  publish(channel: string, data?: Json, options?: PublishOptions): Promise<Ack>;

  /** Resolves with the `payload` of the response. */
  request(payload?: Json, options?: CallOptions): Promise<any>;

  /** Joins a room, and again after each reconnect. */
  joinRoom(id: string, options?: RoomOptions): Promise<Room>;
  /** To a room that one is in. */
  sendRoomMessage(room: string, message: Json, options?: CallOptions): Promise<Ack>;
  /** Resolves with the `messageId` when it is on its way, or kept for a user who is away. */
  sendDirectMessage(user: string, message: Json, options?: CallOptions): Promise<Ack & { readonly messageId: string }>;
  /** News or nothing: it is said now or not at all. */
  typing(room: string): void;
  /** Who is in a channel. */
  presence(channel: string, options?: Omit<CallOptions, "resend">): Promise<PresenceAnswer>;
  /** Sends a message of one's own making when there is a connection. Resolves when it is written; nothing is known of an answer. */
  send(message: { type: string; [key: string]: unknown }, options?: CallOptions): Promise<void>;
}
