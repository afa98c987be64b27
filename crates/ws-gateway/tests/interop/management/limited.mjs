// The first pattern: the token in the query, and nothing else to do. Says so much that the gateway objects.
//
// node limited.mjs HOST TOKEN

const [host, token] = process.argv.slice(2);
const socket = new WebSocket(`ws://${host}?token=${token}`);

socket.onopen = () => {
  for (const requestId of [1, 2, 3]) {
    socket.send(JSON.stringify({ type: "request", requestId, payload: null }));
  }
};

socket.onmessage = ({ data }) => {
  const { type, message, requestId } = JSON.parse(data);
  console.log(type, requestId ?? "", message ?? "");
};
