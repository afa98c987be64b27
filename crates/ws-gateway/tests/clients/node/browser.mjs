// Chromium without a window.

import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const provisioned = createRequire(process.env.WS_TEST_NODE_MODULES + "/");
const { chromium } = provisioned("playwright-core");

// The key of the tests' certificate, by which Chromium may be told to trust it: where its own store of authorities
// lies differs from system to system, and to write one takes a program more. Another key is trusted no more than ever.
export function keyOfTheTests() {
  const { publicKey } = new X509Certificate(readFileSync(process.env.CERTIFICATE));
  return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
}

// Trusts who shows this key, beside those whom the system trusts.
export const launch = (key = keyOfTheTests()) =>
  chromium.launch({
    executablePath: process.env.WS_TEST_CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--ignore-certificate-errors-spki-list=${key}`,
    ],
  });
