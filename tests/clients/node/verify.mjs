// Verifies tokens with jose, for as long as standard input lasts.
//
//   verify.mjs ISSUER AUDIENCE DIVISOR
//
// A line is a number and a token; the answer is the number and `ok`, or the number, `refused` and why.
// One key set lives through all of it, with the library's own times divided by DIVISOR.

import { createInterface } from "node:readline";

import * as jose from "jose";

const [issuer, audience, divisor] = process.argv.slice(2);

const CACHE_MAX_AGE_MS = 600_000;
const COOLDOWN_MS = 30_000;

const configuration = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = jose.createRemoteJWKSet(new URL(configuration.jwks_uri), {
  cacheMaxAge: CACHE_MAX_AGE_MS / Number(divisor),
  cooldownDuration: COOLDOWN_MS / Number(divisor),
});

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [number, token] = line.split(" ");
  jose.jwtVerify(token, keys, { issuer, audience, requiredClaims: ["sub", "exp", "iat", "nbf", "jti"] }).then(
    () => console.log(`${number} ok`),
    (error) => console.log(`${number} refused ${`${error.name}: ${error.message}`.replace(/\s+/g, " ")}`),
  );
}
