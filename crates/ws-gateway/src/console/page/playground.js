// Two plain WebSockets side by side. Nothing here is a client library.

import { announce } from "./elements.js";
import { Pane } from "./pane.js";

/** Both panes, and the tour that shows in one click what they are for. */
export class Playground {
  panes;
  #hello = null;
  /** The token that came with the address. */
  #offered = "";

  /** `changed(token)` hears of the first pane's token. */
  constructor(root, tour, link, changed) {
    const context = {
      hello: () => this.#hello,
      mint: async (user) => (await link.ask("token", { user })).token,
      tokenChanged: () => this.panes && changed(this.panes[0].token),
    };
    this.panes = [new Pane("A", "alice", context), new Pane("B", "bob", context)];
    root.replaceChildren(...this.panes.map((pane) => pane.element));
    tour.onclick = () => this.#tour(tour);
  }

  hello(hello) {
    this.#hello = hello;
    for (const pane of this.panes) pane.hello(hello);
    this.offer(this.#offered);
  }

  /** Puts a token where none is. Where tokens can be made, the second pane is somebody else. */
  offer(token) {
    this.#offered = token;
    const takers = this.#hello && !this.#hello.canMint ? this.panes : this.panes.slice(0, 1);
    for (const pane of takers) if (token && !pane.token) pane.token = token;
  }

  async #tour(button) {
    const [a, b] = this.panes;
    const missing = this.panes.find((pane) => !pane.token);
    if (missing && !this.#hello?.canMint) {
      announce("Each pane needs a token first");
      return missing.focusToken();
    }
    button.disabled = true;
    try {
      for (const pane of [a, b]) {
        if (!pane.isOpen) await pane.connect();
        await pane.subscribe("news");
      }
      const heard = b.hears("message");
      a.publish("news", "greeting", { hello: "from pane A" });
      await heard;
      b.publish("news", "greeting", { hello: "from pane B, which heard you" });
      announce("Both panes are connected and in the channel news");
    } catch (error) {
      announce(error.message);
    } finally {
      button.disabled = false;
    }
  }
}
