// In the place of the class of this name that many have copied: connect, send, joinRoom, sendRoomMessage,
// sendDirectMessage, and handlers to override. What it is told waits for the connection and is sent again; rooms are
// joined again, and what was missed in them comes.

import { Client } from "./client.js";

const HANDLERS = { chat: "onChatMessage", room_message: "onRoomMessage", user_joined: "onUserJoined", typing: "onTyping" };

export class WebSocketClient extends Client {
  constructor(url, token, options) {
    super(url, { ...options, token });
    const tell = (message) => this.handleMessage(message);
    const { joinRoom, send } = this;
    const rooms = new Map();
    for (const event of ["chat", "message", "other"]) this.on(event, tell);

    this.joinRoom = (id) => {
      if (!rooms.has(id)) {
        const forget = () => rooms.get(id) === joined && rooms.delete(id);
        const joined = joinRoom(id, { onMessage: tell, onJoined: tell, onLeft: tell, onTyping: tell, onPresence: tell, onEnd: forget });
        rooms.set(id, joined);
        // The others are told of it by the gateway, and oneself as in the class of old.
        joined.then(() => tell({ type: "user_joined", user_id: this.userId, room_id: id }), forget).catch(console.error);
      }
      return rooms.get(id);
    };

    this.leaveRoom = (id) => {
      rooms.get(id)?.then((room) => room.leave()).catch(() => {});
      rooms.delete(id);
    };

    // What is written by hand is recovered as well.
    this.send = (message, options) => {
      const { room_id, to, message: text } = message.payload ?? {};
      if (message.type === "join_room") return this.joinRoom(room_id);
      if (message.type === "leave_room") return this.leaveRoom(room_id);
      if (message.type === "room_message") return this.sendRoomMessage(room_id, text);
      if (message.type === "chat") return this.sendDirectMessage(to, text);
      return send(message, options);
    };
  }

  // What the handler promises is waited for: a letter is taken when it is done.
  handleMessage(message) {
    return this[HANDLERS[message.type]]?.(message);
  }

  onChatMessage() {}
  onRoomMessage() {}
  onUserJoined() {}
  onTyping() {}
}
