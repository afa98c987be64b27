// What servers of these tests show. Node trusts it by NODE_EXTRA_CA_CERTS, which tests/javascript.rs sets.

import { readFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`../../../test-servers/tls/${name}.pem`, import.meta.url));

export const certificate = { cert: read("cert"), key: read("key") };
