// @octokit/webhooks on node's own http server, as its documentation shows: verifies, parses, stores nothing.
// `node ingress_octokit.mjs SECRET` in a folder that has it installed; prints its port, ends with its input.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const here = createRequire(pathToFileURL(`${process.cwd()}/`));
const { Webhooks, createNodeMiddleware } = await import(pathToFileURL(here.resolve("@octokit/webhooks")));

const webhooks = new Webhooks({ secret: process.argv[2] });
let pushes = 0;
webhooks.on("push", ({ payload }) => {
  if (payload.ref) pushes += 1;
});
const server = createServer(createNodeMiddleware(webhooks, { path: "/hooks/github", log: { debug() {}, info() {}, warn() {}, error() {} } }));
server.listen(0, "127.0.0.1", 1024, () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
