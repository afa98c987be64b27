// How the network is, found out by asking for /health. What it does and takes is written in client.d.ts.

export const healthProbe =
  (address, { interval = 30_000, timeout = 10_000 } = {}) =>
  (report, client, signal) => {
    const url = new URL("/health", new URL(address, globalThis.location?.href).href.replace(/^ws/, "http"));
    let turn = 0;
    let timer;

    const probe = async () => {
      clearTimeout(timer);
      const mine = ++turn;
      const began = Date.now();
      let status = "offline";
      try {
        // Of another origin a page may see no more than that there was an answer.
        const answer = await fetch(url, { method: "HEAD", mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(timeout) });
        const latency = Date.now() - began;
        if (answer.ok || answer.type === "opaque") status = latency > 5_000 ? "slow" : latency > 1_000 ? "unstable" : "online";
      } catch {
        // No answer is one as well.
      }
      if (signal.aborted || mine !== turn) return;
      // Spread, so that those who lost the same server do not ask in one breath.
      timer = setTimeout(probe, interval * (Math.random() + (status === "offline" ? 0 : 0.5)));
      report(status);
    };

    const leave = client.on("state", (state) => state === "reconnecting" && probe());
    probe();
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      leave();
    });
  };
