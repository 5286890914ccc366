// A small service for tests: answers GET with what documents.json holds for the path (any JSON; {"$status": 403} for a status alone,
// {"$text": "..."} for plain text), asks for a key where one is given, and writes each request line down.
//   node json_server.mjs PORT documents.json [requests.log] [key]
import { createServer } from 'node:http';
import { appendFileSync, readFileSync } from 'node:fs';

const [port, file, log, key] = process.argv.slice(2);
createServer((request, response) => {
    if (log) appendFileSync(log, `${request.method} ${request.url}\n`);
    const documents = JSON.parse(readFileSync(file));
    const document = documents[request.url];
    let status = 200, text = JSON.stringify(document), type = 'application/json';
    if (key && request.headers['x-api-key'] !== key && request.headers.authorization !== `Bearer ${key}`) status = 401, text = '{}';
    else if (request.method !== 'GET') status = 405, text = '{}';
    else if (document === undefined) status = 404, text = '{}';
    else if (document?.$status) status = document.$status, text = JSON.stringify(document.body ?? {});
    else if (document?.$text !== undefined) text = document.$text, type = 'text/plain';
    response.writeHead(status, { 'content-type': type });
    response.end(text);
}).listen(Number(port), '127.0.0.1');
