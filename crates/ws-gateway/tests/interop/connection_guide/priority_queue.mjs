// The guide's queue: four priorities, three attempts, and a promise for each message.
//
// node priority_queue.mjs HOST TOKEN

class PriorityQueue {
  #queues = new Map(["critical", "high", "normal", "low"].map((priority) => [priority, []]));
  #isProcessing = false;
  #socket = null;
  #maxRetries = 3;
  #retryDelay = 1000;

  setConnection(socket) {
    this.#socket = socket;
  }

  enqueue(message, priority = "normal") {
    return new Promise((resolve, reject) => {
      this.#queues.get(priority).push({ message, priority, retryCount: 0, resolve, reject });
      this.#process();
    });
  }

  async #process() {
    if (this.#isProcessing) return;
    this.#isProcessing = true;
    for (let next; (next = this.#dequeue()); ) await this.#send(next);
    this.#isProcessing = false;
  }

  #dequeue() {
    return [...this.#queues.values()].find((queue) => queue.length > 0)?.shift();
  }

  async #send(entry) {
    try {
      if (this.#socket?.readyState !== WebSocket.OPEN) throw new Error("Connection not available");
      this.#socket.send(JSON.stringify(entry.message));
      entry.resolve();
    } catch (error) {
      entry.retryCount += 1;
      if (entry.retryCount === this.#maxRetries) return entry.reject(error);
      setTimeout(() => {
        this.#queues.get(entry.priority).unshift(entry);
        this.#process();
      }, this.#retryDelay * entry.retryCount);
    }
  }
}

const [host, token] = process.argv.slice(2);
const queue = new PriorityQueue();
const say = (event, priority) => {
  return queue.enqueue({ type: "publish", channel: "orders", event, data: null }, priority);
};

// Nobody is there yet: what is said now is tried again a second later.
const early = say("early").then(() => console.log("sent after all"));

const socket = new WebSocket(`ws://${host}/ws?token=${token}`);
socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", channel: "orders" }));
socket.onmessage = async ({ data }) => {
  const { type, event } = JSON.parse(data);
  console.log(type, event ?? "");
  if (type !== "subscribed") return;
  queue.setConnection(socket);
  await early;
  // The first goes at once, those behind it by their priority.
  for (const priority of ["low", "normal", "low", "high", "critical"]) say(priority, priority);
};
