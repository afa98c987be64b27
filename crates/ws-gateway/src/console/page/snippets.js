// Programs to copy, with this gateway's address and the token that is in use.

import { copy, element } from "./elements.js";

const MASK = "…".padStart(9, "•");
/** What a token is made of (RFC 9110 §11.2). Whatever else came with an address would be part of the program that is copied. */
const TOKEN = /^[\w.~+/=-]+$/;

/** Each takes `{origin, address, token}` and gives a program that runs as it stands. */
export const SNIPPETS = [
  {
    id: "browser", name: "Browser", comment: /\/\/.*/, words: "import|from|const|new|await|for|of",
    how: "In a page, or in the console of the developer tools of a page that this gateway serves. It comes back by itself, and misses nothing where the channel has a history.",
    text: ({ origin, address, token }) => `const { Client } = await import("${origin}/client.js");

const client = new Client("${address}", { token: "${token}" });

const news = await client.subscribe("news", {
  onMessage: (message) => console.log(message.from, message.data),
  onGap: (gap) => console.warn("missed something", gap),
});
await client.publish("news", { hello: "from a browser" });
`,
  },
  {
    id: "node", name: "Node", comment: /\/\/.*/, words: "import|from|const|new|await|for|of",
    how: "Node 22 or newer: fetch the client once, save this beside it as news.mjs, and run it with node news.mjs.",
    text: ({ origin, address, token }) => `// curl -so client.mjs ${origin}/client.js
import { Client } from "./client.mjs";

const client = new Client("${address}", { token: "${token}" });

const news = await client.subscribe("news");
await client.publish("news", { hello: "from Node" });
for await (const message of news) {
  console.log(message.from, message.data);
}
`,
  },
  {
    id: "rust", name: "Rust", comment: /\/\/.*/, words: "use|async|fn|let|mut|while|if|await|match|dyn",
    how: "With ws-client, serde_json, and tokio with its features macros and rt-multi-thread.",
    text: ({ address, token }) => `use serde_json::json;
use ws_client::{Client, News};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder("${address}")
        .token("${token}")
        .connect()?;

    let mut news = client.subscribe("news").await?;
    client.publish("news", &json!({ "hello": "from Rust" })).await?;
    while let Some(event) = news.next().await {
        if let News::Message(message) = event {
            println!("{}", message.data);
        }
    }
    Ok(())
}
`,
  },
  {
    id: "curl", name: "curl", comment: /(?:^|\s)#.*/, words: "curl",
    how: "The handshake by hand, and what comes behind it for three seconds: 101, and the frame with connected. The other two are the HTTP beside.",
    text: ({ origin, http, token }) => `# An upgrade; the first two bytes of what follows are the head of a frame.
curl --http1.1 --include --no-buffer --max-time 3 --output - \\
  --header "Connection: Upgrade" --header "Upgrade: websocket" \\
  --header "Sec-WebSocket-Version: 13" \\
  --header "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" \\
  --header "Authorization: Bearer ${token}" \\
  ${http}

# How it is
curl ${origin}/health
curl ${origin}/ready
`,
  },
];

export class Snippets {
  #websocketPath = "/ws";
  #token = "";
  #isShown = false;
  #chosen = SNIPPETS[0];
  #tabs;
  #panel;
  #how;
  #show;

  constructor(root) {
    this.#tabs = SNIPPETS.map((snippet) => {
      const properties = { type: "button", id: `tab-${snippet.id}`, role: "tab", "aria-controls": "snippet", onclick: () => this.#choose(snippet) };
      return element("button", properties, snippet.name);
    });
    const tabs = element("div", { role: "tablist", "aria-label": "Languages", class: "tools" }, ...this.#tabs);
    tabs.addEventListener("keydown", (event) => this.#move(event));
    this.#show = element("button", { type: "button", class: "small", "aria-pressed": "false" }, "Show token");
    this.#show.onclick = () => {
      this.#isShown = !this.#isShown;
      this.#show.setAttribute("aria-pressed", String(this.#isShown));
      this.#draw();
    };
    const copyIt = element("button", { type: "button", class: "small primary" }, "Copy");
    copyIt.onclick = () => copy(this.text(this.#chosen, this.#token), copyIt);
    this.#how = element("p", { class: "how" });
    this.#panel = element("pre", { id: "snippet", role: "tabpanel", tabIndex: 0 });
    const bar = element("div", { class: "tabs" }, tabs, element("div", { class: "buttons" }, this.#show, copyIt));
    root.replaceChildren(element("div", { class: "snippet" }, bar, this.#how, this.#panel));
    this.#choose(SNIPPETS[0]);
  }

  set token(token) {
    this.#token = TOKEN.test(token) ? token : "";
    this.#draw();
  }

  set websocketPath(path) {
    this.#websocketPath = path;
    this.#draw();
  }

  /** A program with a token, or with what stands for it. */
  text(snippet, token) {
    const isSecure = location.protocol === "https:";
    return snippet.text({
      origin: location.origin,
      address: `${isSecure ? "wss" : "ws"}://${location.host}${this.#websocketPath}`,
      http: `${location.origin}${this.#websocketPath}`,
      token: token || "YOUR-TOKEN",
    });
  }

  #choose(snippet) {
    this.#chosen = snippet;
    this.#tabs.forEach((tab, index) => {
      const isChosen = SNIPPETS[index] === snippet;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
    });
    this.#panel.setAttribute("aria-labelledby", `tab-${snippet.id}`);
    this.#draw();
  }

  /** Arrows go from tab to tab. */
  #move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const index = (SNIPPETS.indexOf(this.#chosen) + step + SNIPPETS.length) % SNIPPETS.length;
    this.#choose(SNIPPETS[index]);
    this.#tabs[index].focus();
  }

  #draw() {
    const shown = this.#isShown || !this.#token ? this.#token : this.#token.slice(0, 6) + MASK;
    this.#show.hidden = !this.#token;
    this.#how.textContent = this.#chosen.how;
    this.#panel.replaceChildren(...coloured(this.text(this.#chosen, shown), this.#chosen));
  }
}

/** Comments, strings and words of a language, each in its colour. */
function* coloured(text, { comment, words }) {
  const pattern = new RegExp(`(${comment.source})|("(?:[^"\\\\\\n]|\\\\.)*")|(?<![.\\w])(${words})\\b`, "gm");
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    yield text.slice(from, match.index);
    // An address has slashes, and begins no comment.
    const kind = match[1] ? "comment" : match[2] ? "string" : "word";
    yield element("span", { class: kind }, match[0]);
    from = match.index + match[0].length;
  }
  yield text.slice(from);
}
