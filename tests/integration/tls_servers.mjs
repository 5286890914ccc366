// Servers for the sweep's test: protocols that begin in plain, and peers that misbehave.  Prints NAME=PORT lines, then serves.
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";

const folder = process.argv[2];
const read = (name) => fs.readFileSync(`${folder}/${name}`);
const good = { cert: read("good.pem"), key: read("good.key") };

function listen(name, server) {
  server.on("error", () => {});
  server.listen(0, "127.0.0.1", () => console.log(`${name}=${server.address().port}`));
}
const quiet = (socket) => socket.on("error", () => {});

function secure(name, options) {
  const server = tls.createServer({ ...good, ...options }, quiet);
  server.on("tlsClientError", () => {});
  listen(name, server);
}

// The plain conversation: greeting, then answers by the first word that fits; an answer `true` begins TLS.
function plain(name, greeting, answers) {
  listen(name, net.createServer((socket) => {
    quiet(socket);
    if (greeting !== null) socket.write(greeting);
    const hear = (bytes) => {
      for (const [match, answer, begin] of answers) {
        if (!bytes.includes(match)) continue;
        if (begin) {
          socket.removeListener("data", hear);
          socket.pause();
          // A client need not wait for an answer to MySQL's request: what follows it is TLS already.
          if (answer === null && bytes.length > match.length + 32) socket.unshift(bytes.subarray(36));
        }
        if (answer !== null) socket.write(answer);
        if (begin) quiet(new tls.TLSSocket(socket, { isServer: true, ...good }));
        return;
      }
    };
    socket.on("data", hear);
  }));
}

secure("tls12", { maxVersion: "TLSv1.2" });
secure("tls13", { minVersion: "TLSv1.3" });
secure("client12", { maxVersion: "TLSv1.2", requestCert: true, rejectUnauthorized: true, ca: read("root.pem") });
secure("client13", { minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true, ca: read("root.pem") });
for (const name of ["soon", "expired", "future", "hostile", "other", "weak"])
  secure(name, { cert: read(`${name}.pem`), key: read(`${name}.key`), ciphers: "DEFAULT:@SECLEVEL=0" });
secure("leafonly", { cert: read("good.leaf.pem") });
secure("selfsigned", { cert: read("self.pem"), key: read("self.key") });
const byName = { "a.test": { cert: read("good.pem"), key: read("good.key") }, "b.test": { cert: read("other.pem"), key: read("other.key") } };
secure("sni", { SNICallback: (name, done) => done(null, tls.createSecureContext(byName[name] ?? good)) });

plain("smtp", "220-mail.test\r\n220 ready\r\n", [["EHLO", "250-mail.test\r\n250 STARTTLS\r\n"], ["STARTTLS", "220 go\r\n", true]]);
plain("imap", "* OK ready\r\n", [["STARTTLS", "* OK still\r\na1 OK begin\r\n", true]]);
plain("pop3", "+OK ready\r\n", [["STLS", "+OK begin\r\n", true]]);
plain("ftp", "220 ftp\r\n", [["AUTH TLS", "234 go\r\n", true]]);
plain("ldap", null, [["1.3.6.1.4.1.1466.20037", Buffer.from("300c02010178070a010004000400", "hex"), true]]);
const hello = Buffer.concat([Buffer.from([10]), Buffer.from("8.0.36\0"), Buffer.from([1, 0, 0, 0]), Buffer.from("12345678\0"),
  Buffer.from([0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]), Buffer.alloc(10), Buffer.from("123456789012\0caching_sha2_password\0")]);
plain("mysql", Buffer.concat([Buffer.from([hello.length, 0, 0, 0]), hello]), [[Buffer.from([32, 0, 0, 1]), null, true]]);
plain("smtprefuse", "220 ready\r\n", [["EHLO", "250 hi\r\n"], ["STARTTLS", "502 not here\r\n"]]);
plain("smtpinject", "220 ready\r\n", [["EHLO", "250 hi\r\n"], ["STARTTLS", "220 go\r\n250 injected\r\n"]]);

const flood = Buffer.alloc(1 << 20, 0x41);
listen("garbage", net.createServer((socket) => {
  quiet(socket);
  let sent = 0;
  const pour = () => { while (sent++ < 1024 && socket.write(flood)); };
  socket.on("drain", pour);
  pour();
}));
listen("drip", net.createServer((socket) => {
  quiet(socket);
  const timer = setInterval(() => socket.write("\x16"), 1000);
  socket.on("close", () => clearInterval(timer));
}));
listen("silent", net.createServer(quiet));
listen("closes", net.createServer((socket) => { quiet(socket); socket.destroy(); }));
listen("http", net.createServer((socket) => { quiet(socket); socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"); }));
setTimeout(() => console.log("ready"), 300);
