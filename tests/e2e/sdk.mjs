// The AWS SDK for JavaScript as its users have it: each line of standard input is a call, each
// line of standard output what came of it.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sdk = createRequire(process.argv[2] + "/")("@aws-sdk/client-ivs");
const client = new sdk.IvsClient({});

for await (const line of createInterface({ input: process.stdin })) {
  const { operation, members } = JSON.parse(line);
  let said;
  try {
    const { $metadata, ...answer } = await client.send(new sdk[operation + "Command"](members));
    said = { answer };
  } catch (error) {
    if (!(error instanceof sdk.IvsServiceException)) throw error;
    said = { refused: { code: error.name, message: error.message } };
  }
  console.log(JSON.stringify(said));
}
