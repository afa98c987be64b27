// One socket, one request, and a line for all that happens to it.
//
// node client_connection.mjs HOST TOKEN

const [host, token] = process.argv.slice(2);
const socket = new WebSocket(`ws://${host}?token=${token}`);

socket.onopen = () => {
  console.log("Connected");
  const payload = { action: "test" };
  const request = { type: "request", requestId: "123", payload, timestamp: Date.now() };
  socket.send(JSON.stringify(request));
};

socket.onmessage = ({ data }) => console.log("Response:", JSON.stringify(JSON.parse(data)));
socket.onerror = () => console.log("Error");
socket.onclose = ({ code, reason }) => console.log(`Closed: ${code} - ${reason}`);
