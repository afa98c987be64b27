// The quick start's class with the methods and handlers that it has there, on a plain socket: what it says before
// it is connected is lost, and it comes back in one second, then two, then four.
//
// node client_class.mjs HOST TOKEN

class PlainClient {
  #socket = null;
  #ping;
  #attempts = 0;
  #delay = 1000;

  constructor(url, token) {
    this.url = url;
    this.token = token;
  }

  connect() {
    this.#socket = new WebSocket(`${this.url}?token=${this.token}`);
    this.#socket.onopen = () => {
      console.log("Connected");
      this.#attempts = 0;
      this.#delay = 1000;
      this.#ping = setInterval(() => this.send({ type: "ping" }), 30_000);
      this.onConnected();
    };
    this.#socket.onmessage = ({ data }) => this.handleMessage(JSON.parse(data));
    this.#socket.onclose = () => {
      console.log("Disconnected");
      clearInterval(this.#ping);
      if (this.#attempts === 5) return;
      setTimeout(() => {
        this.#attempts += 1;
        this.#delay *= 2;
        this.connect();
      }, this.#delay);
    };
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  joinRoom(roomId) {
    this.send({ type: "join_room", payload: { room_id: roomId } });
  }

  sendRoomMessage(roomId, message) {
    this.send({ type: "room_message", payload: { room_id: roomId, message } });
  }

  sendDirectMessage(userId, message) {
    this.send({ type: "chat", payload: { to: userId, message } });
  }

  handleMessage(message) {
    const handlers = {
      chat: this.onChatMessage,
      room_message: this.onRoomMessage,
      user_joined: this.onUserJoined,
      typing: this.onTyping,
    };
    const handler = handlers[message.type];
    if (handler) handler(message);
    else console.log(message.type === "pong" ? "Pong received" : `Unknown: ${message.type}`);
  }

  onConnected() {}
  onChatMessage() {}
  onRoomMessage() {}
  onUserJoined() {}
  onTyping() {}
}

const [host, token] = process.argv.slice(2);
const client = new PlainClient(`ws://${host}/ws`, token);
client.onConnected = () => client.joinRoom("room-123");
client.onUserJoined = ({ user_id }) => {
  console.log(`${user_id} is there`);
  client.send({ type: "ping" });
  client.sendRoomMessage("room-123", "Hello!");
};
client.onRoomMessage = ({ from, message }) => {
  console.log(`${from}: ${message}`);
  client.sendDirectMessage(from, "Hi there!");
};
client.onChatMessage = ({ from, message }) => console.log(`${from} to me: ${message}`);
client.connect();
