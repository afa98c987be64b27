// The quick start's use of its class, in its order, with the class of our client: what is said before it is
// connected waits, and it is in its room again when the gateway is back.
//
// node drop_in.mjs HOST TOKEN

import { WebSocketClient } from "../../../../client/js/websocket-client.js";

const [host, token] = process.argv.slice(2);
const client = new WebSocketClient(`ws://${host}/ws`, token);
client.connect();

client.onRoomMessage = ({ from, message }) => {
  console.log(`${from}: ${message}`);
  if (message === "Hello!") client.sendDirectMessage(from, "Hi there!");
};
client.onChatMessage = ({ from, message }) => console.log(`${from} to me: ${message}`);
client.onUserJoined = ({ user_id }) => console.log(`${user_id} is there`);
client.onTyping = ({ user_id }) => console.log(`${user_id} is typing`);

client.joinRoom("room-123");
client.sendRoomMessage("room-123", "Hello!");

// Each line that is typed is said in the room.
process.stdin.setEncoding("utf8").on("data", (text) => client.sendRoomMessage("room-123", text.trim()));
