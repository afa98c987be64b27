// The gateway that the tests are told of, and what can be done to it and to the proxy in front of it.

export const { GATEWAY, GATEWAY_PAGE, GATEWAY_DIRECT, API_KEY, CONTROL } = process.env;

// Has something done: to the proxy (cut, reset, swallow, away, answer), to the gateway (kill, drain, start), or
// asks (token, came, figure).
export async function control(verb, options = {}) {
  const answer = await fetch(`${CONTROL}/${verb}?${new URLSearchParams(options)}`, { method: "POST" });
  if (!answer.ok) throw new Error(`${verb}: ${answer.status}`);
  return answer.json();
}

export const token = (user, secs = "") => control("token", { user, secs });

// What a back-end has done.
export async function order(path, body) {
  const answer = await fetch(GATEWAY_DIRECT + path, {
    method: "POST",
    headers: { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(what, isSo, patience = 10_000) {
  for (const start = Date.now(); Date.now() - start < patience; await sleep(5)) {
    if (await isSo()) return;
  }
  throw new Error(`not so in time: ${what}`);
}
