// The TypeScript SDK, 2.x: its client package. It asks for the newer era only where it is told so.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { given, observe } from "./scenario.mjs";

function configured(url, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

observe(async (url, token) => {
  const client = new Client({ name: "clients", version: "1" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(configured(url, token));
  return {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args, signal) => given(await client.callTool({ name, arguments: args }, { signal })),
    close: () => client.close(),
  };
});
