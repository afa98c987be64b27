// Connections that are shared. What it does and takes is written in client.d.ts.

import { Client, GatewayError } from "./client.js";

export class Pool {
  #items = new Set(); // {url, token, host, client, isIdle, timer}
  #waiting = new Set(); // those for whom there is no room yet, in their order
  #options;
  #clientOptions;

  constructor({ connectionsMax = 32, connectionsPerHostMax = 4, connectionTimeout = 10_000, idleTimeout = 60_000, ...clientOptions } = {}) {
    this.#options = { connectionsMax, connectionsPerHostMax, connectionTimeout, idleTimeout };
    this.#clientOptions = clientOptions;
  }

  get(url, token) {
    const wish = { url, token };
    const promise = new Promise((resolve, reject) => {
      Object.assign(wish, { resolve, reject, host: new URL(url, globalThis.location).host });
      wish.timer = setTimeout(() => this.#refuse(wish, new GatewayError("timed_out")), this.#options.connectionTimeout);
      this.#waiting.add(wish);
      this.#serve();
    });
    promise.catch(() => {});
    return promise;
  }

  release(client) {
    const item = [...this.#items].find((item) => item.client === client);
    if (!item || item.isIdle) return;
    item.isIdle = true;
    item.timer = setTimeout(() => this.#remove(item), this.#options.idleTimeout);
    this.#serve();
  }

  closeAll() {
    for (const wish of [...this.#waiting]) this.#refuse(wish, new GatewayError("closed"));
    for (const item of [...this.#items]) this.#remove(item);
  }

  #serve() {
    for (const wish of [...this.#waiting]) {
      const item = this.#find(wish);
      if (!item) continue;
      this.#waiting.delete(wish);
      item.isIdle = false;
      clearTimeout(item.timer);
      wish.item = item;
      item.client.connect().then(
        () => {
          clearTimeout(wish.timer);
          wish.resolve(item.client);
        },
        (error) => this.#refuse(wish, error),
      );
    }
  }

  // One that is idle, or a new one where there is room, or where an idle one of somebody else can make it.
  #find({ url, token, host }) {
    const { connectionsMax, connectionsPerHostMax } = this.#options;
    const all = [...this.#items];
    const idle = all.filter((item) => item.isIdle);
    const mine = idle.find((item) => item.url === url && item.token === token);
    if (mine) return mine;
    const isNear = (item) => item.host === host;
    const isHostFull = all.filter(isNear).length >= connectionsPerHostMax;
    if (isHostFull || all.length >= connectionsMax) {
      const other = isHostFull ? idle.find(isNear) : idle[0];
      if (!other) return null;
      this.#items.delete(other);
      this.#remove(other);
    }
    const client = new Client(url, { ...this.#clientOptions, token });
    const item = { url, token, host, client, isIdle: false };
    this.#items.add(item);
    client.on("state", () => client.stopped && this.#items.has(item) && this.#remove(item));
    return item;
  }

  #refuse(wish, error) {
    clearTimeout(wish.timer);
    this.#waiting.delete(wish);
    wish.reject(error);
    if (wish.item) this.#remove(wish.item);
  }

  #remove(item) {
    const wasMine = this.#items.delete(item);
    clearTimeout(item.timer);
    item.client.close();
    if (wasMine) this.#serve();
  }
}
