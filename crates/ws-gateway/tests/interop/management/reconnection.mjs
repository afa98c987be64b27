// The fourth pattern: come back after what was not meant to be the end, a little later each time.
//
// node reconnection.mjs HOST TOKEN

const [host, token] = process.argv.slice(2);
const ATTEMPTS_MAX = 10;
let attempts = 0;

function connect() {
  const socket = new WebSocket(`ws://${host}?token=${token}`);

  socket.onclose = ({ code }) => {
    if (code === 1000 || code === 1001) {
      console.log("Connection closed normally");
      return;
    }
    if (attempts === ATTEMPTS_MAX) return;
    attempts += 1;
    const delay = Math.min(1000 * 2 ** attempts, 30_000);
    console.log(`Reconnecting in ${delay}ms...`);
    setTimeout(connect, delay);
  };

  socket.onopen = () => {
    attempts = 0;
    console.log("Connected");
  };
}

connect();
