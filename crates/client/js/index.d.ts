/** All of the package: the client, the drop-in for an older class, connections that are shared, and a look at the network. */

export * from "./client.js";
import { Client, ClientOptions, NetworkSource } from "./client.js";

/**
 * In the place of the class of this name that many have copied: the same methods and handlers to override, and beneath
 * them a {@link Client}. What is told to it before it is connected waits, rooms are joined again and what was missed in
 * them comes, direct messages are acked. Its own joining is told as `user_joined`.
 */
export class WebSocketClient extends Client {
  constructor(url: string | URL, token?: ClientOptions["token"], options?: ClientOptions);
  leaveRoom(id: string): void;
  /** Is called with each message; calls the handlers below. */
  handleMessage(message: any): void;
  onChatMessage(message: any): void;
  onRoomMessage(message: any): void;
  onUserJoined(message: any): void;
  onTyping(message: any): void;
}

export interface PoolOptions extends ClientOptions {
  /** Of all hosts together. 32. */
  connectionsMax?: number;
  /** 4. */
  connectionsPerHostMax?: number;
  /** How long {@link Pool.get} waits for room and for the connection. 10,000 ms. */
  connectionTimeout?: number;
  /** One that nobody uses for so long is closed. 60,000 ms. */
  idleTimeout?: number;
}

/** Connections that are shared, one user of each at a time. */
export class Pool {
  /** What is no option of the pool is one of its clients. */
  constructor(options?: PoolOptions);
  /**
   * A connected client of this address and token: one that is idle, or a new one where there is room. Who waits too
   * long is told `timed_out`. An idle one of somebody else makes way.
   */
  get(url: string, token?: ClientOptions["token"]): Promise<Client>;
  /** Gives one back. */
  release(client: Client): void;
  closeAll(): void;
}

/**
 * Asks for `/health` of the same host: at once, about every thirty seconds, when a connection was lost, and sooner while
 * there is no answer. More than 5 s is `slow`, more than 1 s `unstable`, no good answer `offline`.
 *
 * ```js
 * new Client(url, { network: healthProbe(url) });
 * ```
 */
export function healthProbe(url: string | URL, options?: { interval?: number; timeout?: number }): NetworkSource;
