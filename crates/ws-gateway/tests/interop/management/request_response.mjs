// The second pattern: an answer is known by the id of its request, whatever else comes meanwhile.
//
// node request_response.mjs HOST TOKEN

import { randomUUID } from "node:crypto";

const [host, token] = process.argv.slice(2);
const socket = new WebSocket(`ws://${host}?token=${token}`);

socket.onopen = () => {
  const wanted = randomUUID();
  const other = randomUUID();
  for (const [requestId, action] of [[other, "noise"], [wanted, "getData"]]) {
    const request = { type: "request", requestId, payload: { action }, timestamp: Date.now() };
    socket.send(JSON.stringify(request));
  }
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data);
    if (answer.requestId !== wanted) return;
    console.log("Response received:", JSON.stringify(answer.payload));
    socket.close(1000);
  };
};

socket.onclose = ({ code }) => console.log("Closed:", code);
