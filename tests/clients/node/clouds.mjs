// Asks a cloud who is calling, with an npm package that knows nothing of the issuer.
//
//   node clouds.mjs CLIENT < LINES
//
// The same as ../python/clouds.py: one call for each line, one line of JSON for each answer.

import { createInterface } from "node:readline";

const CLIENTS = {
  // The default chain of providers.
  "client-sts": async () => {
    const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
    const sts = new STSClient({});
    return async () => (await sts.send(new GetCallerIdentityCommand({}))).Arn;
  },
  "credential-providers": async () => {
    const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
    const { fromTokenFile } = await import("@aws-sdk/credential-providers");
    const sts = new STSClient({ credentials: fromTokenFile() });
    return async () => (await sts.send(new GetCallerIdentityCommand({}))).Arn;
  },
  "node-provider-chain": async () => {
    const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
    const { fromNodeProviderChain } = await import("@aws-sdk/credential-providers");
    const sts = new STSClient({ credentials: fromNodeProviderChain() });
    return async () => (await sts.send(new GetCallerIdentityCommand({}))).Arn;
  },
  // Asks for a token only, and says whose it is.
  "actions-core": async () => {
    const { getIDToken } = await import("@actions/core");
    return async () => {
      const token = await getIDToken("sts.amazonaws.com");
      const { sub, aud } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
      return `${sub} for ${aud}`;
    };
  },
  "azure-identity": async () => {
    const { WorkloadIdentityCredential } = await import("@azure/identity");
    // Instance discovery asks Microsoft whether the authority is one of theirs, which no stand-in is.
    const credential = new WorkloadIdentityCredential({ disableInstanceDiscovery: true });
    return async () => whoami((await credential.getToken("https://management.azure.com/.default")).token);
  },
  "google-auth-library": async () => {
    const { GoogleAuth } = await import("google-auth-library");
    const auth = new GoogleAuth({ scopes: ["https://www.googleapis.com/auth/cloud-platform"] });
    const client = await auth.getClient();
    return async () => (await client.request({ url: process.env.WHOAMI_URL, responseType: "text" })).data;
  },
};

async function whoami(token) {
  const answer = await fetch(process.env.WHOAMI_URL, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.text();
}

async function attempt(call) {
  try {
    return { caller: await call() };
  } catch (error) {
    return { refused: `${error.name}: ${error.message}` };
  }
}

const call = await CLIENTS[process.argv[2]]();
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await attempt(call)));
}
