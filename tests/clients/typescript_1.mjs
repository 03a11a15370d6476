// The TypeScript SDK, 1.x. Its WebSocket transport sends no headers, so no token.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
import { given, observe } from "./scenario.mjs";

function configured(url, token) {
  if (url.startsWith("ws")) return new WebSocketClientTransport(new URL(url));
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

observe(async (url, token) => {
  const client = new Client({ name: "clients", version: "1" });
  await client.connect(configured(url, token));
  return {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    call: async (name, args, signal) => given(await client.callTool({ name, arguments: args }, undefined, { signal })),
    close: () => client.close(),
  };
});
