// A network that fails: forwards a port to another until a client's bytes hold a text, then stalls or cuts every connection.
// usage: node faulty_proxy.mjs LISTEN TARGET (stall|cut|mute) TEXT
//   stall: nothing is forwarded any more, and nothing is closed; new connections are accepted and get no word
//   cut:   everything is reset, and nobody listens any more
//   mute:  as stalled from the beginning; TEXT does not matter
import net from "node:net";

const [listen, target, mode, text] = process.argv.slice(2);
const open = new Set();
let failed = mode === "mute";

const server = net.createServer((client) => {
  open.add(client);
  client.on("error", () => {});
  if (failed) return;
  const upstream = net.connect(Number(target), "127.0.0.1");
  open.add(upstream);
  upstream.on("error", () => client.destroy());
  upstream.on("data", (bytes) => failed || client.write(bytes));
  upstream.on("close", () => failed || client.destroy());
  client.on("close", () => upstream.destroy());
  client.on("data", (bytes) => {
    if (failed) return;
    if (!bytes.includes(text)) {
      upstream.write(bytes);
      return;
    }
    failed = true;
    process.stdout.write(`${mode} at ${text}\n`);
    if (mode !== "cut") return;
    // The query is on its way, and the server at work on it, when the connection goes.
    upstream.write(bytes);
    server.close();
    setTimeout(() => open.forEach((socket) => socket.destroy()), 20);
  });
});
server.listen(Number(listen), "127.0.0.1");
