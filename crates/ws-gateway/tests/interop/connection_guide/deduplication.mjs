// The guide's memory of messages: one that comes a second time is known by its id for five minutes.
//
// node deduplication.mjs HOST TOKEN

class DeduplicationManager {
  #expiryById = new Map();
  #lifetime = 300_000;

  isDuplicate(messageId) {
    const expiry = this.#expiryById.get(messageId);
    return expiry !== undefined && Date.now() <= expiry;
  }

  recordMessage(messageId) {
    this.#expiryById.set(messageId, Date.now() + this.#lifetime);
  }
}

const [host, token] = process.argv.slice(2);
const seen = new DeduplicationManager();

/** A letter of the inbox comes with each connection until somebody acknowledges it. */
function connect(then) {
  const socket = new WebSocket(`ws://${host}/ws?token=${token}`);
  socket.onmessage = ({ data }) => {
    const { type, message, messageId } = JSON.parse(data);
    if (type !== "chat") return;
    console.log(seen.isDuplicate(messageId) ? "duplicate:" : "new:", message);
    seen.recordMessage(messageId);
    then(socket, messageId);
  };
}

connect((first) => {
  first.close(1000);
  connect((second, messageId) => {
    second.send(JSON.stringify({ type: "ack", messageId }));
    second.close(1000);
  });
});
