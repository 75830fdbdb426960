// Verifies an issuer's tokens with npm packages that know nothing about it.
//
//   NODE_EXTRA_CA_CERTS=ca_file node check.mjs CASES.json
//
// Each package finds the keys by itself, over the issuer's real HTTP or HTTPS.
// The cases file is described in ../README.md.

import { readFileSync } from "node:fs";
import { getIDToken } from "@actions/core";
import { JwtVerifier } from "aws-jwt-verify";
import * as aws from "aws-jwt-verify/error";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";
import jwksRsa from "jwks-rsa";
import * as openidClient from "openid-client";

// Has every character that a client has to encode in a query.
const OTHER_AUDIENCE = "https://someone-else.example/?a=1&b=%20+#c";

const counts = { ok: 0, FAIL: 0, "n/a": 0 };

async function main() {
  if (process.argv.length !== 3) stop("usage: check.mjs CASES.json");
  const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
  // Node reads this variable before it runs the first line of a program, so it cannot be set here.
  if (cases.ca_file && process.env.NODE_EXTRA_CA_CERTS !== cases.ca_file) {
    stop(`start this with NODE_EXTRA_CA_CERTS=${cases.ca_file}`);
  }

  for (const library of [joseLibrary(), openidClientLibrary(), jwksRsaLibrary(), awsLibrary()]) {
    if (await refusesPlainHttp(library, cases)) report("n/a", library.name, "fetches keys over https only");
    else await checkLibrary(library, cases);
  }
  await checkActions(joseLibrary(), cases);

  const notApplicable = counts["n/a"] ? `, ${counts["n/a"]} not applicable` : "";
  console.log(`node clients: ${counts.ok} checks passed, ${counts.FAIL} failed${notApplicable}`);
  process.exitCode = counts.FAIL ? 1 : 0;
}

// A library has a name, verify(token, issuer, audience) that gives the claims or throws, and for each refusal a test of
// what was thrown.

function joseLibrary() {
  return {
    name: `jose ${installed("jose")}`,
    verify: async (token, issuer, audience) => {
      const keys = jose.createRemoteJWKSet(await discoverKeys(issuer));
      return (await jose.jwtVerify(token, keys, { issuer, audience })).payload;
    },
    ...JOSE_REFUSALS,
  };
}

const JOSE_REFUSALS = {
  wrongAudience: (error) => error instanceof jose.errors.JWTClaimValidationFailed && error.claim === "aud",
  wrongIssuer: (error) => error instanceof jose.errors.JWTClaimValidationFailed && error.claim === "iss",
  expired: (error) => error instanceof jose.errors.JWTExpired,
  tampered: (error) => error instanceof jose.errors.JWSSignatureVerificationFailed,
};

function openidClientLibrary() {
  return {
    name: `openid-client ${installed("openid-client")}`,
    // openid-client verifies ID tokens only as part of a login, so the token itself goes to jose, which it is built on.
    // Issuer, algorithms and keys are those that openid-client discovered.
    verify: async (token, issuer, audience) => {
      const execute = issuer.startsWith("http:") ? [openidClient.allowInsecureRequests] : [];
      const publicClient = openidClient.None();
      const found = await openidClient.discovery(new URL(issuer), audience, undefined, publicClient, { execute });
      const server = found.serverMetadata();
      const { payload } = await jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(server.jwks_uri)), {
        issuer: server.issuer,
        audience,
        algorithms: server.id_token_signing_alg_values_supported,
      });
      return payload;
    },
    ...JOSE_REFUSALS,
  };
}

function jwksRsaLibrary() {
  const saying = (message) => (error) =>
    error instanceof jsonwebtoken.JsonWebTokenError && error.message.startsWith(message);
  return {
    name: `jwks-rsa ${installed("jwks-rsa")} with jsonwebtoken ${installed("jsonwebtoken")}`,
    verify: async (token, issuer, audience) => {
      const client = jwksRsa({ jwksUri: (await discoverKeys(issuer)).href });
      const key = ({ kid }, done) => client.getSigningKey(kid, (error, found) => done(error, found?.getPublicKey()));
      const options = { issuer, audience, algorithms: ["RS256"] };
      return new Promise((resolve, reject) => {
        jsonwebtoken.verify(token, key, options, (error, claims) => (error ? reject(error) : resolve(claims)));
      });
    },
    // jsonwebtoken has one class for these, and tells them apart by message only.
    wrongAudience: saying("jwt audience invalid"),
    wrongIssuer: saying("jwt issuer invalid"),
    expired: (error) => error instanceof jsonwebtoken.TokenExpiredError,
    tampered: saying("invalid signature"),
  };
}

