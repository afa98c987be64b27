// The quick start's smoke tests, one after the other: ping, room, direct message, typing, health, statistics.
//
// node smoke_tests.mjs HOST TOKEN TOKEN_OF_ANOTHER ANOTHER

const [host, token, otherToken, other] = process.argv.slice(2);

/** A socket, and the messages that come by it in their order. */
async function open(name, token) {
  const socket = new WebSocket(`ws://${host}/ws?token=${token}`);
  socket.onmessage = ({ data }) => console.log(name, JSON.stringify(JSON.parse(data)));
  socket.onclose = () => console.log(name, "Disconnected");
  await new Promise((resolve) => (socket.onopen = resolve));
  console.log(name, "Connected!");
  return {
    say: (message) => socket.send(JSON.stringify(message)),
    // Whoever asks is answered behind all that was said before.
    heard: (type) => new Promise((resolve) => {
      socket.addEventListener("message", function listen({ data }) {
        if (JSON.parse(data).type !== type) return;
        socket.removeEventListener("message", listen);
        resolve();
      });
    }),
    close: () => socket.close(1000),
  };
}

const one = await open("one", token);
let heard = one.heard("pong");
one.say({ type: "ping" });
await heard;

const two = await open("two", otherToken);
heard = one.heard("user_joined");
one.say({ type: "join_room", payload: { room_id: "room-123" } });
await heard;
heard = Promise.all([one.heard("user_joined"), two.heard("user_joined")]);
two.say({ type: "join_room", payload: { room_id: "room-123" } });
await heard;

heard = Promise.all([one.heard("room_message"), two.heard("room_message")]);
one.say({ type: "room_message", payload: { room_id: "room-123", message: "Hello everyone!" } });
await heard;

heard = two.heard("chat");
one.say({ type: "chat", payload: { to: other, message: "Hi there!" } });
await heard;

heard = two.heard("typing");
one.say({ type: "typing", payload: { room_id: "room-123" } });
await heard;

for (const path of ["health", "stats"]) {
  const response = await fetch(`http://${host}/${path}`);
  console.log(path, response.status, JSON.stringify(await response.json()));
}
one.close();
two.close();
