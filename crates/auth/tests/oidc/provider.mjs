// A real OpenID provider on loopback, driven by tests/tokens/provider.rs.
//
// It prints one line of JSON with its issuer once it listens. Beside the provider's own endpoints:
//   POST /control/rotate?overlap=true|false   makes new keys; keeps publishing the old ones or not
// Access tokens come from POST /token, grant client_credentials, with the algorithm as the last
// segment of the resource.

import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const KINDS = [
  ['RS256', 'rsa', { modulusLength: 2048 }],
  ['PS256', 'rsa', { modulusLength: 2048 }],
  ['ES256', 'ec', { namedCurve: 'P-256' }],
  ['EdDSA', 'ed25519', {}],
];
let generation = 0;

function newKeys() {
  generation += 1;
  return KINDS.map(([alg, type, options]) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
    kid: `${alg}-${generation}`,
    alg,
    use: 'sig',
  }));
}

function newProvider(issuer, keys) {
  return new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'tests',
      client_secret: 'not a secret, only for these tests',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'read write',
          audience: 'gateway',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: resource.split('/').at(-1) } },
        }),
      },
    },
  });
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let keys = newKeys();
  let handle = newProvider(issuer, keys).callback();
  server.on('request', (request, response) => {
    const url = new URL(request.url, issuer);
    if (request.method === 'POST' && url.pathname === '/control/rotate') {
      const fresh = newKeys();
      // The first key that fits signs, so the new ones go to the front.
      keys = url.searchParams.get('overlap') === 'true' ? [...fresh, ...keys] : fresh;
      handle = newProvider(issuer, keys).callback();
      response.end('rotated');
      return;
    }
    handle(request, response);
  });
  console.log(JSON.stringify({ issuer }));
});

// The test holds our standard input; when it is gone, so are we.
process.stdin.on('end', () => process.exit(0)).resume();