function awsLibrary() {
  return {
    name: `aws-jwt-verify ${installed("aws-jwt-verify")}`,
    // Left alone it looks for the keys at /.well-known/jwks.json and does not read the discovery document.
    verify: async (token, issuer, audience) => {
      const jwksUri = (await discoverKeys(issuer)).href;
      return JwtVerifier.create({ issuer, audience, jwksUri }).verify(token);
    },
    wrongAudience: (error) => error instanceof aws.JwtInvalidAudienceError,
    wrongIssuer: (error) => error instanceof aws.JwtInvalidIssuerError,
    expired: (error) => error instanceof aws.JwtExpiredError,
    tampered: (error) => error instanceof aws.JwtInvalidSignatureError,
  };
}

// For the libraries that start from the address of the keys.
async function discoverKeys(issuer) {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`);
  if (!response.ok) throw new Error(`the discovery document answered ${response.status}`);
  return new URL((await response.json()).jwks_uri);
}

// Asks the library rather than assuming it, so that a version which accepts plain http is checked over http too.
async function refusesPlainHttp(library, cases) {
  if (!cases.issuer.startsWith("http:")) return false;
  try {
    await library.verify(cases.tokens.good, cases.issuer, cases.audience);
    return false;
  } catch (error) {
    return error.message.includes('Protocol "http:" not supported');
  }
}

async function checkLibrary(library, { issuer, audience, subject, tokens }) {
  const { name, verify } = library;
  await accepts(name, "accepts a good token and reads its claims", { iss: issuer, aud: audience, sub: subject }, () =>
    verify(tokens.good, issuer, audience),
  );
  const refusals = [
    ["refuses another audience", tokens.good, OTHER_AUDIENCE, library.wrongAudience],
    ["refuses another issuer", tokens.wrong_issuer, audience, library.wrongIssuer],
    ["refuses an expired token", tokens.expired, audience, library.expired],
    ["refuses a tampered token", tokens.tampered, audience, library.tampered],
  ];
  for (const [what, token, expectedAudience, isRightReason] of refusals) {
    await refuses(name, what, isRightReason, () => verify(token, issuer, expectedAudience));
  }
}

async function checkActions(verifier, { issuer, audience, subject, request_url, request_token }) {
  const name = `@actions/core ${installed("@actions/core")}`;
  const request = async (token, wanted) => {
    process.env.ACTIONS_ID_TOKEN_REQUEST_URL = request_url;
    process.env.ACTIONS_ID_TOKEN_REQUEST_TOKEN = token;
    return withoutWorkflowCommands(() => getIDToken(wanted));
  };
  const requestAndVerify = async (wanted, expected) =>
    verifier.verify(await request(request_token, wanted), issuer, expected);

  await accepts(name, "gets a token for an audience", { iss: issuer, aud: OTHER_AUDIENCE, sub: subject }, () =>
    requestAndVerify(OTHER_AUDIENCE, OTHER_AUDIENCE),
  );
  await accepts(
    name,
    "gets a token for the organization when it names no audience",
    { iss: issuer, aud: audience, org: audience, sub: subject },
    () => requestAndVerify(undefined, audience),
  );
  await refuses(
    name,
    "gets no token with a wrong request token",
    (error) => error.message.includes("Error Code : 401"),
    () => request(withAnotherLastCharacter(request_token)),
  );
}

// getIDToken prints lines for the workflow runner to read, and one of them is the token itself.
async function withoutWorkflowCommands(run) {
  const write = process.stdout.write;
  process.stdout.write = (chunk, ...rest) =>
    String(chunk).startsWith("::") ? true : write.call(process.stdout, chunk, ...rest);
  try {
    return await run();
  } finally {
    process.stdout.write = write;
  }
}

function withAnotherLastCharacter(secret) {
  return secret.slice(0, -1) + (secret.endsWith("a") ? "b" : "a");
}

async function accepts(name, what, expected, verify) {
  try {
    const claims = await verify();
    const found = Object.fromEntries(Object.keys(expected).map((claim) => [claim, claims[claim]]));
    const [wanted, got] = [JSON.stringify(expected), JSON.stringify(found)];
    if (wanted === got) report("ok", name, what);
    else report("FAIL", name, what, `expected ${wanted}, found ${got}`);
  } catch (error) {
    report("FAIL", name, what, `refused: ${describe(error)}`);
  }
}

// Any error would do for "it did not accept": only the right reason is a refusal.
async function refuses(name, what, isRightReason, verify) {
  try {
    await verify();
    report("FAIL", name, what, "accepted");
  } catch (error) {
    if (isRightReason(error)) report("ok", name, what);
    else report("FAIL", name, what, `refused for another reason: ${describe(error)}`);
  }
}

function report(outcome, name, what, problem) {
  counts[outcome] += 1;
  console.log(`${outcome}  ${name}: ${what}${problem ? `: ${problem}` : ""}`);
}

function describe(error) {
  const cause = error.cause?.message ? ` (${error.cause.message})` : "";
  return `${error.constructor.name}: ${error.message}${cause}`.replace(/\s+/g, " ").slice(0, 200);
}

function installed(name) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")).version;
}

function stop(message) {
  console.error(message);
  process.exit(2);
}

await main();
